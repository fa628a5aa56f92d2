"""What arrives, what it costs in hours, and the sellers that a target asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from features.asof import past
from features.tables import DAY, Tables
from training.forecast.planning.capacity_lines import (
    WEEK,
    CapacityLine,
    computed,
    mean_of,
    share_of,
    stated,
    weekly,
)
from training.forecast.planning.effort import TOUCHES, SellerEffort
from training.forecast.planning.ramp import Ramp
from training.forecast.results.result import Forecast

FULL_WEEK = "a full week"


def arriving(tables: Tables, origin: int, full: float, weeks: int) -> list[CapacityLine]:
    """Leads and deals created by week, and by seller at full strength."""
    lines = []
    for name in ("leads", "deals"):
        table = tables[name]
        if not table.n:
            continue
        born = np.maximum(table.instant("created_at"), table.instant("available_at"))
        counts, unit = weekly(born, origin, weeks), f"{name} a week"
        why = f"{name} created, by week, over the last {weeks} weeks"
        lines.append(mean_of("demand", unit, counts, unit, why))
        if full > 0:
            why = "the line above over sellers at full strength, as if they were as many all along"
            lines.append(mean_of("demand", f"{name} a seller a week", counts / full, unit, why))
    return lines


def leads_to_deals(tables: Tables, origin: int, weeks: int, days: float) -> list[CapacityLine]:
    """The share of leads that became a deal, of those that have had ``days`` for it."""
    leads, deals = tables["leads"], tables["deals"]
    if not leads.n or not deals.has("lead_id"):
        return []
    end = origin - round(days * DAY)
    born = leads.instant("created_at")
    old = np.flatnonzero((born >= end - weeks * WEEK) & (born < end))
    if not len(old):
        return []
    made = np.flatnonzero(past(deals.instant("created_at"), np.full(deals.n, origin, np.int64)))
    became = set(deals.coded("lead_id").take(made).words())
    hits = sum(w in became for w in leads.coded("lead_id").take(old).words())
    why = f"of the leads of {weeks} weeks, the youngest {days:g} days old"
    given = "a younger lead may still become a deal; another time suits slower sales (lead_days)"
    return [
        share_of("demand", "deals from a lead", hits, len(old), why),
        stated("demand", "days a lead is given", days, "days", given),
    ]


def working(done: SellerEffort, full_week: float) -> list[CapacityLine]:
    """Activities and hours by deal, lead and seller-week, where the log has them."""
    kinds = ", ".join(TOUCHES)
    lines = []
    if len(done.touches):
        why = f"logged ({kinds}) on deals closed in the window"
        lines.append(mean_of("work", "activities on a deal", done.touches, "activities", why))
    for name, hours in (("deal", done.deal_hours), ("lead", done.lead_hours)):
        if len(hours):
            why = f"durations of the same kinds, on {name}s closed in the window"
            lines.append(mean_of("work", f"hours on a {name}", hours, "hours", why))
    if len(done.seller_weeks):
        hours, unit = done.seller_weeks, "hours a week"
        why = "by seller and week, of the weeks with any"
        lines.append(mean_of("work", "logged hours a seller a week", hours, unit, why))
        why = (
            f"the {100 * full_week:g} % quantile of the line above: what was done in the fullest "
            f"weeks can be done, and what is not logged stays left out (full_week)"
        )
        lines.append(stated("work", FULL_WEEK, float(np.quantile(hours, full_week)), unit, why))
    return lines


def people(known: Mapping[str, float], full: float) -> list[CapacityLine]:
    """The sellers that what arrives lately asks for, beside those that are there."""
    hours = _hours(known, known.get("deals a week", 0.0), known.get("leads a week", 0.0))
    week = known.get(FULL_WEEK, np.nan)
    if not np.isfinite(hours) or not week > 0:
        return []
    need = hours / week
    of = "deals a week × hours on a deal + leads a week × hours on a lead"
    spare = "sellers at full strength less those needed; below 0 they are missing"
    return [
        computed("people", "hours that arrive a week", hours, "hours a week", of),
        computed(
            "people",
            "sellers needed for what arrives",
            need,
            "sellers",
            "the line above over a full week",
        ),
        computed("people", "sellers to spare", full - need, "sellers", spare),
    ]


def _hours(known: Mapping[str, float], deals: float, leads: float) -> float:
    """Hours that so many deals and leads cost; NaN where the log has no durations."""
    a_lead = known.get("hours on a lead", np.nan)
    hours = deals * known.get("hours on a deal", np.nan)
    return float(hours + (leads * a_lead if np.isfinite(leads * a_lead) else 0.0))


def for_target(
    row: Mapping[str, Any], made: Forecast, known: Mapping[str, float], grown: Ramp
) -> list[CapacityLine]:
    """What a period's target at a stated confidence asks for beyond today's pipeline."""
    period = made.periods[made.place(row["period"])]
    goal, deals = f"{period.name} at {100 * row['confidence']:g} %", float(row["deals"])
    if not np.isfinite(deals):
        why = "in too many draws today's deals bring nothing to it: more like them would not do"
        return [computed("target", f"{goal}: more deals", np.nan, "deals", why)]
    why = "missing pipeline, in deals as large and far along as today's (new ones close later)"
    lines = [computed("target", f"{goal}: more deals", deals, "deals", why)]
    if not deals > 0:
        return lines
    share = known.get("deals from a lead", np.nan)
    leads = deals / share if share > 0 else np.nan
    if np.isfinite(leads):
        why = "more deals over deals from a lead"
        lines.append(computed("target", f"{goal}: more leads", leads, "leads", why))
    weeks = (period.end - max(made.origin, period.start)) / WEEK
    return [*lines, *_sellers_for(goal, deals, leads, weeks, known, grown)]


def _sellers_for(
    goal: str, deals: float, leads: float, weeks: float, known: Mapping[str, float], grown: Ramp
) -> list[CapacityLine]:
    """Sellers, and hires, for so many more deals and leads within some weeks."""
    need = _hours(known, deals, leads) / known.get(FULL_WEEK, np.nan) / weeks
    why = f"the hours they cost over a full week, for the {weeks:.1f} weeks left of the period"
    if np.isnan(need):
        need = deals / weeks / known.get("deals a seller a week", np.nan)
        why = f"more deals over deals a seller a week, for the {weeks:.1f} weeks left of the period"
    if not np.isfinite(need):
        return []
    lines = [computed("target", f"{goal}: more sellers", need, "sellers", why)]
    first = float(grown.counted(np.zeros(1))[0])
    if grown.people[0] and first > 0:
        why = f"more sellers over the share in months 0 to {grown.edges[0]:g}"
        name = f"{goal}: hires who begin now"
        lines.append(computed("target", name, need / first, "sellers", why))
    return lines
