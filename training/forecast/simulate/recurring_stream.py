"""The recurring stream as drawn at an origin: invoiced so far, renewals, and new customers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.tables import DAY, Floats, Ints
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.belief.recurring import PurchaseModel
from training.forecast.belief.renewals import RenewalModel
from training.forecast.belief.shock_size import PAST_DAYS, STEP, WINDOW, ShockObservation, sigma_of
from training.forecast.data.charges import Charges
from training.forecast.data.deal_table import NONE
from training.forecast.data.groups import Groups
from training.forecast.data.periods import Period
from training.forecast.data.settings import ForecastSettings
from training.forecast.simulate.bookings import among_months, running_counts
from training.forecast.simulate.charges_ahead import FutureCells, chain_words, draw_charges
from training.forecast.simulate.deals_ahead import cell_days
from training.forecast.simulate.shared_effects import SharedEffects
from training.forecast.simulate.streams import StreamDraws, StreamPart

FIRST_DAYS = 84.0
"""Days of history before the first past origin."""
TRIAL = 256
"""Draws by which a past origin's mean and variance are known well enough."""
NUDGE = 0.1
"""Step in log hazard by which the slope against the shock is measured."""


def recurring(
    beliefs: FittedModels,
    origin: int,
    asked: tuple[Period, ...],
    months: Sequence[Period],
    sigma: float,
    settings: ForecastSettings,
) -> StreamDraws | None:
    """Draw the charges of the months; None where the data hold none."""
    charges = beliefs.charges
    if charges is None:
        return None
    future = np.array([i for i, m in enumerate(months) if m.end > origin], np.int64)
    holds = np.array([[p.start <= m.start < p.end for m in months] for p in asked], np.float64)
    rows = charges.made(months[0].start, min(origin, months[-1].end), origin)
    known = charges.chain[np.flatnonzero(charges.seen(origin))]
    groups = groups_of(charges, known, settings)
    done = _invoiced(charges, rows, months, groups, holds, settings.draws)
    if len(future) == 0:
        return StreamDraws("recurring", (done,), groups, asked, holds)
    believed = beliefs.recurring(origin)
    cells = tuple(months[i].name for i in future.tolist())
    bounds = cell_days([months[i] for i in future.tolist()], origin)
    ahead = FutureCells(origin, bounds, cells, settings.seed)
    effects = SharedEffects.of(settings, sigma, "customers")
    present, new = draw_charges(charges, believed, ahead, groups, effects)
    nobody = np.full((1 + groups.size, len(asked)), np.nan)
    there = running_counts(_customers(charges, believed, groups), holds, future)
    parts = (
        done,
        among_months("renewals", present, future, len(months), there),
        among_months("new customers", new, future, len(months), nobody),
    )
    return StreamDraws("recurring", parts, groups, asked, holds)


def groups_of(charges: Charges, chain: Ints, settings: ForecastSettings) -> Groups:
    """The values of the dimensions in which at least one known chain has a word."""
    there, count = np.unique(chain, return_counts=True)
    words = chain_words(charges, there)
    told = [d for d in settings.dimensions if any(w != NONE for w in words[d])]
    return Groups(told, [(words, count.astype(np.float64))], settings.max_values)


def _invoiced(
    charges: Charges,
    rows: Ints,
    months: Sequence[Period],
    groups: Groups,
    holds: Floats,
    draws: int,
) -> StreamPart:
    """What was charged already: the same in every draw."""
    starts = np.array([m.start for m in months], np.int64)
    place = np.searchsorted(starts, charges.at[rows], side="right") - 1
    amounts = np.nan_to_num(charges.amounts(rows))
    numbers = groups.numbers(chain_words(charges, charges.chain[rows]), len(rows))
    sums, counts = np.zeros((2, 1 + groups.size, len(months)))
    np.add.at(sums[0], place, amounts)
    np.add.at(counts[0], place, 1.0)
    for turn in range(numbers.shape[1]):
        np.add.at(sums[1:], (numbers[:, turn], place), amounts)
        np.add.at(counts[1:], (numbers[:, turn], place), 1.0)
    every = np.repeat(sums[:, :, None], draws, axis=2)
    return StreamPart("invoiced", every[0], every[1:], counts @ holds.T)


def _customers(charges: Charges, believed: RenewalModel | PurchaseModel, groups: Groups) -> Floats:
    """(1 + G,) chains that run on, or customers who ever bought."""
    if isinstance(believed, RenewalModel):
        chain = believed.history.chain[believed.running]
    else:
        chain = charges.first_chain[believed.history.account]
    numbers = groups.numbers(chain_words(charges, chain), len(chain))
    each = np.bincount(numbers.ravel(), minlength=groups.size).astype(np.float64)
    return np.concatenate([[float(len(chain))], each])


def recurring_shock_at(beliefs: FittedModels, origin: int, settings: ForecastSettings) -> float:
    """The shock's deviation for customers: as the settings say, else sized on past origins."""
    if settings.shock is not None:
        return settings.shock
    if beliefs.charges is None:
        return 0.0
    step, began = round(STEP * DAY), int(beliefs.charges.began.min())
    oldest = max(began + round(FIRST_DAYS * DAY), origin - round(PAST_DAYS * DAY))
    last = origin - round(WINDOW * DAY)
    turns = range(-(-oldest // step), last // step + 1)
    seen = [_past(beliefs, turn * step) for turn in turns]
    return sigma_of([p for p in seen if p is not None])


def _past(beliefs: FittedModels, at: int) -> ShockObservation | None:
    if at not in beliefs.charge_shock_seen:
        beliefs.charge_shock_seen[at] = _held(beliefs, at)
    return beliefs.charge_shock_seen[at]


def _held(beliefs: FittedModels, at: int) -> ShockObservation | None:
    """What a past origin expected of its window, and what came; None where too little was known."""
    charges = beliefs.charges
    assert charges is not None
    try:
        believed = beliefs.recurring(at)
    except ValueError:
        return None
    settings = ForecastSettings(draws=TRIAL, seed=beliefs.settings.seed, dimensions=())
    ahead = FutureCells(at, np.array([0.0, WINDOW]), ("past",), settings.seed)
    groups = Groups((), [], 1)
    effects = SharedEffects.of(settings, 0.0, "customers")

    def drawn(nudge: float) -> Floats:
        shocked = SharedEffects(effects.z, effects.arrivals, np.full(TRIAL, np.exp(nudge)))
        present, new = draw_charges(charges, believed, ahead, groups, shocked)
        total: Floats = present[0][0] + new[0][0]
        return total

    end = at + round(WINDOW * DAY)
    happened = float(np.nansum(charges.amounts(charges.made(at, end, end))))
    base = drawn(0.0)
    slope = float((drawn(NUDGE) - drawn(-NUDGE)).mean()) / (2 * NUDGE)
    return ShockObservation(float(base.mean()), float(base.var()), slope, happened)
