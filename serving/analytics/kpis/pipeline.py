"""What is in the pipeline, what it is worth, how fast it moves and how well promises are kept."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import Floats
from serving.analytics.asof.columns import looked_up
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Window, calendar, latest
from serving.analytics.kpis import estimates
from serving.analytics.kpis.definition import (
    MISSING,
    NOTHING_BELOW,
    UNREACHED,
    Given,
    KpiEstimate,
    KpiRegistry,
)
from serving.analytics.kpis.survival import kaplan_meier
from serving.analytics.kpis.winning import BY_STAGE, closed, created
from training.stats import intervals

shelf = KpiRegistry()
figure = shelf.figure

OF_OWNERS = ("owner", "team", "region")
AMOUNT = ("deals.amount",)


def open_deals(asof: AsOfFrames) -> pd.DataFrame:
    """Deals open at the as-of instant."""
    return asof.deals[asof.deals["open"]]


@figure(
    "Open deals",
    estimates.count(),
    unit="deals",
    grain="open deal",
    interval="Poisson (exact)",
    by=BY_STAGE,
    needs=("deals.created_at",),
    adds=True,
    stock=True,
)
def deals_open(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Number of deals open at the end of the window."""
    return open_deals(asof.at(window.end))


@figure(
    "Pipeline value",
    estimates.total("amount"),
    unit="money",
    grain="open deal",
    interval="compound Poisson",
    by=BY_STAGE,
    needs=AMOUNT,
    adds=True,
    stock=True,
    caveats="Amounts as they stood then, at the rates of then. The sum is a fact; the interval is "
    "what chance alone would do to such a sum.",
)
def pipeline_value(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Sum of the amounts of the deals open at the end of the window."""
    return open_deals(asof.at(window.end))


def stage_shares(asof: AsOfFrames) -> pd.Series:
    """Of each stage: won deals among the closed ones that were ever in it."""
    stays = asof.stays.frame
    seen = stays[stays["outcome"].notna()].drop_duplicates(["deal_id", "stage"])
    return (seen["outcome"] == "won").groupby(seen["stage"]).mean()


def own_chances(asof: AsOfFrames) -> Floats:
    """(open deals,) people's probability; else the stage's share; else that of all closed deals."""
    deals = open_deals(asof)
    if deals["probability"].notna().any():
        return estimates.numbers(deals, "probability")
    if len(asof.stays.frame):
        return looked_up(deals["stage"], stage_shares(asof)).to_numpy(np.float64)
    over = asof.deals[asof.deals["outcome"].notna()]
    return np.full(len(deals), float((over["outcome"] == "won").mean()) if len(over) else np.nan)


@figure(
    "Weighted pipeline",
    estimates.expected("amount", "chance"),
    unit="money",
    grain="open deal",
    interval="independent deals",
    by=BY_STAGE,
    needs=AMOUNT,
    adds=True,
    stock=True,
    caveats="Deals are not independent, so that the true range is wider: the forecast has it. "
    "People's own probabilities are taken as they are.",
)
def weighted_pipeline(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Sum of amount x chance over the deals open at the end of the window. The chance is people's
    own probability; where the data have none, the share won of the closed deals that were ever in
    the deal's stage; without a history of stages, the share won of all closed deals."""
    then = asof.at(window.end)
    return open_deals(then).assign(chance=own_chances(then))


@figure(
    "Scored pipeline",
    estimates.expected("amount", "chance"),
    unit="money",
    grain="open deal",
    interval="independent deals",
    by=BY_STAGE,
    needs=AMOUNT,
    inputs=("scores",),
    adds=True,
    stock=True,
    periods=False,
    caveats="Within the model's horizon only. Scores made at another instant are "
    "taken as they are.",
)
def scored_pipeline(asof: AsOfFrames, window: Window, given: Given) -> pd.DataFrame:
    """Sum of amount x the model's probability to be won over the deals open at the end of the
    window."""
    deals = open_deals(asof.at(window.end))
    scores = given.scores.get("deal_close")
    if scores is None:
        return deals.assign(chance=np.nan)
    return deals.assign(chance=looked_up(deals["deal_id"], scores.set_index("id")["probability"]))


@figure(
    "Pipeline coverage",
    estimates.quotient("amount", "left", "deal"),
    unit="ratio",
    grain="open deal",
    interval="linearised ratio",
    by=OF_OWNERS,
    needs=(*AMOUNT, "quotas.amount"),
    stock=True,
    caveats="Quotas of the period that runs at the end of the window: on a period's first day its "
    "own; where no quota is known for it, those of the period that has just ended. Sellers who "
    "have met theirs bring nothing to what is left. Owners with a quota only; the region is the "
    "owner's.",
)
def pipeline_coverage(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Amounts of open deals expected to close before the quota's period ends (of all open deals
    where the data have no close dates) / what is left of the quota (quota less bookings so far, not
    below 0), at the end of the window."""
    then = asof.at(window.end)
    quotas = _running_quotas(then)
    deals = open_deals(then)
    until = looked_up(deals["owner"], quotas.groupby("owner")["end"].max())
    due = deals["expected_close_at"] < until
    if deals["expected_close_at"].isna().all():
        due = until.notna()
    columns = [*OF_OWNERS, "amount", "left", "deal"]
    rows = of_owners(deals[due], then).assign(left=0.0, deal=True)
    left = quotas.assign(amount=0.0, deal=False)
    return pd.concat([rows[columns], left[columns]], ignore_index=True)


def of_owners(deals: pd.DataFrame, asof: AsOfFrames) -> pd.DataFrame:
    """Deals with the region of their owners, as quotas have it."""
    return deals.assign(region=asof.of_owner(deals["owner"], "region"))


def _running_quotas(asof: AsOfFrames) -> pd.DataFrame:
    """The quotas of the period that runs at the instant, else of the one that has just ended there:
    owner …, end, left."""
    now, every = asof.instant, asof.quotas
    quotas = every[(every["start"] <= now) & (every["end"] > now)]
    if quotas.empty:
        quotas = every[(every["start"] < now) & (every["end"] == now)]
    won = asof.deals[asof.deals["outcome"] == "won"]
    won = won.merge(quotas[["owner", "start"]], on="owner")
    won = won[won["closed_at"] >= won["start"]]
    so_far = looked_up(quotas["owner"], won.groupby("owner")["booked"].sum()).fillna(0.0)
    return quotas.assign(left=np.maximum(quotas["amount"] - so_far, 0.0))


def _velocity(cases: pd.DataFrame, _: Given) -> KpiEstimate:
    is_open = estimates.mask(cases, "open")
    over = cases[estimates.mask(cases, "closed")]
    sizes = estimates.numbers(over[over["won"]], "booked")
    sizes = np.sort(sizes[~np.isnan(sizes)])
    fresh = cases[estimates.mask(cases, "fresh")]
    curve = kaplan_meier(estimates.numbers(fresh, "days"), estimates.mask(fresh, "ended"))
    cycle, (low, high) = curve.quantile(0.5), curve.quantile_interval(0.5)
    n, wins = int(is_open.sum()), int(over["won"].sum())
    if not (wins and len(sizes) and cycle > 0):
        notes = (UNREACHED,) if wins else (NOTHING_BELOW,)
        return KpiEstimate(float("nan"), *intervals.NONE, len(cases), notes)
    rate, size = wins / len(over), float(sizes.mean())
    spread = float(np.var(sizes, ddof=1)) / len(sizes) / size**2 if len(sizes) > 1 else np.inf
    cycling = (np.log(high / low) / (2 * intervals.Z)) ** 2 if low > 0 else np.inf
    variance = 1 / max(n, 1) + (1 - rate) / (len(over) * rate) + spread + cycling
    value = n * rate * size / cycle
    ends = intervals.on_logs(value, variance)
    return KpiEstimate(value, *ends, len(cases), (MISSING,) if len(sizes) < wins else ())


@figure(
    "Pipeline velocity",
    _velocity,
    unit="money per day",
    grain="open or recently closed deal",
    interval="delta method on logs, parts taken as independent",
    needs=("deals.created_at", "deals.outcome", "deals.closed_amount|deals.amount"),
    stock=True,
)
def pipeline_velocity(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Open deals at the end of the window x win rate x mean deal size / sales cycle in days; the
    last three are of the 365 days before the end of the window."""
    then = asof.at(window.end)
    year = latest(then.instant)
    over = closed(then, year).index
    fresh = created(then.deals, then, year, "won")
    cases = then.deals.assign(
        won=then.deals["outcome"] == "won",
        closed=then.deals.index.isin(over),
        fresh=then.deals.index.isin(fresh.index),
        days=fresh["days"],
        ended=then.deals["closed_at"].notna(),
    )
    return cases[cases["open"] | cases["closed"] | cases["fresh"]]


def months(window: Window) -> list[Window]:
    """The calendar months that start in a window, cut at its end."""
    found = calendar("month", window.start, window.end, window.company)
    return [m for m in found if m.start >= window.start]


@figure(
    "Slippage",
    estimates.share("slipped"),
    unit="share",
    grain="promise: an open deal and a month it was to close in",
    interval="Wilson",
    needs=("deals.expected_close_at", "changes.field=expected_close_at"),
    caveats="A deal promised for three months in turn is three promises. Of a "
    "running month only the promises that are already due.",
)
def slippage(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Of the deals open at the first instant of a calendar month and then expected to close within
    that month, the share not closed within it; over the months that start in the window."""
    return pd.concat([_promises(asof, month) for month in months(window)] or [_none(asof)])


def _promises(asof: AsOfFrames, month: Window) -> pd.DataFrame:
    deals = open_deals(asof.at(month.start))
    due = deals[month.holds(deals["expected_close_at"])]
    closed_at = looked_up(due["deal_id"], asof.deals.set_index("deal_id")["closed_at"])
    return due.assign(slipped=~(closed_at < month.end), due_in=month.name)


def _none(asof: AsOfFrames) -> pd.DataFrame:
    return asof.deals.head(0).assign(slipped=False, due_in="")


@figure(
    "Close date pushes",
    estimates.average("pushes"),
    unit="pushes",
    grain="open deal",
    interval="Student",
    by=BY_STAGE,
    needs=("changes.field=expected_close_at",),
    stock=True,
)
def pushes(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Mean number of times the close date of a deal open at the end of the window was moved
    later."""
    then = asof.at(window.end)
    deals = open_deals(then)
    return deals.assign(pushes=looked_up(deals["deal_id"], then.pushes()))
