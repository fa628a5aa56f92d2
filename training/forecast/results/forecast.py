"""The forecast at an origin, top to bottom. Final: the signature and what is raised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import DAY, NAT, Floats, Ints, Meta, Tables, instant_text
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.data.deal_table import rates_at
from training.forecast.data.groups import Groups
from training.forecast.data.periods import Period, cells, month, month_of, periods
from training.forecast.data.settings import ForecastSettings
from training.forecast.results.deal_listing import deal_frame
from training.forecast.results.result import Forecast
from training.forecast.simulate.base_rate import base_rate
from training.forecast.simulate.bookings import BookingsDraws, ByDeal, bookings, by_deal
from training.forecast.simulate.recurring_stream import recurring
from training.forecast.simulate.shared_effects import Assumed
from training.forecast.simulate.streams import StreamDraws, StreamPart, total

BOOKED = ("deals.outcome", "deals.closed_at", "deals.created_at", "deals.amount")
CHARGED = ("invoices.amount", "invoices.issued_at", "subscriptions.mrr", "subscriptions.started_at")
"""The columns that each stream rests on."""


def forecast(
    tables: Tables,
    origin: int,
    fitted: FittedModels,
    settings: ForecastSettings,
    asked: Sequence[Period] | None = None,
    weigh: bool = True,
) -> Forecast:
    """The simulation alone at ``origin`` (microseconds), from what was known before it.

    fitted   ``FittedModels.of(tables, [origin], settings)``, or of many origins in a backtest
    asked    the periods; None: ``periods(origin, settings.months, …)``. One that is over at the
             origin is what was booked in it, without a range
    weigh    whether each deal's chance, amount and share of the variance is computed (as dear as
             the draws)

    ValueError, with what to do, for too little history, an origin outside the data, and a currency
    without a rate at the time.
    """
    return finished(tables, fitted, draft(fitted, origin, settings, asked), {}, weigh)


@dataclass(frozen=True)
class DrawnStreams:
    """The streams of an origin as drawn, and why one that there is was left out.

    made  what the bookings were drawn from; None without bookings
    """

    origin: int
    asked: tuple[Period, ...]
    settings: ForecastSettings
    streams: tuple[StreamDraws, ...]
    made: BookingsDraws | None
    recurring_spread: float
    notes: tuple[str, ...]

    def whole(self, stream: str) -> Floats:
        """(periods, draws) of a stream."""
        found = next(s for s in self.streams if s.name == stream)
        return found.draws()[stream, "whole"]


def draft(
    fitted: FittedModels,
    origin: int,
    settings: ForecastSettings,
    asked: Sequence[Period] | None = None,
    assumed: Mapping[str, Assumed] | None = None,
    counting: bool = False,
) -> DrawnStreams:
    """Draw each stream that enough is known about; TooLittleError where that is none.

    assumed   stream -> the factors of a scenario
    counting  draws are numbers of deals won and of charges, not money
    """
    factors = assumed or {}
    if asked is None:
        asked = periods(
            *(origin, settings.months, settings.quarters, settings.fiscal_start),
            fitted.tables.meta.zone,
        )
    periods_asked = tuple(asked)
    months = months_from(origin, periods_asked)
    streams: list[StreamDraws] = []
    notes: list[str] = []
    made, spread = None, 0.0
    last: TooLittleError | None = None
    for name, there, columns in (
        ("bookings", fitted.has_bookings, BOOKED),
        ("recurring", fitted.charges is not None, CHARGED),
    ):
        if not there:
            continue
        try:
            refuse_wrong(fitted.tables.meta, columns)
            found = _drawn(
                *(name, fitted, origin, periods_asked, months, settings),
                factors.get(name),
                counting,
            )
        except TooLittleError as why:
            last = last or why
            notes.append(f"no {STREAM_WORDS[name]}: {why}")
            continue
        streams.append(found.stream)
        made, spread = made or found.made, max(spread, found.spread)
        notes += found.notes
    if not streams:
        raise last or TooLittleError(f"nothing is known before {instant_text(origin)}")
    meta = fitted.tables.meta
    notes += [c.to_text() for c in meta.consequences_of((*BOOKED, *CHARGED)) if not c.wrong]
    return DrawnStreams(origin, periods_asked, settings, tuple(streams), made, spread, tuple(notes))


STREAM_WORDS = {"bookings": "bookings", "recurring": "recurring revenue"}


@dataclass(frozen=True)
class _Drawn:
    """A stream as drawn; made of bookings only, notes where it is a base rate only."""

    stream: StreamDraws
    made: BookingsDraws | None = None
    spread: float = 0.0
    notes: tuple[str, ...] = ()


def _drawn(
    name: str,
    fitted: FittedModels,
    origin: int,
    asked: tuple[Period, ...],
    months: Sequence[Period],
    settings: ForecastSettings,
    assumed: Assumed | None,
    counting: bool,
) -> _Drawn:
    """A stream from its deals or customers; where too little is known of them, its base rate."""
    given = (origin, asked, months, settings)
    try:
        if name == "bookings":
            made = bookings(fitted, *given, assumed, counting)
            return _Drawn(made.stream, made)
        charged = recurring(fitted, *given, assumed, counting)
        return _Drawn(charged.stream, None, charged.spread)
    except TooLittleError as why:
        stream, note = base_rate(fitted, name, *given, why, assumed, counting)
        return _Drawn(stream, notes=(note,))


def months_from(origin: int, asked: Sequence[Period]) -> tuple[Period, ...]:
    """The months that the periods are made of, and those from the origin to the first of them.

    What is due before the first period must fall somewhere, or it would fall into that one.
    """
    running = month(month_of(origin, asked[0].zone), asked[0].zone)
    return cells([running, *asked] if min(p.start for p in asked) > origin else asked)


def refuse_wrong(meta: Meta, columns: Sequence[str]) -> None:
    """TooLittleError where reading lost what makes every number of these columns wrong."""
    for lost in meta.consequences_of(columns):
        if lost.wrong:
            raise TooLittleError(lost.to_text())


def finished(
    tables: Tables,
    fitted: FittedModels,
    of: DrawnStreams,
    chosen: Mapping[str, Ints],
    weigh: bool = True,
    notes: Sequence[str] = (),
) -> Forecast:
    """The forecast of a draft: its tables, its deals and its total.

    chosen  stream -> (draws,) which draws count, some of them more than once
            (``backtest.steering``); a stream that is not in it counts each draw once
    """
    settings, origin, made = of.settings, of.origin, of.made
    streams = [s.take(chosen[s.name]) if s.name in chosen else s for s in of.streams]
    if settings.total and len(streams) == 2:
        streams.append(together(streams))
    deals = ByDeal.nothing(len(of.asked))
    if weigh and made is not None:
        times = np.bincount(
            chosen.get("bookings", np.arange(settings.draws)), minlength=settings.draws
        ).astype(np.float64)
        deals = by_deal(made, times, of.whole("bookings"))
    return Forecast(
        origin,
        tables.meta.currency,
        rates_at(fitted.deals.timeline, _currencies(fitted, origin), origin),
        of.asked,
        pd.concat([s.table(settings) for s in streams], ignore_index=True),
        {k: v for s in streams for k, v in s.draws().items()},
        {k: v for s in streams for k, v in s.by_group().items()},
        deal_frame(fitted, made, cells(of.asked)[0].start, origin),
        deals.chances,
        deals.expected,
        deals.influence,
        0.0 if made is None or made.effects is None else made.effects.spread,
        settings,
        (*_notes(made), *of.notes, *notes),
        _learned(fitted, origin, of.recurring_spread),
    )


def together(streams: list[StreamDraws]) -> StreamDraws:
    """Bookings and recurring added up, draw by draw; by the dimensions' values of both."""
    first, values = streams[0], Groups.union([s.groups for s in streams])
    nobody = np.full((1 + values.size, len(first.periods)), np.nan)
    parts = tuple(
        StreamPart(
            s.name,
            total([p.whole for p in s.parts]),
            values.spread(s.groups, total([p.groups for p in s.parts])),
            nobody,
        )
        for s in streams
    )
    return StreamDraws("total", parts, values, first.periods, first.holds)


