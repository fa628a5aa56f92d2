"""The deals in numbers: when each was born and closed, and what it booked, in one currency."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from features.definitions.money import convert
from features.rows_asof import RowsAsOf
from features.schema import OUTCOMES
from features.tables import NAT, Bools, Coded, Floats, Instants, Ints, Tables, instant_text
from features.timeline import Timeline
from features.view import instants_at
from training.forecast.data.random import Keys, keys_of
from training.forecast.data.rounding import exact

NONE = "(none)"
"""The word for a missing owner, team, region, segment or product."""


def reporting(
    timeline: Timeline, amounts: Floats, currencies: Coded, at: Instants, what: str
) -> Floats:
    """Amounts in the reporting currency at the rates known before ``at``; none is an error."""
    worth = convert(timeline, amounts, currencies, at)
    lost = np.flatnonzero(np.isnan(worth) & ~np.isnan(amounts))
    if len(lost):
        row = lost[np.argmin(at[lost])]
        home = timeline.tables.meta.currency or "the reporting currency"
        raise ValueError(
            f"{what}: no rate of {currencies.values[currencies.codes[row]]} was known on "
            f"{instant_text(int(at[row]))[:10]} ({len(lost)} amounts need it); add a row to "
            f"fx_rates with rate_at before that day and the worth of one unit in {home}"
        )
    return worth


def rates_at(timeline: Timeline, currencies: set[str], at: int) -> pd.DataFrame:
    """currency, rate, rate_at: the newest rate known before ``at`` of each foreign currency."""
    foreign = sorted(currencies - {timeline.tables.meta.currency})
    groups = timeline.places("fx_rates", "currency", foreign)
    table = timeline.tables["fx_rates"]
    last = (
        timeline.events("fx_rates", "currency")
        .at(groups, np.full(len(groups), at, np.int64))
        .last()
    )
    known = last >= 0
    rate_at = instants_at(table.instant("rate_at"), last)
    return pd.DataFrame(
        {
            "currency": np.array(foreign, object)[known],
            "rate": table.number("rate")[last[known]],
            "rate_at": stamps(rate_at[known]),
        }
    )


def stamps(at: Instants) -> pd.Series[pd.Timestamp]:
    """Instants as a column of timestamps (UTC); NAT is missing."""
    values = np.where(at == NAT, np.datetime64("NaT"), at.astype("datetime64[us]"))
    return pd.Series(values.astype("datetime64[us]")).dt.tz_localize("UTC")


@dataclass(frozen=True)
class DealTable:
    """The table ``deals`` as a forecast reads it; all arrays (n,).

    rows    when each deal was born and closed, and when either was known
    outcome 0 none, 1 won, 2 lost
    stated  the amount booked in the deal's own currency: closed_amount, else the last amount
    """

    timeline: Timeline
    ids: list[str]
    rows: RowsAsOf
    outcome: Ints
    stated: Floats
    currency: Coded

    @staticmethod
    def of(timeline: Timeline) -> DealTable:
        """Read the deals; a table without dates has no forecast."""
        deals = timeline.tables["deals"]
        keys = deals.coded("deal_id")
        rows = RowsAsOf.of(deals)
        stated = deals.number("closed_amount")
        return DealTable(
            timeline,
            [keys.values[c] for c in keys.codes],
            rows,
            _outcomes(deals.coded("outcome")),
            np.where(np.isnan(stated), deals.number("amount"), stated),
            deals.coded("currency"),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def tables(self) -> Tables:
        """Where the deals come from."""
        return self.timeline.tables

    @property
    def born(self) -> Instants:
        """(n,) when each deal could first be known; NAT without a birth."""
        return self.rows.entered

    @property
    def closed(self) -> Instants:
        """(n,) when each outcome could first be known; NAT for not yet."""
        return self.rows.left

    @property
    def closed_at(self) -> Instants:
        """(n,) when each deal closed: the month that it is booked in."""
        return self.rows.closed

    @cached_property
    def keys(self) -> Keys:
        """Names of the deals' luck."""
        return keys_of(self.ids)

    def known(self, at: int) -> Bools:
        """Deals in the system before ``at``."""
        return self.rows.known(at)

    def open(self, at: int) -> Ints:
        """Rows of the deals that were known and not closed before ``at``."""
        return np.flatnonzero(self.rows.open(at))

    def ended(self, at: int) -> Bools:
        """Deals known to be closed before ``at``."""
        return self.rows.has_closed(at)

    def won(self, at: int, since: int | None = None) -> Ints:
        """Rows of the deals known at ``at`` to be won, in [since, at) if given."""
        won = (self.outcome == 1) & self.known(at) & self.ended(at)
        if since is not None:
            won &= self.closed >= since
        return np.flatnonzero(won)

    def amounts(self, rows: Ints) -> Floats:
        """Booked amounts of won deals in the reporting currency; NaN where none is stated."""
        currency = self.currency.take(rows)
        found = reporting(self.timeline, self.stated[rows], currency, self.closed[rows], "deals")
        return exact(found)

    @cached_property
    def dimensions(self) -> dict[str, Coded]:
        """Each dimension's word of every deal, as the table holds it now."""
        deals = self.tables["deals"]
        own = {c: deals.coded(c) for c in ("owner_id", "product", "region")}
        return deal_dimensions(self.timeline, own, deals.coded("account_id"))


def _outcomes(column: Coded) -> Ints:
    places = [
        OUTCOMES["deals"].index(w) + 1 if w in OUTCOMES["deals"] else 0 for w in column.values
    ]
    found: Ints = np.array([*places, 0], np.int64)[column.codes]
    return found


def deal_dimensions(timeline: Timeline, own: dict[str, Coded], account: Coded) -> dict[str, Coded]:
    """owner, team, region, segment and product of deals, from their own words and relatives.

    A region that the deal does not state is its account's, else its owner's.
    """
    owners = _related(timeline, "owners", own["owner_id"], ("team", "region"))
    accounts = _related(timeline, "accounts", account, ("segment", "region"))
    region = first_of([own["region"], accounts["region"], owners["region"]])
    return {
        "owner": own["owner_id"],
        "team": owners["team"],
        "region": region,
        "segment": accounts["segment"],
        "product": own["product"],
    }


def _related(
    timeline: Timeline, table: str, ids: Coded, columns: tuple[str, ...]
) -> dict[str, Coded]:
    rows = np.append(timeline.rows(table, ids.values), -1)[ids.codes]
    return {c: timeline.tables[table].coded(c).take(rows) for c in columns}


def first_of(columns: list[Coded]) -> Coded:
    """Each row's first word that is there."""
    places: dict[str, int] = {}
    codes = np.full(len(columns[0].codes), -1, np.int32)
    for column in columns:
        lookup = np.array([*(places.setdefault(v, len(places)) for v in column.values), -1])
        codes = np.where(codes < 0, lookup[column.codes], codes).astype(np.int32)
    return Coded(codes, list(places))
