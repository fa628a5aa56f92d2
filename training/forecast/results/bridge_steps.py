"""The steps of a bridge: their names, their sums, and the check that they balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Floats, Ints

STEPS: dict[str, str] = {
    "created": "created",
    "pulled_in": "pulled in from a later period",
    "slipped_in": "slipped in from an earlier period",
    "amount_up": "amount up",
    "amount_down": "amount down",
    "rates": "exchange rates",
    "reopened": "re-opened, or entered late",
    "pushed_out": "pushed out",
    "pulled_out": "moved to an earlier period, or the date taken away",
    "won": "won",
    "won_elsewhere": "won in another period",
    "lost": "lost",
    "removed": "no longer in the CRM",
    "reassessed": "time passed, and what the model sees now",
    "not_created": "deals not created yet",
    "customers": "customers of today: invoiced, and to be",
    "new customers": "customers not won yet",
}
"""The steps in the order of the waterfall, and their names."""


EXPECTED: dict[str, str] = STEPS | {
    "created": "deals created since",
    "pulled_in": "deals pulled in",
    "slipped_in": "deals that slipped in",
    "amount_up": "amounts raised",
    "amount_down": "amounts lowered",
    "reopened": "deals re-opened, or entered late",
    "pushed_out": "deals pushed out",
    "pulled_out": "deals moved earlier, or without a date now",
    "won": "deals won",
    "won_elsewhere": "deals won in another period",
    "lost": "deals lost",
    "removed": "deals no longer in the CRM",
    "not_created": "deals expected and not created yet",
}
"""Their names where a step is what became of some deals' expectation, and may go either way."""


@dataclass(frozen=True)
class Bridge:
    """The way from one forecast of a period to a later one, in whole cents.

    start, end   the measure then and now
    steps        step, name, cents, n (deals): only steps that some deal took, in STEPS' order
    deals        deal_id, step, cents: every deal that moved the measure
    """

    period: str
    measure: str
    start: int
    end: int
    steps: pd.DataFrame
    deals: pd.DataFrame

    def __post_init__(self) -> None:
        if self.start + int(self.steps["cents"].sum()) != self.end:
            raise AssertionError(f"the bridge of {self.period} ({self.measure}) does not balance")


@dataclass(frozen=True)
class BridgeSpan:
    """The period [start, end) by its name, and the earlier of the two origins (microseconds)."""

    period: str
    start: int
    end: int
    since: int


def cents(amounts: Floats) -> Ints:
    """Amounts as whole cents; an unknown amount adds nothing."""
    known: Ints = np.round(np.nan_to_num(np.asarray(amounts, np.float64)) * 100).astype(np.int64)
    return known


def step(word: str, amount: int, n: int, names: Mapping[str, str] = STEPS) -> pd.DataFrame:
    """One row of a bridge's steps."""
    return pd.DataFrame({"step": [word], "name": [names[word]], "cents": [amount], "n": [n]})


def taken(ids: pd.Index, rows: Sequence[tuple[np.ndarray, Ints]]) -> pd.DataFrame:
    """deal_id, step, cents of every step that some deal took."""
    parts = [pd.DataFrame({"deal_id": ids, "step": s, "cents": c}) for s, c in rows]
    deals = pd.concat(parts, ignore_index=True)
    return deals[deals["cents"] != 0].reset_index(drop=True)


def steps(deals: pd.DataFrame, names: Mapping[str, str] = STEPS) -> pd.DataFrame:
    """The steps that were taken, in their order, each with its sum and its number of deals."""
    sums = deals.groupby("step")["cents"].agg(["sum", "size"])
    totals, counts = sums["sum"].to_dict(), sums["size"].to_dict()
    rows = [step(s, int(totals[s]), int(counts[s]), names) for s in STEPS if s in totals]
    return pd.concat(rows, ignore_index=True) if rows else step("created", 0, 0).iloc[:0]