def _currencies(fitted: FittedModels, origin: int) -> set[str]:
    """Every currency that deals and charges known at the origin state."""
    asof, charges = fitted.deals, fitted.charges
    known = set(asof.currency.take(np.flatnonzero(asof.known(origin))).words())
    if charges is not None:
        known |= set(charges.currency.take(np.flatnonzero(charges.seen(origin))).words())
    return {word for word in known if word is not None}


def _notes(made: BookingsDraws | None) -> list[str]:
    notes: list[str] = []
    if made is None:
        return notes
    if made.open is not None and len(made.open.snapshots) == 0:
        notes.append("no deal is open: the forecast rests on what is closed and on new deals")
    if made.open is not None:
        unknown = int(np.isnan(made.open.snapshots.amount).sum())
        if unknown:
            notes.append(
                f"{unknown} of {len(made.open.snapshots)} open deals show no amount that could be "
                f"known then: each draws one from recent wins of its product"
            )
    return notes


def history_days(fitted: FittedModels, origin: int) -> float:
    """Days from the first deal or charge that is known to the origin."""
    first = [
        int(born.min()) for born in (fitted.deals.born[fitted.deals.born != NAT],) if len(born)
    ]
    if fitted.charges is not None and len(fitted.charges.began):
        first.append(int(fitted.charges.began.min()))
    return (origin - min(first, default=origin)) / DAY


def _learned(fitted: FittedModels, origin: int, spread: float) -> dict[str, object]:
    curve = fitted.curve(origin)
    return {
        "curve_fitted_at": None if curve is None else instant_text(curve.at),
        "recurring_shock": spread,
        "history_days": history_days(fitted, origin),
    }
