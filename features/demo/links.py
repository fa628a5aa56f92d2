"""Which deal came from which lead, which account it belongs to, and the planted duplicates.

Links join things that happened one soon after the other; they say nothing of what is still to come,
because every account, customer or not, is drawn from the same distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.demo.draw import (
    DemoPeriod,
    Rng,
    day_of,
    instants,
    keys,
    long_keys,
    micros_of,
    texts,
    within,
    words,
)
from features.tables import DAY, NAT, Bools, Instants, Ints

SOON = 21
"""Days within which a deal follows its lead, and a contract its deal."""
DUPLICATES = 0.01
"""Share of leads and accounts that are entered once more under another key."""
AGE = 25.0
"""Mean days an account is in the CRM before its first deal or contract."""


def follow(causes: Instants, effects: Instants) -> Ints:
    """(n,) for each cause the position of an effect that follows it within days, -1 for none.

    No effect follows two causes: in order of time the k-th cause takes the first one left.
    """
    order, later = np.argsort(causes, kind="stable"), np.argsort(effects, kind="stable")
    at, turn = causes[order], np.arange(len(causes))
    place = np.searchsorted(effects[later], at)
    place = np.maximum.accumulate(place - turn) + turn
    there = np.minimum(place, len(effects) - 1)
    close = (place < len(effects)) & (effects[later][there] - at < SOON * DAY)
    found = np.full(len(causes), -1)
    found[order[close]] = later[there[close]]
    return found


def random_customers(rng: Rng, at: Instants, begin: Instants, end: Instants) -> Ints:
    """A customer of the moment for each instant, -1 where some tries meet none.

    begin, end  when each account became and ceased to be a customer (NAT: not yet)
    """
    order = np.argsort(begin, kind="stable")
    known = np.searchsorted(begin[order], at)
    found = np.full(len(at), -1)
    stop = np.where(end == NAT, np.iinfo(np.int64).max, end)
    for _ in range(8):
        pick = order[np.minimum((rng.random(len(at)) * known).astype(np.int64), len(order) - 1)]
        fits = (found < 0) & (known > 0) & (stop[pick] > at)
        found[fits] = pick[fits]
    return found


def account_births(rng: Rng, first_use: Instants) -> Instants:
    """When each account entered the CRM: some time before its first deal or contract."""
    return within(
        rng, day_of(first_use) - 1 - rng.exponential(AGE, len(first_use)).astype(np.int64)
    )


@dataclass(frozen=True)
class Duplicates:
    """Rows entered twice: the frame of the copies, and copy -> original."""

    rows: pd.DataFrame
    originals: dict[str, str]


def _copies(rng: Rng, frame: pd.DataFrame, key: str, calendar: DemoPeriod) -> Duplicates:
    born = micros_of(frame["created_at"])
    old = np.flatnonzero(born < (calendar.end - 30) * DAY)
    chosen = np.sort(rng.choice(old, max(1, round(DUPLICATES * len(frame))), replace=False))
    rows = frame.iloc[chosen].reset_index(drop=True)
    originals = rows[key].tolist()
    letter = originals[0][0]
    rows[key] = texts(keys(letter, len(rows), first=len(frame) + 1))
    rows["name"] = texts([_misspelt(rng, name) for name in rows["name"]])
    later = day_of(born[chosen]) + 1 + rng.integers(0, 20, len(chosen))
    rows["created_at"] = instants(within(rng, later))
    return Duplicates(rows, dict(zip(rows[key], originals, strict=True)))


def _misspelt(rng: Rng, name: str) -> str:
    """A nearly equal name: another case, no legal form, or two letters in each other's place."""
    way = rng.integers(0, 3)
    if way == 0:
        return name.upper()
    if way == 1:
        return name.rsplit(" ", 1)[0]
    i = int(rng.integers(1, 6))
    return name[:i] + name[i + 1] + name[i] + name[i + 2 :]


def duplicate_leads(rng: Rng, leads: pd.DataFrame, calendar: DemoPeriod) -> Duplicates:
    """Copies of leads: never worked, and disqualified once somebody notices."""
    found = _copies(rng, leads, "lead_id", calendar)
    rows, n = found.rows, len(found.rows)
    created = micros_of(rows["created_at"])
    noticed = within(rng, day_of(created) + 1 + rng.integers(0, 20, n))
    open_still = noticed >= calendar.end * DAY
    rows["closed_at"] = instants(np.where(open_still, NAT, noticed))
    rows["outcome"] = words(np.where(open_still, -1, 0), ("disqualified",))
    rows["status"] = words(np.zeros(n, np.int32), ("new",))
    rows["contract_reference"] = words(np.full(n, -1), ("",))
    return found


def duplicate_accounts(rng: Rng, accounts: pd.DataFrame, calendar: DemoPeriod) -> Duplicates:
    """Copies of accounts: without deals, and never customers."""
    found = _copies(rng, accounts, "account_id", calendar)
    nothing = instants(np.full(len(found.rows), NAT))
    found.rows["customer_at"] = nothing
    found.rows["closed_at"] = nothing
    found.rows["outcome"] = words(np.full(len(found.rows), -1), ("",))
    return found


def with_first_status(changes: pd.DataFrame, leads: pd.DataFrame) -> pd.DataFrame:
    """The history with the first status of further leads added, in order of time."""
    first = pd.DataFrame(
        {
            "entity": texts(["leads"] * len(leads)),
            "entity_id": leads["lead_id"],
            "field": texts(["status"] * len(leads)),
            "value": leads["status"],
            "changed_at": leads["created_at"],
        }
    )
    together = pd.concat([changes.drop(columns="change_id"), first], ignore_index=True)
    together = together.sort_values("changed_at", kind="stable", ignore_index=True)
    together.insert(0, "change_id", long_keys("c", len(together)))
    return together


def first_use(customers: Instants, won: Ints, deals: Instants) -> Instants:
    """(n,) the first instant each customer's account is needed: its deal's birth, or its contract.

    won  (m,) the customer each deal turned into, -1 for none; deals (m,) births of the deals
    """
    first = customers.copy()
    became: Bools = won >= 0
    first[won[became]] = deals[became]
    return first
