"""Recurring revenue ahead of an origin, drawn: charges of present customers and of new ones.

A fast pace means more: customers stay longer and buy more often.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from features.tables import Floats, Ints
from training.forecast.belief.drift import YEAR
from training.forecast.belief.hazards import cumulative
from training.forecast.belief.purchases import OWN, chances, rates
from training.forecast.belief.recurring import PurchaseModel
from training.forecast.belief.renewals import PRIOR_LEFT, RenewalModel, hazards_at
from training.forecast.data.charge_schedule import due_days
from training.forecast.data.charges import Charges
from training.forecast.data.deal_table import NONE
from training.forecast.data.groups import Groups, Words
from training.forecast.data.random import Keys, key_of, normals, uniforms
from training.forecast.simulate.counting import counted
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
from training.forecast.simulate.shared_effects import SharedEffects, pace_draws, strengths

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
    counting: bool = False,
) -> tuple[Drawn, Drawn]:
    """Charges of present customers, and of customers to come; ``counting`` numbers, not money."""
    if counting:
        effects = effects.without_prices()
    if isinstance(believed, RenewalModel):
        return _renewals(charges, believed, future, groups, effects, counting)
    return _purchases(charges, believed, future, groups, effects, counting)


def chain_words(charges: Charges, chain: Ints) -> Words:
    """The words of chains."""
    return {
        name: [NONE if w is None else w for w in column.take(chain).words()]
        for name, column in charges.dimensions.items()
    }


UNKNOWN_PRICE = 0.05
"""Deviation of the log of running charges after a year: price rounds that no charge has shown."""


def charge_effects(
    believed: RenewalModel | PurchaseModel, future: FutureCells, draws: int, shock: float | None
) -> SharedEffects:
    """Pace, arrivals and prices of customers in the cells to come, as drawn."""
    bounds, named = future.bounds, (future.seed, "customers")
    shape = (len(bounds) - 1, draws)
    rate = believed.arrival_rate
    arrivals = np.zeros(shape) if rate is None else rate.draws(bounds, draws, *named, "arrivals")
    if isinstance(believed, PurchaseModel):
        pace = pace_draws(believed.pace, bounds, draws, shock, *named)
        pace *= strengths(HABITS, normals(key_of(*named, "habits"), draws))
        price = believed.price.factors(bounds, draws, *named, "price")
        return SharedEffects(pace, arrivals, price, price)
    z = normals(key_of(*named, "price"), draws)
    years = np.sqrt((bounds[:-1] + bounds[1:]) / 2 / YEAR)
    price = np.exp(UNKNOWN_PRICE * years[:, None] * z)
    return SharedEffects(_staying(believed, shape, shock, *named), arrivals, price, price)


def _staying(
    believed: RenewalModel, shape: tuple[int, int], shock: float | None, *purpose: str | int
) -> Floats:
    """(C, draws) one over the factor on the hazards to leave, alike in all cells.

    What n customers who left tell of the rate of leaving is gamma(n + 1/2); months differ too.
    """
    known = believed.left + PRIOR_LEFT
    u = uniforms(np.array([key_of(*purpose, "leaving")], np.uint64), shape[1])[0]
    rate = gammaincinv(known, u) / known
    sigma = LEAVING if shock is None else shock
    stays = strengths(sigma, normals(key_of(*purpose, "shock"), shape[1]))
    found: Floats = np.tile(stays / np.maximum(rate, 1e-3), (shape[0], 1))
    return found


HABITS = 0.12
"""Deviation of the log of how often customers buy that the purchase process itself misses."""
LEAVING = 0.25
"""Deviation of the log of the rate of leaving from one half-year to the next."""


def _renewals(
    charges: Charges,
    believed: RenewalModel,
    future: FutureCells,
    groups: Groups,
    effects: SharedEffects,
    counting: bool,
) -> tuple[Drawn, Drawn]:
    found = believed.history
    running = np.flatnonzero(believed.running)
    risk = 1.0 / effects.pace[0]
    inputs = _present(charges, believed, running, future, groups)
    present = renewal_draws(counted(inputs, counting), risk, effects.stated)
    templates = believed.templates
    ages = np.arange(0.0, future.bounds[-1] + 1.0)
    new = NewCustomerInputs(
        future.keys("customer"),
        effects.arrivals * np.diff(future.bounds)[:, None],
        future.bounds,
        found.step[templates],
        np.nan_to_num(charges.amounts(found.last[templates])),
        groups.numbers(chain_words(charges, found.chain[templates]), len(templates)),
        believed.starts,
        ages,
        cumulative(np.minimum(believed.leaving_ages.incidence(ages), 0.999))
        + believed.floor * ages,
        groups.size,
    )
    return present, new_customer_draws(counted(new, counting), risk, effects.price)


def _present(
    charges: Charges, believed: RenewalModel, running: Ints, future: FutureCells, groups: Groups
) -> RenewalInputs:
    found, end = believed.history, future.bounds[-1]
    # a month is three days shorter at most than a mean one
    times = np.maximum(np.ceil((end - believed.due[running] + 3.0) / found.step[running]) + 1, 1)
    times = times.astype(np.int64)
    place = np.repeat(np.arange(len(running)), times)
    turn = 1 + np.arange(len(place)) - np.repeat(np.cumsum(times) - times, times)
    day = due_days(charges, found, running[place], turn, future.origin)
    day = np.where(turn == 1, np.maximum(day, 0.0), day)
    ahead = (day >= 0.0) & (day < end)
    place, day = place[ahead], day[ahead]
    starts = np.searchsorted(place, np.arange(len(running) + 1)).astype(np.int64)
    rows = running[place]
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


def _purchases(
    charges: Charges,
    believed: PurchaseModel,
    future: FutureCells,
    groups: Groups,
    effects: SharedEffects,
    counting: bool,
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
        effects.arrivals * np.diff(future.bounds)[:, None],
        future.bounds,
        rates(one * process.r, one * process.alpha)[0],
        chances(one * process.a, one * process.b)[0],
        found.amount[found.starts[recent]],
        believed.pool,
        groups.numbers(account_words(charges, found.account[recent]), len(recent)),
        groups.size,
    )
    shoppers, new = counted(shoppers, counting), counted(new, counting)
    repeat = repeat_buyer_draws(shoppers, effects.pace, effects.stated, future.bounds)
    return repeat, new_buyer_draws(new, effects.pace, effects.price)


def account_words(charges: Charges, account: Ints) -> Words:
    """The words of customers: those of their first chain."""
    return chain_words(charges, charges.first_chain[account])
