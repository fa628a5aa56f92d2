"""What sellers do and reach: response, activity, quotas, and how right the calls were."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import Floats
from serving.analytics.asof.columns import days, looked_up
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Window
from serving.analytics.kpis import estimates
from serving.analytics.kpis.definition import (
    MISSING,
    NOTHING_BELOW,
    Given,
    KpiEstimate,
    KpiRegistry,
)
from serving.analytics.kpis.pipeline import OF_OWNERS, months, of_owners, open_deals
from serving.analytics.kpis.winning import LEADS, won
from training.stats import intervals

shelf = KpiRegistry()
figure = shelf.figure

OURS = ("call", "email", "meeting")
"""Kinds of activity that answer a lead where the data do not say who moved."""


@figure(
    "Lead response time",
    estimates.usual_duration("hours", "answered"),
    unit="hours",
    grain="lead created in the window",
    interval="Brookmeyer-Crowley (Kaplan-Meier, Greenwood)",
    by=LEADS,
    needs=("leads.created_at", "activities.lead_id"),
    caveats="Hours of the clock, nights and weekends included. Only what the CRM was told.",
)
def lead_response(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Median hours from a lead's creation to the first outbound activity on it (a call, e-mail or
    meeting where the data do not say who moved), of leads created in the window; leads without one
    are censored when they close, or now (Kaplan-Meier)."""
    leads = asof.leads[window.holds(asof.leads["created_at"])]
    until = leads["closed_at"].fillna(asof.instant)
    at = looked_up(leads["lead_id"], first_answers(asof, leads))
    answered = at.notna() & (at <= until)
    hours = 24 * days(leads["created_at"], at.where(answered, until))
    return leads.assign(hours=hours, answered=answered)


def first_answers(asof: AsOfFrames, leads: pd.DataFrame) -> pd.Series:
    """lead_id -> the first time somebody of ours moved after the lead was there."""
    done = asof.activities
    silent = done["direction"].isna() & done["kind"].isin(OURS)
    ours = done[(silent | (done["direction"] == "outbound")) & done["lead_id"].notna()]
    born = looked_up(ours["lead_id"], leads.set_index("lead_id")["created_at"])
    first: pd.Series = ours[ours["at"] >= born].groupby("lead_id")["at"].min()
    return first


