"""Where growth comes from, what if, and who was listened to."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from training.charts.numbers import count, decimal, percent, signed
from training.charts.page import PageTable, Section
from training.forecast.backtest.cells import SIMULATION
from training.forecast.planning.growth import PARTS
from training.reports.forecast.forecast_subject import (
    STREAMS,
    ForecastSubject,
    amount,
    period_name,
)


def growth_section(of: ForecastSubject) -> Section:
    """Where does the change against last year come from?"""
    names, rows = _names(of), []
    keyed = of.found.growth.groupby(["stream", "period", "base"], sort=False)
    for (stream, period, base), part in keyed:
        first = part.to_dict("records")[0]
        by_part = dict(zip(part["part"], part["amount"].tolist(), strict=True))
        change = first["after"] - first["before"]
        numbers = [amount(first["before"]), amount(first["after"]), signed(change, 0)]
        parts = [signed(by_part[p], 0) for p in PARTS]
        rows.append([STREAMS[str(stream)], names[str(period)], str(base), *numbers, *parts])
    head = ["Stream", "Period", "Against", "Then", "Now", "Change"]
    return Section(
        "growth",
        "Where growth comes from",
        "Is it price, volume, mix or only the season?",
        paragraphs=[
            "Each forecast mean is held against the same period a year before, or the newest one "
            "that is over. Season and trend are changes in the number of deals or charges: what "
            "the time of year explains, and the rest. Price is the mean amount of each product, "
            "mix what moves between products. The parts add up to the change."
        ],
        tables=[
            PageTable(
                [*head, *(p.capitalize() for p in PARTS)],
                rows,
                words=3,
                caption=f"Parts of the change, in {of.currency}",
            )
        ],
    )


def scenario_section(of: ForecastSubject) -> Section:
    """What would a stated assumption change?"""
    names = _names(of)
    rows = [
        [
            str(row["scenario"]),
            STREAMS[str(row["stream"])],
            names[str(row["period"])],
            *(amount(row[c]) for c in ("p10", "p50", "p90", "mean")),
            signed(row["change"], 0),
        ]
        for row in of.found.scenarios.to_dict("records")
    ]
    head = ["Assumption", "Stream", "Period", "P10", "P50", "P90", "Mean", "Mean, less forecast"]
    return Section(
        "scenarios",
        "What if",
        "What would an assumption change?",
        paragraphs=[
            "These are assumptions, not forecasts. Each is carried through the same simulated "
            "futures as the forecast, so the difference is the assumption's alone."
        ],
        tables=[PageTable(head, rows, words=3, caption=f"Scenarios, in {of.currency}")],
    )


def combined_section(of: ForecastSubject) -> Section:
    """Who was listened to, and how far did the range move?"""
    corrected = {(r["stream"], r["period"]): r for r in of.found.corrections.to_dict("records")}
    names, rows = _names(of), []
    for (stream, period), part in of.found.ways.groupby(["stream", "period"], sort=False):
        weights = dict(zip(part["method"], part["weight"].tolist(), strict=True))
        others = sorted((m for m in weights if m != SIMULATION), key=lambda m: -weights[m])
        best = ", ".join(f"{m} {percent(weights[m], 0)}" for m in others[:2] if weights[m] >= 0.005)
        rows.append(
            [
                STREAMS[str(stream)],
                names[str(period)],
                percent(weights[SIMULATION], 0),
                best or "–",
                *_moved(corrected[stream, period]),
            ]
        )
    head = ["Stream", "Period", "Simulation", "Others", "P10", "P50", "P90", "Periods"]
    return Section(
        "combined",
        "What the forecast has learned from its record",
        "Which methods have been right, and how far has the range moved?",
        paragraphs=[
            "Methods are weighted by their past losses at a similar distance to a period's end; "
            "with little evidence the simulation counts almost alone. Then the range moves to "
            "where past actual values fell in it: −1.0, 0.0 and 1.0 mean that nothing moved, "
            "−1.5 that P10 went half a half-range further down. Periods: how many that rests on."
        ],
        tables=[PageTable(head, rows, words=4, caption="Weights, and where the range went")],
    )


def _moved(row: Mapping[Hashable, Any]) -> list[str]:
    ends = [decimal(float(row[c]), 1) for c in ("low", "middle", "high")]
    return [*ends, count(round(float(row["evidence"])))]


def _names(of: ForecastSubject) -> dict[str, str]:
    return {p.name: period_name(p) for p in of.found.forecast.periods}
