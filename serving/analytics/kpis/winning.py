"""How often deals and leads succeed, how long it takes, and how much they bring."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import Floats
from serving.analytics.asof.columns import days
from serving.analytics.asof.frames import DIMENSIONS, AsOfFrames
from serving.analytics.asof.windows import Window
from serving.analytics.kpis import estimates
from serving.analytics.kpis.definition import NOTHING_BELOW, SHORT, Given, KpiEstimate, KpiRegistry
from training.stats import intervals

shelf = KpiRegistry()
figure = shelf.figure

BY_STAGE = ("stage", *DIMENSIONS)
LEADS = ("owner", "team", "region", "segment", "source")
WIN_WITHIN, CONVERT_WITHIN = 180, 90
"""Days within which a deal is expected to be won, a lead to convert: the horizons of the models."""
OF_DEALS = ("deals.created_at", "deals.outcome")


def closed(asof: AsOfFrames, window: Window) -> pd.DataFrame:
    """Deals closed in the window, with ``won``."""
    deals = asof.deals[window.holds(asof.deals["closed_at"]) & asof.deals["outcome"].notna()]
    return deals.assign(won=deals["outcome"] == "won")


def won(asof: AsOfFrames, window: Window) -> pd.DataFrame:
    """Deals won in the window."""
    found = closed(asof, window)
    return found[found["won"]]


def created(frame: pd.DataFrame, asof: AsOfFrames, window: Window, success: str) -> pd.DataFrame:
    """Rows created in the window and watched until now: days, ended, succeeded, failed."""
    rows = frame[window.holds(frame["created_at"]) & (frame["open"] | frame["closed_at"].notna())]
    ended = rows["closed_at"].notna()
    good = rows["outcome"] == success
    until = rows["closed_at"].fillna(asof.instant)
    lasted = days(rows["created_at"], until)
    return rows.assign(days=lasted, ended=ended, succeeded=good, failed=ended & ~good)


@figure(
    "Win rate",
    estimates.share("won"),
    unit="share",
    grain="closed deal",
    interval="Wilson",
    needs=OF_DEALS,
    caveats="Deals that close fast are over-represented while others are still open; "
    "`win_by_180d` does not have that fault.",
)
def win_rate(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Deals won in the window / deals won or lost in the window."""
    return closed(asof, window)


