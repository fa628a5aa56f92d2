"""Every open deal beside the history of its stage: slow, stalled, overdue, nothing planned."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import Floats
from serving.analytics.asof.columns import days, looked_up
from serving.analytics.asof.frames import DIMENSIONS, AsOfFrames
from serving.analytics.health.stages import SLOW, curve_of
from serving.analytics.kpis.estimates import numbers
from serving.analytics.kpis.pipeline import open_deals
from serving.analytics.kpis.survival import kaplan_meier

DEALS = {
    "deal_id": "the deal",
    "name": "its name",
    **{name: f"its {name}" for name in DIMENSIONS},
    "stage": "its stage",
    "amount": "its amount, in the reporting currency",
    "entered_at": "when it entered the stage",
    "days_in_stage": "days since then",
    "usual_days": "median days of a stay in the stage (Kaplan-Meier)",
    "slow_after": "days that nine of ten stays do not exceed; missing where that is not reached",
    "longer_than": "share of the stays in the stage that were shorter, 1 - S(days)",
    "last_touch_at": "the last activity on the deal or its last stage move",
    "quiet_days": "days since then",
    "quiet_after": "days that nine of ten pauses between touches in the stage do not exceed",
    "next_activity_at": "the next activity planned",
    "expected_close_at": "people's own close date",
    "days_overdue": "days since that date, where it has passed",
    "pushes": "times the date was moved later; missing where it has no history",
    "slow": "in its stage for longer than nine of ten stays",
    "stalled": "slow, and quiet for longer than nine of ten pauses",
    "overdue": "its close date has passed",
    "nothing_planned": "no activity lies ahead; missing where the data hold no plans",
    "why": "the flags in words",
}
FLAGS = {
    "stalled": "stalled",
    "overdue": "overdue",
    "slow": "slow",
    "nothing_planned": "nothing planned",
}


def attention(asof: AsOfFrames) -> pd.DataFrame:
    """One row an open deal, those with most flags and money first; columns ``DEALS``."""
    deals = open_deals(asof)
    deals = _in_stage(deals, asof)
    deals = _touched(deals, asof)
    plans = asof.planned
    next_at = looked_up(deals["deal_id"], plans.groupby("deal_id")["at"].min())
    late = days(deals["expected_close_at"], asof.instant)
    known = asof.has("changes.field=expected_close_at")
    deals = deals.assign(
        next_activity_at=next_at,
        days_overdue=np.where(late > 0, late, np.nan),
        pushes=looked_up(deals["deal_id"], asof.pushes()) if known else np.nan,
        overdue=late > 0,
        nothing_planned=_unplanned(next_at, plans),
    )
    deals = deals.assign(why=_why(deals))
    return _sorted(deals)[list(DEALS)]


def _in_stage(deals: pd.DataFrame, asof: AsOfFrames) -> pd.DataFrame:
    """Add the current stay and its place in the stage's own history."""
    stays = asof.stays.frame
    now = stays[~stays["ended"]].drop_duplicates("deal_id", keep="last").set_index("deal_id")
    curves = {stage: curve_of(stays[stays["stage"] == stage]) for stage in asof.stays.order}
    stage = looked_up(deals["deal_id"], now["stage"])
    lasted = looked_up(deals["deal_id"], now["days"])
    slow_after = _of_stage(stage, {s: c.quantile(SLOW) for s, c in curves.items()})
    longer = [
        float(1 - curves[s].at(d)) if s in curves else float("nan")
        for s, d in zip(stage, lasted, strict=True)
    ]
    return deals.assign(
        stage=deals["stage"].where(stage.isna(), stage),
        entered_at=looked_up(deals["deal_id"], now["entered_at"]),
        days_in_stage=lasted,
        usual_days=_of_stage(stage, {s: c.quantile(0.5) for s, c in curves.items()}),
        slow_after=slow_after,
        longer_than=longer,
        slow=(lasted > slow_after).to_numpy(np.bool_),
    )


def _of_stage(stages: pd.Series, days: dict[str, float]) -> pd.Series:
    return looked_up(stages, pd.Series(days, dtype=np.float64))


def _touched(deals: pd.DataFrame, asof: AsOfFrames) -> pd.DataFrame:
    """Add the last touch, and the pauses usual in the stage."""
    pauses = touch_pauses(asof)
    usual = {
        str(stage): kaplan_meier(numbers(some, "days"), some["ended"].to_numpy(np.bool_)).quantile(
            SLOW
        )
        for stage, some in pauses.groupby("stage")
    }
    last = looked_up(deals["deal_id"], pauses.groupby("deal_id")["at"].max())
    quiet = pd.Series(days(last, asof.instant), deals.index)
    quiet_after = _of_stage(deals["stage"], usual)
    return deals.assign(
        last_touch_at=last,
        quiet_days=quiet,
        quiet_after=quiet_after,
        stalled=deals["slow"] & (quiet > quiet_after),
    )


def touch_pauses(asof: AsOfFrames) -> pd.DataFrame:
    """deal_id, at, stage, days, ended: every touch of a deal and the pause after it.

    A touch is an activity on the deal or its entry into a stage; a pause ends with the next touch
    or the close and is censored at the as-of instant.
    """
    stays = asof.stays.frame
    done = asof.activities[asof.activities["deal_id"].notna()][["deal_id", "at"]]
    moves = stays[["deal_id", "entered_at", "stage"]].rename(columns={"entered_at": "at"})
    touches = pd.concat([moves, done.assign(stage=None)], ignore_index=True)
    touches = touches.sort_values(["deal_id", "at"], kind="stable", ignore_index=True)
    closed = looked_up(touches["deal_id"], asof.deals.set_index("deal_id")["closed_at"])
    touches["stage"] = touches.groupby("deal_id")["stage"].ffill()
    alive = (closed.isna() | (touches["at"] < closed)) & touches["stage"].notna()
    touches, closed = touches[alive], closed[alive]
    until = touches.groupby("deal_id")["at"].shift(-1).fillna(closed)
    pause = days(touches["at"], until.fillna(asof.instant))
    return touches.assign(days=pause, ended=until.notna())


def _unplanned(next_at: pd.Series, plans: pd.DataFrame) -> pd.Series:
    """Whether nothing lies ahead; missing where the data hold no plan for any deal."""
    if plans["deal_id"].isna().all():
        return pd.Series(pd.NA, next_at.index, dtype="boolean")
    return next_at.isna().astype("boolean")


def _why(deals: pd.DataFrame) -> list[str]:
    marks = {word: deals[name].fillna(False).to_numpy(np.bool_) for name, word in FLAGS.items()}
    marks["slow"] = marks["slow"] & ~marks["stalled"]  # who is stalled is slow too
    return ["; ".join(w for w, mark in marks.items() if mark[i]) for i in range(len(deals))]


def _sorted(deals: pd.DataFrame) -> pd.DataFrame:
    flags: Floats = np.zeros(len(deals))
    for name in ("stalled", "overdue", "slow"):
        flags += deals[name].to_numpy(np.float64)
    order = deals.assign(flags=flags).sort_values(
        ["flags", "amount", "deal_id"], ascending=[False, False, True], kind="stable"
    )
    return order.drop(columns="flags").reset_index(drop=True)
