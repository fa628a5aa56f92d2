"""Futures drawn at once: which open deals are won, when and for how much; and those yet unborn.

All deals of a draw share a pace g_c in each cell of time c. A deal's time is found by inversion:
with E = -log U it is won in the first cell where

    L_1 g_1 + (L_2 - L_1) g_2 + … + (L_c - L_c-1) g_c > E,      L = -log(1 - F),

so that deals win together or wait together. Worked example: a deal with F = (0.2, 0.4) has
L = (0.22, 0.51); at a pace of 2 in both cells it is won by the first with 1 - exp(-0.45) = 0.36.
Amounts are whole quanta, so their sums are exact whatever their order.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from features.tables import Floats, Ints
from training.forecast.data.random import Keys, Small, mix, uniform
from training.forecast.data.rounding import quantum_of

BLOCK = 64
"""Draws handled at a time: their sums stay in the cache."""


class OpenDealInputs(NamedTuple):
    """What is drawn for n open deals over C cells of time; G groups, D dimensions.

    keys     (n,) names of their random numbers
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


def open_deal_draws(deals: OpenDealInputs, pace: Floats, price: Floats) -> tuple[Floats, Floats]:
    """Booked amounts of the open deals: the whole (C, draws) and by group (G, C, draws).

    pace, price  (C, draws) factors on the growth of the cumulative hazard, and on amounts
    """
    cells, draws = pace.shape
    whole = np.zeros((cells, draws))
    groups = np.zeros((deals.groups, cells, draws))
    _open(_contiguous(deals), pace, price, whole, groups)
    return whole, groups


class DealMeans(NamedTuple):
    """Of each open deal over the draws: chance and mean amount (n, C), and covariance (n, P)."""

    chance: Floats
    mean: Floats
    covariance: Floats


def open_deal_means(
    deals: OpenDealInputs, pace: Floats, price: Floats, times: Floats, centred: Floats
) -> DealMeans:
    """What ``open_deal_draws`` means for each deal, and its covariance with P totals.

    times    (draws,) how often each draw counts
    centred  (P, C, draws) what cell c's amount is multiplied by for total p: the total less its
             mean where it holds the cell, else 0
    """
    n, cells = deals.hazard.shape
    found = DealMeans(np.zeros((n, cells)), np.zeros((n, cells)), np.zeros((n, len(centred))))
    _means(_contiguous(deals), pace, price, times, np.ascontiguousarray(centred), *found)
    return DealMeans(*(part / times.sum() for part in found))


def _contiguous(deals: OpenDealInputs) -> OpenDealInputs:
    """Arrays in the layout that the kernels are compiled for."""
    return deals._replace(hazard=np.ascontiguousarray(deals.hazard))


@njit(cache=True, inline="always")
def _cell(hazard: Floats, pace: Floats, i: int, d: int, patience: float) -> int:
    """The cell in which deal i is won in draw d; -1 for none."""
    passed, before = 0.0, 0.0
    for c in range(hazard.shape[1]):
        passed += (hazard[i, c] - before) * pace[c, d]
        before = hazard[i, c]
        if passed > patience:
            return c
    return -1


@njit(cache=True, inline="always")
def _booked(deals: OpenDealInputs, i: int, d: int, c: int, price: float) -> float:
    """The booked amount: as of the origin, times a factor out of the pool."""
    p = deals.pool[i, c]
    first, last = deals.starts[p], deals.starts[p + 1]
    pick = first + int(uniform(mix(deals.keys[i]), d) * (last - first))
    return quantum_of(deals.amount[i] * deals.factors[pick] * price)


