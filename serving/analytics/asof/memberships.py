"""When accounts were customers: a row for every stretch, so that a return undoes no leaving."""

from __future__ import annotations

import pandas as pd

from serving.analytics.asof.columns import looked_up

DAY = pd.Timedelta(days=1)
LAST = pd.Timestamp("2200-01-01", tz="UTC")
"""After every instant there is: the end of what runs."""


def memberships(accounts: pd.DataFrame, contracts: pd.DataFrame, stated: bool) -> pd.DataFrame:
    """account_id, since, until (NaT: running), by account and time.

    accounts   account_id, customer_at, left_at, as known at an instant
    contracts  account_id, started_at, ended_at, as known then
    stated     whether accounts themselves say when they left: then each has one membership

    Contracts that meet, to the day, or overlap are one membership; one that begins later is a
    return.
    """
    plain = accounts[["account_id", "customer_at", "left_at"]]
    plain = plain[plain["customer_at"].notna()]
    plain = plain.rename(columns={"customer_at": "since", "left_at": "until"})
    if stated or contracts.empty:
        return plain.reset_index(drop=True)
    found = _joined(contracts[contracts["account_id"].isin(plain["account_id"])])
    earliest = looked_up(found["account_id"], plain.set_index("account_id")["since"])
    sooner = ~found["account_id"].duplicated() & (earliest < found["since"])
    found = found.assign(since=found["since"].where(~sooner, earliest))
    alone = plain[~plain["account_id"].isin(found["account_id"])]
    return pd.concat([found, alone], ignore_index=True)


def _joined(contracts: pd.DataFrame) -> pd.DataFrame:
    """Contracts of each account that meet or overlap, as one stretch."""
    rows = contracts.sort_values(["account_id", "started_at"], kind="stable")
    rows = rows.assign(end=rows["ended_at"].fillna(LAST))
    reached = rows.groupby("account_id")["end"].cummax()
    before = reached.groupby(rows["account_id"]).shift()
    begins = before.isna() | (rows["started_at"] > before + DAY)
    found = rows.groupby(begins.cumsum()).agg(
        account_id=("account_id", "first"), since=("started_at", "first"), until=("end", "max")
    )
    return found.assign(until=found["until"].where(found["until"] != LAST)).reset_index(drop=True)
