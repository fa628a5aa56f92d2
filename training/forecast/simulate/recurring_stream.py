"""The recurring stream as drawn at an origin: invoiced so far, renewals, and new customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Ints
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.belief.recurring import PurchaseModel
from training.forecast.belief.renewals import RenewalModel
from training.forecast.data.charges import Charges
from training.forecast.data.deal_table import NONE
from training.forecast.data.groups import Groups
from training.forecast.data.periods import Period
from training.forecast.data.settings import ForecastSettings
from training.forecast.simulate.bookings import among_months, running_counts
from training.forecast.simulate.charges_ahead import (
    FutureCells,
    chain_words,
    charge_effects,
    draw_charges,
)
from training.forecast.simulate.deals_ahead import cell_days
from training.forecast.simulate.shared_effects import Assumed
from training.forecast.simulate.streams import StreamDraws, StreamPart, booked_so_far


@dataclass(frozen=True)
class RecurringDraws:
    """The charges of the months as drawn, and the spread of the log pace that customers share."""

    stream: StreamDraws
    spread: float


def recurring(
    fitted: FittedModels,
    origin: int,
    asked: tuple[Period, ...],
    months: Sequence[Period],
    settings: ForecastSettings,
    assumed: Assumed | None = None,
    counting: bool = False,
) -> RecurringDraws:
    """Draw the charges of the months; the data hold some."""
    charges = fitted.charges
    assert charges is not None  # a stream is asked for only where it has rows
    future = np.array([i for i, m in enumerate(months) if m.end > origin], np.int64)
    holds = np.array([[p.start <= m.start < p.end for m in months] for p in asked], np.float64)
    rows = charges.made(months[0].start, min(origin, months[-1].end), origin)
    known = charges.chain[np.flatnonzero(charges.seen(origin))]
    groups = groups_of(charges, known, settings)
    done = _invoiced(charges, rows, months, groups, holds, settings.draws, counting)
    if len(future) == 0:
        return RecurringDraws(StreamDraws("recurring", (done,), groups, asked, holds), 0.0)
    believed = fitted.recurring(origin)
    cells = tuple(months[i].name for i in future.tolist())
    bounds = cell_days([months[i] for i in future.tolist()], origin)
    ahead = FutureCells(origin, bounds, cells, settings.seed)
    effects = charge_effects(believed, ahead, settings.draws, settings.shock)
    if assumed is not None:
        effects = effects.under(assumed, future)
    present, new = draw_charges(charges, believed, ahead, groups, effects, counting)
    nobody = np.full((1 + groups.size, len(asked)), np.nan)
    there = running_counts(_customers(charges, believed, groups), holds, future)
    parts = (
        done,
        among_months("renewals", present, future, len(months), there),
        among_months("new customers", new, future, len(months), nobody),
    )
    return RecurringDraws(StreamDraws("recurring", parts, groups, asked, holds), effects.spread)


def groups_of(charges: Charges, chain: Ints, settings: ForecastSettings) -> Groups:
    """The values of the dimensions in which at least one known chain has a word."""
    there, count = np.unique(chain, return_counts=True)
    words = chain_words(charges, there)
    dimensions = [d for d in settings.dimensions if any(w != NONE for w in words[d])]
    return Groups(dimensions, [(words, count.astype(np.float64))], settings.max_values)


def _invoiced(
    charges: Charges,
    rows: Ints,
    months: Sequence[Period],
    groups: Groups,
    holds: Floats,
    draws: int,
    counting: bool,
) -> StreamPart:
    """What was charged already."""
    starts = np.array([m.start for m in months], np.int64)
    cell = np.searchsorted(starts, charges.at[rows], side="right") - 1
    numbers = groups.numbers(chain_words(charges, charges.chain[rows]), len(rows))
    amounts = np.ones(len(rows)) if counting else charges.amounts(rows)
    return booked_so_far("invoiced", cell, amounts, numbers, groups, holds, draws)


def _customers(charges: Charges, believed: RenewalModel | PurchaseModel, groups: Groups) -> Floats:
    """(1 + G,) chains that run on, or customers who ever bought."""
    if isinstance(believed, RenewalModel):
        chain = believed.history.chain[believed.running]
    else:
        chain = charges.first_chain[believed.history.account]
    numbers = groups.numbers(chain_words(charges, chain), len(chain))
    each = np.bincount(numbers.ravel(), minlength=groups.size).astype(np.float64)
    return np.concatenate([[float(len(chain))], each])
