"""Amounts in the one currency of features and reports, at rates known at the time."""

from __future__ import annotations

import numpy as np

from features.schema import TABLES
from features.tables import Coded, Floats, Instants
from features.timeline import Timeline, View, at_rows


def convert(timeline: Timeline, amounts: Floats, currencies: Coded, at: Instants) -> Floats:
    """Amounts (n,) in the reporting currency at the rate last known before the instants ``at``.

    An amount without a currency is taken to be in the reporting one; a currency without a rate
    known by then gives NaN.
    """
    home = timeline.tables.meta.currency
    words = [home if w is None else w for w in [*currencies.values, None]]
    groups = timeline.places("fx_rates", "currency", words)[currencies.codes]
    rates = timeline.tables["fx_rates"].number("rate")
    known = timeline.events("fx_rates", "currency").at(groups, at).last()
    at_home = np.array([w == home for w in words], np.bool_)[currencies.codes]
    return np.where(at_home, amounts, amounts * at_rows(rates, known))


def column(view: View, table: str, name: str) -> Floats:
    """A whole amount column of ``table``, each row at the rate known when the row began."""
    rows = view.tables[table]
    born = rows.instant(TABLES[table].born)
    return convert(view.timeline, rows.number(name), rows.coded("currency"), born)
