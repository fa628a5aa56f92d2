"""Bookings at an origin: what is closed, what is open, what is not yet there, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from features.spine import Spine
from features.tables import DAY, Floats, Ints
from training.forecast.belief.amounts import FactorPools, factor_pools
from training.forecast.belief.fitted_models import DealModels, FittedModels
from training.forecast.belief.hazards import CERTAIN, cumulative, incidence_at
from training.forecast.data.deal_snapshot import DealSnapshots, deal_snapshots
from training.forecast.data.periods import Period
from training.forecast.data.random import Small
from training.forecast.simulate.shared_effects import SharedEffects


@dataclass(frozen=True)
class OpenDealOdds:
    """The open deals of an origin, with chances by the end of each of the C cells to come.

    incidence  (n, C) probability to be won by each cell's end
    pool       (n, C) which pool of factors a win in the cell draws from
    amount     (n,) as shown; 1 where none is shown, and the pool is of whole amounts
    """

    snapshots: DealSnapshots
    incidence: Floats
    amount: Floats
    pools: FactorPools
    pool: Small

    @property
    def chances(self) -> Floats:
        """(n, C) probability to be won within each cell."""
        return np.diff(self.incidence, axis=1, prepend=0.0)

    @property
    def expected(self) -> Floats:
        """(n, C) expected booked amount in each cell."""
        means = self.pools.means[self.pool] if len(self.snapshots) else np.zeros(self.pool.shape)
        found: Floats = self.chances * means * self.amount[:, None]
        return found


def cell_days(cells: Sequence[Period], origin: int) -> Floats:
    """(C + 1,) days from the origin to the cells' bounds; the running cell begins at the origin."""
    bounds = [max(cells[0].start, origin), *(c.end for c in cells)]
    return np.array([(b - origin) / DAY for b in bounds])


def open_deal_odds(
    fitted: FittedModels, believed: DealModels, origin: int, days: Floats
) -> OpenDealOdds:
    """The deals open at ``origin`` and their chances by ``days[1:]``."""
    asof = fitted.deals
    rows = asof.open(origin)
    cutoffs = np.full(len(rows), origin, np.int64)
    seen = deal_snapshots(asof, rows, cutoffs, origin)
    shown = np.isfinite(seen.amount) & (seen.amount >= 0)
    products = seen.text("product")
    templates = asof.dimensions["product"].take(believed.recent_wins).words()
    pools, pool = factor_pools(
        believed.changes,
        seen.text("stage"),
        seen.changed,
        (days[:-1] + days[1:]) / 2,
        [None if there else products[i] for i, there in enumerate(shown.tolist())],
        believed.booked,
        ["" if w is None else w for w in templates],
    )
    amount = np.where(shown, seen.amount, 1.0)
    incidence = _incidence(fitted, believed, rows, origin, days[1:])
    return OpenDealOdds(
        seen, with_season(incidence, season_factors(believed, origin, days)), amount, pools, pool
    )


def season_factors(believed: DealModels, origin: int, days: Floats) -> Floats:
    """(C,) factor on the hazards of winning in each cell."""
    bounds = [origin + round(d * DAY) for d in days.tolist()]
    return np.array([believed.season.factor(a, b) for a, b in pairwise(bounds)])


def with_season(incidence: Floats, factors: Floats) -> Floats:
    """(n, C) incidence with the cumulative hazard's growth in each cell scaled."""
    grown = np.diff(cumulative(incidence), axis=1, prepend=0.0) * factors
    found: Floats = -np.expm1(-np.cumsum(grown, axis=1))
    return np.minimum(found, CERTAIN)


def _incidence(
    fitted: FittedModels, believed: DealModels, rows: Ints, origin: int, days: Floats
) -> Floats:
    """By the curve model; where none could be fitted, by age as recent deals were won."""
    asof = fitted.deals
    if believed.curve is not None:
        ids = [asof.ids[r] for r in rows]
        spine = Spine("deals", ids, np.full(len(ids), origin, np.int64))
        curve = believed.curve.incidence(asof.timeline, spine)
        return incidence_at(curve, believed.curve.question.edges, days)
    ages = (origin - asof.born[rows]) / DAY
    return believed.win_ages.conditional(ages, days)


@dataclass(frozen=True)
class Arrivals:
    """Wins of deals that are not there yet, by the C cells to come.

    matured  (C, C) days of arrivals in the second cell that are won in the first, in win chances
    share    (C, m) how likely a win in the cell is to be like each recent win, summing to 1
    """

    matured: Floats
    share: Floats

    def means(self, effects: SharedEffects) -> Floats:
        """(C, draws) expected wins under what each draw's deals share."""
        found: Floats = effects.pace * (self.matured @ effects.arrivals)
        return found


def arrivals_ahead(believed: DealModels, origin: int, days: Floats) -> Arrivals:
    """Arrival, then a win at an age as recently seen: a convolution with the ages at the win.

    A deal that arrives on day x, at or after the origin, is won in the cell [t0, t1) with chance
    F(t1 - x) - F(t0 - x), F by ``win_ages``: an arrival on day 3 is won by day 10 at age 7 or less.
    """
    ages = believed.win_ages
    middle = np.arange(0.0, np.ceil(days[-1])) + 0.5
    cell = np.clip(np.searchsorted(days, middle, side="right") - 1, 0, len(days) - 2)
    by_end = ages.incidence(days[:, None] - middle) * (days[:, None] > middle)
    won = np.diff(by_end, axis=0) * season_factors(believed, origin, days)[:, None]
    matured = np.stack(
        [won[:, cell == c].sum(axis=1) for c in range(len(days) - 1)], axis=1
    ) * _whole_days(days, cell)
    # (C + 1, m) arrivals in time to be won by each bound at the age of each recent win
    rates = believed.arrival_rate.rate(days)
    total = np.concatenate([[0.0], np.cumsum(rates * np.diff(days))])
    arrived = np.interp(np.maximum(days[:, None] - ages.ages, 0.0), days, total)
    each = np.diff(arrived, axis=0) * ages.weight
    return Arrivals(matured, each / np.maximum(each.sum(axis=1, keepdims=True), 1e-300))


def _whole_days(days: Floats, cell: Ints) -> Floats:
    """(C,) the length of each cell over the number of grid days in it."""
    count = np.bincount(cell, minlength=len(days) - 1)
    found: Floats = np.diff(days) / np.maximum(count, 1)
    return found
