"""Figures as a table: one row a figure, period and group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from features.tables import Consequence
from serving.analytics.asof import windows
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Period, Window
from serving.analytics.kpis.definition import (
    ABSENT,
    FEW,
    LOST,
    MODEST,
    NO_CASES,
    RUNNING,
    SMALL,
    SOME,
    WIDE,
    ZERO,
    Given,
    Kpi,
    KpiEstimate,
)
from training.stats.intervals import NONE

COLUMNS = {
    "figure": "the figure's name, as in docs/figures.md",
    "period": "2025-07, 2025-Q3, 2025; empty for the days before the instant",
    "from": "first instant of the window (UTC)",
    "to": "first instant after it, or the instant the figure is as of",
    "value": "the figure, in its unit; missing where it cannot be told",
    "low": "lower end of the 95 % interval",
    "high": "upper end; infinite where it cannot be told",
    "n": "cases behind the value",
    "unit": "share, ratio, money (the reporting currency), days, months, hours or a count",
    "interval": "which interval it is",
    "warning": "what is to be said against it; empty for nothing",
}
"""The columns of every table of figures; the dimensions asked for stand after ``period``."""


def spans(asof: AsOfFrames, period: Period = "", since: pd.Timestamp | None = None) -> list[Window]:
    """The windows asked about: each calendar period, or the one up to the as-of instant.

    Without ``since`` periods begin with the first deal, lead or account; the one window is of 365
    days.
    """
    if period not in windows.PERIODS:
        raise ValueError(f"no period {period!r}; there are month, quarter and year")
    if not period:
        return [windows.since(since, asof.instant) if since else windows.latest(asof.instant)]
    first = since or asof.first
    return (
        [] if first is None else list(windows.calendar(period, first, asof.instant, asof.calendar))
    )


def table(
    asof: AsOfFrames,
    figures: Sequence[Kpi],
    by: Sequence[str] = (),
    period: Period = "",
    given: Given | None = None,
    since: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """The figures that can be divided so and lack no input; columns ``COLUMNS`` and ``by``.

    A figure whose facts the data do not hold is one row without value that says which.
    """
    given = given or Given()
    parts = [
        _figure(asof, figure, by, window, given)
        for figure in figures
        if not why_not(figure, by, given)
        for window in (spans(asof, period, since) if figure.periods else spans(asof, "", since))
    ]
    names = ["figure", "period", *by, *list(COLUMNS)[2:]]
    if not parts:
        return pd.DataFrame(columns=names)
    return pd.concat(parts, ignore_index=True)[names]


def one(
    asof: AsOfFrames,
    figure: Kpi,
    by: Sequence[str] = (),
    period: Period = "",
    given: Given | None = None,
    since: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """One figure as ``table``; ValueError where it cannot be divided so or lacks an input."""
    problem = why_not(figure, by, given or Given())
    if problem:
        raise ValueError(problem)
    return table(asof, [figure], by, period, given, since)


def why_not(figure: Kpi, by: Sequence[str], given: Given) -> str:
    """Why a figure is left out; "" where it is not."""
    foreign = [name for name in by if name not in figure.by]
    if foreign:
        can = ", ".join(figure.by) or "nothing"
        return f"{figure.name} cannot be divided by {', '.join(foreign)}; it can by {can}"
    lacking = [name for name in figure.inputs if given.lacks(name)]
    return f"{figure.name} needs {', '.join(lacking)}" if lacking else ""


def _figure(
    asof: AsOfFrames, figure: Kpi, by: Sequence[str], window: Window, given: Given
) -> pd.DataFrame:
    missing = [need for need in figure.needs if not asof.has(need)]
    if missing:
        said = ABSENT + ", ".join(need.replace("|", " or ") for need in missing)
        nothing = KpiEstimate(float("nan"), *NONE, 0, (said,))
        return pd.DataFrame([_row(figure, window, dict.fromkeys(by), nothing)])
    cases = figure.cases(asof, window, given)
    lost = touched(asof, figure)
    rows = [
        _row(figure, window, group, _carried(figure.estimate(some, given), lost))
        for group, some in _groups(cases, by)
    ]
    return pd.DataFrame(rows)


def touched(asof: AsOfFrames, figure: Kpi) -> list[Consequence]:
    """What reading lost of the columns that a figure rests on."""
    columns = [one.partition("=")[0] for need in figure.needs for one in need.split("|")]
    return asof.tables.meta.consequences_of(columns)


def _carried(found: KpiEstimate, lost: Sequence[Consequence]) -> KpiEstimate:
    """The estimate with what is to be said of its data; none where it would be wrong."""
    if not lost:
        return found
    said = tuple(f"{LOST}{one.to_text() if one.wrong else one.text}" for one in lost)
    if any(one.wrong for one in lost):
        return KpiEstimate(float("nan"), *NONE, found.n, said)
    return replace(found, notes=(*found.notes, *said))


def _groups(
    cases: pd.DataFrame, by: Sequence[str]
) -> Iterator[tuple[dict[str, object], pd.DataFrame]]:
    """Each group's values and cases; cases whose value is missing are a group of their own."""
    if not by:
        yield {}, cases
        return
    for values, some in cases.groupby(list(by), dropna=False, sort=True):
        yield dict(zip(by, values, strict=True)), some


def _row(
    figure: Kpi, window: Window, group: dict[str, object], found: KpiEstimate
) -> dict[str, object]:
    name = window.name if figure.periods else ""
    return {
        "figure": figure.name,
        "period": name,
        **group,
        "from": window.start,
        "to": window.end,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "unit": figure.unit,
        "interval": figure.interval,
        "warning": "; ".join(_warnings(figure, found, window)),
    }


def _warnings(figure: Kpi, found: KpiEstimate, window: Window) -> list[str]:
    """What is to be said against a figure, the worst first."""
    if any(note.startswith(ABSENT) for note in found.notes):
        return list(found.notes)
    said = list(found.notes)
    if found.n == 0:
        said.insert(0, NO_CASES)
    elif found.n < MODEST:
        said.insert(0, FEW if found.n < SMALL else SOME)
    if found.low < 0 < found.high:
        said.append(ZERO)
    elif found.n and np.isfinite(found.value) and found.high - found.low > abs(found.value):
        said.append(WIDE)
    if not window.over and not figure.stock:
        said.append(RUNNING)
    return said
