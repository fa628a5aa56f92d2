"""The bookings as past origins expected them, held against what happened: what sizes the shock."""

from __future__ import annotations

import numpy as np

from features.tables import DAY
from training.forecast.belief import Beliefs, TooLittleError
from training.forecast.bookings import Coming, Open, coming, open_deals
from training.forecast.hazards import cumulative
from training.forecast.settings import ForecastSettings
from training.forecast.shock import PAST_DAYS, STEP, WINDOW, Past, sigma_of


def shock_at(beliefs: Beliefs, origin: int, settings: ForecastSettings) -> float:
    """The shock's deviation at ``origin``: as the settings say, else sized on past origins."""
    if settings.shock is not None:
        return settings.shock
    seen = [past_at(beliefs, s) for s in past_origins(beliefs, origin)]
    return sigma_of([p for p in seen if p is not None])


def past_origins(beliefs: Beliefs, origin: int) -> list[int]:
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


def past_at(beliefs: Beliefs, at: int) -> Past | None:
    """What was expected at a past origin and what happened; None where too little was known."""
    if at not in beliefs.past:
        beliefs.past[at] = _past(beliefs, at)
    return beliefs.past[at]


def _past(beliefs: Beliefs, at: int) -> Past | None:
    days = np.array([0.0, WINDOW])
    try:
        believed = beliefs.at(at)
    except TooLittleError:
        return None
    there, come = open_deals(beliefs, believed, at, days), coming(believed, at, days)
    book, end = beliefs.book, at + round(WINDOW * DAY)
    rows = book.won(end, since=at)
    happened = float(np.nansum(book.amounts(rows)))
    open_part, new_part = _of_open(there), _of_new(come, believed.booked)
    mean, variance, slope = (a + b for a, b in zip(open_part, new_part, strict=True))
    return Past(mean, variance, slope, happened)


def _of_open(there: Open) -> tuple[float, float, float]:
    """Mean, variance and slope of the open deals' bookings in the one cell."""
    if len(there.seen) == 0:
        return 0.0, 0.0, 0.0
    pools = there.pools
    squares = np.add.reduceat(pools.factors**2, pools.starts[:-1]) / np.diff(pools.starts)
    place, chance = there.pool[:, 0], there.incidence[:, 0]
    level = there.amount * pools.means[place]
    variance = chance * there.amount**2 * squares[place] - (chance * level) ** 2
    slope = level * (1.0 - chance) * cumulative(chance)
    return float(chance @ level), float(variance.sum()), float(slope.sum())


def _of_new(come: Coming, booked: np.typing.NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, variance and slope of the unborn deals' bookings in the one cell."""
    middle = len(come.grid) // 2
    wins = float(come.mean[middle, 0])
    each, square = float(come.share[0] @ booked), float(come.share[0] @ booked**2)
    step = np.log(come.grid[middle + 1] / come.grid[middle - 1])
    slope = each * float(come.mean[middle + 1, 0] - come.mean[middle - 1, 0]) / step
    shared = come.spread**2 + float(come.burst[0])
    return wins * each, wins * square + (wins * each) ** 2 * shared, slope
