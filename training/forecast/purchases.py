"""Repeat purchases without a contract: how often each customer buys, and whether it still does.

BG/NBD (Fader, Hardie and Lee, 2005): while alive a customer buys at its own rate, which is
gamma(r, alpha) among customers, and after each purchase leaves for good with its own chance, which
is beta(a, b). With x repeat purchases, the last at t, seen for T, a customer is alive with
probability 1 / (1 + [x > 0] a / (b + x - 1) ((alpha + T) / (alpha + t))^(r + x)), and then has rate
gamma(r + x, alpha + T) and chance beta(a, b + x). Few purchases say little: the estimate leans on
the others' by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from scipy.optimize import minimize
from scipy.special import betaincinv, betaln, gammaincinv, gammaln

from features.tables import DAY, Floats, Ints
from training.forecast.chance import Keys, mix, uniform
from training.forecast.charges import Charges
from training.forecast.simulate import Small, poisson

LEVELS = 24
"""Quantiles by which a customer's rate and chance are drawn."""
FEWEST = 30
"""Customers without whom no purchase process can be learned."""
OWN = 3.0
"""Purchases a customer needs so that half of its next amounts are like its own."""


@dataclass(frozen=True)
class Buyers:
    """Purchases known at an origin, a day's charges of a customer being one; customers (n,).

    account  code in ``Charges``; x repeat purchases; last, age days from the first purchase to the
             last and to the origin
    amount   (m,) of every purchase, customer by customer; starts (n + 1,)
    """

    account: Ints
    x: Floats
    last: Floats
    age: Floats
    amount: Floats
    starts: Ints


def buyers(charges: Charges, origin: int) -> Buyers:
    """What was known before ``origin`` (microseconds)."""
    rows = np.flatnonzero(charges.seen(origin))
    amounts = np.nan_to_num(charges.amounts(rows))
    account, day = charges.account[rows], charges.at[rows] // DAY
    order = np.lexsort((day, account))
    account, day, amounts = account[order], day[order], amounts[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (account[1:] != account[:-1]) | (day[1:] != day[:-1])
    summed = np.add.reduceat(amounts, np.flatnonzero(new)) if len(order) else amounts
    account, day = account[new], day[new]
    who, first, count = np.unique(account, return_index=True, return_counts=True)
    began = day[first]
    last = day[first + count - 1] - began
    age = origin / DAY - began
    starts = np.append(first, len(account)).astype(np.int64)
    x = count.astype(np.float64) - 1.0
    return Buyers(who, x, last.astype(np.float64), age.astype(np.float64), summed, starts)


@dataclass(frozen=True)
class Habits:
    """The four numbers of the process: gamma(r, alpha) of rates a day, beta(a, b) of leaving."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, found: Buyers) -> Floats:
        """(n,) probability that each customer still buys."""
        odds = np.log(self.a / (self.b + np.maximum(found.x, 1.0) - 1.0)) + (self.r + found.x) * (
            np.log(self.alpha + found.age) - np.log(self.alpha + found.last)
        )
        gone = np.where(found.x > 0, np.exp(np.minimum(odds, 700.0)), 0.0)
        alive: Floats = 1.0 / (1.0 + gone)
        return alive


def habits(found: Buyers) -> Habits:
    """The four numbers by maximum likelihood; ValueError with fewer than ``FEWEST`` customers."""
    if len(found.x) < FEWEST:
        raise ValueError(
            f"too little history: {len(found.x)} customers ever bought, at least {FEWEST} are "
            f"needed to know how often they come back"
        )
    start = np.log([0.8, float(np.mean(found.age)) / 2 + 1.0, 0.8, 2.5])
    best = minimize(_loss, start, args=(found,), method="Nelder-Mead", options={"maxiter": 600})
    r, alpha, a, b = np.exp(np.clip(best.x, -7.0, 12.0)).tolist()
    return Habits(r, alpha, a, b)


def _loss(logs: Floats, found: Buyers) -> float:
    """Minus the mean log likelihood (formula 6 of the paper), with a faint prior on the logs."""
    r, alpha, a, b = np.exp(np.clip(logs, -7.0, 12.0))
    x, again = found.x, found.x > 0
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stays = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + found.age)
    less = np.maximum(x, 1.0) - 1.0
    leaves = betaln(a + 1, b + less) - betaln(a, b) - (r + x) * np.log(alpha + found.last)
    likelihood = common + np.where(again, np.logaddexp(stays, leaves), stays)
    return float(-likelihood.mean() + 1e-4 * (logs**2).sum())


@dataclass(frozen=True)
class Shoppers:
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


def levels() -> Floats:
    """The middles of LEVELS equal shares."""
    found: Floats = (np.arange(LEVELS) + 0.5) / LEVELS
    return found


def rates(r: Floats, alpha: Floats) -> Floats:
    """(n, LEVELS) quantiles of gamma(r, alpha), with its mean."""
    found = gammaincinv(r[:, None], levels()) / alpha[:, None]
    mean = (r / alpha)[:, None]
    scaled: Floats = found * mean / np.maximum(found.mean(axis=1, keepdims=True), 1e-300)
    return scaled


def chances(a: Floats, b: Floats) -> Floats:
    """(n, LEVELS) quantiles of beta(a, b)."""
    found: Floats = betaincinv(a[:, None], b[:, None], levels())
    return found


def purchase_draws(shoppers: Shoppers, shock: Floats, bounds: Floats) -> tuple[Floats, Floats]:
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
class FirstBuyers:
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


def first_draws(new: FirstBuyers, shock: Floats) -> tuple[Floats, Floats]:
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
