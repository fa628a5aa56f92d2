"""Bookings as drawn at an origin: closed so far, open, and new, by month and group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Ints
from training.forecast.belief.fitted_models import DealModels, FittedModels
from training.forecast.belief.hazards import cumulative
from training.forecast.data.deal_table import NONE, DealTable
from training.forecast.data.groups import Groups, Words
from training.forecast.data.periods import Period
from training.forecast.data.random import Keys, key_of
from training.forecast.data.rounding import exact
from training.forecast.data.settings import ForecastSettings
from training.forecast.simulate.counting import counted
from training.forecast.simulate.deal_kernels import (
    NewDealInputs,
    OpenDealInputs,
    new_deal_draws,
    open_deal_draws,
    open_deal_means,
)
from training.forecast.simulate.deals_ahead import (
    Arrivals,
    OpenDealOdds,
    arrivals_ahead,
    cell_days,
    open_deal_odds,
)
from training.forecast.simulate.shared_effects import Assumed, SharedEffects, pace_draws
from training.forecast.simulate.streams import StreamDraws, StreamPart, booked_so_far


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
    effects: SharedEffects | None


def deal_effects(believed: DealModels, days: Floats, settings: ForecastSettings) -> SharedEffects:
    """Pace, arrivals and prices of deals in the cells between ``days``, as drawn."""
    draws, named = settings.draws, (settings.seed, "deals")
    return SharedEffects(
        pace_draws(believed.pace, days, draws, settings.shock, *named),
        believed.arrival_rate.draws(days, draws, *named, "arrivals"),
        believed.price.factors(days, draws, *named, "price"),
        np.ones((len(days) - 1, draws)),
    )


def bookings(
    fitted: FittedModels,
    origin: int,
    asked: tuple[Period, ...],
    months: Sequence[Period],
    settings: ForecastSettings,
    assumed: Assumed | None = None,
    counting: bool = False,
) -> BookingsDraws:
    """Draw the bookings of the months, and sum them up to the periods asked about.

    assumed   factors of a scenario; counting: every deal won counts 1 in place of its amount
    """
    asof = fitted.deals
    closed = _closed(asof, months, origin)
    future = np.array([i for i, m in enumerate(months) if m.end > origin], np.int64)
    holds = np.array([[p.start <= m.start < p.end for m in months] for p in asked], np.float64)
    if len(future) == 0:
        groups = _groups(asof, settings, [(closed, asof.amounts(closed))])
        part = _closed_part(asof, closed, months, groups, holds, settings.draws, counting)
        stream = StreamDraws("bookings", (part,), groups, asked, holds)
        return BookingsDraws(stream, closed, None, None, future, None)
    days = cell_days([months[i] for i in future.tolist()], origin)
    believed = fitted.at(origin)
    odds = open_deal_odds(fitted, believed, origin, days)
    known = [(closed, asof.amounts(closed)), (believed.recent_wins, believed.booked)]
    groups = _groups(asof, settings, known, odds)
    effects = deal_effects(believed, days, settings)
    if assumed is not None:
        effects = effects.under(assumed, future)
    deals = _to_draw(asof, odds, groups, settings)
    names = [months[i].name for i in future.tolist()]
    arrivals = arrivals_ahead(believed, origin, days)
    unborn = _unborn(asof, arrivals, believed, groups, effects, names, settings)
    if counting:
        deals, unborn, effects = counted(deals), counted(unborn), effects.without_prices()
    nobody = np.full((1 + groups.size, len(asked)), np.nan)
    counts = running_counts(_open_counts(deals, groups), holds, future)
    opened = open_deal_draws(deals, effects.pace, effects.stated)
    parts = (
        _closed_part(asof, closed, months, groups, holds, settings.draws, counting),
        among_months("open", opened, future, len(months), counts),
        among_months("new", new_deal_draws(unborn, effects.price), future, len(months), nobody),
    )
    stream = StreamDraws("bookings", parts, groups, asked, holds)
    return BookingsDraws(stream, closed, odds, deals, future, effects)


def _closed(asof: DealTable, months: Sequence[Period], origin: int) -> Ints:
    """Rows of the deals known at ``origin`` to be won, that closed in the months."""
    rows = asof.won(origin)
    at = asof.closed_at[rows]
    return rows[(at >= months[0].start) & (at < months[-1].end)]


def deal_words(asof: DealTable, rows: Ints) -> Words:
    """The words of deals by dimension."""
    return {
        name: [NONE if w is None else w for w in column.take(rows).words()]
        for name, column in asof.dimensions.items()
    }


def _groups(
    asof: DealTable,
    settings: ForecastSettings,
    known: Sequence[tuple[Ints, Floats]],
    odds: OpenDealOdds | None = None,
) -> Groups:
    """The values of the dimensions in which at least one deal has a word."""
    parts = [(deal_words(asof, rows), np.nan_to_num(amounts)) for rows, amounts in known]
    if odds is not None:
        parts.append((open_words(odds), odds.expected.sum(axis=1)))
    dimensions = [d for d in settings.dimensions if any(w != NONE for p, _ in parts for w in p[d])]
    return Groups(dimensions, parts, settings.max_values)


def open_words(odds: OpenDealOdds) -> Words:
    return {
        d: odds.snapshots.text(d, NONE) for d in ("owner", "team", "region", "segment", "product")
    }


def _closed_part(
    asof: DealTable,
    rows: Ints,
    months: Sequence[Period],
    groups: Groups,
    holds: Floats,
    draws: int,
    counting: bool,
) -> StreamPart:
    """What was booked already. A win without an amount counts in n only."""
    starts = np.array([m.start for m in months], np.int64)
    cell = np.searchsorted(starts, asof.closed_at[rows], side="right") - 1
    numbers = groups.numbers(deal_words(asof, rows), len(rows))
    amounts = np.ones(len(rows)) if counting else asof.amounts(rows)
    return booked_so_far("closed", cell, amounts, numbers, groups, holds, draws)


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
    asof: DealTable, odds: OpenDealOdds, groups: Groups, settings: ForecastSettings
) -> OpenDealInputs:
    return OpenDealInputs(
        deal_keys(asof.keys[odds.snapshots.rows], settings.seed),
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
    asof: DealTable,
    arrivals: Arrivals,
    believed: DealModels,
    groups: Groups,
    effects: SharedEffects,
    names: list[str],
    settings: ForecastSettings,
) -> NewDealInputs:
    keys = np.array([key_of(settings.seed, "new", name) for name in names], np.uint64)
    numbers = groups.numbers(deal_words(asof, believed.recent_wins), len(believed.recent_wins))
    chosen = np.cumsum(arrivals.share, axis=1)
    return NewDealInputs(
        keys, arrivals.means(effects), chosen, exact(believed.booked), numbers, groups.size
    )


@dataclass(frozen=True)
class ByDeal:
    """Of each open deal and period (n, P): chance to be won, expected amount, and influence.

    influence  Cov(deal, whole) / Var(whole); 0 without a range
    """

    chances: Floats
    expected: Floats
    influence: Floats

    @staticmethod
    def nothing(periods: int) -> ByDeal:
        """Of no deals."""
        return ByDeal(*(np.empty((0, periods)) for _ in range(3)))


def by_deal(made: BookingsDraws, times: Floats, whole: Floats) -> ByDeal:
    """What the draws say of each open deal.

    times (draws,) how often each draw counts; whole (P, draws) the bookings of all, before that
    """
    periods = len(whole)
    if made.drawn is None or made.effects is None:
        return ByDeal.nothing(periods)
    mean = whole @ times / times.sum()
    centred = whole - mean[:, None]
    variance = centred**2 @ times / times.sum()
    held = made.stream.holds[:, made.future]
    weight = np.divide(1.0, variance, out=np.zeros(periods), where=variance > 0)
    scaled = held[:, :, None] * (centred * weight[:, None])[:, None, :]
    found = open_deal_means(made.drawn, made.effects.pace, made.effects.stated, times, scaled)
    return ByDeal(found.chance @ held.T, found.mean @ held.T, found.covariance)
