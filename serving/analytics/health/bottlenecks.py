"""Where deals wait longer than elsewhere, and what that costs in days and money.

A stage's excess is how much longer its median stay is than the median of the other stages' median
stays, over all its history, open stays censored. Times the deals that entered it in the last year
this is E, the deal-days a year that the company would not need. What a deal-day is worth follows
from Little's law (1961): open deals = deals a day x days each. Sellers who keep as many deals open
as now, D deal-days a year, would without the excess carry D / (D - E) times as many through, so
that a year's bookings B would be B x E / (D - E) higher: the constant-work-in-process argument of
Hopp & Spearman, *Factory Physics*, chapter 10. It is an upper bound: it takes for granted that
there are further deals of the same kind to work on, and that the waiting is not the customer's own.

A second count needs no such assumption, what is lost in those days: E x the stage's daily hazard of
a loss x the value at stake, which is the mean amount x the share won of the deals that were ever in
the stage. Some of it would be lost anyway. Both describe; neither proves that a faster stage would
win more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Bools, Floats, Ints
from serving.analytics.asof.columns import days
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import latest
from serving.analytics.health.stages import LATELY, stage_table
from serving.analytics.kpis.estimates import mask, numbers
from serving.analytics.kpis.survival import kaplan_meier
from serving.analytics.kpis.winning import won

DRAWS = 200
"""Resamples of the deals that say how sure the ranking is."""
SEED = 20_260_101

BOTTLENECKS = {
    "rank": "1 is where most deal-days are lost",
    "stage": "the stage",
    "deals": "stays that began in the last year",
    "usual_days": "median days of all stays in the stage (Kaplan-Meier)",
    "low": "lower end of its 95 % interval (Brookmeyer-Crowley)",
    "high": "upper end",
    "elsewhere": "median of the other stages' median days",
    "excess_days": "usual_days less elsewhere, not below 0",
    "deal_days": "deals x excess_days: what the stage costs a year",
    "of_all_days": "deal_days / all days that deals were open in the last year",
    "bookings_lost": "bookings of the year x E / (D - E): an upper bound",
    "value_lost": "deal_days x daily hazard of a loss x value at stake: the second count",
    "slower_than_before": "days the stage's median is above that of stays of more than a year ago",
    "first": "share of 200 resamples of the deals in which the stage ranks first",
    "n": "deals behind the ranking",
}


@dataclass(frozen=True)
class _Walks:
    """The stays as arrays; ``stage`` and ``deal`` are positions, ``lately`` began in the year."""

    stages: int
    days: Floats
    ended: Bools
    lately: Bools
    stage: Ints
    deal: Ints

    def lost(self, weights: Floats) -> Floats:
        """(stages,) deal-days lost a year, each stay counted ``weights`` times."""
        here = [np.flatnonzero((self.stage == s) & (weights > 0)) for s in range(self.stages)]
        curves = [kaplan_meier(self.days[h], self.ended[h], weights[h]) for h in here]
        medians = np.array([curve.quantile(0.5) for curve in curves])
        deals = np.array([(weights[h] * self.lately[h]).sum() for h in here])
        return np.nan_to_num(deals * excess(medians))


def elsewhere(days: Floats) -> Floats:
    """(stages,) the median of the other stages' days; NaN where no other has any."""
    found = np.full(len(days), np.nan)
    for i in range(len(days)):
        others = np.delete(days, i)
        if not np.isnan(others).all():
            found[i] = np.nanmedian(others)
    return found


def excess(days: Floats) -> Floats:
    """(stages,) days above the median of the other stages' days, not below 0."""
    return np.maximum(days - elsewhere(days), 0.0)  # NaN stays NaN


def bottlenecks(asof: AsOfFrames, draws: int = DRAWS) -> pd.DataFrame:
    """One row a stage, worst first; columns ``BOTTLENECKS``."""
    stays, table = asof.stays.frame, stage_table(asof)
    stays = stays.assign(lately=stays["entered_at"] >= asof.instant - pd.Timedelta(days=LATELY))
    medians = table["usual_days"].to_numpy(np.float64)
    by_stage = [stays[stays["stage"] == stage] for stage in asof.stays.order]
    deals = np.array([float(some["lately"].sum()) for some in by_stage])
    lost = deals * excess(medians)
    frame = pd.DataFrame(
        {
            **{name: table[name] for name in ("stage", "usual_days", "low", "high")},
            "deals": deals.astype(np.int64),
            "elsewhere": elsewhere(medians),
            "excess_days": excess(medians),
            "deal_days": lost,
            **_money(asof, lost),
            "value_lost": lost * [_dying(some) for some in by_stage] * table["won_in_the_end"],
            "slower_than_before": table["usual_lately"] - table["usual_before"],
            "first": _first(stays, asof.stays.order, draws),
            "n": stays["deal_id"].nunique(),
        }
    )
    frame = frame.sort_values(["deal_days", "stage"], ascending=[False, True], ignore_index=True)
    frame.insert(0, "rank", np.arange(1, len(frame) + 1))
    return frame[list(BOTTLENECKS)]


def open_days(asof: AsOfFrames) -> float:
    """All days that deals were open in the last year."""
    window = latest(asof.instant, LATELY)
    deals = asof.deals[asof.deals["open"] | asof.deals["closed_at"].notna()]
    start = deals["created_at"].where(deals["created_at"] > window.start, window.start)
    end = deals["closed_at"].fillna(asof.instant)
    return float(np.nansum(np.maximum(days(start, end), 0.0)))


def _money(asof: AsOfFrames, lost: Floats) -> dict[str, Floats]:
    """of_all_days and bookings_lost: B E / (D - E), missing where nothing was booked."""
    spent = open_days(asof)
    booked = numbers(won(asof, latest(asof.instant, LATELY)), "booked")
    total = float(np.nansum(booked)) if (~np.isnan(booked)).any() else float("nan")
    rest = np.where(lost < spent, spent - lost, np.nan)
    return {"of_all_days": lost / spent, "bookings_lost": total * lost / rest}


def _dying(stays: pd.DataFrame) -> float:
    """Daily hazard of a loss in some stays x their mean amount: value that dies a day and deal."""
    spent = float(numbers(stays, "days").sum())
    losses = int((stays["to"] == "lost").sum())
    amounts = numbers(stays, "amount")
    if not spent > 0 or np.isnan(amounts).all():
        return float("nan")
    return losses / spent * float(np.nanmean(amounts))


def _first(stays: pd.DataFrame, order: tuple[str, ...], draws: int) -> Floats:
    """(stages,) share of resamples of the deals in which the stage loses the most days."""
    found, names = pd.factorize(stays["deal_id"], sort=True)
    deal = found.astype(np.int64)
    place = stays["stage"].map({stage: i for i, stage in enumerate(order)})
    walks = _Walks(
        len(order),
        numbers(stays, "days"),
        mask(stays, "ended"),
        mask(stays, "lately"),
        place.to_numpy().astype(np.int64),
        deal,
    )
    rng = np.random.default_rng(SEED)
    wins = np.zeros(len(order))
    for _ in range(draws if len(names) and len(order) > 1 else 0):
        times = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
        lost = walks.lost(times[deal].astype(np.float64))
        if lost.max() > 0:
            wins[int(np.argmax(lost))] += 1
    return wins / max(draws, 1)
