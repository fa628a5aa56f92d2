"""How every deal stood at an instant, as the CRM had it then: what a bridge compares."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.asof import past
from features.definitions.fields import rewindable
from features.definitions.money import convert
from features.spine import Spine, everyone
from features.tables import NAT, Bools, Instants, Tables, micros
from features.timeline import Timeline, View, at_rows, instants_at


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


def micros_of(stamps: pd.Series[pd.Timestamp]) -> Instants:
    """Timestamps (UTC) as microseconds, NAT where missing."""
    plain = pd.to_datetime(stamps, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(plain), NAT, plain.astype(np.int64))
