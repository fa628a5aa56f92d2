"""What customers are charged again and again: invoices, or the months of their subscriptions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.asof import past
from features.calendar_time import Zone, day_in_month, later, zone
from features.tables import DAY, NAT, Bools, Coded, Floats, Instants, Ints, Table, Tables, micros
from features.timeline import Timeline
from training.forecast.data.deal_table import first_of, reporting
from training.forecast.data.random import Keys, keys_of
from training.forecast.data.rounding import exact


@dataclass(frozen=True)
class Charges:
    """Every charge known to the data, ordered by chain and instant; all arrays (m,).

    account   code of the customer in ``accounts``; chain likewise: a contract of the customer, or
              the customer where charges name no contract
    at        when it was charged; known when the system could know it
    stated    the amount in its own currency
    began, left  (accounts,) first charge, and when the customer was known to have left (NAT: never)
    ended     (chains,) when the chain's contract was known to have ended (NAT: never)
    kind      (chains,) a word that tells how often a chain is charged (billing, plan); "" unknown
    """

    timeline: Timeline
    accounts: list[str]
    account: Ints
    chain: Ints
    at: Instants
    known: Instants
    stated: Floats
    currency: Coded
    began: Instants
    left: Instants
    ended: Instants
    kind: list[str]
    product: list[str | None]

    @staticmethod
    def of(timeline: Timeline) -> Charges | None:
        """Read the invoices, else the subscriptions; None where there are neither."""
        tables = timeline.tables
        if tables["invoices"].has("amount"):
            return _charges(timeline, *_invoiced(tables))
        if tables["subscriptions"].has("mrr"):
            return _charges(timeline, *_subscribed(tables))
        return None

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def zone(self) -> Zone:
        """Whose calendar charges follow."""
        return zone(self.timeline.tables.meta.zone)

    @cached_property
    def starts(self) -> Ints:
        """(chains + 1,) where each chain's charges begin."""
        return np.searchsorted(self.chain, np.arange(len(self.kind) + 1)).astype(np.int64)

    @cached_property
    def owner_of(self) -> Ints:
        """(chains,) the account of each chain."""
        return self.account[self.starts[:-1]]

    @cached_property
    def first_chain(self) -> Ints:
        """(accounts,) the first chain of each account."""
        found = np.zeros(len(self.accounts), np.int64)
        account, chain = np.unique(self.owner_of, return_index=True)
        found[account] = chain
        return found

    @cached_property
    def rank(self) -> Ints:
        """(accounts,) place of each account by name: an order that no other row changes."""
        return np.argsort(np.argsort(np.array(self.accounts, dtype=np.str_)))

    @cached_property
    def keys(self) -> Keys:
        """(accounts,) names of the customers' luck."""
        return keys_of(self.accounts)

    def seen(self, at: int) -> Bools:
        """Charges made and known before ``at``."""
        return past(self.known, np.full(len(self), at, np.int64))

    def amounts(self, rows: Ints) -> Floats:
        """Charges in the reporting currency at the rates of their days; NaN where not stated."""
        currency = self.currency.take(rows)
        return exact(
            reporting(self.timeline, self.stated[rows], currency, self.at[rows], "charges")
        )

    def made(self, since: int, until: int, known_by: int) -> Ints:
        """Rows charged in [since, until) and known before ``known_by``."""
        return np.flatnonzero((self.at >= since) & (self.at < until) & self.seen(known_by))

    def gone(self, at: int) -> Bools:
        """(accounts,) customers known to have left before ``at``."""
        return past(self.left, np.full(len(self.left), at, np.int64))

    @cached_property
    def dimensions(self) -> dict[str, Coded]:
        """Each dimension's word of every chain."""
        rows = self.timeline.rows("accounts", [self.accounts[a] for a in self.owner_of])
        accounts = self.timeline.tables["accounts"]
        own = {c: accounts.coded(c).take(rows) for c in ("owner_id", "region", "segment")}
        owners = self.timeline.tables["owners"]
        seller = np.append(self.timeline.rows("owners", own["owner_id"].values), -1)
        seller = seller[own["owner_id"].codes]
        team, region = (owners.coded(c).take(seller) for c in ("team", "region"))
        places = {w: i for i, w in enumerate(dict.fromkeys(w for w in self.product if w))}
        product = np.array([places[w] if w else -1 for w in self.product], np.int32)
        return {
            "owner": own["owner_id"],
            "team": team,
            "region": first_of([own["region"], region]),
            "segment": own["segment"],
            "product": Coded(product, list(places)),
        }


