"""Below the stated minimum: as many as were seen, like those seen, with the range that this leaves.

With n wins (or charges) in D days the rate is gamma(n + 1/2) over D days, and the level may be
anything within ``LEVEL``. Nothing is known of ages, seasons or single deals; the note says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaincinv

from features.tables import DAY, Bools, Floats, Instants, Ints
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.data.deal_table import NONE
from training.forecast.data.groups import Groups
from training.forecast.data.periods import Period
from training.forecast.data.random import Small, key_of, normals, uniforms
from training.forecast.data.rounding import exact
from training.forecast.data.settings import ForecastSettings
from training.forecast.simulate.bookings import deal_words
from training.forecast.simulate.charges_ahead import chain_words
from training.forecast.simulate.deal_kernels import NewDealInputs, new_deal_draws
from training.forecast.simulate.deals_ahead import cell_days
from training.forecast.simulate.shared_effects import Assumed
from training.forecast.simulate.streams import PARTS, StreamDraws, StreamPart, booked_so_far

FEWEST = 3
"""Wins or charges without which there is no rate."""
DAYS = 14.0
"""Days of history without which there is none."""
LEVEL = 0.5
"""Deviation of the log of the level in what is to come."""


def base_rate(
    fitted: FittedModels,
    stream: str,
    origin: int,
    asked: tuple[Period, ...],
    months: Sequence[Period],
    settings: ForecastSettings,
    why: TooLittleError,
    assumed: Assumed | None = None,
    counting: bool = False,
) -> tuple[StreamDraws, str]:
    """The stream from its base rate, and the note; raises ``why`` where that is unknown too."""
    at, amounts, began, values = _seen(fitted, stream, origin)
    days = (origin - began) / DAY
    if len(at) < FEWEST or days < DAYS:
        raise why
    if counting:
        amounts = np.ones(len(at))
    dimensions = [d for d in settings.dimensions if any(w != NONE for w in values[d])]
    groups = Groups(dimensions, [(values, np.nan_to_num(amounts))], settings.max_values)
    numbers = groups.numbers(values, len(at))
    holds = np.array([[p.start <= m.start < p.end for m in months] for p in asked], np.float64)
    inside = (at >= months[0].start) & (at < months[-1].end)
    done = _so_far(PARTS[stream][0], at, amounts, numbers, inside, months, groups, holds, settings)
    drawn = _ahead(stream, amounts, days, numbers, groups, months, origin, settings, assumed)
    nobody = np.full((1 + groups.size, len(asked)), np.nan)
    nothing = StreamPart(PARTS[stream][1], np.zeros_like(drawn[0]), np.zeros_like(drawn[1]), nobody)
    parts = (done, nothing, StreamPart(PARTS[stream][2], *drawn, nobody))
    note = (
        f"{stream}: a base rate only, not a forecast of deals or customers. {why}. The range is "
        f"what {len(at)} in {days:.0f} days leave open"
    )
    return StreamDraws(stream, parts, groups, asked, holds), note


def _seen(
    fitted: FittedModels, stream: str, origin: int
) -> tuple[Instants, Floats, int, dict[str, list[str]]]:
    """When and for how much something was won or charged, since when, and the words of each."""
    if stream == "bookings":
        deals = fitted.deals
        rows = deals.won(origin)
        amounts = deals.amounts(rows)
        rows, amounts = rows[~np.isnan(amounts)], amounts[~np.isnan(amounts)]
        born = deals.born[deals.known(origin)]
        began = int(born.min()) if len(born) else origin
        return deals.closed_at[rows], amounts, began, dict(deal_words(deals, rows))
    charges = fitted.charges
    assert charges is not None  # a stream that was asked for has rows
    rows = np.flatnonzero(charges.seen(origin))
    began = int(charges.at[rows].min()) if len(rows) else origin
    words = dict(chain_words(charges, charges.chain[rows]))
    return charges.at[rows], np.nan_to_num(charges.amounts(rows)), began, words


def _so_far(
    name: str,
    at: Instants,
    amounts: Floats,
    numbers: Small,
    inside: Bools,
    months: Sequence[Period],
    groups: Groups,
    holds: Floats,
    settings: ForecastSettings,
) -> StreamPart:
    starts = np.array([m.start for m in months], np.int64)
    cell: Ints = (np.searchsorted(starts, at[inside], side="right") - 1).astype(np.int64)
    return booked_so_far(
        name, cell, amounts[inside], numbers[inside], groups, holds, settings.draws
    )


def _ahead(
    stream: str,
    amounts: Floats,
    days: float,
    numbers: Small,
    groups: Groups,
    months: Sequence[Period],
    origin: int,
    settings: ForecastSettings,
    assumed: Assumed | None,
) -> tuple[Floats, Floats]:
    """The whole (C, draws) and by group of the months to come; 0 in those that are over."""
    draws, named = settings.draws, (settings.seed, stream, "base rate")
    future = np.array([i for i, m in enumerate(months) if m.end > origin], np.int64)
    whole = np.zeros((len(months), draws))
    by_group = np.zeros((groups.size, len(months), draws))
    if len(future) == 0:
        return whole, by_group
    n = len(amounts) + 0.5
    u = uniforms(np.array([key_of(*named, "rate")], np.uint64), draws)[0]
    level = np.exp(LEVEL * normals(key_of(*named, "level"), draws))
    lengths = np.diff(cell_days([months[i] for i in future.tolist()], origin))
    mean = lengths[:, None] * gammaincinv(n, u) / days * level
    keys = np.array([key_of(*named, months[i].name) for i in future.tolist()], np.uint64)
    share = np.tile(np.arange(1, len(amounts) + 1) / len(amounts), (len(future), 1))
    new = NewDealInputs(keys, mean, share, exact(amounts), numbers, groups.size)
    price = np.ones_like(mean)
    if assumed is not None:
        factor = (assumed.pace * assumed.arrivals)[future, None]
        new, price = new._replace(mean=mean * factor), price * assumed.price[future, None]
    whole[future], by_group[:, future] = new_deal_draws(new, price)
    return whole, by_group
