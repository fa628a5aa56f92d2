"""Charges drawn: present customers' next ones, thinned by churn, and those of customers to come.

A customer leaves when its cumulative hazard passes E = -log U over the draw's own risk; all its
chains stop together. Worked example: with hazards 0.1, 0.2, 0.3 at three charges and U = 0.78,
E = 0.25: two charges are made, the third is not. A customer to come is like a recent one: it begins
on an even day of the cell it comes in, is charged at that one's steps and leaves by age.
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


class RenewalInputs(NamedTuple):
    """What n running chains are to be charged.

    keys     (n,) names of the customers' random numbers: chains of one customer share theirs
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


def renewal_draws(inputs: RenewalInputs, risk: Floats, price: Floats) -> tuple[Floats, Floats]:
    """The whole (C, draws) and by group (G, C, draws).

    risk (draws,) factor on hazards to leave; price (C, draws) factor on charges
    """
    whole = np.zeros(price.shape)
    groups = np.zeros((inputs.groups, *price.shape))
    _renewals(inputs, risk, price, whole, groups)
    return whole, groups


@njit(cache=True, parallel=True)
def _renewals(
    inputs: RenewalInputs, risk: Floats, price: Floats, whole: Floats, groups: Floats
) -> None:
    draws = len(risk)
    for block in prange((draws + BLOCK - 1) // BLOCK):
        for i in range(len(inputs.keys)):
            key, first = inputs.keys[i], inputs.starts[i]
            for d in range(block * BLOCK, min(draws, (block + 1) * BLOCK)):
                patience = -math.log(uniform(key, d)) / risk[d]
                money = inputs.amount[i]
                for k in range(first, inputs.starts[i + 1]):
                    if inputs.hazard[k] > patience:
                        break
                    if len(inputs.growth) > 1:
                        u = uniform(mix(key + np.uint64(k - first + 1)), d)
                        money *= inputs.growth[int(u * len(inputs.growth))]
                    c = int(inputs.dues[k])
                    charge = quantum_of(money * price[c, d])
                    whole[c, d] += charge
                    for g in range(inputs.group.shape[1]):
                        groups[int(inputs.group[i, g]), c, d] += charge


class NewCustomerInputs(NamedTuple):
    """Customers to come, each like one of t recent ones.

    keys    (C,) names of the random numbers of each cell; mean (C, draws) expected newcomers
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


def new_customer_draws(
    new: NewCustomerInputs, risk: Floats, price: Floats
) -> tuple[Floats, Floats]:
    """The whole (C, draws) and by group (G, C, draws); risk and price as ``renewal_draws``."""
    whole = np.zeros(new.mean.shape)
    groups = np.zeros((new.groups, *new.mean.shape))
    if len(new.starts) > 1:
        _new_customers(new, risk, price, whole, groups)
    return whole, groups


@njit(cache=True, parallel=True)
def _new_customers(
    new: NewCustomerInputs, risk: Floats, price: Floats, whole: Floats, groups: Floats
) -> None:
    cells, draws = new.mean.shape
    templates = len(new.starts) - 1
    for d in prange(draws):
        for c in range(cells):
            length = new.bounds[c + 1] - new.bounds[c]
            for turn in range(poisson(new.keys[c], d, new.mean[c, d])):
                own = mix(new.keys[c] ^ mix(np.uint64(turn + 1)))
                t = int(uniform(own, d) * templates)
                begins = new.bounds[c] + uniform(mix(own + np.uint64(1)), d) * length
                patience = -math.log(uniform(mix(own + np.uint64(2)), d)) / risk[d]
                for q in range(new.starts[t], new.starts[t + 1]):
                    _charged(new, q, c, begins, patience, d, price, whole, groups)


@njit(cache=True)
def _charged(
    new: NewCustomerInputs,
    q: int,
    c: int,
    begins: float,
    patience: float,
    d: int,
    price: Floats,
    whole: Floats,
    groups: Floats,
) -> None:
    """Charge chain q from day ``begins`` on until its customer leaves or the cells end."""
    day, cells = begins, len(new.bounds) - 1
    while day < new.bounds[cells]:
        place = int(np.searchsorted(new.age, day - begins, side="right"))
        if place > 0 and new.hazard[place - 1] > patience:
            return
        while day >= new.bounds[c + 1]:
            c += 1
        charge = quantum_of(new.amount[q] * price[c, d])
        whole[c, d] += charge
        for g in range(new.group.shape[1]):
            groups[int(new.group[q, g]), c, d] += charge
        day += new.step[q]
