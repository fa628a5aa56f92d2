"""Amounts in the one currency of features and reports, at rates known at the time."""

from __future__ import annotations

import numpy as np

from features.record import RecordWindow
from features.schema import TABLES
from features.tables import Coded, Floats, Instants
from features.timeline import Timeline
from features.view import View, at_rows


def convert(timeline: Timeline, amounts: Floats, currencies: Coded, at: Instants) -> Floats:
    """Amounts (n,) in the reporting currency at the rate last known before the instants ``at``.

    An amount without a currency is taken to be in the reporting one; a currency without a rate
    known by then gives NaN.
    """
    home = timeline.tables.meta.currency
    if isinstance(at, int):
        return _converted(timeline, home, amounts, currencies, at)
    words = [home if w is None else w for w in [*currencies.values, None]]
    groups = timeline.places("fx_rates", "currency", words)[currencies.codes]
    rates = timeline.tables["fx_rates"].number("rate")
    known = timeline.events("fx_rates", "currency").at(groups, at).last()
    at_home = np.array([w == home for w in words], np.bool_)[currencies.codes]
    return np.where(at_home, amounts, amounts * at_rows(rates, known))


def _converted(
    timeline: Timeline, home: str, amount: float, currency: str | None, at: int
) -> float:
    """``convert`` of one amount."""
    if currency is None or currency == home:
        return amount
    place = timeline.place_of("fx_rates", "currency").get(currency, -1) if currency else -1
    known = RecordWindow.of(timeline.events("fx_rates", "currency"), place, at).last()
    return amount * timeline.tables["fx_rates"].number("rate").item(known) if known >= 0 else np.nan


def column(view: View, table: str, name: str) -> Floats:
    """A whole amount column of ``table``, each row at the rate known when the row began."""
    rows = view.tables[table]
    born = rows.instant(TABLES[table].born)
    return convert(view.timeline, rows.number(name), rows.coded("currency"), born)
