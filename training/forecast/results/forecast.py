"""The forecast at an origin, top to bottom. Final: the signature and what is raised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Floats, Meta, Tables, instant_text
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.data.deal_table import rates_at
from training.forecast.data.groups import Groups
from training.forecast.data.periods import Period, cells, periods
from training.forecast.data.settings import ForecastSettings
from training.forecast.results.deal_listing import deal_frame
from training.forecast.results.result import Forecast
from training.forecast.simulate.bookings import BookingsDraws, bookings, influence
from training.forecast.simulate.recurring_stream import recurring, recurring_shock_at
from training.forecast.simulate.shared_effects import SharedEffects
from training.forecast.simulate.shock_observations import shock_at
from training.forecast.simulate.streams import StreamDraws, StreamPart, total

BOOKED = ("deals.outcome", "deals.closed_at", "deals.created_at", "deals.amount")
CHARGED = ("invoices.amount", "invoices.issued_at", "subscriptions.mrr", "subscriptions.started_at")
"""The columns that each stream rests on."""


def forecast(
    tables: Tables,
    origin: int,
    beliefs: FittedModels,
    settings: ForecastSettings,
    asked: Sequence[Period] | None = None,
    weigh: bool = True,
) -> Forecast:
    """The forecast at ``origin`` (microseconds), from what was known before it.

    beliefs  ``Beliefs.of(tables, [origin], settings)``, or of many origins in a backtest
    asked    the periods; None: ``periods(origin, settings.months, …)``. One that is over at the
             origin is what was booked in it, without a range
    weigh    whether each deal's share of the variance is computed (as dear as the draws)

    ValueError, with what to do, for too little history, an origin outside the data, and a currency
    without a rate at the time.
    """
    if asked is None:
        asked = periods(
            *(origin, settings.months, settings.quarters, settings.fiscal_start), tables.meta.zone
        )
    drawn = _drawn(beliefs, origin, tuple(asked), settings)
    streams, made = drawn.streams, drawn.made
    chances, expected = _by_period(made, asked)
    shares = np.empty((0, 0))
    if weigh and made is not None:
        shares = influence(made, SharedEffects.of(settings, drawn.sigma))
    return Forecast(
        origin,
        tables.meta.currency,
        rates_at(beliefs.deals.timeline, _currencies(beliefs, origin), origin),
        tuple(asked),
        pd.concat([s.table(settings) for s in streams], ignore_index=True),
        {k: v for s in streams for k, v in s.draws().items()},
        {k: v for s in streams for k, v in s.by_group().items()},
        deal_frame(beliefs, made, cells(asked)[0].start, origin),
        chances,
        expected,
        shares,
        drawn.sigma,
        settings,
        (*_notes(made), *drawn.notes),
        _learned(beliefs, origin, drawn.tremor),
    )


@dataclass(frozen=True)
class _Drawn:
    """The streams of an origin, the shocks behind them, and why one that there is was left out."""

    streams: list[StreamDraws]
    made: BookingsDraws | None
    sigma: float
    tremor: float
    notes: list[str]


def _drawn(
    beliefs: FittedModels, origin: int, asked: tuple[Period, ...], settings: ForecastSettings
) -> _Drawn:
    """Each stream that enough is known about; TooLittleError where that is none."""
    months, streams, notes = cells(asked), [], []
    made, sigma, tremor, last = None, 0.0, 0.0, None
    meta = beliefs.deals.timeline.tables.meta
    if beliefs.has_bookings:
        try:
            refuse_wrong(meta, BOOKED)
            sigma = shock_at(beliefs, origin, settings)
            made = bookings(beliefs, origin, asked, months, sigma, settings)
            streams.append(made.stream)
        except TooLittleError as why:
            last = why
            notes.append(f"no bookings: {why}")
    try:
        if beliefs.charges is not None:
            refuse_wrong(meta, CHARGED)
        tremor = recurring_shock_at(beliefs, origin, settings)
        charged = recurring(beliefs, origin, asked, months, tremor, settings)
        streams += [] if charged is None else [charged]
    except TooLittleError as why:
        last = last or why
        notes.append(f"no recurring revenue: {why}")
    if not streams:
        raise last or TooLittleError(f"nothing is known before {instant_text(origin)}")
    if settings.total and len(streams) == 2:
        streams.append(together(streams))
    notes += [c.to_text() for c in meta.consequences_of((*BOOKED, *CHARGED)) if not c.wrong]
    return _Drawn(streams, made, sigma, tremor, notes)


def refuse_wrong(meta: Meta, columns: Sequence[str]) -> None:
    """TooLittleError where reading lost what makes every number of these columns wrong."""
    for lost in meta.consequences_of(columns):
        if lost.wrong:
            raise TooLittleError(lost.to_text())


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


def _currencies(beliefs: FittedModels, origin: int) -> set[str]:
    """Every currency that deals and charges known at the origin state."""
    book, charges = beliefs.deals, beliefs.charges
    known = set(book.currency.take(np.flatnonzero(book.known(origin))).words())
    if charges is not None:
        known |= set(charges.currency.take(np.flatnonzero(charges.seen(origin))).words())
    return {word for word in known if word is not None}


def _by_period(made: BookingsDraws | None, asked: Sequence[Period]) -> tuple[Floats, Floats]:
    """Chance and expected amount (open deals, P) of each open deal in each period."""
    if made is None or made.open is None:
        nothing = np.empty((0, len(asked)))
        return nothing, nothing
    held = made.stream.holds[:, made.future].T
    return made.open.chances @ held, made.open.expected @ held


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


def _learned(beliefs: FittedModels, origin: int, tremor: float) -> dict[str, object]:
    curve = beliefs.curve(origin)
    return {
        "curve_fitted_at": None if curve is None else instant_text(curve.at),
        "recurring_shock": tremor,
    }
