"""The open deals as people saw them at an origin: amount, stage, close date, owner, and so on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from features.definitions.money import convert
from features.spine import Spine
from features.tables import NAT, Coded, Floats, Instants, Ints
from features.view import View
from training.forecast.data.deal_table import DealTable, deal_dimensions, reporting


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
    asof: DealTable,
    rows: Ints,
    cutoffs: Instants,
    at: int,
    strict: bool = True,
) -> DealSnapshots:
    """The deals in ``rows`` as of ``cutoffs`` (n,), both of the same length.

    at      the origin: a field whose past cannot be known there is missing
    strict  an amount without a rate is an error; else it is missing
    """
    spine = Spine("deals", [asof.ids[r] for r in rows], cutoffs)
    view = View(asof.timeline, spine)
    unknown = Coded(np.full(len(rows), -1, np.int32), [])

    def knows(column: str) -> bool:
        return asof.timeline.knows("deals", column, at)

    def known(column: str, read: Callable[[str], Coded]) -> Coded:
        return read(column) if knows(column) else unknown

    own = {c: view.word(c) for c in ("owner_id", "product", "region")}
    account = asof.tables["deals"].coded("account_id").take(rows)
    dimensions = deal_dimensions(asof.timeline, own, account)
    amount = np.full(len(rows), np.nan)
    if knows("amount"):
        currency = asof.currency.take(rows)
        given = (asof.timeline, view.number("amount"), currency, cutoffs)
        amount = reporting(*given, "open deals") if strict else convert(*given)
    expected = np.full(len(rows), NAT, np.int64)
    if knows("expected_close_at"):
        expected = view.instant("expected_close_at")
    people = {c: known(c, view.word) for c in ("stage", "forecast_category")}
    changed = (
        (view.changes("amount").count() > 0).astype(np.int64)
        if knows("amount")
        else np.zeros(len(rows), np.int64)
    )
    return DealSnapshots(rows, cutoffs, amount, changed, expected, {**people, **dimensions})