@njit(cache=True, parallel=True)
def _open(
    deals: OpenDealInputs, pace: Floats, price: Floats, whole: Floats, groups: Floats
) -> None:
    cells, draws = whole.shape
    for block in prange((draws + BLOCK - 1) // BLOCK):
        begin, end = block * BLOCK, min(draws, (block + 1) * BLOCK)
        # sums of the block side by side: spread over the whole they would miss the cache
        sums = np.zeros((len(groups) + 1, cells, BLOCK))
        fastest = pace[:, begin:end].max()
        for i in range(len(deals.keys)):
            # most draws of a deal are no win: its chance at the block's fastest pace tells
            limit = 1.0 - math.exp(-deals.hazard[i, cells - 1] * fastest)
            for d in range(begin, end):
                u = uniform(deals.keys[i], d)
                if u >= limit:
                    continue
                c = _cell(deals.hazard, pace, i, d, -math.log(1.0 - u))
                if c < 0:
                    continue
                money = _booked(deals, i, d, c, price[c, d])
                sums[len(groups), c, d - begin] += money
                for k in range(deals.group.shape[1]):
                    sums[int(deals.group[i, k]), c, d - begin] += money
        whole[:, begin:end] = sums[len(groups), :, : end - begin]
        groups[:, :, begin:end] = sums[: len(groups), :, : end - begin]


@njit(cache=True, parallel=True)
def _means(
    deals: OpenDealInputs,
    pace: Floats,
    price: Floats,
    times: Floats,
    centred: Floats,
    chance: Floats,
    mean: Floats,
    covariance: Floats,
) -> None:
    cells, draws = pace.shape
    fastest = pace.max()
    for i in prange(len(deals.keys)):
        limit = 1.0 - math.exp(-deals.hazard[i, cells - 1] * fastest)
        for d in range(draws):
            u = uniform(deals.keys[i], d)
            if u >= limit or times[d] == 0.0:
                continue
            c = _cell(deals.hazard, pace, i, d, -math.log(1.0 - u))
            if c < 0:
                continue
            money = _booked(deals, i, d, c, price[c, d]) * times[d]
            chance[i, c] += times[d]
            mean[i, c] += money
            for q in range(len(centred)):
                covariance[i, q] += money * centred[q, c, d]


class NewDealInputs(NamedTuple):
    """What is drawn for deals that are not there yet.

    keys    (C,) names of the random numbers of each cell
    mean    (C, draws) expected number won in each cell, given what the draw's deals share
    chosen  (C, m) cumulative share of each recent win as the likeness of a win in the cell
    amount  (m,) booked amounts of those wins; group (m, D) their values
    """

    keys: Keys
    mean: Floats
    chosen: Floats
    amount: Floats
    group: Small
    groups: int


def new_deal_draws(new: NewDealInputs, price: Floats) -> tuple[Floats, Floats]:
    """Booked amounts of unborn deals: the whole (C, draws) and by group (G, C, draws)."""
    cells, draws = new.mean.shape
    whole = np.zeros((cells, draws))
    groups = np.zeros((new.groups, cells, draws))
    if len(new.amount):
        _new(new, price, whole, groups)
    return whole, groups


STEP = 16.0
"""A large Poisson mean is drawn as a sum of means of this size: inversion needs few steps each."""


@njit(cache=True)
def poisson(key: np.uint64, d: int, mean: float) -> int:
    """A Poisson number by inversion; the same random numbers give more for a larger mean."""
    total, part = 0, 0
    while mean > 0.0:
        piece = min(mean, STEP)
        mean -= piece
        u = uniform(mix(key + np.uint64(part)), d)
        part += 1
        chance = math.exp(-piece)
        below, k = chance, 0
        while u > below and k < 200:
            k += 1
            chance *= piece / k
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
def _new(new: NewDealInputs, price: Floats, whole: Floats, groups: Floats) -> None:
    cells, draws = new.mean.shape
    guide, m = _guide(new.chosen), len(new.amount)
    for d in prange(draws):
        sums = np.zeros(len(groups) + 1)
        for c in range(cells):
            sums[:] = 0.0
            for turn in range(poisson(new.keys[c], d, new.mean[c, d])):
                u = uniform(mix(new.keys[c] ^ mix(np.uint64(turn + 1))), d)
                i = int(guide[c, int(u * m)])
                while i < m - 1 and new.chosen[c, i] <= u:
                    i += 1
                money = quantum_of(new.amount[i] * price[c, d])
                sums[len(groups)] += money
                for k in range(new.group.shape[1]):
                    sums[int(new.group[i, k])] += money
            whole[c, d] = sums[len(groups)]
            groups[:, c, d] = sums[: len(groups)]
