"""The forecast at an origin, top to bottom. Final: the signature and what is raised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.tables import Floats, Tables, instant_text
from training.forecast.belief import Beliefs
from training.forecast.booked import rates_at
from training.forecast.drawn import Bookings, bookings, deal_frame, influence
from training.forecast.luck import Luck
from training.forecast.past import shock_at
from training.forecast.periods import Period, cells, periods
from training.forecast.result import Forecast
from training.forecast.settings import ForecastSettings


def forecast(
    tables: Tables,
    origin: int,
    beliefs: Beliefs,
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
        asked = periods(origin, settings.months, settings.quarters, settings.fiscal_start)
    asked = tuple(asked)
    months = cells(asked)
    sigma = shock_at(beliefs, origin, settings)
    made = bookings(beliefs, origin, asked, months, sigma, settings)
    chances, expected = _by_period(made)
    shares = influence(made, Luck.of(settings, sigma)) if weigh else np.empty((0, 0))
    stream = made.stream
    return Forecast(
        origin,
        tables.meta.currency,
        rates_at(beliefs.book.timeline, set(beliefs.book.currency.values), origin),
        asked,
        stream.table(settings),
        stream.draws(),
        stream.by_group(),
        deal_frame(beliefs, made, months[0].start, origin),
        chances,
        expected,
        shares,
        sigma,
        settings,
        tuple(_notes(made)),
        _learned(beliefs, origin),
    )


def _by_period(made: Bookings) -> tuple[Floats, Floats]:
    """Chance and expected amount (open deals, P) of each open deal in each period."""
    if made.open is None:
        nothing = np.empty((0, len(made.stream.periods)))
        return nothing, nothing
    held = made.stream.holds[:, made.future].T
    return made.open.chances @ held, made.open.expected @ held


def _notes(made: Bookings) -> list[str]:
    notes = []
    if made.open is not None and len(made.open.seen) == 0:
        notes.append("no deal is open: the forecast rests on what is closed and on new deals")
    if made.open is not None:
        unknown = int(np.isnan(made.open.seen.amount).sum())
        if unknown:
            notes.append(
                f"{unknown} of {len(made.open.seen)} open deals show no amount that could be known "
                f"then: each draws one from recent wins of its product"
            )
    return notes


def _learned(beliefs: Beliefs, origin: int) -> dict[str, object]:
    curve = beliefs.curve(origin)
    return {"curve_fitted_at": None if curve is None else instant_text(curve.at)}
