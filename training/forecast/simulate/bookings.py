"""Bookings as drawn at an origin: closed so far, open, and new, by month and group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from features.tables import Floats, Ints
from training.forecast.belief.fitted_models import DealModels, FittedModels
from training.forecast.belief.hazards import cumulative
from training.forecast.data.deal_table import NONE, DealTable
from training.forecast.data.groups import Groups, Words
from training.forecast.data.periods import Period
from training.forecast.data.random import Keys, key_of, uniforms
from training.forecast.data.rounding import exact
from training.forecast.data.settings import ForecastSettings
from training.forecast.simulate.deal_kernels import (
    NewDealInputs,
    OpenDealInputs,
    new_deal_draws,
    open_deal_draws,
    open_influence,
)
from training.forecast.simulate.deals_ahead import (
    Arrivals,
    OpenDealOdds,
    arrivals_ahead,
    cell_days,
    open_deal_odds,
)
from training.forecast.simulate.shared_effects import SharedEffects
from training.forecast.simulate.streams import StreamDraws, StreamPart

CALM = 0.01
"""Relative variance of a month's arrivals below which they are taken to be Poisson."""


@dataclass(frozen=True)
class BookingsDraws:
    """Everything the bookings of an origin were drawn from, and the draws.

    closed  rows of the deals won in the periods so far; open and coming are None at an origin
            after which no period goes on
    """

    stream: StreamDraws
    closed: Ints
    open: OpenDealOdds | None
    drawn: OpenDealInputs | None
    future: Ints


def bookings(
    beliefs: FittedModels,
    origin: int,
    asked: tuple[Period, ...],
    months: Sequence[Period],
    sigma: float,
    settings: ForecastSettings,
) -> BookingsDraws:
    """Draw the bookings of the months, and sum them up to the periods asked about."""
    book = beliefs.deals
    closed = _closed(book, months, origin)
    future = np.array([i for i, m in enumerate(months) if m.end > origin], np.int64)
    holds = np.array([[p.start <= m.start < p.end for m in months] for p in asked], np.float64)
    if len(future) == 0:
        groups = _groups(book, settings, [(closed, book.amounts(closed))])
        part = _closed_part(book, closed, months, groups, holds, settings.draws)
        stream = StreamDraws("bookings", (part,), groups, asked, holds)
        return BookingsDraws(stream, closed, None, None, future)
    days = cell_days([months[i] for i in future.tolist()], origin)
    believed = beliefs.at(origin)
    odds, arrivals = (
        open_deal_odds(beliefs, believed, origin, days),
        arrivals_ahead(believed, origin, days),
    )
    known = [(closed, book.amounts(closed)), (believed.recent_wins, believed.booked)]
    groups = _groups(book, settings, known, odds)
    effects = SharedEffects.of(settings, sigma)
    deals = _to_draw(book, odds, groups, settings)
    names = [months[i].name for i in future.tolist()]
    unborn = _unborn(book, arrivals, believed, groups, effects, names, settings)
    nobody = np.full((1 + groups.size, len(asked)), np.nan)
    counts = running_counts(_open_counts(deals, groups), holds, future)
    parts = (
        _closed_part(book, closed, months, groups, holds, settings.draws),
        among_months("open", open_deal_draws(deals, effects.shock), future, len(months), counts),
        among_months("new", new_deal_draws(unborn), future, len(months), nobody),
    )
    stream = StreamDraws("bookings", parts, groups, asked, holds)
    return BookingsDraws(stream, closed, odds, deals, future)


def _closed(book: DealTable, months: Sequence[Period], origin: int) -> Ints:
    """Rows of the deals known at ``origin`` to be won, that closed in the months."""
    rows = book.won(origin)
    at = book.closed_at[rows]
    return rows[(at >= months[0].start) & (at < months[-1].end)]


def _words(book: DealTable, rows: Ints) -> Words:
    return {
        name: [NONE if w is None else w for w in column.take(rows).words()]
        for name, column in book.dimensions.items()
    }


def _groups(
    book: DealTable,
    settings: ForecastSettings,
    known: Sequence[tuple[Ints, Floats]],
    odds: OpenDealOdds | None = None,
) -> Groups:
    """The values of the dimensions in which at least one deal has a word."""
    parts = [(_words(book, rows), np.nan_to_num(amounts)) for rows, amounts in known]
    if odds is not None:
        parts.append((open_words(odds), odds.expected.sum(axis=1)))
    told = [d for d in settings.dimensions if any(w != NONE for p, _ in parts for w in p[d])]
    return Groups(told, parts, settings.max_values)


