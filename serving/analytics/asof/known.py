"""What was known of each table before one instant: rows, replayed fields, money."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.asof import past
from features.definitions.money import convert
from features.rows_asof import RowsAsOf
from features.schema import TABLES
from features.spine import Spine
from features.tables import NAT, Coded, Floats, Instants, Ints, Tables, micros
from features.timeline import Timeline
from features.view import View
from serving.analytics.asof.columns import stamps, texts
from serving.analytics.asof.windows import Calendar


class KnownRows:
    """The tables as they were known before ``as_of`` (microseconds).

    An instant after the data's end is a ValueError: what is not known yet is not open. So is a flat
    table, which has no instants.
    """

    def __init__(self, tables: Tables, as_of: int, timeline: Timeline | None = None) -> None:
        if not tables.meta.as_of:
            raise ValueError("figures need dates, and this data set has none: it is a flat table")
        end = micros(tables.meta.as_of)
        if as_of > end:
            raise ValueError(
                f"the data end at {tables.meta.as_of}; figures as of later would call what is "
                "unknown still open: take that instant or an earlier one"
            )
        self.tables, self.as_of, self.end = tables, as_of, end
        self.timeline = timeline or Timeline(tables)

    @property
    def instant(self) -> pd.Timestamp:
        """``as_of`` as a timestamp."""
        return pd.Timestamp(self.as_of, unit="us", tz="UTC")

    def rows(self, name: str) -> Ints:
        """Rows of a table that were known before ``as_of``; one without any date always was."""
        return np.flatnonzero(RowsAsOf.of(self.tables[name]).in_crm(self.as_of))

    @property
    def calendar(self) -> Calendar:
        """The company's months, quarters and years."""
        return Calendar(self.tables.meta.zone, self.tables.meta.fiscal_start)

    def replays(self, table: str, column: str) -> bool:
        """Whether the past of a column is known: fixed, with history, or asked for at the end."""
        return self.timeline.knows(table, column, self.as_of)

    def has(self, need: str) -> bool:
        """Whether any known row holds a fact: "table.column", "table.column=word", or "a|b"."""
        return any(self._has(one) for one in need.split("|"))

    def _has(self, need: str) -> bool:
        column, _, word = need.partition("=")
        table, _, name = column.partition(".")
        if not self.replays(table, name):
            return False
        held, rows = self.tables[table], self.rows(table)
        if not held.has(name):
            return False
        if word:
            return bool(self.timeline.matches(table, ((name, word),))[rows].any())
        values = held.columns[name]
        if isinstance(values, Coded):
            return bool((values.codes[rows] >= 0).any())
        some = values[rows]
        return bool((some != NAT).any() if some.dtype == np.int64 else (~np.isnan(some)).any())

    def _view(self, table: str) -> View:
        rows = self.rows(table)
        keys = self.tables[table].coded(TABLES[table].key)
        rows = rows[keys.codes[rows] >= 0]
        ids = list(dict.fromkeys(keys.values[c] for c in keys.codes[rows]))
        return View(self.timeline, Spine(table, ids, np.full(len(ids), self.as_of, np.int64)))

    def _frame(self, view: View, columns: Sequence[str]) -> pd.DataFrame:
        """The key, these words as of then (owner_id as ``owner``), and created_at."""
        found = {TABLES[view.entity].key: texts(view.spine.ids)}
        for name in columns:
            known = self.replays(view.entity, name)
            words = view.word(name).words() if known else [None] * len(view)
            found["owner" if name == "owner_id" else name] = texts(words)
        return pd.DataFrame(found).assign(created_at=self._known(view, "created_at"))

    def _closing(self, frame: pd.DataFrame, view: View) -> pd.DataFrame:
        """Add closed_at and outcome as far as known, and ``open``.

        A row with an outcome but no instant of it is neither open nor closed at a known time.
        """
        closed, words = self._known(view, "closed_at"), texts(view.word("outcome").words())
        undated = view.tables[view.entity].instant("closed_at")[view.rows] == NAT
        undated &= words.notna().to_numpy()
        return frame.assign(
            closed_at=closed,
            outcome=words.where(closed.notna()),
            open=closed.isna().to_numpy() & ~undated,
        )

    def _known(self, view: View, column: str) -> pd.Series:
        """An instant column of the entity, NaT where it is not before ``as_of``."""
        table = view.tables[view.entity]
        if not table.n:
            return stamps(np.empty(0, np.int64))
        at, known = table.instant(column)[view.rows], table.known(column)[view.rows]
        return stamps(np.where(past(known, view.cutoffs), at, NAT))

    def _number(self, view: View, column: str) -> Floats:
        if not self.replays(view.entity, column):
            return np.full(len(view), np.nan)
        return view.number(column)

    def _plan(self, view: View, column: str) -> Instants:
        if not self.replays(view.entity, column):
            return np.full(len(view), NAT, np.int64)
        return view.instant(column)

    def _money(self, view: View, column: str, at: Instants) -> Floats:
        currency = view.tables[view.entity].coded("currency").take(view.rows)
        return convert(self.timeline, self._number(view, column), currency, at)
