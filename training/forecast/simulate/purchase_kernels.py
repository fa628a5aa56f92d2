"""Purchases drawn: when present customers buy again, and when those to come first do.

A customer that is alive buys after exponential gaps at its own rate times the draw's pace in the
cell, and leaves after a purchase with its own chance (``purchases``). Worked example: a gap of
E = 1.2 at a rate of 0.02 a day takes 60 days at pace 1; with a pace of 2 from day 30 on, 0.6 of it
is used up by then and the rest takes 15 days.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from features.tables import Floats, Ints
from training.forecast.data.random import Keys, Small, mix, uniform
from training.forecast.data.rounding import quantum_of
from training.forecast.simulate.deal_kernels import poisson

BLOCK = 256
"""Draws handled at a time by one thread."""
MOST = 2_000
"""Purchases of one customer in one draw: a bound that no real customer meets."""


class RepeatBuyerInputs(NamedTuple):
    """What is drawn for n present customers.

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
    buyers: RepeatBuyerInputs, pace: Floats, price: Floats, bounds: Floats
) -> tuple[Floats, Floats]:
    """Amounts of present customers: the whole (C, draws) and by group (G, C, draws).

    pace, price (C, draws) factors on rates and amounts; bounds (C + 1,) days of the cells
    """
    whole = np.zeros(pace.shape)
    groups = np.zeros((buyers.groups, *pace.shape))
    _repeat(buyers, pace, price, bounds, whole, groups)
    return whole, groups


@njit(cache=True, inline="always")
def _after(
    day: float, c: int, gap: float, speed: float, pace: Floats, bounds: Floats, d: int
) -> tuple[float, int]:
    """The day and the cell in which ``gap`` is used up; a cell behind the last is too late."""
    cells = len(bounds) - 1
    while c < cells:
        rate = speed * pace[c, d]
        left = rate * (bounds[c + 1] - day)
        if gap < left:
            return day + gap / rate, c
        gap -= left
        day = bounds[c + 1]
        c += 1
    return day, c


@njit(cache=True, parallel=True)
def _repeat(
    buyers: RepeatBuyerInputs,
    pace: Floats,
    price: Floats,
    bounds: Floats,
    whole: Floats,
    groups: Floats,
) -> None:
    cells, draws = pace.shape
    levels = buyers.rate.shape[1]
    for block in prange((draws + BLOCK - 1) // BLOCK):
        for i in range(len(buyers.keys)):
            key, first, last = buyers.keys[i], buyers.starts[i], buyers.starts[i + 1]
            for d in range(block * BLOCK, min(draws, (block + 1) * BLOCK)):
                if uniform(key, d) >= buyers.alive[i]:
                    continue
                speed = buyers.rate[i, int(uniform(mix(key + np.uint64(1)), d) * levels)]
                leave = buyers.chance[i, int(uniform(mix(key + np.uint64(2)), d) * levels)]
                day, c = bounds[0], 0
                for turn in range(MOST):
                    own = mix(key ^ mix(np.uint64(turn + 3)))
                    day, c = _after(day, c, -math.log(uniform(own, d)), speed, pace, bounds, d)
                    if c >= cells:
                        break
                    pick = uniform(mix(own + np.uint64(2)), d)
                    if uniform(mix(own + np.uint64(1)), d) < buyers.own[i]:
                        paid = buyers.amount[first + int(pick * (last - first))]
                    else:
                        paid = buyers.pool[int(pick * len(buyers.pool))]
                    money = quantum_of(paid * price[c, d])
                    whole[c, d] += money
                    for g in range(buyers.group.shape[1]):
                        groups[int(buyers.group[i, g]), c, d] += money
                    if uniform(mix(own + np.uint64(3)), d) < leave:
                        break


class NewBuyerInputs(NamedTuple):
    """Customers to come, each like one of t recent ones in its groups.

    keys (C,), mean (C, draws) and bounds as ``NewCustomerInputs``; rate, chance (LEVELS,) before
    any purchase is seen; first (t,) amounts of recent first purchases, pool (q,) of later ones
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


def new_buyer_draws(new: NewBuyerInputs, pace: Floats, price: Floats) -> tuple[Floats, Floats]:
    """The whole (C, draws) and by group (G, C, draws); pace and price as ``repeat_buyer_draws``."""
    whole = np.zeros(new.mean.shape)
    groups = np.zeros((new.groups, *new.mean.shape))
    if len(new.first):
        _first(new, pace, price, whole, groups)
    return whole, groups


@njit(cache=True, parallel=True)
def _first(new: NewBuyerInputs, pace: Floats, price: Floats, whole: Floats, groups: Floats) -> None:
    cells, draws = new.mean.shape
    for d in prange(draws):
        for start in range(cells):
            length = new.bounds[start + 1] - new.bounds[start]
            for turn in range(poisson(new.keys[start], d, new.mean[start, d])):
                own = mix(new.keys[start] ^ mix(np.uint64(turn + 1)))
                t = int(uniform(own, d) * len(new.first))
                speed = new.rate[int(uniform(mix(own + np.uint64(1)), d) * len(new.rate))]
                leave = new.chance[int(uniform(mix(own + np.uint64(2)), d) * len(new.chance))]
                c, paid = start, new.first[t]
                day = new.bounds[c] + uniform(mix(own + np.uint64(3)), d) * length
                for step in range(MOST):
                    money = quantum_of(paid * price[c, d])
                    whole[c, d] += money
                    for g in range(new.group.shape[1]):
                        groups[int(new.group[t, g]), c, d] += money
                    key = mix(own ^ mix(np.uint64(step + 4)))
                    if step > 0 and uniform(mix(key + np.uint64(1)), d) < leave:
                        break
                    gap = -math.log(uniform(key, d))
                    day, c = _after(day, c, gap, speed, pace, new.bounds, d)
                    if c >= cells:
                        break
                    paid = new.pool[int(uniform(mix(key + np.uint64(2)), d) * len(new.pool))]
