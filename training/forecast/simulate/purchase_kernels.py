"""Purchases drawn: when present customers buy again, and when those to come first do.

A customer that is alive buys after exponential gaps at its own rate, and leaves after a purchase
with its own chance (``purchases``); the draw's shock multiplies all rates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from features.tables import Floats, Ints
from training.forecast.data.random import Keys, Small, mix, uniform
from training.forecast.simulate.deal_kernels import poisson


@dataclass(frozen=True)
class RepeatBuyerInputs:
    """What is drawn for n present customers, and for those like a customer who just came.

    alive (n,); rate, chance (n, LEVELS) equally likely values; own (n,) share of amounts that are
    the customer's own; amount, starts those; pool (q,) everybody's recent amounts
    """

    keys: Keys
    alive: Floats
    rate: Floats
    chance: Floats
    own: Floats
    amount: Floats
    starts: Ints
    pool: Floats
    group: Small
    groups: int


def repeat_buyer_draws(
    shoppers: RepeatBuyerInputs, shock: Floats, bounds: Floats
) -> tuple[Floats, Floats]:
    """Amounts of present customers: the whole (C, draws) and by group (G, C, draws)."""
    cells = len(bounds) - 1
    whole = np.zeros((cells, len(shock)))
    groups = np.zeros((shoppers.groups, cells, len(shock)))
    _purchases(
        shoppers.keys,
        shoppers.alive,
        shoppers.rate,
        shoppers.chance,
        shoppers.own,
        shoppers.amount,
        shoppers.starts,
        shoppers.pool,
        shoppers.group,
        bounds,
        shock,
        whole,
        groups,
    )
    return whole, groups


BLOCK = 256
MOST = 2_000
"""Purchases of one customer in one draw: a bound that no real customer meets."""


@njit(cache=True)
def _paid(pick: float, ours: bool, amount: Floats, first: int, last: int, pool: Floats) -> float:
    """An amount like one of the customer's own, or like anybody's."""
    if ours:
        return float(amount[first + int(pick * (last - first))])
    return float(pool[int(pick * len(pool))])


@njit(cache=True, parallel=True)
def _purchases(
    keys: Keys,
    alive: Floats,
    rate: Floats,
    chance: Floats,
    own: Floats,
    amount: Floats,
    starts: Ints,
    pool: Floats,
    group: Small,
    bounds: Floats,
    shock: Floats,
    whole: Floats,
    groups: Floats,
) -> None:
    draws, cells = len(shock), len(bounds) - 1
    for block in prange((draws + BLOCK - 1) // BLOCK):
        for i in range(len(keys)):
            for d in range(block * BLOCK, min(draws, (block + 1) * BLOCK)):
                if uniform(keys[i], d) >= alive[i]:
                    continue
                level = uniform(mix(keys[i] + np.uint64(1)), d)
                speed = rate[i, int(level * rate.shape[1])] * shock[d]
                level = uniform(mix(keys[i] + np.uint64(2)), d)
                leave = chance[i, int(level * chance.shape[1])]
                day, c = bounds[0], 0
                for turn in range(MOST):
                    here = mix(keys[i] ^ mix(np.uint64(turn + 3)))
                    day += -math.log(uniform(here, d)) / speed
                    if day >= bounds[cells]:
                        break
                    while day >= bounds[c + 1]:
                        c += 1
                    ours = uniform(mix(here + np.uint64(1)), d) < own[i]
                    pick = uniform(mix(here + np.uint64(2)), d)
                    money = _paid(pick, ours, amount, starts[i], starts[i + 1], pool)
                    whole[c, d] += money
                    for g in range(group.shape[1]):
                        groups[int(group[i, g]), c, d] += money
                    if uniform(mix(here + np.uint64(3)), d) < leave:
                        break


@dataclass(frozen=True)
class NewBuyerInputs:
    """Customers to come, each like one of t recent ones in its groups.

    keys (C,), mean (C, draws) and bounds as ``Newcomers``; rate, chance (LEVELS,) before any
    purchase is seen; first (t,) amounts of recent first purchases, pool (q,) of later ones
    """

    keys: Keys
    mean: Floats
    bounds: Floats
    rate: Floats
    chance: Floats
    first: Floats
    pool: Floats
    group: Small
    groups: int


def new_buyer_draws(new: NewBuyerInputs, shock: Floats) -> tuple[Floats, Floats]:
    """The whole (C, draws) and by group (G, C, draws)."""
    cells, draws = new.mean.shape
    whole = np.zeros((cells, draws))
    groups = np.zeros((new.groups, cells, draws))
    if len(new.first):
        _first(
            new.keys,
            new.mean,
            new.bounds,
            new.rate,
            new.chance,
            new.first,
            new.pool,
            new.group,
            shock,
            whole,
            groups,
        )
    return whole, groups


@njit(cache=True, parallel=True)
def _first(
    keys: Keys,
    mean: Floats,
    bounds: Floats,
    rate: Floats,
    chance: Floats,
    first: Floats,
    pool: Floats,
    group: Small,
    shock: Floats,
    whole: Floats,
    groups: Floats,
) -> None:
    cells, draws = mean.shape
    for d in prange(draws):
        for start in range(cells):
            for turn in range(poisson(keys[start], d, mean[start, d])):
                own = mix(keys[start] ^ mix(np.uint64(turn + 1)))
                t = int(uniform(own, d) * len(first))
                level = uniform(mix(own + np.uint64(1)), d)
                speed = rate[int(level * len(rate))] * shock[d]
                level = uniform(mix(own + np.uint64(2)), d)
                leave = chance[int(level * len(chance))]
                c = start
                length = bounds[c + 1] - bounds[c]
                day = bounds[c] + uniform(mix(own + np.uint64(3)), d) * length
                money = first[t]
                for step in range(MOST):
                    whole[c, d] += money
                    for g in range(group.shape[1]):
                        groups[int(group[t, g]), c, d] += money
                    here = mix(own ^ mix(np.uint64(step + 4)))
                    if step > 0 and uniform(mix(here + np.uint64(1)), d) < leave:
                        break
                    day += -math.log(uniform(here, d)) / speed
                    if day >= bounds[cells]:
                        break
                    while day >= bounds[c + 1]:
                        c += 1
                    money = pool[int(uniform(mix(here + np.uint64(2)), d) * len(pool))]