def open_words(odds: OpenDealOdds) -> Words:
    return {
        d: odds.snapshots.text(d, NONE) for d in ("owner", "team", "region", "segment", "product")
    }


def _closed_part(
    book: DealTable, rows: Ints, months: Sequence[Period], groups: Groups, holds: Floats, draws: int
) -> StreamPart:
    """What was booked already: the same in every draw. A win without an amount counts in n only."""
    starts = np.array([m.start for m in months], np.int64)
    place = np.searchsorted(starts, book.closed_at[rows], side="right") - 1
    amounts = exact(np.nan_to_num(book.amounts(rows)))
    numbers = groups.numbers(_words(book, rows), len(rows))
    sums, counts = np.zeros((2, 1 + groups.size, len(months)))
    for row in range(len(rows)):
        for g in (0, *(1 + numbers[row])):
            sums[g, place[row]] += amounts[row]
            counts[g, place[row]] += 1
    every = np.repeat(sums[:, :, None], draws, axis=2)
    return StreamPart("closed", every[0], every[1:], counts @ holds.T)


def among_months(
    name: str, drawn: tuple[Floats, Floats], future: Ints, months: int, counts: Floats
) -> StreamPart:
    """Draws of the months to come, among all months."""
    whole = np.zeros((months, drawn[0].shape[1]))
    groups = np.zeros((len(drawn[1]), months, drawn[0].shape[1]))
    whole[future], groups[:, future] = drawn
    return StreamPart(name, whole, groups, counts)


def running_counts(counts: Floats, holds: Floats, future: Ints) -> Floats:
    """(1 + G, P) those there now, in the periods that go on; 0 in those that are over."""
    on = (holds[:, future] > 0).any(axis=1)
    return np.where(on, counts[:, None], 0.0)


def deal_keys(keys: Keys, seed: int) -> Keys:
    """The names of the deals' luck under a seed."""
    return keys ^ key_of(seed, "deal")


def _to_draw(
    book: DealTable, odds: OpenDealOdds, groups: Groups, settings: ForecastSettings
) -> OpenDealInputs:
    return OpenDealInputs(
        deal_keys(book.keys[odds.snapshots.rows], settings.seed),
        cumulative(odds.incidence),
        odds.amount,
        odds.pools.factors,
        odds.pools.starts,
        odds.pool,
        groups.numbers(open_words(odds), len(odds.snapshots)),
        groups.size,
    )


def _open_counts(deals: OpenDealInputs, groups: Groups) -> Floats:
    """(1 + G,) open deals, all together and by group."""
    each = np.bincount(deals.group.ravel(), minlength=groups.size).astype(np.float64)
    return np.concatenate([[float(len(deals.keys))], each])


def _unborn(
    book: DealTable,
    arrivals: Arrivals,
    believed: DealModels,
    groups: Groups,
    effects: SharedEffects,
    names: list[str],
    settings: ForecastSettings,
) -> NewDealInputs:
    keys = np.array([key_of(settings.seed, "new", name) for name in names], np.uint64)
    mean = arrivals.means(effects.shock, effects.arrivals)
    for c in np.flatnonzero(arrivals.burst > CALM).tolist():
        shape = 1.0 / arrivals.burst[c]
        named = np.array([key_of(settings.seed, "burst", names[c])], np.uint64)
        mean[c] *= gammaincinv(shape, uniforms(named, settings.draws)[0]) / shape
    numbers = groups.numbers(_words(book, believed.recent_wins), len(believed.recent_wins))
    chosen = np.cumsum(arrivals.share, axis=1)
    return NewDealInputs(keys, mean, chosen, exact(believed.booked), numbers, groups.size)


def influence(made: BookingsDraws, effects: SharedEffects) -> Floats:
    """(n, P) Cov(deal, whole) / Var(whole) of every open deal and period; 0 without a range."""
    if made.drawn is None:
        return np.empty((0, 0))
    totals = made.stream.draws()["bookings", "whole"]
    centred = totals - totals.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1)
    held = made.stream.holds[:, made.future]
    weight = np.where(variance > 0, 1.0 / np.where(variance > 0, variance, 1.0), 0.0)
    scaled = held[:, :, None] * (centred * weight[:, None])[:, None, :]
    return open_influence(made.drawn, effects.shock, scaled)
