"""The events of a data set, grouped by entity and sorted once, and which past states it knows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from features.asof import EventIndex, later
from features.schema import LARGEST_NUMBER, TABLES
from features.tables import (
    EARLIEST,
    LATEST,
    NAT,
    Bools,
    Coded,
    Floats,
    Ints,
    Tables,
    micros,
)

Where = tuple[tuple[str, str], ...]
"""Conditions (column, word) that all must hold."""


class Timeline:
    """The events of some tables, grouped by an entity's key: sorted once, asked often."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._places: dict[tuple[str, str], dict[str, int]] = {}
        self._events: dict[tuple[str, str, str, Where], EventIndex] = {}
        self._rows: dict[str, dict[str, int]] = {}
        self._stated: dict[tuple[str, Callable[[str], float]], Floats] = {}

    def row_of(self, table: str) -> dict[str, int]:
        """The row of every id in ``table``."""
        rows = self._rows.get(table)
        if rows is None:
            keys = self.tables[table].coded(TABLES[table].key).words()
            rows = self._rows[table] = {k: i for i, k in enumerate(keys) if k is not None}
        return rows

    def place_of(self, table: str, by: str) -> dict[str, int]:
        """The group of every id in column ``by`` of ``table``."""
        places = self._places.get((table, by))
        if places is None:
            places = {v: i for i, v in enumerate(self.tables[table].coded(by).values)}
            self._places[table, by] = places
        return places

    def rows(self, table: str, ids: Sequence[str | None]) -> Ints:
        """Row of each id in ``table``; -1 where there is none."""
        rows = self.row_of(table)
        return np.fromiter((rows.get(i, -1) if i else -1 for i in ids), np.int64, len(ids))

    def places(self, table: str, by: str, ids: Sequence[str | None]) -> Ints:
        """Group of each id in column ``by`` of ``table``; -1 where it has no row."""
        places = self.place_of(table, by)
        return np.fromiter((places.get(i, -1) if i else -1 for i in ids), np.int64, len(ids))

    def places_of(self, table: str, by: str, words: Coded) -> Ints:
        """Group of each coded word, as ``places``."""
        lookup = np.append(self.places(table, by, words.values), np.int64(-1))
        return lookup[words.codes]

    def events(self, table: str, by: str, at: str = "", where: Where = ()) -> EventIndex:
        """The table's rows as events of ``by``, at their birth or at the instant column ``at``."""
        key = (table, by, at, where)
        if key not in self._events:
            self._events[key] = self._sorted(*key)
        return self._events[key]

    def _sorted(self, table: str, by: str, at: str, where: Where) -> EventIndex:
        if where:
            every = self.events(table, by, at)
            return every.select(self.matches(table, where))
        rows, groups = self.tables[table], self.tables[table].coded(by)
        at = at or TABLES[table].born
        occurred = rows.instant(at)
        available = rows.known(at) if at in rows.dates.columns else None
        if rows.has("available_at"):
            available = np.maximum(rows.known(at), rows.instant("available_at"))
            available = np.where(occurred == NAT, NAT, available)
        return EventIndex.of(groups.codes.astype(np.int64), len(groups.values), occurred, available)

    def settled(self, by: str) -> EventIndex:
        """Invoices that were due and then paid, at the later of the two instants."""
        key = ("invoices", by, "settled", ())
        if key not in self._events:
            table = self.tables["invoices"]
            groups = table.coded(by)
            settled = later(table.instant("due_at"), table.instant("paid_at"))
            # an invoice that is not in the system yet is neither due there nor settled
            known = later(table.known("due_at"), table.known("paid_at"))
            known = np.where(settled == NAT, NAT, np.maximum(known, table.instant("available_at")))
            codes = groups.codes.astype(np.int64)
            self._events[key] = EventIndex.of(codes, len(groups.values), settled, known)
        return self._events[key]

    def stated(self, side: str, read: Callable[[str], float]) -> Floats:
        """What every row of ``changes`` states on one side, read once however many views ask."""
        if (side, read) not in self._stated:
            column = self.tables["changes"].coded(side)
            words = np.array([*(read(v) for v in column.values), read("")], np.float64)
            self._stated[side, read] = words[column.codes]
        return self._stated[side, read]

    def knows(self, table: str, column: str, at: int | None = None) -> bool:
        """Whether a column's values of the instant ``at`` can be known; of any instant without.

        They can where the table is flat, where the column does not change (by the schema or by the
        mapping's word), where ``changes`` keeps its history, and at the end of the data. What an
        activity says of itself is written once, with it.
        """
        meta = self.tables.meta
        if not meta.as_of or table == "activities" or column in meta.fixed.get(table, []):
            return True
        declared = TABLES[table].column(column)
        if declared is not None and not declared.mutable:
            return True
        if any(f.name == column and f.fixed for f in meta.custom.get(table, [])):
            return True
        return self.keeps_history(table, column) or (at is not None and at >= micros(meta.as_of))

    def keeps_history(self, table: str, column: str) -> bool:
        """Whether ``changes`` keeps the history of the column."""
        return (table, column) in self._with_history

    @cached_property
    def _with_history(self) -> set[tuple[str, str]]:
        """The (table, column) pairs that ``changes`` holds any change of."""
        changes = self.tables["changes"]
        entity, field = changes.coded("entity"), changes.coded("field")
        stated = (entity.codes >= 0) & (field.codes >= 0)
        fields = max(len(field.values), 1)
        pairs = entity.codes[stated].astype(np.int64) * fields + field.codes[stated]
        held = np.flatnonzero(np.bincount(pairs, minlength=1))
        return {(entity.values[p // fields], field.values[p % fields]) for p in held.tolist()}

    def matches(self, table: str, where: Where) -> Bools:
        """Rows of ``table`` for which every condition holds."""
        keep = np.ones(self.tables[table].n, np.bool_)
        for column, word in where:
            coded = self.tables[table].coded(column)
            place = coded.values.index(word) if word in coded.values else -2
            keep &= coded.codes == place
        return keep


def read_number(word: str) -> float:
    """The number a change's text states, NaN where it states none that a CRM can mean.

    Endless and enormous numbers are none, as where a column of numbers is read.
    """
    if not word.isascii() or "_" in word:  # Python reads "1_000" and full-width digits, too
        return math.nan
    try:
        number = float(word)
    except ValueError:
        return math.nan
    return number if abs(number) <= LARGEST_NUMBER else math.nan


def read_instant(word: str) -> int:
    """The instant a change's text states (UTC where it names no zone), NAT where none."""
    try:
        at = datetime.fromisoformat(word)
    except ValueError:
        return NAT
    found = micros(at if at.tzinfo else at.replace(tzinfo=UTC))
    return found if EARLIEST <= found < LATEST else NAT
