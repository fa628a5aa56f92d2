"""Charges drawn: present customers' next ones, thinned by churn, and those of customers to come.

A customer leaves when its cumulative hazard passes E = -log U over the draw's shock; all its chains
stop together. A customer to come is like a recent one: it begins on an even day of the month it
comes in, is charged at that one's steps and leaves at recent hazards by age.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from features.tables import Floats, Ints
from training.forecast.data.random import Keys, Small, mix, uniform
from training.forecast.data.rounding import quantum_of
from training.forecast.simulate.deal_kernels import poisson


@dataclass(frozen=True)
class RenewalInputs:
    """What n running chains are to be charged.

    keys     (n,) names of the customers' luck: chains of one customer share theirs
    dues     (m,) cells of the charges to come, chain by chain; hazard (m,) the customer's
             cumulative hazard to have left by then; starts (n + 1,) where each chain's begin
    amount   (n,) the newest charge; growth (f,) recent factors from one charge to the next
    group    (n, D) group numbers
    """

    keys: Keys
    dues: Small
    hazard: Floats
    starts: Ints
    amount: Floats
    growth: Floats
    group: Small
    groups: int


def renewal_draws(present: RenewalInputs, shock: Floats, cells: int) -> tuple[Floats, Floats]:
    """The whole (C, draws) and by group (G, C, draws); a strong ``shock`` keeps customers."""
    whole = np.zeros((cells, len(shock)))
    groups = np.zeros((present.groups, cells, len(shock)))
    _present(
        present.keys,
        present.dues,
        present.hazard,
        present.starts,
        present.amount,
        present.growth,
        present.group,
        shock,
        whole,
        groups,
    )
    return whole, groups


BLOCK = 256


@njit(cache=True, parallel=True)
def _present(
    keys: Keys,
    dues: Small,
    hazard: Floats,
    starts: Ints,
    amount: Floats,
    growth: Floats,
    group: Small,
    shock: Floats,
    whole: Floats,
    groups: Floats,
) -> None:
    draws = len(shock)
    for block in prange((draws + BLOCK - 1) // BLOCK):
        for i in range(len(keys)):
            for d in range(block * BLOCK, min(draws, (block + 1) * BLOCK)):
                patience = -math.log(uniform(keys[i], d)) * shock[d]
                money = amount[i]
                for k in range(starts[i], starts[i + 1]):
                    if hazard[k] > patience:
                        break
                    if len(growth) > 1:
                        u = uniform(mix(keys[i] + np.uint64(k - starts[i] + 1)), d)
                        money *= growth[int(u * len(growth))]
                    exact = quantum_of(money)
                    c = int(dues[k])
                    whole[c, d] += exact
                    for g in range(group.shape[1]):
                        groups[int(group[i, g]), c, d] += exact


@dataclass(frozen=True)
class NewCustomerInputs:
    """Customers to come, each like one of t recent ones.

    keys    (C,) names of the luck of each cell; mean (C, draws) expected newcomers
    bounds  (C + 1,) days from the origin to the cells' bounds
    step, amount (q,) of the templates' chains; group (q, D); starts (t + 1,) chains of each
    age, hazard  the cumulative hazard to leave by age in days, by steps
    """

    keys: Keys
    mean: Floats
    bounds: Floats
    step: Floats
    amount: Floats
    group: Small
    starts: Ints
    age: Floats
    hazard: Floats
    groups: int


def new_customer_draws(new: NewCustomerInputs, shock: Floats) -> tuple[Floats, Floats]:
    """The whole (C, draws) and by group (G, C, draws)."""
    cells, draws = new.mean.shape
    whole = np.zeros((cells, draws))
    groups = np.zeros((new.groups, cells, draws))
    if len(new.starts) > 1:
        _newcomers(
            new.keys,
            new.mean,
            new.bounds,
            new.step,
            new.amount,
            new.group,
            new.starts,
            new.age,
            new.hazard,
            shock,
            whole,
            groups,
        )
    return whole, groups


@njit(cache=True, parallel=True)
def _newcomers(
    keys: Keys,
    mean: Floats,
    bounds: Floats,
    step: Floats,
    amount: Floats,
    group: Small,
    starts: Ints,
    age: Floats,
    hazard: Floats,
    shock: Floats,
    whole: Floats,
    groups: Floats,
) -> None:
    cells, draws = mean.shape
    templates = len(starts) - 1
    for d in prange(draws):
        for c in range(cells):
            for turn in range(poisson(keys[c], d, mean[c, d])):
                own = mix(keys[c] ^ mix(np.uint64(turn + 1)))
                t = int(uniform(own, d) * templates)
                here = bounds[c] + uniform(mix(own + np.uint64(1)), d) * (bounds[c + 1] - bounds[c])
                patience = -math.log(uniform(mix(own + np.uint64(2)), d)) * shock[d]
                for q in range(starts[t], starts[t + 1]):
                    _charged(
                        c, here, patience, step[q], amount[q], group[q], bounds, age, hazard, d,
                        whole, groups,
                    )  # fmt: skip


@njit(cache=True)
def _charged(
    c: int,
    here: float,
    patience: float,
    step: float,
    amount: float,
    group: Small,
    bounds: Floats,
    age: Floats,
    hazard: Floats,
    d: int,
    whole: Floats,
    groups: Floats,
) -> None:
    """Charge one chain from day ``here`` on until its customer leaves or the cells end."""
    day, cells = here, len(bounds) - 1
    while day < bounds[cells]:
        place = int(np.searchsorted(age, day - here, side="right"))
        if place > 0 and hazard[place - 1] > patience:
            return
        while day >= bounds[c + 1]:
            c += 1
        whole[c, d] += amount
        for g in range(len(group)):
            groups[int(group[g]), c, d] += amount
        day += step
