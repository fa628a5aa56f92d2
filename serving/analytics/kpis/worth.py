"""What a customer is worth, what winning one costs, and what a plan would bring."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.analytics.asof.columns import days, looked_up
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Window
from serving.analytics.kpis import estimates
from serving.analytics.kpis.customers import CUSTOMERS, LEAVES, OF_ACCOUNTS, mrr_at
from serving.analytics.kpis.definition import (
    HORIZON,
    NO_COST,
    NOTHING_BELOW,
    Given,
    KpiEstimate,
    KpiRegistry,
)
from serving.analytics.kpis.survival import Curve, kaplan_meier
from serving.analytics.kpis.winning import closed
from training.stats import intervals

shelf = KpiRegistry()
figure = shelf.figure

MONTH = 365.25 / 12
"""Days in a mean month."""


def _tenures(asof: AsOfFrames, window: Window) -> pd.DataFrame:
    """Everybody who was ever a customer by the window's end: months, left, mrr (now, if any)."""
    then = asof.at(window.end)
    found = then.accounts[then.accounts["customer_at"].notna()]
    # a customer's first membership: coming back does not undo that it ended
    first = then.memberships.sort_values("since", kind="stable").drop_duplicates("account_id")
    left = looked_up(found["account_id"], first.set_index("account_id")["until"])
    months = days(found["customer_at"], left.fillna(then.instant)) / MONTH
    mrr = looked_up(found["account_id"], mrr_at(then, then.instant))
    return found.assign(months=months, left=left.notna(), mrr=mrr)


def _curve(cases: pd.DataFrame) -> Curve:
    return kaplan_meier(estimates.numbers(cases, "months"), estimates.mask(cases, "left"))


def _lifetime(cases: pd.DataFrame, given: Given) -> KpiEstimate:
    curve = _curve(cases)
    if not curve.n:
        return KpiEstimate(float("nan"), *intervals.NONE, 0)
    until = min(12 * given.horizon, curve.longest)
    value, variance = curve.mean_until(until)
    half = intervals.Z * float(np.sqrt(variance))
    notes = (HORIZON,) if curve.longest < 12 * given.horizon else ()
    return KpiEstimate(value, max(0.0, value - half), min(until, value + half), curve.n, notes)


