"""What changed since the last forecast, and the deals that the range rests on."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from training.charts.numbers import UNKNOWN, compact, count, many, percent, signed
from training.charts.page import Figure, PageTable, Section
from training.charts.rows import Row, waterfall
from training.charts.scales import Axis, reach
from training.forecast.results.bridge_steps import STEPS, Bridge
from training.reports.forecast.forecast_subject import ForecastSubject, amount, period_name

MEASURES = {
    "pipeline": ("Open deals dated into the period", "open amount due"),
    "expected": ("What is expected of the bookings", "mean of the bookings"),
    "recurring": ("What is expected of recurring revenue", "mean of what is invoiced"),
}
DEALS = 12
"""Deals that are shown."""


def changes_section(of: ForecastSubject) -> Section:
    """What changed?"""
    title, since = "What changed", of.found.since
    found = [b for b in of.found.bridges if b.period == of.main.name]
    if since is None or not found:
        said = "There is no earlier forecast to compare with yet; the next one will have this one."
        return Section("changed", title, "What moved the forecast?", paragraphs=[said])
    how = (
        "the last forecast that was kept"
        if since.kept
        else "a forecast as it would have been made then"
    )
    said = (
        f"{period_name(of.main)}, from {of.day(since.origin)} ({how}) to "
        f"{of.day(of.found.forecast.origin)}. The steps make up the difference to the cent."
    )
    return Section(
        "changed",
        title,
        "What moved the forecast?",
        paragraphs=[said],
        figures=[_bridge(of, b) for b in found],
        tables=_largest(of, found),
    )


def _bridge(of: ForecastSubject, bridge: Bridge) -> Figure:
    since = of.found.since
    then = of.day(since.origin) if since else ""
    steps = bridge.steps.to_dict("records")
    rows = [
        Row(
            str(s["name"]),
            s["cents"] / 100,
            said=signed(s["cents"] / 100, 0),
            css="down" if s["cents"] > 0 else "up",
        )
        for s in steps
    ]
    ends = (bridge.start / 100, bridge.end / 100)
    reached = [*(np.cumsum([bridge.start, *(s["cents"] for s in steps)]) / 100), ends[1]]
    around = reach(reached)
    title, unit = MEASURES[bridge.measure]
    said = (
        f"From {count(ends[0])} to {count(ends[1])} {of.currency}: {signed(ends[1] - ends[0], 0)}."
    )
    svg = waterfall(
        (f"on {then}", ends[0], count(ends[0])),
        rows,
        (f"on {of.day(of.found.forecast.origin)}", ends[1], count(ends[1])),
        Axis(f"{unit}, {of.currency}", around.low, around.high, compact),
        f"bridge {bridge.measure}",
        title,
        said,
    )
    cells = [[f"on {then}", count(ends[0]), ""]]
    cells += [
        [str(s["name"]), signed(s["cents"] / 100, 2), count(s["n"]) if s["n"] else ""]
        for s in steps
    ]
    cells.append([f"on {of.day(of.found.forecast.origin)}", count(ends[1]), ""])
    return Figure(title, svg, said, PageTable(["Step", "Amount", "Deals"], cells))


def _largest(of: ForecastSubject, bridges: list[Bridge], top: int = 10) -> list[PageTable]:
    """The deals that moved the expected bookings most."""
    there = of.found.deal_status
    found = [b for b in bridges if b.measure == "expected" and len(b.deals)]
    if not found or there is None:
        return []
    deals = found[0].deals
    order = deals["cents"].abs().sort_values(ascending=False, kind="stable").index[:top]
    names = there["name"].to_dict()
    rows = []
    for row in deals.loc[order].to_dict("records"):
        name = names.get(row["deal_id"])
        shown = row["deal_id"] if name is None or pd.isna(name) else str(name)
        rows.append([shown, STEPS[row["step"]], signed(row["cents"] / 100, 0)])
    caption = f"The deals that moved what is expected most, in {of.currency}"
    return [PageTable(["Deal", "What happened", "Moved it by"], rows, words=2, caption=caption)]


def deals(of: ForecastSubject) -> Section:
    """Which deals does the range rest on?"""
    made, asks = of.found.forecast, "Which deals should be talked about?"
    title = "The deals that matter most"
    if not len(made.chances):
        return Section("deals", title, asks, paragraphs=["No deal is open."])
    found = made.drivers(of.main.name, DEALS)
    weighed = bool(found["influence"].notna().any())
    rows = [_deal(of, row, weighed) for row in found.to_dict("records")]
    head = ["Deal", "Owner", "Stage", "Call", "Due"]
    head += ["Amount", "Won in it", "Expected", "Of the range"]
    return Section(
        "deals",
        title,
        asks,
        paragraphs=[_rests(of, weighed)],
        tables=[
            PageTable(head, rows, words=5, caption=f"{period_name(of.main)}, in {of.currency}")
        ],
    )


def _deal(of: ForecastSubject, row: dict[Hashable, Any], weighed: bool) -> list[str]:
    """One deal of the table; a dash for what nobody stated."""
    due = row["expected_close_at"]
    return [
        str(row["deal_id"] if pd.isna(row["name"]) else row["name"]),
        UNKNOWN if pd.isna(row["owner"]) else of.named("owner", str(row["owner"])),
        *(UNKNOWN if pd.isna(row[c]) else str(row[c]) for c in ("stage", "category")),
        UNKNOWN if pd.isna(due) else f"{due:%Y-%m-%d}",
        amount(row["amount"]),
        percent(row["probability"], 0),
        amount(row["mean"]),
        percent(row["influence"], 1) if weighed else UNKNOWN,
    ]


def _rests(of: ForecastSubject, weighed: bool) -> str:
    made, place = of.found.forecast, of.found.forecast.place(of.main.name)
    n = many(len(made.chances), "open deal")
    if not weighed:
        return f"Of {n}, those expected to bring most to {period_name(of.main)}."
    shares = np.sort(made.influence[:, place])[::-1]
    first = float(shares[:DEALS].sum())
    if not math.isfinite(first) or first <= 0:
        return f"Of {n}, none moves the range of {period_name(of.main)}."
    return (
        f"Of {n}, the {min(DEALS, len(shares))} that move the range of {period_name(of.main)} most "
        f"carry {percent(first, 0)} of its variance. A deal's share is its covariance with the "
        f"whole, by the variance of the whole."
    )
