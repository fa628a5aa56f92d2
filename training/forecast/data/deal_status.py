"""How every deal stood at an instant, as the CRM had it then: what a bridge compares."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.asof import past
from features.fields import rewindable
from features.frame import Spine, everyone
from features.money import convert
from features.tables import NAT, Bools, Instants, Tables, micros
from features.view import Timeline, View, at_rows, instants_at
from training.forecast.results.result import Forecast


def deal_status(tables: Tables, origin: int) -> pd.DataFrame:
    """Every deal in the CRM before ``origin`` (microseconds), indexed by deal_id, as of then.

    Columns: name, status ("open", "won", "lost"), amount (in the deal's own currency; booked when
    won), rate (reporting currency per unit, NaN where none was known), due (people's close date),
    closed and created (instants, NAT where missing).
    """
    timeline = Timeline(tables)
    spine = _known(timeline, origin)
    view = View(timeline, spine)
    deals, rows = tables["deals"], view.rows
    ended = not tables.meta.as_of or origin >= micros(tables.meta.as_of)

    def told(column: str) -> bool:
        """Whether the column's value of then is known: it is today's, or it can be rewound."""
        return ended or rewindable(tables, "deals", column)

    closed = instants_at(deals.instant("closed_at"), rows)
    done = past(closed, spine.cutoffs)
    words = deals.coded("outcome").take(rows).words()
    status = np.where(done, np.array([w or "lost" for w in words], object), "open")
    booked = at_rows(deals.number("closed_amount"), rows)
    stated = view.number("amount") if told("amount") else np.full(len(rows), np.nan)
    amount = np.where((status == "won") & ~np.isnan(booked), booked, stated)
    currency = deals.coded("currency").take(rows)
    return pd.DataFrame(
        {
            "name": deals.coded("name").take(rows).words(),
            "status": status,
            "amount": amount,
            "rate": convert(timeline, np.ones(len(rows)), currency, spine.cutoffs),
            "due": view.instant("expected_close_at") if told("expected_close_at") else NAT,
            "closed": np.where(done, closed, NAT),
            "created": instants_at(deals.instant("created_at"), rows),
        },
        index=pd.Index(spine.ids, name="deal_id"),
    )


def _known(timeline: Timeline, origin: int) -> Spine:
    """The deals that were in the CRM, also by the day the system could first know them."""
    deals = timeline.tables["deals"]
    spine = everyone(timeline.tables, "deals", origin)
    available = instants_at(deals.instant("available_at"), timeline.rows("deals", spine.ids))
    seen: Bools = (available == NAT) | past(available, spine.cutoffs)
    return spine.take(np.flatnonzero(seen))


def with_expected(standings: pd.DataFrame, made: Forecast) -> pd.DataFrame:
    """The standings with a column ``expected <period>`` for each period of a forecast.

    What an open deal is expected to bring; what a won one has brought, in the period it closed in;
    0 of deals that the forecast does not speak of.
    """
    found = made.deals.set_index("deal_id")
    is_open = (found["status"] == "open").to_numpy(np.bool_)
    won = (found["status"] == "won").to_numpy(np.bool_)
    closed, amount = micros_of(found["closed_at"]), found["amount"].to_numpy(np.float64)
    columns = {}
    for place, period in enumerate(made.periods):
        inside = won & (closed >= period.start) & (closed < period.end)
        brought = np.where(inside, amount, 0.0)
        brought[is_open] = made.expected[:, place]
        column = pd.Series(brought, index=found.index).reindex(standings.index).fillna(0.0)
        columns[f"expected {period.name}"] = column
    return standings.assign(**columns)


def in_forecast(standings: pd.DataFrame, made: Forecast) -> pd.DataFrame:
    """The standings worth keeping: of deals open, or closed in a period asked about."""
    return standings[standings.index.isin(made.deals["deal_id"])]


def micros_of(stamps: pd.Series[pd.Timestamp]) -> Instants:
    """Timestamps (UTC) as microseconds, NAT where missing."""
    plain = pd.to_datetime(stamps, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(plain), NAT, plain.astype(np.int64))
