"""Bookings at an origin: what is closed, what is open, what is not yet there, ready to be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from features.frame import Spine
from features.tables import DAY, Floats, Ints
from training.forecast.belief.amounts import FactorPools, factor_pools
from training.forecast.belief.fitted_models import DealModels, FittedModels
from training.forecast.belief.hazards import CERTAIN, cumulative, incidence_at
from training.forecast.data.deal_snapshot import DealSnapshots, deal_snapshots
from training.forecast.data.periods import Period
from training.forecast.data.random import Small


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
    beliefs: FittedModels, believed: DealModels, origin: int, days: Floats
) -> OpenDealOdds:
    """The deals open at ``origin`` and their chances by ``days[1:]``."""
    book = beliefs.deals
    rows = book.open(origin)
    cutoffs = np.full(len(rows), origin, np.int64)
    seen = deal_snapshots(book, beliefs.history, rows, cutoffs, origin)
    shown = np.isfinite(seen.amount) & (seen.amount >= 0)
    products = seen.text("product")
    templates = book.dimensions["product"].take(believed.recent_wins).words()
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
    incidence = _incidence(beliefs, believed, rows, origin, days[1:])
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
    beliefs: FittedModels, believed: DealModels, rows: Ints, origin: int, days: Floats
) -> Floats:
    """By the curve model; where none could be fitted, by age as recent deals were won."""
    book = beliefs.deals
    if believed.curve is not None:
        ids = [book.ids[r] for r in rows]
        spine = Spine("deals", ids, np.full(len(ids), origin, np.int64))
        curve = believed.curve.incidence(book.timeline, spine)
        return incidence_at(curve, believed.curve.question.edges, days)
    ages = (origin - book.born[rows]) / DAY
    return believed.win_ages.conditional(ages, days)


@dataclass(frozen=True)
class Arrivals:
    """Wins of deals that are not there yet, by the C cells to come.

    grid  (Z,) strengths g of the shock; mean (Z, C) expected wins under each
    share (C, m) how likely a win in the cell is to be like each recent win, summing to 1
    """

    grid: Floats
    mean: Floats
    share: Floats
    spread: float
    burst: Floats

    def means(self, shock: Floats, effects: Floats) -> Floats:
        """(C, draws) expected wins under each draw's shock and arrival rate exp(spread · luck)."""
        base = np.stack([np.interp(shock, self.grid, m) for m in self.mean.T])
        factor = np.exp(self.spread * effects - self.spread**2 / 2)
        found: Floats = base * factor
        return found


GRID = np.exp(np.linspace(-1.6, 1.6, 17))
"""Strengths of the shock between which the unborn deals' means are interpolated."""


def arrivals_ahead(believed: DealModels, origin: int, days: Floats) -> Arrivals:
    """Arrival, then a win at an age as recently seen: a convolution with the jumps.

    A win of age a falls into the cell [t0, t1) when the deal arrives in [t0 - a, t1 - a), at or
    after the origin.
    """
    arrivals, times = believed.arrival_rate, believed.win_ages
    steps = np.arange(0.0, np.ceil(days[-1]) + 1.0)
    total = np.concatenate([[0.0], np.cumsum(arrivals.rate(steps[:-1] + 0.5))])
    arrived = np.interp(np.maximum(days[:, None] - times.ages, 0.0), steps, total)
    # (C, m) arrivals in time to be won in the cell at that age
    mass = np.diff(arrived, axis=0) * season_factors(believed, origin, days)[:, None]
    mean = np.stack([mass @ times.strengthened(g) for g in GRID])
    each = mass * times.weight
    share = each / np.maximum(each.sum(axis=1, keepdims=True), 1e-300)
    per_day = total[-1] / max(days[-1], 1.0)
    burst = (arrivals.dispersion - 1.0) / np.maximum(per_day * np.diff(days), 1e-9)
    return Arrivals(GRID, mean, share, arrivals.spread(float(days[-1])), burst)
