"""Goals of an account: a measure, a target and a date, and how far they are reached.

A goal is SMART by construction: specific (one account, one measure), measurable (a measure of this
module), with a target and a date. Whether it is within reach and worth it is the owner's to judge.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.tables import micros
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.customers import mrr_at, owned

COLUMNS = ("account_id", "measure", "target", "start", "due")


@dataclass(frozen=True)
class Measure:
    """What a goal can be about: its unit, and its value for every account (index: account_id)."""

    unit: str
    says: str
    values: Callable[[AsOfFrames], pd.Series]


@dataclass(frozen=True)
class Goal:
    """``measure`` of an account is to reach ``target`` by ``due``; instants in microseconds."""

    account_id: str
    measure: str
    target: float
    start: int
    due: int


@dataclass(frozen=True)
class Progress:
    """A goal at an instant: its value at the start and now; NaN where nothing is known.

    done      share of the way from the start's value to the target
    expected  share of the time that has passed
    state     "reached", "on track", "behind", "missed", "not begun", "unknown"
    """

    goal: Goal
    unit: str
    at_start: float
    now: float
    done: float
    expected: float
    state: str


def _recurring(asof: AsOfFrames) -> pd.Series:
    return mrr_at(asof, asof.instant)


def _products(asof: AsOfFrames) -> pd.Series:
    return owned(asof).drop_duplicates().groupby("account_id").size().astype(np.float64)


def _pipeline(asof: AsOfFrames) -> pd.Series:
    still = asof.deals[asof.deals["open"]]
    return still.groupby("account_id")["amount"].sum(min_count=1)


def _won(asof: AsOfFrames) -> pd.Series:
    won = asof.deals[asof.deals["outcome"] == "won"]
    return won.groupby("account_id")["booked"].sum(min_count=1)


def _meetings(asof: AsOfFrames) -> pd.Series:
    recent = asof.activities["at"] >= asof.instant - pd.Timedelta(days=90)
    met = asof.activities[recent & (asof.activities["kind"] == "meeting")]
    account = met["account_id"].fillna(
        met["deal_id"].map(asof.deals.set_index("deal_id")["account_id"])
    )
    return account.value_counts().astype(np.float64)


MEASURES: dict[str, Measure] = {
    "mrr": Measure("money a month", "recurring amount a month", _recurring),
    "products": Measure("products", "different products with a running contract", _products),
    "pipeline": Measure("money", "amount of open deals", _pipeline),
    "won": Measure("money", "amount of all deals won so far", _won),
    "meetings_90d": Measure("meetings", "meetings of the last 90 days", _meetings),
}


def read_goals(path: Path) -> list[Goal]:
    """Goals from a CSV with the columns account_id, measure, target, start, due (ISO dates).

    ValueError names the line and what is wrong with it.
    """
    frame = pd.read_csv(path, dtype=str)
    lacking = [c for c in COLUMNS if c not in frame.columns]
    if lacking:
        raise ValueError(f"{path} lacks {', '.join(lacking)}; a goal has {', '.join(COLUMNS)}")
    return [_goal(path, line, row) for line, row in enumerate(frame.to_dict("records"), 2)]


def _goal(path: Path, line: int, row: Mapping[Hashable, Any]) -> Goal:
    def wrong(said: str) -> ValueError:
        return ValueError(f"{path} line {line}: {said}")

    if row["measure"] not in MEASURES:
        raise wrong(f"no measure {row['measure']!r}; there are {', '.join(MEASURES)}")
    try:
        target = float(row["target"])
        start, due = (micros(pd.Timestamp(row[c], tz="UTC")) for c in ("start", "due"))
    except (TypeError, ValueError) as bad:
        raise wrong(f"target is a number, start and due are dates like 2026-03-31: {bad}") from bad
    if not np.isfinite(target):
        raise wrong(f"target is a number, got {row['target']!r}")
    if due <= start:
        raise wrong(f"due ({row['due']}) must lie after start ({row['start']})")
    return Goal(str(row["account_id"]), row["measure"], target, start, due)


def progress(asof: AsOfFrames, goals: list[Goal]) -> list[Progress]:
    """How far each goal is reached at the as-of instant, in the order given."""
    values: dict[tuple[str, int], pd.Series] = {}

    def value(goal: Goal, at: int) -> float:
        key = (goal.measure, at)
        if key not in values:
            then = asof.at(pd.Timestamp(at, unit="us", tz="UTC"))
            values[key] = MEASURES[goal.measure].values(then)
        return float(values[key].get(goal.account_id, 0.0))

    return [_progress(asof, goal, value) for goal in goals]


def _progress(asof: AsOfFrames, goal: Goal, value: Callable[[Goal, int], float]) -> Progress:
    unit = MEASURES[goal.measure].unit
    if goal.account_id not in set(asof.accounts["account_id"]):
        nan = float("nan")
        return Progress(goal, unit, nan, nan, nan, nan, "unknown")
    now = value(goal, min(asof.as_of, goal.due))
    begun = asof.as_of > goal.start
    first = value(goal, goal.start) if begun else now
    way = goal.target - first
    done = 1.0 if way == 0 else (now - first) / way
    passed = (asof.as_of - goal.start) / (goal.due - goal.start)
    expected = float(np.clip(passed, 0.0, 1.0))
    return Progress(goal, unit, first, now, done, expected, _state(done, passed, begun))


def _state(done: float, passed: float, begun: bool) -> str:
    if done >= 1:
        return "reached"
    if not begun:
        return "not begun"
    if passed >= 1:
        return "missed"
    return "on track" if done >= passed else "behind"
