"""What is believed about charges at an origin, of either kind, and how it is drawn.

Two kinds of data: charges at regular steps (contracts; thinned by churn) and purchases (customers
who come back when they like). Which one a data set is, its own gaps tell (``schedule.scheduled``).
A strong shock means more: customers stay longer, buy more often, and more of them come.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import DAY, Floats, Ints
from training.forecast.belief.arrival_rate import ArrivalRate, arrival_rate
from training.forecast.belief.curve_model import CurveModel
from training.forecast.belief.hazards import cumulative
from training.forecast.belief.purchases import (
    OWN,
    PurchaseHistory,
    PurchaseProcess,
    chances,
    fit_process,
    purchase_history,
    rates,
)
from training.forecast.belief.renewals import RECENT, RenewalModel, fit_renewals, hazards_at
from training.forecast.data.charge_schedule import charge_chains, scheduled
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
class PurchaseModel:
    """What is believed about purchases: who bought when, the process, and who will come."""

    history: PurchaseHistory
    process: PurchaseProcess
    arrival_rate: ArrivalRate
    recent: Ints
    pool: Floats


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


def fit_purchases(charges: Charges, origin: int, recent_days: float) -> PurchaseModel:
    """Learn the purchase process; ValueError where customers or weeks are too few."""
    found = purchase_history(charges, origin)
    process = fit_process(found)
    began = charges.began[charges.began < origin]
    come = arrival_rate(began, origin, int(began.min()))
    fresh = np.flatnonzero(found.age <= RECENT)
    fresh = fresh[np.argsort(charges.rank[found.account[fresh]], kind="stable")]
    later = np.ones(len(found.amount), np.bool_)
    later[found.starts[:-1]] = False
    recent = charges.began[found.account] >= origin - round(recent_days * DAY)
    ours = later & np.repeat(recent, np.diff(found.starts))
    pool = found.amount[ours] if ours.sum() >= OWN else found.amount
    return PurchaseModel(found, process, come, fresh, np.sort(pool))


def fit_recurring(
    charges: Charges, curve: CurveModel | None, origin: int, recent_days: float
) -> RenewalModel | PurchaseModel:
    """What is known before ``origin`` about either kind; ValueError where it is too little."""
    found = charge_chains(charges, origin)
    if scheduled(found, any(charges.kind)):
        return fit_renewals(charges, found, curve, origin, recent_days)
    return fit_purchases(charges, origin, recent_days)


def draw_charges(
    charges: Charges,
    believed: RenewalModel | PurchaseModel,
    future: FutureCells,
    groups: Groups,
    luck: SharedEffects,
) -> tuple[Drawn, Drawn]:
    """Charges of present customers, and of customers to come."""
    if isinstance(believed, RenewalModel):
        return _renewals(charges, believed, future, groups, luck)
    return _shopping(charges, believed, future, groups, luck)


def chain_words(charges: Charges, chain: Ints) -> Words:
    """The words of chains."""
    return {
        name: [NONE if w is None else w for w in column.take(chain).words()]
        for name, column in charges.dimensions.items()
    }


def expected_arrivals(come: ArrivalRate | None, future: FutureCells, luck: SharedEffects) -> Floats:
    """(C, draws) customers expected to come in each cell."""
    cells = len(future.bounds) - 1
    if come is None:
        return np.zeros((cells, len(luck.z)))
    steps = np.arange(0.0, np.ceil(future.bounds[-1]) + 1.0)
    total = np.concatenate([[0.0], np.cumsum(come.rate(steps[:-1] + 0.5))])
    base = np.diff(np.interp(future.bounds, steps, total))
    spread = come.spread(float(future.bounds[-1]))
    factor = np.exp(spread * luck.arrivals - spread**2 / 2) * luck.shock
    found: Floats = base[:, None] * factor
    return found


def _renewals(
    charges: Charges,
    believed: RenewalModel,
    future: FutureCells,
    groups: Groups,
    luck: SharedEffects,
) -> tuple[Drawn, Drawn]:
    found, cells = believed.history, len(future.bounds) - 1
    here = np.flatnonzero(believed.running)
    present = renewal_draws(_present(charges, believed, here, future, groups), luck.shock, cells)
    like = believed.templates
    ages = np.arange(0.0, future.bounds[-1] + 1.0)
    new = NewCustomerInputs(
        future.keys("customer"),
        expected_arrivals(believed.arrival_rate, future, luck),
        future.bounds,
        found.step[like],
        np.nan_to_num(charges.amounts(found.last[like])),
        groups.numbers(chain_words(charges, found.chain[like]), len(like)),
        believed.starts,
        ages,
        cumulative(np.minimum(believed.leaving_ages.incidence(ages), 0.999)),
        groups.size,
    )
    return present, new_customer_draws(new, luck.shock)


def _present(
    charges: Charges, believed: RenewalModel, here: Ints, future: FutureCells, groups: Groups
) -> RenewalInputs:
    found, end = believed.history, future.bounds[-1]
    times = np.maximum(np.ceil((end - believed.due[here]) / found.step[here]), 0).astype(np.int64)
    rows = np.repeat(here, times)
    starts = np.concatenate([[0], np.cumsum(times)]).astype(np.int64)
    turn = np.arange(len(rows)) - np.repeat(starts[:-1], times)
    day = believed.due[rows] + turn * found.step[rows]
    cell = np.clip(np.searchsorted(future.bounds, day, side="right") - 1, 0, len(future.names) - 1)
    hazard = hazards_at(charges, believed, rows, future.origin, day)
    amount = np.nan_to_num(charges.amounts(found.last[here]))
    keys = charges.keys[charges.owner_of[found.chain[here]]] ^ key_of(future.seed, "churn")
    numbers = groups.numbers(chain_words(charges, found.chain[here]), len(here))
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
    luck: SharedEffects,
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
    fresh = believed.recent
    new = NewBuyerInputs(
        future.keys("customer"),
        expected_arrivals(believed.arrival_rate, future, luck),
        future.bounds,
        rates(one * process.r, one * process.alpha)[0],
        chances(one * process.a, one * process.b)[0],
        found.amount[found.starts[fresh]],
        believed.pool,
        groups.numbers(account_words(charges, found.account[fresh]), len(fresh)),
        groups.size,
    )
    return repeat_buyer_draws(shoppers, luck.shock, future.bounds), new_buyer_draws(new, luck.shock)


def account_words(charges: Charges, account: Ints) -> Words:
    """The words of customers: those of their first chain."""
    return chain_words(charges, charges.first_chain[account])
