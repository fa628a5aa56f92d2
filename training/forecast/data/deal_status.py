"""How every deal stood at an instant, as the CRM had it then: what a bridge compares."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from features.definitions.money import convert
from features.rows_asof import RowsAsOf
from features.spine import Spine
from features.tables import NAT, Instants, Ints, Table, Tables
from features.timeline import Timeline
from features.view import View, at_rows, instants_at


def deal_status(tables: Tables, origin: int) -> pd.DataFrame:
    """Every deal in the CRM before ``origin`` (microseconds), indexed by deal_id, as of then.

    Columns: name, status ("open", "won", "lost"), amount (in the deal's own currency; booked when
    won), rate (reporting currency per unit, NaN where none was known), due (people's close date),
    closed and created (instants, NAT where missing).
    """
    timeline = Timeline(tables)
    deals = tables["deals"]
    lives = RowsAsOf.of(deals)
    spine = _spine(deals, np.flatnonzero(lives.known(origin)), origin)
    view = View(timeline, spine)
    rows = view.rows
    closed = instants_at(deals.instant("closed_at"), rows)
    done = lives.has_closed(origin)[rows]
    words = deals.coded("outcome").take(rows).words()
    status = np.where(done, np.array([w or "lost" for w in words], object), "open")
    booked = at_rows(deals.number("closed_amount"), rows)
    knows = partial(timeline.knows, "deals", at=origin)
    stated = view.number("amount") if knows("amount") else np.full(len(rows), np.nan)
    amount = np.where((status == "won") & ~np.isnan(booked), booked, stated)
    currency = deals.coded("currency").take(rows)
    return pd.DataFrame(
        {
            "name": deals.coded("name").take(rows).words(),
            "status": status,
            "amount": amount,
            "rate": convert(timeline, np.ones(len(rows)), currency, spine.cutoffs),
            "due": view.instant("expected_close_at") if knows("expected_close_at") else NAT,
            "closed": np.where(done, closed, NAT),
            "created": instants_at(deals.instant("created_at"), rows),
        },
        index=pd.Index(spine.ids, name="deal_id"),
    )


def _spine(deals: Table, rows: Ints, origin: int) -> Spine:
    keys = deals.coded("deal_id")
    ids = dict.fromkeys(keys.values[c] for c in keys.codes[rows] if c >= 0)
    return Spine("deals", list(ids), np.full(len(ids), origin, np.int64))


def micros_of(stamps: pd.Series[pd.Timestamp]) -> Instants:
    """Timestamps (UTC) as microseconds, NAT where missing."""
    plain = pd.to_datetime(stamps, utc=True).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(plain), NAT, plain.astype(np.int64))