@figure(
    "Won within 180 days",
    estimates.chance_by(WIN_WITHIN, "days", "succeeded", "failed"),
    unit="share",
    grain="deal created in the window",
    interval="Aalen-Johansen, delta method",
    needs=OF_DEALS,
    caveats="Deals still open count as long as they were watched. A cohort younger than 180 days "
    "has no value yet.",
)
def win_by_180d(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Chance that a deal created in the window is won within 180 days of its creation, deals lost
    being a rival outcome and open ones censored (Aalen-Johansen)."""
    return created(asof.deals, asof, window, "won")


@figure(
    "Conversion of a stage",
    estimates.share("advanced"),
    unit="share",
    grain="stay of a deal in a stage",
    interval="Wilson",
    by=BY_STAGE,
    needs=("changes.field=stage",),
    caveats="Divide it by stage to read it. A deal that comes back to a stage counts again. The "
    "order of stages is learned: which one deals see first.",
)
def stage_conversion(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Stays in a stage that ended in the window by a move to a later stage or a win / all stays
    that ended in the window."""
    stays = asof.stays.frame
    return stays[window.holds(stays["left_at"])]


@figure(
    "Lead conversion rate",
    estimates.share("succeeded"),
    unit="share",
    grain="closed lead",
    interval="Wilson",
    by=LEADS,
    needs=("leads.created_at", "leads.outcome"),
    caveats="Of leads that were decided; open ones are not in it. See `lead_conversion_90d`.",
)
def lead_conversion(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Leads converted in the window / leads converted or disqualified in the window."""
    leads = asof.leads[window.holds(asof.leads["closed_at"]) & asof.leads["outcome"].notna()]
    return leads.assign(succeeded=leads["outcome"] == "converted")


@figure(
    "Leads converted within 90 days",
    estimates.chance_by(CONVERT_WITHIN, "days", "succeeded", "failed"),
    unit="share",
    grain="lead created in the window",
    interval="Aalen-Johansen, delta method",
    by=LEADS,
    needs=("leads.created_at", "leads.outcome"),
    caveats="A cohort younger than 90 days has no value yet.",
)
def lead_conversion_90d(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Chance that a lead created in the window converts within 90 days of its creation,
    disqualified leads being a rival outcome and open ones censored (Aalen-Johansen)."""
    return created(asof.leads, asof, window, "converted")


@figure(
    "Sales cycle",
    estimates.usual_duration("days", "ended"),
    unit="days",
    grain="deal created in the window",
    interval="Brookmeyer-Crowley (Kaplan-Meier, Greenwood)",
    needs=OF_DEALS,
    caveats="To a decision, won or lost. Missing while fewer than half of the cohort are decided; "
    "an upper end that cannot be told is infinite.",
)
def sales_cycle(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Median days from a deal's creation to its close, won or lost, of deals created in the window;
    open deals are censored (Kaplan-Meier)."""
    return created(asof.deals, asof, window, "won")


@figure(
    "Days to a win",
    estimates.middle("days"),
    unit="days",
    grain="won deal",
    interval="order statistics",
    needs=OF_DEALS,
    caveats="Of won deals only: says nothing of those that are still open or were lost.",
)
def days_to_win(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Median days from creation to close of the deals won in the window."""
    deals = won(asof, window)
    lasted = days(deals["created_at"], deals["closed_at"])
    return deals.assign(days=np.where(lasted >= 0, lasted, np.nan))  # closed before it began


@figure(
    "Deal size",
    estimates.average("booked"),
    unit="money",
    grain="won deal",
    interval="Student",
    needs=(*OF_DEALS, "deals.closed_amount|deals.amount"),
    caveats="A mean: a few large deals move it; `typical_deal_size` is the median.",
)
def deal_size(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Mean booked amount of the deals won in the window."""
    return won(asof, window)


@figure(
    "Typical deal size",
    estimates.middle("booked"),
    unit="money",
    grain="won deal",
    interval="order statistics",
    needs=(*OF_DEALS, "deals.closed_amount|deals.amount"),
)
def typical_deal_size(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Median booked amount of the deals won in the window."""
    return won(asof, window)


@figure(
    "Bookings",
    estimates.total("booked"),
    unit="money",
    grain="won deal",
    interval="compound Poisson",
    needs=(*OF_DEALS, "deals.closed_amount|deals.amount"),
    adds=True,
    caveats="The sum is a fact; the interval is what chance alone would do to such a sum.",
)
def bookings(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Sum of the booked amounts of the deals won in the window."""
    return won(asof, window)


@figure(
    "Deals created",
    estimates.count(),
    unit="deals",
    grain="deal created in the window",
    interval="Poisson (exact)",
    needs=("deals.created_at",),
    adds=True,
)
def deals_created(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Number of deals created in the window."""
    return asof.deals[window.holds(asof.deals["created_at"])]


def _growth(cases: pd.DataFrame, _: Given) -> KpiEstimate:
    now, then = (_of(cases, name) for name in ("now", "then"))
    n = len(now) + len(then)
    notes = (SHORT,) if len(cases) and cases["short"].any() else ()
    if not then.sum() > 0:
        return KpiEstimate(float("nan"), *intervals.NONE, n, (*notes, NOTHING_BELOW))
    value = float(now.sum() / then.sum())
    variance = sum(
        float(np.square(v).sum() / v.sum() ** 2) if v.sum() else np.inf for v in (now, then)
    )
    low, high = intervals.on_logs(value, variance)
    return KpiEstimate(value - 1, low - 1, high - 1, n, notes)


def _of(cases: pd.DataFrame, when: str) -> Floats:
    values = estimates.numbers(cases[cases["when"] == when], "booked")
    return np.sort(values[~np.isnan(values)])


def _two(asof: AsOfFrames, window: Window, earlier: Window) -> pd.DataFrame:
    """Deals won in two windows, marked by which."""
    now, then = won(asof, window), won(asof, earlier)
    both = pd.concat([now.assign(when="now"), then.assign(when="then")], ignore_index=True)
    return both.assign(short=earlier.start < asof.deals["created_at"].min())


@figure(
    "Growth",
    _growth,
    unit="share",
    grain="won deal",
    interval="compound Poisson, on logs",
    needs=(*OF_DEALS, "deals.closed_amount|deals.amount"),
    caveats="A running period is compared with as many days of the one before.",
)
def growth(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Bookings of the window / bookings of the window before it, of the same length, less 1."""
    return _two(asof, window, window.before())


@figure(
    "Growth over a year",
    _growth,
    unit="share",
    grain="won deal",
    interval="compound Poisson, on logs",
    needs=(*OF_DEALS, "deals.closed_amount|deals.amount"),
)
def growth_over_year(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Bookings of the window / bookings of the same dates a year earlier, less 1."""
    return _two(asof, window, window.last_year())
