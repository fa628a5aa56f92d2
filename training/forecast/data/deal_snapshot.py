"""The open deals as people saw them at an origin: amount, stage, close date, owner, and so on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.asof import past
from features.definitions.money import convert
from features.schema import TABLES
from features.spine import Spine
from features.tables import NAT, Coded, Floats, Instants, Ints, Tables, micros
from features.timeline import View
from training.forecast.data.deal_table import DealTable, deal_dimensions, reporting


@dataclass(frozen=True)
class FieldHistory:
    """From when on the changes of each field of deals are kept; a field without any is absent."""

    began: dict[str, int]
    tables: Tables

    @staticmethod
    def of(tables: Tables) -> FieldHistory:
        """Read ``changes`` once."""
        changes = tables["changes"]
        field, at = changes.coded("field"), changes.instant("changed_at")
        entity = changes.coded("entity")
        ours = entity.values.index("deals") if "deals" in entity.values else -2
        rows = (entity.codes == ours) & (at != NAT)
        began: dict[str, int] = {}
        for place, name in enumerate(field.values):
            when = at[rows & (field.codes == place)]
            if len(when):
                began[name] = int(when.min())
        return FieldHistory(began, tables)

    def knows(self, column: str, at: int) -> bool:
        """Whether the column of deals as of ``at`` can be known.

        A field that people edit shows its newest value; its past one is known from its history or
        from the mapping's word that it does not change, and on the day of the export.
        """
        declared = TABLES["deals"].column(column)
        if declared is None or not declared.mutable:
            return True
        fixed = column in self.tables.meta.fixed.get("deals", [])
        kept = self.began.get(column)
        return fixed or at >= micros(self.tables.meta.as_of) or (kept is not None and kept < at)


@dataclass(frozen=True)
class DealSnapshots:
    """Deals as they were at their cutoffs; all (n,).

    rows     of the table ``deals``; amount in the reporting currency, NaN where unknown
    changed  1 where the amount had been changed before
    words    stage and forecast_category, and owner, team, region, segment, product
    """

    rows: Ints
    cutoffs: Instants
    amount: Floats
    changed: Ints
    expected: Instants
    words: dict[str, Coded]

    def __len__(self) -> int:
        return len(self.rows)

    def text(self, name: str, missing: str = "") -> list[str]:
        """The words of one kind, ``missing`` where there is none."""
        return [missing if w is None else w for w in self.words[name].words()]


def deal_snapshots(
    book: DealTable,
    history: FieldHistory,
    rows: Ints,
    cutoffs: Instants,
    at: int,
    strict: bool = True,
) -> DealSnapshots:
    """The deals in ``rows`` as of ``cutoffs`` (n,), both of the same length.

    at      the origin: a field whose past cannot be known there is missing
    strict  an amount without a rate is an error; else it is missing
    """
    spine = Spine("deals", [book.ids[r] for r in rows], cutoffs)
    view = View(book.timeline, spine)
    unknown = Coded(np.full(len(rows), -1, np.int32), [])

    def known(column: str, read: Callable[[str], Coded]) -> Coded:
        return read(column) if history.knows(column, at) else unknown

    own = {c: view.word(c) for c in ("owner_id", "product", "region")}
    account = book.tables["deals"].coded("account_id").take(rows)
    dimensions = deal_dimensions(book.timeline, own, account)
    amount = np.full(len(rows), np.nan)
    if history.knows("amount", at):
        currency = book.currency.take(rows)
        given = (book.timeline, view.number("amount"), currency, cutoffs)
        amount = reporting(*given, "open deals") if strict else convert(*given)
    expected = np.full(len(rows), NAT, np.int64)
    if history.knows("expected_close_at", at):
        expected = view.instant("expected_close_at")
    people = {c: known(c, view.word) for c in ("stage", "forecast_category")}
    changed = _changed(view, history, at)
    return DealSnapshots(rows, cutoffs, amount, changed, expected, {**people, **dimensions})


def _changed(view: View, history: FieldHistory, at: int) -> Ints:
    began = history.began.get("amount", NAT)
    if not past(np.array([began]), np.array([at]))[0]:
        return np.zeros(len(view), np.int64)
    return (view.changes("amount").count() > 0).astype(np.int64)
