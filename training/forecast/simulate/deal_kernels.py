"""Futures drawn at once: which open deals are won, when and for how much; and those yet unborn.

Every draw has one shock g = exp(sigma z) on the cumulative hazards of all deals,

    F'(t) = 1 - (1 - F(t))^g,

so that deals win together or wait together. A deal's time is found by inversion: with E = -log U it
is won in the first cell whose cumulative hazard L = -log(1 - F) passes E / g. Amounts are rounded
to ``QUANTUM``, so sums are exact whatever their order and add up over groups draw by draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from features.tables import Floats, Ints
from training.forecast.data.random import Keys, Small, mix, uniform
from training.forecast.data.rounding import quantum_of

BLOCK = 64
"""Draws handled at a time: their sums stay in the cache."""


@dataclass(frozen=True)
class OpenDealInputs:
    """What is drawn for n open deals over C cells of time; G groups, D dimensions.

    keys     (n,) names of their luck
    hazard   (n, C) cumulative hazard to be won by the end of each cell, rising
    amount   (n,) as of the origin, in the reporting currency
    factors  pools of change factors laid end to end: pool p is starts[p] … starts[p + 1] - 1
    pool     (n, C) the pool a deal draws from when it is won in that cell
    group    (n, D) place of the deal's value of each dimension in 0 … G - 1
    """

    keys: Keys
    hazard: Floats
    amount: Floats
    factors: Floats
    starts: Ints
    pool: Small
    group: Small
    groups: int


def open_deal_draws(deals: OpenDealInputs, shock: Floats) -> tuple[Floats, Floats]:
    """Booked amounts of the open deals: the whole (C, draws) and by group (G, C, draws).

    shock  (draws,) the factor g on the cumulative hazard
    """
    cells = deals.hazard.shape[1]
    whole = np.zeros((cells, len(shock)))
    groups = np.zeros((deals.groups, cells, len(shock)))
    _open(*_arrays(deals), deals.group, shock, whole, groups)
    return whole, groups


def open_influence(deals: OpenDealInputs, shock: Floats, centred: Floats) -> Floats:
    """(n, C') mean over draws of each deal's amount times ``centred`` totals (C', C, draws).

    ``centred[p, c]`` is what cell c's amount is multiplied by for period p: the period's total less
    its mean where the period holds the cell, else 0. The draws are those of ``open_draws``.
    """
    out = np.zeros((len(deals.keys), len(centred)))
    _influence(*_arrays(deals), shock, np.ascontiguousarray(centred), out)
    return out / len(shock)


def _arrays(deals: OpenDealInputs) -> tuple[Keys, Floats, Floats, Floats, Ints, Small]:
    hazard = np.ascontiguousarray(deals.hazard)
    return deals.keys, hazard, deals.amount, deals.factors, deals.starts, deals.pool


@njit(cache=True, inline="always")
def _cell(hazard: Floats, i: int, threshold: float) -> int:
    for c in range(hazard.shape[1]):
        if hazard[i, c] > threshold:
            return c
    return -1


@njit(cache=True, inline="always")
def _drawn(key: np.uint64, d: int, amount: float, factors: Floats, first: int, last: int) -> float:
    """The booked amount: as of the origin, times a factor out of the pool."""
    pick = first + int(uniform(mix(key), d) * (last - first))
    return quantum_of(amount * factors[pick])


@njit(cache=True, parallel=True)
def _open(
    keys: Keys,
    hazard: Floats,
    amount: Floats,
    factors: Floats,
    starts: Ints,
    pool: Small,
    group: Small,
    shock: Floats,
    whole: Floats,
    groups: Floats,
) -> None:
    cells, draws = whole.shape
    for block in prange((draws + BLOCK - 1) // BLOCK):
        begin, end = block * BLOCK, min(draws, (block + 1) * BLOCK)
        # sums of the block side by side: spread over the whole they would miss the cache
        sums = np.zeros((len(groups) + 1, cells, BLOCK))
        ease = 1.0 / shock[begin:end]
        softest = ease.min()
        for i in range(len(keys)):
            # most draws of a deal are no win: its chance at the block's strongest shock tells
            limit = 1.0 - math.exp(-hazard[i, cells - 1] / softest)
            for d in range(end - begin):
                u = uniform(keys[i], begin + d)
                if u >= limit:
                    continue
                c = _cell(hazard, i, -math.log(1.0 - u) * ease[d])
                if c < 0:
                    continue
                p = int(pool[i, c])
                money = _drawn(keys[i], begin + d, amount[i], factors, starts[p], starts[p + 1])
                sums[len(groups), c, d] += money
                for k in range(group.shape[1]):
                    sums[int(group[i, k]), c, d] += money
        whole[:, begin:end] = sums[len(groups), :, : end - begin]
        groups[:, :, begin:end] = sums[: len(groups), :, : end - begin]


@njit(cache=True, parallel=True)
def _influence(
    keys: Keys,
    hazard: Floats,
    amount: Floats,
    factors: Floats,
    starts: Ints,
    pool: Small,
    shock: Floats,
    centred: Floats,
    out: Floats,
) -> None:
    draws, cells = len(shock), hazard.shape[1]
    ease = 1.0 / shock
    softest = ease.min()
    for i in prange(len(keys)):
        limit = 1.0 - math.exp(-hazard[i, cells - 1] / softest)
        for d in range(draws):
            u = uniform(keys[i], d)
            if u >= limit:
                continue
            c = _cell(hazard, i, -math.log(1.0 - u) * ease[d])
            if c < 0:
                continue
            p = int(pool[i, c])
            money = _drawn(keys[i], d, amount[i], factors, starts[p], starts[p + 1])
            for q in range(len(centred)):
                out[i, q] += money * centred[q, c, d]


@dataclass(frozen=True)
class NewDealInputs:
    """What is drawn for deals that are not there yet.

    keys    (C,) names of the luck of each cell
    mean    (C, draws) expected number won in each cell, given the draw's shock and arrival rate
    chosen  (C, m) cumulative share of each recent win as the likeness of a win in the cell
    amount  (m,) booked amounts of those wins; group (m, D) their values
    """

    keys: Keys
    mean: Floats
    chosen: Floats
    amount: Floats
    group: Small
    groups: int


def new_deal_draws(unborn: NewDealInputs) -> tuple[Floats, Floats]:
    """Booked amounts of unborn deals: the whole (C, draws) and by group (G, C, draws)."""
    cells, draws = unborn.mean.shape
    whole = np.zeros((cells, draws))
    groups = np.zeros((unborn.groups, cells, draws))
    if len(unborn.amount):
        _unborn(unborn.keys, unborn.mean, unborn.chosen, unborn.amount, unborn.group, whole, groups)
    return whole, groups


STEP = 16.0
"""A large Poisson mean is drawn as a sum of means of this size: inversion needs few steps each."""


@njit(cache=True)
def poisson(key: np.uint64, d: int, mean: float) -> int:
    """A Poisson number by inversion; the same luck gives more for a larger mean."""
    total, part = 0, 0
    while mean > 0.0:
        here = min(mean, STEP)
        mean -= here
        u = uniform(mix(key + np.uint64(part)), d)
        part += 1
        chance = math.exp(-here)
        below, k = chance, 0
        while u > below and k < 200:
            k += 1
            chance *= here / k
            below += chance
        total += k
    return total


@njit(cache=True)
def _guide(chosen: Floats) -> Small:
    """(C, m) where to begin the search for a number in the k-th of m equal parts of 0 to 1."""
    cells, m = chosen.shape
    guide = np.zeros((cells, m), np.int32)
    for c in range(cells):
        i = 0
        for k in range(m):
            while i < m - 1 and chosen[c, i] <= k / m:
                i += 1
            guide[c, k] = i
    return guide


@njit(cache=True, parallel=True)
def _unborn(
    keys: Keys,
    mean: Floats,
    chosen: Floats,
    amount: Floats,
    group: Small,
    whole: Floats,
    groups: Floats,
) -> None:
    cells, draws = mean.shape
    guide = _guide(chosen)
    for d in prange(draws):
        sums = np.zeros(len(groups) + 1)
        for c in range(cells):
            sums[:] = 0.0
            for turn in range(poisson(keys[c], d, mean[c, d])):
                u = uniform(mix(keys[c] ^ mix(np.uint64(turn + 1))), d)
                i = int(guide[c, int(u * len(amount))])
                while i < len(amount) - 1 and chosen[c, i] <= u:
                    i += 1
                sums[len(groups)] += amount[i]
                for k in range(group.shape[1]):
                    sums[int(group[i, k])] += amount[i]
            whole[c, d] = sums[len(groups)]
            groups[:, c, d] = sums[: len(groups)]
