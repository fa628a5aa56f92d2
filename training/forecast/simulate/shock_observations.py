"""The bookings as past origins expected them, held against what happened: what sizes the shock."""

from __future__ import annotations

import numpy as np

from features.tables import DAY
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.belief.hazards import cumulative
from training.forecast.belief.shock_size import PAST_DAYS, STEP, WINDOW, ShockObservation, sigma_of
from training.forecast.data.settings import ForecastSettings
from training.forecast.simulate.deals_ahead import (
    Arrivals,
    OpenDealOdds,
    arrivals_ahead,
    open_deal_odds,
)


def shock_at(beliefs: FittedModels, origin: int, settings: ForecastSettings) -> float:
    """The shock's deviation at ``origin``: as the settings say, else sized on past origins."""
    if settings.shock is not None:
        return settings.shock
    seen = [shock_observation(beliefs, s) for s in observed_origins(beliefs, origin)]
    return sigma_of([p for p in seen if p is not None])


def observed_origins(beliefs: FittedModels, origin: int) -> list[int]:
    """Every ``STEP`` days on a fixed calendar, those whose window was over at ``origin``.

    A past origin counts only where a curve model had been fitted by then.
    """
    if not beliefs.curves:
        return []
    step, first = round(STEP * DAY), beliefs.curves[0].at
    last = origin - round(WINDOW * DAY)
    oldest = max(first, origin - round(PAST_DAYS * DAY))
    turns = range(-(-oldest // step), last // step + 1)
    return [turn * step for turn in turns]


def shock_observation(beliefs: FittedModels, at: int) -> ShockObservation | None:
    """What was expected at a past origin and what happened; None where too little was known."""
    if at not in beliefs.shock_seen:
        beliefs.shock_seen[at] = _past(beliefs, at)
    return beliefs.shock_seen[at]


def _past(beliefs: FittedModels, at: int) -> ShockObservation | None:
    days = np.array([0.0, WINDOW])
    try:
        believed = beliefs.at(at)
    except TooLittleError:
        return None
    odds, arrivals = open_deal_odds(beliefs, believed, at, days), arrivals_ahead(believed, at, days)
    book, end = beliefs.deals, at + round(WINDOW * DAY)
    rows = book.won(end, since=at)
    happened = float(np.nansum(book.amounts(rows)))
    open_part, new_part = _of_open(odds), _of_new(arrivals, believed.booked)
    mean, variance, slope = (a + b for a, b in zip(open_part, new_part, strict=True))
    return ShockObservation(mean, variance, slope, happened)


def _of_open(odds: OpenDealOdds) -> tuple[float, float, float]:
    """Mean, variance and slope of the open deals' bookings in the one cell."""
    if len(odds.snapshots) == 0:
        return 0.0, 0.0, 0.0
    pools = odds.pools
    squares = np.add.reduceat(pools.factors**2, pools.starts[:-1]) / np.diff(pools.starts)
    place, chance = odds.pool[:, 0], odds.incidence[:, 0]
    level = odds.amount * pools.means[place]
    variance = chance * odds.amount**2 * squares[place] - (chance * level) ** 2
    slope = level * (1.0 - chance) * cumulative(chance)
    return float(chance @ level), float(variance.sum()), float(slope.sum())


def _of_new(
    arrivals: Arrivals, booked: np.typing.NDArray[np.float64]
) -> tuple[float, float, float]:
    """Mean, variance and slope of the unborn deals' bookings in the one cell."""
    middle = len(arrivals.grid) // 2
    wins = float(arrivals.mean[middle, 0])
    each, square = float(arrivals.share[0] @ booked), float(arrivals.share[0] @ booked**2)
    step = np.log(arrivals.grid[middle + 1] / arrivals.grid[middle - 1])
    slope = each * float(arrivals.mean[middle + 1, 0] - arrivals.mean[middle - 1, 0]) / step
    shared = arrivals.spread**2 + float(arrivals.burst[0])
    return wins * each, wins * square + (wins * each) ** 2 * shared, slope
