"""Recurring revenue ahead of an origin, drawn: charges of present customers and of new ones.

A strong shock means more: customers stay longer, buy more often, and more of them come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Ints
from training.forecast.belief.arrival_rate import ArrivalRate
from training.forecast.belief.hazards import cumulative
from training.forecast.belief.purchases import OWN, chances, rates
from training.forecast.belief.recurring import PurchaseModel
from training.forecast.belief.renewals import RenewalModel, hazards_at
from training.forecast.data.charges import Charges
from training.forecast.data.deal_table import NONE
from training.forecast.data.groups import Groups, Words
from training.forecast.data.random import Keys, key_of
from training.forecast.simulate.purchase_kernels import (
    NewBuyerInputs,
    RepeatBuyerInputs,
    new_buyer_draws,
    repeat_buyer_draws,
)
from training.forecast.simulate.renewal_kernels import (
    NewCustomerInputs,
    RenewalInputs,
    new_customer_draws,
    renewal_draws,
)
from training.forecast.simulate.shared_effects import SharedEffects

Drawn = tuple[Floats, Floats]
"""The whole (C, draws) and by group (G, C, draws)."""


@dataclass(frozen=True)
class FutureCells:
    """The cells to come of an origin: ``bounds`` (C + 1,) in days, their names, and the seed."""

    origin: int
    bounds: Floats
    names: tuple[str, ...]
    seed: int

    def keys(self, purpose: str) -> Keys:
        """(C,) names of the luck of each cell."""
        return np.array([key_of(self.seed, purpose, name) for name in self.names], np.uint64)


def draw_charges(
    charges: Charges,
    believed: RenewalModel | PurchaseModel,
    future: FutureCells,
    groups: Groups,
    effects: SharedEffects,
) -> tuple[Drawn, Drawn]:
    """Charges of present customers, and of customers to come."""
    if isinstance(believed, RenewalModel):
        return _renewals(charges, believed, future, groups, effects)
    return _shopping(charges, believed, future, groups, effects)


def chain_words(charges: Charges, chain: Ints) -> Words:
    """The words of chains."""
    return {
        name: [NONE if w is None else w for w in column.take(chain).words()]
        for name, column in charges.dimensions.items()
    }


def expected_arrivals(
    arrivals: ArrivalRate | None, future: FutureCells, effects: SharedEffects
) -> Floats:
    """(C, draws) customers expected to come in each cell."""
    cells = len(future.bounds) - 1
    if arrivals is None:
        return np.zeros((cells, len(effects.z)))
    steps = np.arange(0.0, np.ceil(future.bounds[-1]) + 1.0)
    total = np.concatenate([[0.0], np.cumsum(arrivals.rate(steps[:-1] + 0.5))])
    base = np.diff(np.interp(future.bounds, steps, total))
    spread = arrivals.spread(float(future.bounds[-1]))
    factor = np.exp(spread * effects.arrivals - spread**2 / 2) * effects.shock
    found: Floats = base[:, None] * factor
    return found


def _renewals(
    charges: Charges,
    believed: RenewalModel,
    future: FutureCells,
    groups: Groups,
    effects: SharedEffects,
) -> tuple[Drawn, Drawn]:
    found, cells = believed.history, len(future.bounds) - 1
    running = np.flatnonzero(believed.running)
    present = renewal_draws(
        _present(charges, believed, running, future, groups), effects.shock, cells
    )
    templates = believed.templates
    ages = np.arange(0.0, future.bounds[-1] + 1.0)
    new = NewCustomerInputs(
        future.keys("customer"),
        expected_arrivals(believed.arrival_rate, future, effects),
        future.bounds,
        found.step[templates],
        np.nan_to_num(charges.amounts(found.last[templates])),
        groups.numbers(chain_words(charges, found.chain[templates]), len(templates)),
        believed.starts,
        ages,
        cumulative(np.minimum(believed.leaving_ages.incidence(ages), 0.999)),
        groups.size,
    )
    return present, new_customer_draws(new, effects.shock)


def _present(
    charges: Charges, believed: RenewalModel, running: Ints, future: FutureCells, groups: Groups
) -> RenewalInputs:
    found, end = believed.history, future.bounds[-1]
    times = np.maximum(np.ceil((end - believed.due[running]) / found.step[running]), 0).astype(
        np.int64
    )
    rows = np.repeat(running, times)
    starts = np.concatenate([[0], np.cumsum(times)]).astype(np.int64)
    turn = np.arange(len(rows)) - np.repeat(starts[:-1], times)
    day = believed.due[rows] + turn * found.step[rows]
    cell = np.clip(np.searchsorted(future.bounds, day, side="right") - 1, 0, len(future.names) - 1)
    hazard = hazards_at(charges, believed, rows, future.origin, day)
    amount = np.nan_to_num(charges.amounts(found.last[running]))
    keys = charges.keys[charges.owner_of[found.chain[running]]] ^ key_of(future.seed, "churn")
    numbers = groups.numbers(chain_words(charges, found.chain[running]), len(running))
    return RenewalInputs(
        keys,
        cell.astype(np.int32),
        hazard,
        starts,
        amount,
        believed.growth,
        numbers,
        groups.size,
    )


def _shopping(
    charges: Charges,
    believed: PurchaseModel,
    future: FutureCells,
    groups: Groups,
    effects: SharedEffects,
) -> tuple[Drawn, Drawn]:
    found, process = believed.history, believed.process
    n, seen = len(found.account), np.diff(found.starts)
    shoppers = RepeatBuyerInputs(
        charges.keys[found.account] ^ key_of(future.seed, "purchase"),
        process.alive(found),
        rates(process.r + found.x, process.alpha + found.age),
        chances(np.full(n, process.a), process.b + found.x),
        seen / (seen + OWN),
        found.amount,
        found.starts,
        believed.pool,
        groups.numbers(account_words(charges, found.account), n),
        groups.size,
    )
    one = np.ones(1)
    recent = believed.recent
    new = NewBuyerInputs(
        future.keys("customer"),
        expected_arrivals(believed.arrival_rate, future, effects),
        future.bounds,
        rates(one * process.r, one * process.alpha)[0],
        chances(one * process.a, one * process.b)[0],
        found.amount[found.starts[recent]],
        believed.pool,
        groups.numbers(account_words(charges, found.account[recent]), len(recent)),
        groups.size,
    )
    return repeat_buyer_draws(shoppers, effects.shock, future.bounds), new_buyer_draws(
        new, effects.shock
    )


def account_words(charges: Charges, account: Ints) -> Words:
    """The words of customers: those of their first chain."""
    return chain_words(charges, charges.first_chain[account])