@dataclass(frozen=True)
class _Rows:
    """Charges as a table gives them, (m,); ``contract`` is a row of ``subscriptions`` or -1."""

    account: Coded
    contract: Ints
    at: Instants
    available: Instants
    amount: Floats
    currency: Coded


def _invoiced(tables: Tables) -> tuple[_Rows, Table]:
    invoices, contracts = tables["invoices"], tables["subscriptions"]
    place = {k: i for i, k in enumerate(contracts.coded("subscription_id").words())}
    named = invoices.coded("subscription_id")
    lookup = np.array([*(place.get(v, -1) for v in named.values), -1], np.int64)
    rows = _Rows(
        invoices.coded("account_id"),
        lookup[named.codes],
        invoices.instant("issued_at"),
        invoices.instant("available_at"),
        invoices.number("amount"),
        invoices.coded("currency"),
    )
    return rows, contracts


def _subscribed(tables: Tables) -> tuple[_Rows, Table]:
    """A charge of ``mrr`` a month while the contract runs, up to the end of the data."""
    contracts = tables["subscriptions"]
    start, stop = contracts.instant("started_at"), contracts.instant("ended_at")
    until = np.where(stop == NAT, micros(tables.meta.as_of), stop)
    company = zone(tables.meta.zone)
    runs = (start != NAT) & (until > start)
    times = np.where(runs, company.month(until) - company.month(start) + 1, 0)
    rows = np.repeat(np.arange(contracts.n), times)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    wall = company.wall(start[rows])
    day = later(wall // DAY, turn, True, day_in_month(wall // DAY))
    at = company.instant(day * DAY + wall % DAY)
    rows, at = rows[at < until[rows]], at[at < until[rows]]
    charges = _Rows(
        contracts.coded("account_id").take(rows),
        rows,
        at,
        contracts.instant("available_at")[rows],
        contracts.number("mrr")[rows],
        contracts.coded("currency").take(rows),
    )
    return charges, contracts


def _charges(timeline: Timeline, rows: _Rows, contracts: Table) -> Charges:
    accounts = rows.account.values
    named = rows.contract + 1
    pairs = rows.account.codes.astype(np.int64) * (contracts.n + 1) + named
    good = np.flatnonzero((rows.account.codes >= 0) & (rows.at != NAT))
    order = good[np.lexsort((rows.at[good], pairs[good]))]
    chain = np.unique(pairs[order], return_inverse=True)[1].astype(np.int64)
    first = np.searchsorted(chain, np.arange(chain.max(initial=-1) + 1))
    contract = rows.contract[order][first]
    account = rows.account.codes[order].astype(np.int64)
    at = rows.at[order]
    began = np.full(len(accounts), np.iinfo(np.int64).max, np.int64)
    np.minimum.at(began, account, at)
    ended = contracts.instant("ended_at")
    there = timeline.rows("accounts", accounts)
    table = timeline.tables["accounts"]
    left = np.maximum(table.instant("closed_at"), table.instant("available_at"))
    left = np.where(table.instant("closed_at") == NAT, NAT, left)
    return Charges(
        timeline,
        accounts,
        account,
        chain,
        at,
        np.maximum(at, rows.available[order]),
        rows.amount[order],
        rows.currency.take(order),
        began,
        np.where(there >= 0, left[there], NAT) if table.n else np.full(len(accounts), NAT),
        np.where(contract >= 0, ended[contract], NAT) if contracts.n else np.full(len(first), NAT),
        _kinds(contracts, contract),
        contracts.coded("product").take(contract).words(),
    )


def _kinds(contracts: Table, rows: Ints) -> list[str]:
    """How often a contract is charged, in words."""
    columns = [contracts.coded(c).take(rows).words() for c in ("billing",)]
    return ["/".join(w or "" for w in words) for words in zip(*columns, strict=True)]