@figure(
    "Activities",
    estimates.count(),
    unit="activities",
    grain="activity",
    interval="Poisson (exact)",
    by=("kind", *OF_OWNERS),
    needs=("activities.occurred_at",),
    adds=True,
    caveats="Divide it by owner and kind. The region is the owner's. What a CRM logs by itself "
    "(web, usage) is counted too: look at the kinds that are work.",
)
def activities(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Number of activities that happened in the window and were known by now."""
    return asof.activities[window.holds(asof.activities["at"])]


def quotas_in(asof: AsOfFrames, window: Window) -> pd.DataFrame:
    """Quotas pro rata: ``amount`` x the share of the quota's period that lies in the window."""
    quotas = asof.quotas
    part = window.part(quotas["start"], quotas["end"])
    return quotas.assign(amount=quotas["amount"] * part)[part > 0]


@figure(
    "Quota attainment",
    estimates.quotient("booked", "amount", "deal"),
    unit="ratio",
    grain="won deal of a seller with a quota",
    interval="linearised ratio",
    by=OF_OWNERS,
    needs=("quotas.amount", "deals.closed_amount|deals.amount"),
    caveats="A quota counts by the share of its period that lies in the window. The region is the "
    "owner's.",
)
def quota_attainment(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Bookings in the window of sellers who have a quota in it / their quotas in it."""
    quotas = quotas_in(asof, window)
    deals = of_owners(won(asof, window), asof)
    deals = deals[deals["owner"].isin(quotas["owner"])].assign(amount=0.0, deal=True)
    columns = [*OF_OWNERS, "booked", "amount", "deal"]
    both = [deals[columns], quotas.assign(booked=0.0, deal=False)[columns]]
    return pd.concat(both, ignore_index=True)


def _error(cases: pd.DataFrame, _: Given) -> KpiEstimate:
    unknown = cases["said"].isna()
    promised = unknown | (cases["said"] != 0)
    notes = (MISSING,) if unknown.any() else ()
    by = cases.groupby("month")[["said", "came"]].sum()
    said, came = (by[c].to_numpy(np.float64) for c in ("said", "came"))
    off: Floats = np.abs(said - came)
    n = len(by)
    if not came.sum() > 0 or (unknown.any() and unknown[promised].all()):
        return KpiEstimate(float("nan"), *intervals.NONE, n, notes or (NOTHING_BELOW,))
    low, high = intervals.ratio(off, came)
    return KpiEstimate(float(off.sum() / came.sum()), low, high, n, notes)


def call(deals: pd.DataFrame) -> Floats:
    """What people expect of each deal: amount x their probability; else of those they commit to;
    else of all. Missing where the amount or the probability is."""
    amounts = estimates.numbers(deals, "amount")
    if deals["probability"].notna().any():
        return amounts * estimates.numbers(deals, "probability")
    if deals["category"].notna().any():
        commit = deals["category"].str.casefold().str.contains("commit", regex=False, na=False)
        return np.where(commit.to_numpy(np.bool_), amounts, 0.0)
    return amounts


@figure(
    "Error of people's forecast",
    _error,
    unit="share of bookings",
    grain="calendar month",
    interval="linearised ratio",
    needs=("deals.expected_close_at", "deals.amount"),
    caveats="What is created and won inside one month is in the bookings and in nobody's forecast. "
    "n is the number of months.",
)
def people_forecast_error(asof: AsOfFrames, window: Window, _: Given) -> pd.DataFrame:
    """Sum over the whole months in the window of |what people expected at the month's first instant
    less what was booked in it| / sum of what was booked. Expected: amount x people's probability of
    the open deals they expect to close in the month; without probabilities the amounts they call
    commit; without calls all amounts."""
    parts = [_said_and_came(asof, month) for month in months(window) if month.over]
    nothing = asof.deals.head(0).assign(said=0.0, came=0.0, month="")
    return pd.concat([*parts, nothing], ignore_index=True)


def _said_and_came(asof: AsOfFrames, month: Window) -> pd.DataFrame:
    deals = open_deals(asof.at(month.start))
    due = deals[month.holds(deals["expected_close_at"])]
    came = won(asof, month)
    both = [due.assign(said=call(due), came=0.0), came.assign(said=0.0, came=came["booked"])]
    return pd.concat(both, ignore_index=True).assign(month=month.name)


def _kept(asof: AsOfFrames, window: Window, given: Given) -> pd.DataFrame:
    """month, said, came, inside: the newest forecast made by each period's start, and the truth."""
    kept = given.forecasts
    columns = ["period", "start", "end", "origin", "p10", "p50", "p90"]
    kept = pd.DataFrame(columns=columns) if kept is None else kept
    kept = kept[(kept["origin"] <= kept["start"]) & (kept["end"] <= asof.instant)]
    kept = kept[window.holds(kept["start"])].sort_values("origin", kind="stable")
    kept = kept.drop_duplicates("period", keep="last")
    spans = [Window(*span) for span in zip(kept["start"], kept["end"], strict=True)]
    came = [float(won(asof, span)["booked"].sum()) for span in spans]
    kept = kept.assign(month=kept["period"], said=kept["p50"], came=came)
    return kept.assign(inside=(kept["came"] >= kept["p10"]) & (kept["came"] <= kept["p90"]))


@figure(
    "Error of the kept forecasts",
    _error,
    unit="share of bookings",
    grain="kept forecast of a month",
    interval="linearised ratio",
    by=(),
    inputs=("forecasts",),
    caveats="Only forecasts that were kept at the time: nothing is forecast after the fact.",
)
def kept_forecast_error(asof: AsOfFrames, window: Window, given: Given) -> pd.DataFrame:
    """Sum over the months that start in the window and are over of |the P50 of the newest forecast
    made by the month's first instant less what was booked| / sum of what was booked."""
    return _kept(asof, window, given)


@figure(
    "Coverage of the kept forecasts",
    estimates.share("inside"),
    unit="share",
    grain="kept forecast of a month",
    interval="Wilson",
    by=(),
    inputs=("forecasts",),
    caveats="Close to the level of the range when the forecasts are honest: eight in ten.",
)
def kept_forecast_coverage(asof: AsOfFrames, window: Window, given: Given) -> pd.DataFrame:
    """Share of the months that start in the window and are over whose bookings lay between P10 and
    P90 of the newest forecast made by the month's first instant."""
    return _kept(asof, window, given)
