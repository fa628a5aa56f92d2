"""What is foreseen: the fan with the past on it, and the parts it is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.tables import DAY, Floats
from training.charts.dates import date_axis
from training.charts.fan import Fan, fan, ranges
from training.charts.numbers import compact, count, percent
from training.charts.page import Figure, PageTable, Section
from training.charts.plot import LegendEntry, Plot
from training.charts.scales import Axis
from training.charts.stacks import Stack, stacks
from training.forecast.simulate.streams import PARTS
from training.reports.forecast.forecast_subject import (
    STREAMS,
    ForecastSubject,
    amount,
    middle,
    period_name,
)

HALF = (0.25, 0.75)
"""The inner band of the fan."""

PART_NAMES = {
    "closed": "closed",
    "open": "open deals",
    "new": "not created yet",
    "invoiced": "invoiced",
    "renewals": "renewals",
    "new customers": "new customers",
    "bookings": "bookings",
    "recurring": "recurring",
}


def outlook_section(of: ForecastSubject) -> Section:
    """What will come in, month by month?"""
    figures = [_fan(of, stream) for stream in of.found.forecast.streams]
    low, _, high = of.found.forecast.settings.levels
    said = (
        f"In {100 * (high - low):.0f} of 100 futures a month ends between P{100 * low:.0f} and "
        f"P{100 * high:.0f}; in half of them it ends below P50. A quarter's range is narrower than "
        f"its months' together, as a late month makes up for an early one."
    )
    return Section(
        "ahead",
        "What is foreseen",
        "What will come in, and how sure is that?",
        paragraphs=[said],
        figures=[f for f in figures if f is not None],
        tables=[_periods(of)],
    )


def _periods(of: ForecastSubject) -> PageTable:
    rows = []
    for stream in of.found.forecast.streams:
        whole = of.whole(stream)
        first = whole[whole["part"] == PARTS[stream][0]].set_index("period")["mean"]
        whole = whole[whole["part"] == "whole"].set_index("period")
        for period in of.found.forecast.periods:
            row = whole.loc[period.name]
            numbers = [first[period.name], *(row[c] for c in ("p10", "p50", "p90", "mean"))]
            rows.append([period_name(period), STREAMS[stream], *map(amount, numbers)])
    head = ["Period", "Stream", "In so far", "P10", "P50", "P90", "Mean"]
    return PageTable(head, rows, words=2, caption=f"By period, in {of.currency}")


def _fan(of: ForecastSubject, stream: str) -> Figure | None:
    made = of.found.forecast
    months = [(i, p) for i, p in enumerate(made.periods) if p.kind == "month"]
    past = of.record.actuals
    past = past[past["stream"] == stream].reset_index(drop=True)
    if not months:
        return None
    said = of.record.predicted
    said = said[(said["stream"] == stream) & said["period"].isin(past["period"])]
    draws = made.draws[stream, "whole"][[i for i, _ in months]]
    levels = (made.settings.levels[0], *HALF, made.settings.levels[2])
    low, inner_low, inner_high, high = np.quantile(draws, levels, axis=1)
    x = [middle(p.start, p.end) for _, p in months]
    behind = [middle(a, b) for a, b in zip(past["start"], past["end"], strict=True)]
    top = max([*high, *past["actual"], *said["p90"], 1.0]) * 1.06
    first = float(past["start"].min() / DAY) if len(past) else months[0][1].start / DAY
    plot = Plot(
        date_axis("month", first, months[-1][1].end / DAY),
        Axis(f"{STREAMS[stream]} a month, {of.currency}", 0, top, compact),
        _keys(bool(len(said))),
    )
    places = past.set_index("period")
    spots = [middle(*places.loc[p, ["start", "end"]]) for p in said["period"]]
    hints = [
        f"{p}: forecast {compact(m)}" for p, m in zip(said["period"], said["p50"], strict=True)
    ]
    low_said, high_said, middle_said = (said[c].tolist() for c in ("p10", "p90", "p50"))
    ranges(plot, spots, low_said, high_said, middle_said, "plain", hints)
    fan(
        plot, _opening(x, [low, high, inner_low, inner_high, np.quantile(draws, 0.5, axis=1)], past)
    )
    plot.line(behind, past["actual"].tolist(), "seen thin")
    hints = [f"{p}: {count(a)}" for p, a in zip(past["period"], past["actual"], strict=True)]
    plot.dots(behind, past["actual"].tolist(), "seen", hints=hints, r=3)
    title = f"{STREAMS[stream].capitalize()} by month"
    words = _reading(said)
    return Figure(
        title, plot.done(f"fan {stream}", title, words), words, _numbers(of, stream, past, said)
    )


def _opening(x: list[float], lines: list[Floats], past: pd.DataFrame) -> Fan:
    """The fan from the last month that is over, where nothing is open, to those that will."""
    lines_of = [line.tolist() for line in lines]
    if len(past):
        last = past.iloc[-1]
        x = [middle(last["start"], last["end"]), *x]
        lines_of = [[float(last["actual"]), *line] for line in lines_of]
    low, high, inner_low, inner_high, centre = lines_of
    return Fan(x, [(low, high), (inner_low, inner_high)], centre)


def _keys(said: bool) -> list[LegendEntry]:
    keys = [LegendEntry("seen", "actual", "dot")]
    if said:
        keys.append(LegendEntry("plain", "forecast before the month, P10 to P90", "range"))
    return [
        *keys,
        LegendEntry("model", "foreseen: P50"),
        LegendEntry("", "middle half, P10 to P90", "band"),
    ]


def _reading(said: pd.DataFrame) -> str:
    if not len(said):
        return "Dots: actual values of months that are over. The forecast opens to the right."
    inside = int(((said["actual"] >= said["p10"]) & (said["actual"] <= said["p90"])).sum())
    return (
        f"Grey: the forecast of the week before each month began. "
        f"{inside} of {len(said)} months came in within it."
    )


def _numbers(of: ForecastSubject, stream: str, past: pd.DataFrame, said: pd.DataFrame) -> PageTable:
    by_period = said.set_index("period")
    rows = []
    for period, actual in zip(past["period"], past["actual"], strict=True):
        word = (
            [by_period.loc[period, c] for c in ("p10", "p50", "p90")]
            if period in by_period.index
            else [np.nan] * 3
        )
        rows.append([period, amount(actual), *map(amount, word)])
    whole = of.whole(stream)
    whole = whole[(whole["part"] == "whole") & (whole["kind"] == "month")]
    for row in whole.to_dict("records"):
        rows.append([row["period"], "to come", *(amount(row[c]) for c in ("p10", "p50", "p90"))])
    return PageTable(["Month", "Came in", "P10", "P50", "P90"], rows)


def parts(of: ForecastSubject) -> Section:
    """What does it rest on?"""
    figures = [_stacked(of, stream) for stream in of.found.forecast.streams]
    return Section(
        "parts",
        "What it rests on",
        "What is in already, what rests on what is open, and what on nothing seen yet?",
        paragraphs=[w for w in (_unseen(of, s) for s in of.found.forecast.streams) if w],
        figures=figures,
    )


def _unseen(of: ForecastSubject, stream: str) -> str:
    """How much of the first and of the last period rests on what is not there yet."""
    if stream == "total":
        return ""
    whole = of.whole(stream)
    means = whole.pivot(index="period", columns="part", values="mean")
    last = PARTS[stream][-1]
    shares = (means[last] / means["whole"].where(means["whole"] > 0)).to_dict()
    periods = [p for p in of.found.forecast.periods if p.kind == of.main.kind]
    first, end = periods[0], periods[-1]
    named = {"new": "deals that are not created yet", "new customers": "new customers"}[last]
    said = f"{STREAMS[stream].capitalize()}: {percent(shares[first.name], 0)} of the mean of"
    said += f" {period_name(first)} rests on {named}"
    if first != end:
        said += f", and {percent(shares[end.name], 0)} of that of {period_name(end)}"
    return f"{said}."


def _stacked(of: ForecastSubject, stream: str) -> Figure:
    whole, names = of.whole(stream), PARTS[stream]
    means = whole.pivot(index="period", columns="part", values="mean")
    ends = whole[whole["part"] == "whole"].set_index("period")
    rows, cells = [], []
    for period in of.found.forecast.periods:
        means_here = [float(means[part].to_dict()[period.name]) for part in names]
        low, high = (float(ends[c].to_dict()[period.name]) for c in ("p10", "p90"))
        target = of.goal(period.name).get("target", np.nan) if stream == "bookings" else np.nan
        said = f"{compact(sum(means_here))} ({compact(low)} to {compact(high)})"
        rows.append(Stack(period_name(period), means_here, low, high, said, float(target)))
        shares = [f"{amount(m)}" for m in means_here]
        cells.append([period_name(period), *shares, amount(sum(means_here)), amount(target)])
    top = max([r.high for r in rows] + [r.target for r in rows if np.isfinite(r.target)] + [1.0])
    axis = Axis(f"mean {STREAMS[stream]}, {of.currency}", 0, top * 1.04, compact)
    title = f"{STREAMS[stream].capitalize()}: the parts of the mean"
    keys = [PART_NAMES[n] for n in names]
    words = "Beside each name the mean, and P10 to P90 of the whole."
    svg = stacks(rows, keys, axis, f"parts {stream}", title, words)
    table = PageTable(["Period", *(k.capitalize() for k in keys), "Mean", "Target"], cells)
    return Figure(title, svg, words, table)