@figure(
    "Customer lifetime",
    _lifetime,
    unit="months",
    grain="customer, past or present",
    interval="Greenwood",
    by=OF_ACCOUNTS,
    needs=(*CUSTOMERS, *LEAVES),
    stock=True,
    caveats="Counted up to the horizon (five years unless another is given) or the longest "
    "membership seen, whichever is less: a lower bound.",
)
def customer_lifetime(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Area under the survival curve of customers (Kaplan-Meier; those who stay are censored) up to
    the horizon."""
    return _tenures(asof, window)


def _value(cases: pd.DataFrame, given: Given) -> KpiEstimate:
    curve = _curve(cases)
    paid = estimates.numbers(cases[~estimates.mask(cases, "left")], "mrr")
    paid = np.sort(paid[~np.isnan(paid)])
    if not curve.n or not len(paid) or given.margin is None:
        return KpiEstimate(float("nan"), *intervals.NONE, curve.n, (NOTHING_BELOW,))
    until = min(12 * given.horizon, curve.longest)
    months, variance = curve.mean_until(until, np.log1p(given.discount) / 12)
    mean = float(paid.mean())
    value = given.margin * mean * months
    if not value > 0:  # everybody pays nothing, or nobody was watched: no interval of a ratio
        return KpiEstimate(value, *intervals.NONE, curve.n, (NOTHING_BELOW,))
    spread = float(np.var(paid, ddof=1)) / len(paid) / mean**2 if len(paid) > 1 else np.inf
    ends = intervals.on_logs(value, variance / months**2 + spread)
    notes = (HORIZON,) if curve.longest < 12 * given.horizon else ()
    return KpiEstimate(value, *ends, curve.n, notes)


@figure(
    "Customer lifetime value",
    _value,
    unit="money",
    grain="customer, past or present",
    interval="delta method on logs (Greenwood and the mean's variance)",
    by=OF_ACCOUNTS,
    needs=(*CUSTOMERS, *LEAVES, "subscriptions.mrr"),
    inputs=("margin",),
    stock=True,
    caveats="The margin and the discount are what you state. A lower bound, as the lifetime is; it "
    "assumes that who pays more does not stay longer or shorter.",
)
def customer_lifetime_value(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Margin x mean recurring amount a month of today's customers x discounted months under the
    survival curve of customers, up to the horizon: Σ S(t) / (1 + discount)^t."""
    return _tenures(asof, window)


def _cost(cases: pd.DataFrame, _: Given) -> KpiEstimate:
    n = int(estimates.mask(cases, "customer").sum())
    cost = float(np.nansum(estimates.numbers(cases, "cost")))
    if not n or n == len(cases):
        return KpiEstimate(float("nan"), *intervals.NONE, n, (NO_COST if n else NOTHING_BELOW,))
    low, high = intervals.poisson(n)
    return KpiEstimate(cost / n, cost / high, cost / low, n)


def new_customers(asof: AsOfFrames, window: Window) -> pd.DataFrame:
    """Deals won in the window that were their account's first; a deal without account is one."""
    every = asof.deals[asof.deals["outcome"] == "won"].sort_values(["closed_at", "deal_id"])
    first = every[~every["account_id"].duplicated() | every["account_id"].isna()]
    return first[window.holds(first["closed_at"])]


def costs_in(costs: pd.DataFrame, window: Window) -> pd.DataFrame:
    """Costs pro rata: the share of each one's time that lies in the window."""
    part = window.part(costs["start"], costs["end"])
    return costs.assign(cost=costs["cost"] * part)[part > 0]


@figure(
    "Acquisition cost",
    _cost,
    unit="money",
    grain="new customer",
    interval="Poisson (exact), of the number of customers",
    by=("source",),
    needs=("deals.closed_at", "deals.outcome"),
    inputs=("costs",),
    caveats="Costs and customers of the same window: money spent on those who come later is "
    "charged to those who came now. By source only where the costs name one.",
)
def acquisition_cost(asof: AsOfFrames, window: Window, given: Given) -> pd.DataFrame:
    """Costs of the window / accounts whose first won deal was closed in the window."""
    empty = pd.DataFrame(columns=["start", "end", "cost", "source"])
    costs = costs_in(empty if given.costs is None else given.costs, window)
    came = new_customers(asof, window).assign(cost=0.0, customer=True)
    columns = ["source", "cost", "customer"]
    both = [came[columns], costs.assign(customer=False)[columns]]
    return pd.concat([part for part in both if len(part)] or both[:1], ignore_index=True)


def _return(cases: pd.DataFrame, given: Given) -> KpiEstimate:
    plan = given.plan
    n, wins = len(cases), int(cases["won"].sum())
    sizes = estimates.numbers(cases[cases["won"]], "booked")
    sizes = np.sort(sizes[~np.isnan(sizes)])
    if plan is None or given.margin is None or not n or not len(sizes) or not plan.cost > 0:
        return KpiEstimate(float("nan"), *intervals.NONE, n, (NOTHING_BELOW,))
    rate, size = wins / n, float(sizes.mean())
    more = plan.deals * rate + plan.lift * n
    of_rate = (plan.deals * size) ** 2 * rate * (1 - rate) / n
    of_size = more**2 * float(np.var(sizes, ddof=1)) / len(sizes) if len(sizes) > 1 else np.inf
    half = intervals.Z * float(np.sqrt(of_rate + of_size)) * given.margin / plan.cost
    value = given.margin * more * size / plan.cost - 1
    ends = (value - half, value + half) if np.isfinite(half) else intervals.NONE
    return KpiEstimate(value, *ends, n)


@figure(
    "Return on a plan",
    _return,
    unit="ratio",
    grain="deal closed in the window",
    interval="delta method",
    inputs=("margin", "plan"),
    needs=("deals.outcome", "deals.closed_amount|deals.amount"),
    caveats="The plan's effects are what you state, and are not checked; the interval is of the "
    "win rate and the deal size alone.",
)
def return_on_plan(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """(Margin x wins the plan adds x mean deal size - cost) / cost. Wins added: extra deals x win
    rate + points added to the win rate x deals closed in the window."""
    return closed(asof, window)
