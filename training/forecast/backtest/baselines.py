"""What a forecast must beat: the easy ways, each from what was known at the origin and no more.

Every way gives one number for a period. A period that runs has a part that is already closed:

* ``last period``, ``same period last year``, ``moving average`` and ``AutoETS`` forecast whole
  periods, as they are used; AutoETS takes the months of a quarter that are over as they were.
* ``run rate`` is what closed so far, and the moving average for the days that are left.
* ``weighted pipeline`` is what closed so far, and the amounts of the open deals that people date
  into the period, each times the share of the deals seen in its stage that were won in the end.
* ``stage-weighted`` is what closed so far, and every open deal's amount times the share of earlier
  deals in its stage that were won in so many days from then.
* ``people's commit`` is what closed so far, and the open deals called commit whose close date, as
  people had it, lies in the period; ``people's best case`` adds those called best case.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from statsforecast.models import AutoETS

from features.tables import DAY, NAT, Bools, Floats, Ints
from training.forecast.data.categories import CALLS
from training.forecast.data.open_panel import OpenDealPanel
from training.forecast.data.periods import MONTHS, Period, month_of
from training.forecast.data.revenue import RevenueFlow

AVERAGED = 6
"""Whole months in the moving average."""
SEASON = 12
FEWEST_MONTHS = 7
"""Whole months without which AutoETS refuses."""
STAGE_DAYS = 730
"""Looks older than so many days teach a stage model nothing."""
FEWEST_LOOKS = 30
"""A stage with fewer looks back takes the shares of all stages."""


@dataclass(frozen=True)
class KnownRevenue:
    """What may be looked at from an origin: everything here is cut off there."""

    origin: int
    flow: RevenueFlow
    panel: OpenDealPanel | None = None

    def closed(self, period: Period) -> float:
        """What fell in the period before the origin."""
        return self.flow.total(period.start, min(period.end, self.origin))

    @cached_property
    def months(self) -> Floats:
        """The totals of the whole months that are over, oldest first."""
        return self.flow.whole_months(self.origin)

    def sum(self, first: int, length: int) -> float:
        """The total of ``length`` months from the one numbered ``first``; NaN if not all over."""
        place = first - self.flow.first_month
        if place < 0 or place + length > len(self.months):
            return float("nan")
        return float(self.months[place : place + length].sum())

    @cached_property
    def rows_now(self) -> slice:
        """The looks at the origin itself."""
        assert self.panel is not None
        return self.panel.at(self.origin)

    @cached_property
    def amounts(self) -> Floats:
        """The open deals' amounts; a missing one is the mean of the last year's."""
        assert self.panel is not None
        amounts = self.panel.amount[self.rows_now]
        total, n = self.flow.between(self.origin - 365 * DAY, self.origin)
        return np.where(np.isnan(amounts), total / n if n else np.nan, amounts)


Baseline = Callable[[KnownRevenue, Period], float]
"""A way to forecast a period; NaN where it cannot."""


def last_period(known: KnownRevenue, period: Period) -> float:
    """The newest period of the kind that is over."""
    length, now = MONTHS[period.kind], month_of(known.origin, known.flow.zone)
    first = period.first_month
    return known.sum(first - -(-(first + length - now) // length) * length, length)


def same_period_last_year(known: KnownRevenue, period: Period) -> float:
    """The period a year before."""
    return known.sum(period.first_month - SEASON, MONTHS[period.kind])


def moving_average(known: KnownRevenue, period: Period) -> float:
    """The mean of the last whole months, times the months of the period."""
    if len(known.months) == 0:
        return float("nan")
    return float(known.months[-AVERAGED:].mean()) * MONTHS[period.kind]


def run_rate(known: KnownRevenue, period: Period) -> float:
    """What closed so far, and the moving average for the days that are left."""
    left = (period.end - max(known.origin, period.start)) / (period.end - period.start)
    return known.closed(period) + moving_average(known, period) * left


def auto_ets(known: KnownRevenue, period: Period) -> float:
    """Exponential smoothing of the months, its form chosen by AICc (statsforecast's AutoETS).

    With a yearly season once there are two years; months of the period that are over are taken as
    they were.
    """
    if len(known.months) < FEWEST_MONTHS:
        return float("nan")
    ahead = np.array(smoothed(tuple(known.months.tolist())))
    first, length = period.first_month, MONTHS[period.kind]
    now = month_of(known.origin, known.flow.zone)
    over = max(0, min(now - first, length))
    begun = known.sum(first, over) if over else 0.0
    return begun + float(ahead[max(first - now, 0) : first + length - now].sum())


@lru_cache(maxsize=4096)
def smoothed(months: tuple[float, ...]) -> tuple[float, ...]:
    """AutoETS's forecast of the next year of months."""
    series = np.array(months)
    if np.ptp(series) == 0:
        return (months[-1],) * SEASON  # nothing to choose between: the library refuses a constant
    model = AutoETS(season_length=SEASON if len(series) >= 2 * SEASON else 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it tries forms that overflow, and drops them
        found = model.fit(series).predict(h=SEASON)["mean"]
    return tuple(np.asarray(found, np.float64).tolist())


def weighted_pipeline(known: KnownRevenue, period: Period) -> float:
    """What closed so far, and the open deals dated into the period times their stage's win rate.

    A date that has passed counts for the period that runs.
    """
    if known.panel is None or not (known.panel.due[known.rows_now] != NAT).any():
        return float("nan")
    due, running = known.panel.due[known.rows_now], period.start <= known.origin
    inside = (due < period.end) & (due >= (NAT + 1 if running else period.start))
    worth = win_rates(known.panel, known.origin) * known.amounts
    return known.closed(period) + float(worth[inside].sum())


def win_rates(looks: OpenDealPanel, origin: int) -> Floats:
    """(open deals at the origin,) share of earlier looks at that stage whose deal was won.

    Only deals that were closed before the origin are counted.
    """
    old: Bools = (looks.closed != NAT) & (looks.closed < origin) & (looks.cutoff < origin)
    rows = np.flatnonzero(old & (looks.cutoff >= origin - STAGE_DAYS * DAY))
    return _shares(looks, rows, looks.won[rows] != NAT, origin)


def stage_weighted(known: KnownRevenue, period: Period) -> float:
    """What closed so far, and the open deals weighted by what became of earlier ones so placed."""
    if known.panel is None:
        return float("nan")
    chances = stage_chances(known.panel, known.origin, period)
    return known.closed(period) + float((chances * known.amounts).sum())


def stage_chances(looks: OpenDealPanel, origin: int, period: Period) -> Floats:
    """(open deals at the origin,) share of earlier looks at that stage won in as many days.

    A look at c is like one at the origin if its deal was won in [c + a, c + b), where the period
    lies a to b from the origin. Only looks at least b old are counted, open, lost or won.
    """
    begin, end = max(period.start - origin, 0), period.end - origin
    old: Bools = (looks.cutoff <= origin - end) & (looks.cutoff >= origin - STAGE_DAYS * DAY)
    rows = np.flatnonzero(old)
    after = np.where(looks.won[rows] == NAT, -1, looks.won[rows] - looks.cutoff[rows])
    return _shares(looks, rows, (after >= begin) & (after < end), origin)


def _shares(looks: OpenDealPanel, rows: Ints, hit: Bools, origin: int) -> Floats:
    """(open deals at the origin,) share of ``hit`` among the earlier looks at the same stage."""
    stages = len(looks.stage.values)
    here = looks.stage.codes[looks.at(origin)]
    if len(rows) == 0:
        return np.full(len(here), np.nan)
    codes = looks.stage.codes[rows] + 1
    n = np.bincount(codes, minlength=stages + 1)
    won = np.bincount(codes, weights=hit, minlength=stages + 1)
    share = np.where(n >= FEWEST_LOOKS, won / np.maximum(n, 1), hit.mean())
    return share[here + 1]


def peoples(known: KnownRevenue, period: Period, called: Ints) -> float:
    """What closed so far, and the open deals of these calls that people date into the period."""
    looks = known.panel
    if looks is None or not (looks.call[looks.cutoff <= known.origin] >= 0).any():
        return float("nan")
    due = looks.due[known.rows_now]
    inside = (due >= period.start) & (due < period.end)
    chosen = inside & np.isin(looks.call[known.rows_now], called)
    return known.closed(period) + float(known.amounts[chosen].sum())


COMMIT = np.array([CALLS.index("commit")])
BEST_CASE = np.array([CALLS.index("commit"), CALLS.index("best case")])

BASELINES: Mapping[str, Baseline] = {
    "last period": last_period,
    "same period last year": same_period_last_year,
    "moving average": moving_average,
    "AutoETS": auto_ets,
    "run rate": run_rate,
    "weighted pipeline": weighted_pipeline,
    "stage-weighted": stage_weighted,
    "people's commit": lambda known, period: peoples(known, period, COMMIT),
    "people's best case": lambda known, period: peoples(known, period, BEST_CASE),
}
"""In the order of the tables; the last four need open deals."""
