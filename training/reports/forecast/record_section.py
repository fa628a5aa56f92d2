"""How right past forecasts were: coverage by weeks to the end, and the ledger."""

from __future__ import annotations

import math

import pandas as pd

from training.charts.numbers import count, percent, percents, span
from training.charts.page import Figure, PageTable, Section
from training.charts.rows import Line, Row, intervals
from training.charts.scales import Axis
from training.forecast.backtest.cells import MODEL
from training.reports.forecast.forecast_subject import STREAMS, ForecastSubject


def record_section(of: ForecastSubject) -> Section:
    """Has it been right before?"""
    title, asks = (
        "Has it been right before?",
        "Do the ranges keep their promise, and who was right?",
    )
    kept, tested = of.record.kept, of.record.backtest
    if kept.empty and tested.empty:
        said = (
            "No forecast that was kept is over yet, and no past origin was asked. `make backtest` "
            "makes the forecasts of past Mondays, of what was known then."
        )
        return Section("record", title, asks, paragraphs=[said])
    figures = [f for s in of.found.forecast.streams for f in _coverage(of, s)]
    mondays = f"Backtest, at Mondays until {of.record.tested_until}"
    parts = {"Forecasts that were kept": kept, mondays: tested}
    tables = [
        _board(rows, f"{caption}: {STREAMS[str(stream)]}")
        for caption, board in parts.items()
        if not board.empty
        for stream, rows in board.groupby("stream", sort=False)
    ]
    return Section(
        "record",
        title,
        asks,
        paragraphs=[*_words(of)],
        figures=figures,
        tables=tables,
        after=[
            "Pinball: the loss of P10, P50 and P90 together, as a share of the mean actual; less "
            "is better. Off by: the mean absolute error of the number in per cent. Bias: how much "
            "too high on average. Nearest: how often its number was the nearest. Added: loss saved "
            "against the last period's number. Intervals are 95 %, by blocks of quarters.",
        ],
    )


def _words(of: ForecastSubject) -> list[str]:
    board = of.record.backtest if not of.record.backtest.empty else of.record.kept
    words = []
    for stream in of.found.forecast.streams:
        here = board[(board["stream"] == stream)]
        ours = here[here["method"] == MODEL]
        rest = here[(here["method"] != MODEL) & here["pinball"].notna()]
        if ours.empty:
            continue
        row = {str(k): v for k, v in ours.iloc[0].items()}
        said = (
            f"{STREAMS[stream].capitalize()}: {percent(row['coverage'], 0)} of {count(row['n'])} "
            f"forecasts of {count(row['periods'])} periods had an actual value within P10 to P90"
        )
        if len(rest):
            best = rest.sort_values("pinball").iloc[0].to_dict()
            change = 1 - row["pinball"] / best["pinball"]
            way = "less" if change >= 0 else "more"
            said += (
                f"; its loss is {percent(abs(change), 0)} {way} than that of the best baseline, "
                f"{best['method']}"
            )
        words.append(f"{said}.")
    return words


def _coverage(of: ForecastSubject, stream: str) -> list[Figure]:
    weeks = of.record.weeks
    if weeks.empty:
        return []
    ours = weeks[(weeks["stream"] == stream) & (weeks["method"] == MODEL)]
    found = []
    for kind in ("month", "quarter"):
        rows = ours[(ours["kind"] == kind) & (ours["measure"] == "coverage")]
        if len(rows):
            found.append(_covered(of, stream, kind, rows))
    return found


def _covered(of: ForecastSubject, stream: str, kind: str, rows: pd.DataFrame) -> Figure:
    low, _, high = of.found.forecast.settings.levels
    level = high - low
    drawn, cells = [], []
    for row in rows.to_dict("records"):
        weeks = str(row["to_end"]).replace("-", " to ")
        name = f"{weeks} week{'' if weeks == '1' else 's'} to its end"
        said = f"{percent(row['value'], 0)}, n = {count(row['n'])}"
        drawn.append(Row(name, row["value"], row["low"], row["high"], said))
        ends = percents(row["low"], row["high"])
        cells.append(
            [weeks, percent(row["value"], 0), ends, count(row["n"]), count(row["periods"])]
        )
    title = f"{STREAMS[stream].capitalize()} of a {kind}: how often within P10 to P90"
    words = f"Promised is {percent(level, 0)}; bars are 95 % intervals."
    axis = Axis("share of actual values within the range", 0.0, 1.0, lambda v: percent(v, 0))
    lines = [Line(level, percent(level, 0))]
    svg = intervals(drawn, axis, f"coverage {stream} {kind}", title, words, lines)
    head = ["Weeks to the end", "Within", "95 % interval", "Answers", "Periods"]
    return Figure(title, svg, words, PageTable(head, cells))


def _board(board: pd.DataFrame, caption: str) -> PageTable:
    best = board["pinball"].min()
    marked = frozenset(i for i, loss in enumerate(board["pinball"]) if loss == best)
    rows = []
    for row in board.to_dict("records"):
        added = percent(row["added"], 0)
        if math.isfinite(row["added_low"]):
            added += f"\n{span(100 * row['added_low'], 100 * row['added_high'], 0)} %"
        measures = [percent(row[m], 1) for m in ("pinball", "ape", "bias")]
        shares = [percent(row[m], 0) for m in ("coverage", "nearest")]
        name = "this forecast" if row["method"] == MODEL else str(row["method"])
        rows.append([name, *measures, *shares, added, count(row["n"])])
    head = ["Who", "Pinball", "Off by", "Bias", "In range", "Nearest", "Added", "n"]
    return PageTable(head, rows, caption=caption, marked=marked)
