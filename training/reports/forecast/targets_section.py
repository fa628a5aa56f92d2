"""Targets and what people say, for the whole and by group."""

from __future__ import annotations

import math
from typing import Any

from training.charts.numbers import UNKNOWN, compact, percent
from training.charts.page import PageTable, Section
from training.forecast.data.periods import Period
from training.reports.forecast.forecast_subject import (
    ForecastSubject,
    amount,
    chance,
    period_name,
    times,
)

Row = dict[Any, Any]


def targets_section(of: ForecastSubject) -> Section:
    """Will the target be reached, and what do people say?"""
    look = of.found.outlook
    look = look[look["dimension"] == "all"]
    rows = [
        _aim(of.found.forecast.periods[i], row) for i, row in enumerate(look.to_dict("records"))
    ]
    head = ["Period", "Target", "Chance", "In so far", "P50", "Commit", "Best case", "Due", "Cover"]
    known = look[["target", "commit"]].notna().any(axis=None) or (look["due"] > 0).any()
    tables = (
        [PageTable(head, rows, caption=f"The whole company, in {of.currency}")] if known else []
    )
    if len(of.found.cover):
        tables.append(_cover(of))
    return Section(
        "targets",
        "Targets, and what people say",
        "Will the target be reached, and what would it take?",
        paragraphs=_words(of),
        tables=tables,
        after=[
            "Target: quotas, by days. Commit: in so far and what sellers commit to in the period; "
            "best case adds what they call best case. Due: open amount that they date into it; "
            "cover: that over what is left of the target. The forecast does not start from them.",
        ],
    )


def _aim(period: Period, row: Row) -> list[str]:
    return [
        period_name(period),
        amount(row["target"]),
        chance(row["chance"]),
        *(amount(row[c]) for c in ("closed", "p50", "commit", "best_case", "due")),
        times(row["coverage"]),
    ]


def _words(of: ForecastSubject) -> list[str]:
    goal, name = of.goal(of.main.name), period_name(of.main)
    if not goal:
        return ["There are no deals in these data, so no quotas and no calls to set beside it."]
    words = []
    if math.isfinite(goal["target"]):
        words.append(
            f"{name}: the target is {of.money(goal['target'])}; {chance(goal['chance'])} of the "
            f"simulated futures reach it. {_gap(of, goal)}"
        )
        if goal["covered"] < 0.995:
            words.append(
                f"The quotas speak of {percent(goal['covered'], 0)} of its days only, so the "
                f"target is that of a part of it."
            )
    else:
        words.append(f"No quota speaks of {name}, so there is no target to reach.")
    if math.isnan(goal["commit"]):
        words.append("No open deal has a forecast category, so people have made no call.")
    return words


def _gap(of: ForecastSubject, goal: dict[str, float]) -> str:
    if goal["gap"] > 0:
        return f"The middle of the forecast is {of.money(goal['gap'])} short of it."
    return f"The middle of the forecast is {of.money(-goal['gap'])} beyond it."


def _cover(of: ForecastSubject) -> PageTable:
    names = {p.name: period_name(p) for p in of.found.forecast.periods}
    rows = []
    for row in of.found.cover.to_dict("records"):
        more = amount(row["more"]) if math.isfinite(row["times"]) else "no number would do"
        rows.append(
            [
                names[row["period"]],
                percent(row["confidence"], 0),
                chance(row["chance"]),
                times(row["times"]),
                more,
                f"{row['deals']:.0f}" if math.isfinite(row["deals"]) else UNKNOWN,
                times(row["coverage"]),
            ]
        )
    head = ["Period", "To be sure by", "Now", "Pipeline needed", "Missing", "In deals", "Cover"]
    said = (
        "Pipeline that the target needs: today's open deals so many times over, as far along as "
        "they are (what is missing is due in the period)"
    )
    return PageTable(head, rows, caption=said)


def groups(of: ForecastSubject) -> Section:
    """Who brings what? Of the main period."""
    made, period = of.found.forecast, of.main
    tables = [_group(of, s, d) for s, d in made.groups if s != "total"]
    return Section(
        "groups",
        "By owner, team, region, segment and product",
        f"Who brings what in {period_name(period)}?",
        paragraphs=[
            "The parts add up to the whole in every simulated future, so their means add up "
            "exactly; their P10 and P90 do not, as not everybody is lucky at once."
        ],
        tables=[t for t in tables if t is not None],
    )


def _group(of: ForecastSubject, stream: str, dimension: str) -> PageTable | None:
    made, period = of.found.forecast, of.main
    table = made.table
    here = table[
        (table["stream"] == stream)
        & (table["dimension"] == dimension)
        & (table["period"] == period.name)
        & (table["part"] == "whole")
    ].sort_values("mean", ascending=False)
    if not len(here) or here["value"].tolist() == ["(none)"]:
        return None
    look = of.found.outlook
    look = look[(look["dimension"] == dimension) & (look["period"] == period.name)]
    goals = {r["value"]: r for r in look.to_dict("records")} if stream == "bookings" else {}
    aimed = any(math.isfinite(g["target"]) for g in goals.values())
    head = [dimension.capitalize(), "Mean", "P10", "P50", "P90"]
    head += ["In so far", "Commit", "Best case"] if goals else []
    head += ["Target", "Chance"] if aimed else []
    rows = [
        _value(of, dimension, row, goals.get(row["value"]), aimed)
        for row in here.to_dict("records")
    ]
    title = f"{stream.capitalize()} by {dimension}, {period_name(period)}, in {of.currency}"
    return PageTable(head, rows, caption=title)


def _value(
    of: ForecastSubject, dimension: str, row: Row, goal: Row | None, aimed: bool
) -> list[str]:
    cells = [
        of.named(dimension, str(row["value"])),
        *(amount(row[c]) for c in ("mean", "p10", "p50", "p90")),
    ]
    if goal is None:
        return cells
    cells += [amount(goal[c]) for c in ("closed", "commit", "best_case")]
    return cells + ([amount(goal["target"]), chance(goal["chance"])] if aimed else [])


def short(value: float) -> str:
    """An amount on a drawing."""
    return compact(value) if math.isfinite(value) else UNKNOWN
