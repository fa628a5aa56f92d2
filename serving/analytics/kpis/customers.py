"""Who stays, who grows, how many are customers, and what they have."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.analytics.asof.columns import looked_up
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Window
from serving.analytics.kpis import estimates
from serving.analytics.kpis.definition import Given, KpiRegistry

shelf = KpiRegistry()
figure = shelf.figure

OF_ACCOUNTS = ("owner", "team", "region", "segment")
LEAVES = ("accounts.closed_at|subscriptions.ended_at",)
CUSTOMERS = ("accounts.customer_at|subscriptions.started_at|deals.closed_at",)


def customers(asof: AsOfFrames, at: pd.Timestamp) -> pd.DataFrame:
    """Accounts that were customers just before an instant, by what is known now."""
    known = asof.accounts
    return known[known["account_id"].isin(members(asof, at)["account_id"])]


def members(asof: AsOfFrames, at: pd.Timestamp) -> pd.DataFrame:
    """The memberships that ran just before an instant: account_id, since, until."""
    found = asof.memberships
    runs = found["until"].isna() | (found["until"] >= at)
    return found[(found["since"] < at) & runs]


def _staying(asof: AsOfFrames, window: Window) -> pd.DataFrame:
    found, running = customers(asof, window.start), members(asof, window.start)
    gone = running[window.holds(running["until"])]["account_id"]
    left = found["account_id"].isin(gone)
    return found.assign(left=left, stayed=~left)


@figure(
    "Logo churn",
    estimates.share("left"),
    unit="share",
    grain="customer at the start of the window",
    interval="Wilson",
    by=OF_ACCOUNTS,
    needs=(*CUSTOMERS, *LEAVES),
    caveats="Of the window's length: a month's is not a year's. Customers who came and left inside "
    "the window are not in it. One who comes back later had left all the same.",
)
def logo_churn(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Customers at the start of the window who left inside it / customers at its start."""
    return _staying(asof, window)


@figure(
    "Logo retention",
    estimates.share("stayed"),
    unit="share",
    grain="customer at the start of the window",
    interval="Wilson",
    by=OF_ACCOUNTS,
    needs=(*CUSTOMERS, *LEAVES),
)
def logo_retention(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """1 - logo churn."""
    return _staying(asof, window)


@figure(
    "Win-back rate",
    estimates.share("back"),
    unit="share",
    grain="customer who had left before the window",
    interval="Wilson",
    by=OF_ACCOUNTS,
    needs=(*CUSTOMERS, *LEAVES),
    caveats="A return is no undone leaving: it counts here, and the churn of then stays. Contracts "
    "that meet to the day are one membership, not a return.",
)
def win_back_rate(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Customers who had left before the window and came back in it / all who had left before it."""
    found = asof.memberships
    now = members(asof, window.start)["account_id"]
    left = found[(found["until"] < window.start) & ~found["account_id"].isin(now)]["account_id"]
    back = found[window.holds(found["since"])]["account_id"]
    cases = asof.accounts[asof.accounts["account_id"].isin(left)]
    return cases.assign(back=cases["account_id"].isin(back))


def mrr_at(asof: AsOfFrames, at: pd.Timestamp) -> pd.Series:
    """account_id -> recurring amount a month of the contracts that ran just before an instant."""
    rows = asof.subscriptions
    runs = (rows["started_at"] < at) & (rows["ended_at"].isna() | (rows["ended_at"] >= at))
    return rows[runs].groupby("account_id")["mrr"].sum()


def _revenue(asof: AsOfFrames, window: Window) -> pd.DataFrame:
    start = mrr_at(asof, window.start)
    ids = asof.accounts["account_id"]
    found = asof.accounts.assign(
        first=looked_up(ids, start), last=looked_up(ids, mrr_at(asof, window.end)).fillna(0.0)
    )
    found = found[found["first"] > 0]
    return found.assign(kept=np.minimum(found["first"], found["last"]))


@figure(
    "Net revenue retention",
    estimates.quotient("last", "first"),
    unit="ratio",
    grain="account with recurring revenue at the start of the window",
    interval="linearised ratio",
    by=OF_ACCOUNTS,
    needs=("subscriptions.mrr",),
    caveats="At the exchange rates of the figure's instant on both ends, so that rates make no "
    "growth. New customers are not in it. A contract's amount is taken as constant.",
)
def net_revenue_retention(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Recurring revenue at the end of the window of those who had any at its start / theirs at its
    start."""
    return _revenue(asof, window)


@figure(
    "Gross revenue retention",
    estimates.quotient("kept", "first"),
    unit="ratio",
    grain="account with recurring revenue at the start of the window",
    interval="linearised ratio",
    by=OF_ACCOUNTS,
    needs=("subscriptions.mrr",),
)
def gross_revenue_retention(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """As net revenue retention, but no account counts for more than it had at the start."""
    return _revenue(asof, window)


@figure(
    "Account penetration",
    estimates.share("customer"),
    unit="share",
    grain="account",
    interval="Wilson",
    by=OF_ACCOUNTS,
    needs=("accounts.account_id", *CUSTOMERS),
    stock=True,
    caveats="Of the accounts in the CRM, not of the market.",
)
def account_penetration(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Accounts that are customers at the end of the window / accounts in the CRM then."""
    then = asof.at(window.end)
    now = customers(then, then.instant)["account_id"]
    return then.accounts.assign(customer=then.accounts["account_id"].isin(now))


@figure(
    "Product penetration",
    estimates.share("owned"),
    unit="share",
    grain="customer and product",
    interval="Wilson",
    by=("product", *OF_ACCOUNTS),
    needs=("subscriptions.product|deals.product", *CUSTOMERS),
    stock=True,
    caveats="Divide it by product to read it.",
)
def product_penetration(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Pairs of a customer and a product on the list where the customer has the product (a running
    contract; without contracts a won deal), at the end of the window / all pairs."""
    then = asof.at(window.end)
    held = owned(then)
    products = pd.DataFrame({"product": sorted(held["product"].dropna().unique())}, dtype="str")
    pairs = customers(then, then.instant).merge(products, how="cross")
    mark = held.drop_duplicates().assign(owned=True)
    pairs = pairs.merge(mark, on=["account_id", "product"], how="left")
    return pairs.assign(owned=pairs["owned"].notna())


def owned(asof: AsOfFrames) -> pd.DataFrame:
    """account_id, product that each account has now."""
    contracts = asof.subscriptions
    if contracts["product"].notna().any():
        return contracts[contracts["ended_at"].isna()][["account_id", "product"]]
    deals = asof.deals[asof.deals["outcome"] == "won"]
    return deals[["account_id", "product"]].dropna()
