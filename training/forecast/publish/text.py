"""A forecast in a few lines of text, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from features.calendar_time import day_text
from training.forecast.backtest.cells import SIMULATION
from training.forecast.publish.outputs import ForecastOutputs
from training.forecast.results.result import Forecast

UNKNOWN = "–"


def to_text(found: ForecastOutputs) -> str:
    """The forecast of the whole company: a table for each stream, notes, and what changed."""
    made = found.forecast
    when, currency = (
        day_text(made.origin, made.periods[0].zone),
        made.currency or "units (the data name no currency)",
    )
    lines = [f"as of {when}, in {currency}{_rates(made)}"]
    for stream in made.streams:
        lines += ["", f"{stream}:", *_table(found, stream)]
    lines += _changed(found)
    lines += _listened(found)
    lines += _growth(found)
    lines += _scenarios(found)
    lines += [f"note: {note}" for note in made.notes]
    if "bookings" in made.streams and not (made.deals["status"] == "open").any():
        lines.append("note: no deal is open: what is foreseen rests on deals not created yet alone")
    return "\n".join(lines)


def _rates(made: Forecast) -> str:
    if not len(made.rates):
        return ""
    rows = zip(made.rates["currency"], made.rates["rate"], made.rates["rate_at"], strict=True)
    return "".join(f"; 1 {c} = {r:.5g} (rate of {pd.Timestamp(at):%Y-%m-%d})" for c, r, at in rows)


def _table(found: ForecastOutputs, stream: str) -> list[str]:
    made = found.forecast
    rows = made.table[(made.table["stream"] == stream) & (made.table["dimension"] == "all")]
    first = {"bookings": "closed", "recurring": "invoiced"}.get(stream)
    whole = rows[rows["part"] == "whole"].set_index("period")
    so_far = rows[rows["part"] == first].set_index("period")["mean"]
    tail = f"P{100 * made.settings.levels[0]:.0f}", f"P{100 * made.settings.levels[2]:.0f}"
    head = ["period", first or "", tail[0], "P50", tail[1], "mean"]
    people = found.outlook[found.outlook["dimension"] == "all"].set_index("period")
    aims = stream == "bookings"
    cells = [head + (["target", "chance", "commit", "best case", "coverage"] if aims else [])]
    for name, row in whole.iterrows():
        numbers = [so_far.get(name, math.nan), *(row[c] for c in ("p10", "p50", "p90", "mean"))]
        line = [str(name), *map(money, numbers)]
        cells.append(line + (_aims(people.loc[str(name)].to_dict()) if aims else []))
    return aligned(cells)


def _aims(row: dict[Any, Any]) -> list[str]:
    """target, chance, commit, best case, coverage."""
    chance, coverage = float(row["chance"]), float(row["coverage"])
    return [
        money(row["target"]),
        UNKNOWN if math.isnan(chance) else f"{100 * chance:.0f}%",
        money(row["commit"]),
        money(row["best_case"]),
        UNKNOWN if math.isnan(coverage) else f"{coverage:.1f}x",
    ]


def _changed(found: ForecastOutputs) -> list[str]:
    """The bridges of the first quarter (or the first period) in one line each."""
    if found.since is None or not found.bridges:
        return []
    spoken = list(dict.fromkeys(b.period for b in found.bridges))
    quarters = [p.name for p in found.forecast.periods if p.kind == "quarter" and p.name in spoken]
    name = (quarters or spoken)[0]
    zone = found.forecast.periods[0].zone
    how = "kept" if found.since.kept else "as it would have been made"
    lines = ["", f"{name} since {day_text(found.since.origin, zone)} ({how}):"]
    for bridge in found.bridges:
        if bridge.period == name:
            steps = zip(bridge.steps["name"], bridge.steps["cents"], strict=True)
            way = ", ".join(f"{w} {c / 100:+,.0f}" for w, c in steps)
            lines.append(
                f"  {bridge.measure}: {bridge.start / 100:,.0f} -> {bridge.end / 100:,.0f}"
                f"{': ' + way if way else ''}"
            )
    return lines


def _listened(found: ForecastOutputs) -> list[str]:
    """How much the simulation counts in each stream's first period, and the way beside it."""
    lines = []
    for stream, rows in found.ways.groupby("stream", sort=False):
        first = rows[rows["period"] == rows["period"].iloc[0]]
        weights = dict(zip(first["method"], first["weight"].tolist(), strict=True))
        own = weights.pop(SIMULATION, 0.0)
        best = max(weights, key=weights.__getitem__, default="")
        beside = f", {best} {100 * weights[best]:.0f} %" if best and weights[best] > 0.005 else ""
        lines.append(
            f"{stream}: simulation {100 * own:.0f} %{beside} of {first['period'].iloc[0]}, by past "
            f"losses"
        )
    return ["", *lines] if lines else []


def _growth(found: ForecastOutputs) -> list[str]:
    """The parts of the change of each stream's main period."""
    if found.growth.empty:
        return []
    lines = ["", "growth of the mean, by parts:"]
    names = [p.name for p in found.forecast.periods if p.kind == "quarter"]
    shown = found.growth[found.growth["period"].isin(names[:1])]
    for (stream, period, base), rows in shown.groupby(["stream", "period", "base"], sort=False):
        change = rows["after"].iloc[0] - rows["before"].iloc[0]
        pairs = zip(rows["part"], rows["amount"], strict=True)
        parts = ", ".join(f"{part} {value:+,.0f}" for part, value in pairs)
        lines.append(f"  {stream} {period} against {base}: {change:+,.0f} = {parts}")
    return lines if len(lines) > 2 else []


def _scenarios(found: ForecastOutputs) -> list[str]:
    """Each scenario's mean and change, of every period."""
    if found.scenarios.empty:
        return []
    cells = [["assumption", "stream", "period", "P10", "P50", "P90", "mean", "change"]]
    for row in found.scenarios.to_dict("records"):
        words = [str(row[c]) for c in ("scenario", "stream", "period")]
        numbers = [money(float(row[c])) for c in ("p10", "p50", "p90", "mean")]
        cells.append([*words, *numbers, f"{row['change']:+,.0f}"])
    return ["", "what if (assumptions, not forecasts):", *aligned(cells)]


def money(value: float) -> str:
    """A whole amount, thousands apart; a dash for what is not known."""
    return UNKNOWN if value is None or math.isnan(value) else f"{value:,.0f}"


def aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    return [
        "  "
        + "  ".join(
            c.rjust(w) if i else c.ljust(w)
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]
