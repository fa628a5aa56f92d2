"""The page of a forecast: what is foreseen, what it rests on, what changed, how right it was."""

from __future__ import annotations

import math
from collections.abc import Mapping

from training.charts.numbers import many, percent
from training.charts.page import Page, render
from training.forecast.backtest.forecast_record import ForecastRecord
from training.forecast.publish.outputs import ForecastOutputs
from training.reports.forecast.capacity_section import basis, capacity_section
from training.reports.forecast.changes_section import changes_section, deals
from training.reports.forecast.forecast_subject import (
    STREAMS,
    ForecastSubject,
    chance,
    period_name,
    times,
)
from training.reports.forecast.outlook_section import outlook_section, parts
from training.reports.forecast.planning_section import (
    combined_section,
    growth_section,
    scenario_section,
)
from training.reports.forecast.record_section import record_section
from training.reports.forecast.targets_section import groups, targets_section


def forecast_report(
    found: ForecastOutputs, history: ForecastRecord, owners: Mapping[str, str]
) -> str:
    """The report as one HTML file; ``owners`` names them (owner_id -> name)."""
    return render(page_of(ForecastSubject(found, history, owners)))


def page_of(of: ForecastSubject) -> Page:
    """The report as data: what ``pages`` draws, and what the tests read."""
    made = of.found.forecast
    sections = [outlook_section(of), parts(of)]
    if "bookings" in made.streams:
        sections.append(targets_section(of))
    if made.groups:
        sections.append(groups(of))
    sections.append(changes_section(of))
    if "bookings" in made.streams:
        sections.append(deals(of))
    if len(of.found.growth):
        sections.append(growth_section(of))
    if len(of.found.scenarios):
        sections.append(scenario_section(of))
    sections.append(record_section(of))
    if len(of.found.ways):
        sections.append(combined_section(of))
    if len(of.found.capacity):
        sections.append(capacity_section(of))
    sections.append(basis(of))
    return Page(
        kicker=f"Revenue forecast · {of.found.data or 'company data'} · "
        f"as of {of.day(made.origin)}",
        title=_title(of),
        standfirst=_standfirst(of),
        keys=_keys(of),
        sections=sections,
        footer=[
            f"Embudo. {many(made.settings.draws, 'simulated future')}, seed {made.settings.seed}; "
            f"good until {of.day(of.found.expires)}."
        ],
    )


def _row(of: ForecastSubject, part: str = "whole") -> dict[str, float]:
    rows = of.whole(of.stream)
    rows = rows[(rows["period"] == of.main.name) & (rows["part"] == part)]
    return {str(k): v for k, v in rows.iloc[0].items()}


def _title(of: ForecastSubject) -> str:
    row, name = _row(of), period_name(of.main)
    said = f"{name}: {STREAMS[of.stream]} of {of.money(row['p50'])} or so"
    goal = of.goal(of.main.name).get("target", math.nan)
    if not math.isfinite(goal):
        return said
    share = of.goal(of.main.name)["chance"]
    word = next(w for least, w in _LIKELY if share >= least)
    return f"{said}; the target of {of.money(goal)} is {word}"


_LIKELY = (
    (0.95, "all but certain"),
    (0.75, "likely"),
    (0.55, "more likely than not"),
    (0.45, "as likely as not"),
    (0.25, "less likely than not"),
    (0.05, "unlikely"),
    (0.0, "all but out of reach"),
)
"""Words for a chance, from so much on."""


def _standfirst(of: ForecastSubject) -> str:
    row, made = _row(of), of.found.forecast
    low, _, high = made.settings.levels
    return (
        f"In {percent(high - low, 0)} of {many(made.settings.draws, 'simulated future')} "
        f"{period_name(of.main)} brings between {of.money(row['p10'])} and {of.money(row['p90'])}. "
        f"{_split(of)}{_short(of)}"
    )


def _short(of: ForecastSubject) -> str:
    """What a short history does to the range, in a sentence; "" for a longer one."""
    days = float(of.found.forecast.learned.get("history_days", math.inf))
    if days >= YEAR:
        return ""
    return (
        f" The history is {many(round(days / 30.4), 'month')} long: season and growth are not "
        f"known yet, and the range is wide for that."
    )


YEAR = 365.0
"""Days of history from which on every month of the year has been seen."""


def _split(of: ForecastSubject) -> str:
    """What the mean of the main period is made of, in a sentence."""
    rows = of.whole(of.stream)
    rows = rows[rows["period"] == of.main.name]
    means = dict(zip(rows["part"], rows["mean"].tolist(), strict=True))
    whole = float(means["whole"])
    if whole <= 0:
        return "Nothing is expected."
    shares = {part: mean / whole for part, mean in means.items()}
    if of.stream == "recurring":
        return (
            f"{percent(shares['invoiced'], 0)} of the mean is invoiced, "
            f"{percent(shares['renewals'], 0)} comes from customers of today, "
            f"{percent(shares['new customers'], 0)} from new ones."
        )
    return (
        f"{percent(shares['closed'], 0)} of the mean is closed, {percent(shares['open'], 0)} rests "
        f"on {many(len(of.found.forecast.chances), 'open deal')}, "
        f"and {percent(shares['new'], 0)} on deals that are not created yet."
    )


def _keys(of: ForecastSubject) -> list[tuple[str, str, str]]:
    row, goal = _row(of), of.goal(of.main.name)
    name = period_name(of.main)
    keys = [
        (
            of.money(row["p50"]),
            f"P50 of {name}",
            f"{of.money(row['p10'])} to {of.money(row['p90'])}",
        ),
        (of.money(_row(of, _first(of))["mean"]), "in so far", ""),
    ]
    if goal and math.isfinite(goal["target"]):
        keys.append(
            (chance(goal["chance"]), "chance to reach the target", of.money(goal["target"]))
        )
    if goal and math.isfinite(goal["coverage"]):
        said = f"{of.money(goal['due'])} due for {of.money(goal['left'])}"
        keys.append((times(goal["coverage"]), "pipeline coverage of what is left", said))
    return keys


def _first(of: ForecastSubject) -> str:
    return {"bookings": "closed", "recurring": "invoiced"}.get(of.stream, "bookings")
