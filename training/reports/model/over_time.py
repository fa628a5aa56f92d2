"""Over time: outcomes by month, and the curve by day."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from features.tables import micros
from training.charts.dates import date_axis
from training.charts.numbers import count, percent, percents, points, typeset, whole_percent
from training.charts.page import Figure, PageTable, Section
from training.charts.plot import LegendEntry, Plot
from training.charts.scales import Axis
from training.evaluation.slices import by_part, month_middle, months, rates
from training.reports.model.subject import Subject
from training.task.questions import label

FEWEST = 10
"""Entities below which a month has no dot."""


def over_time(subject: Subject) -> Section:
    """Does it hold, month by month and day by day?"""
    title, asks = "Does it hold over time?", "Is it as right in each month, and about the date too?"
    question = subject.teaching.question
    if question.flat:
        said = (
            "This table has no dates, so nobody can tell: rows were divided by chance, and one "
            "number stands for the whole time."
        )
        return Section("time", title, asks, paragraphs=[said])
    figures = _months(subject)
    if question.bins > 1:
        figures.append(_curve(subject))
    rate = subject.bundle.track_record.base_rate
    return Section(
        "time",
        title,
        asks,
        paragraphs=[] if rate is None else [typeset(rate.sentence)],
        figures=figures,
    )


def _history(subject: Subject) -> pd.DataFrame:
    """Observed share by month of all matured looks before the judged ones."""
    teaching = subject.teaching
    end = micros(teaching.tables.meta.as_of)
    labels = label(teaching.tables, teaching.question, teaching.spine, end)
    before = np.flatnonzero(labels.matured)
    before = before[~np.isin(before, subject.judgement.rows)]
    parts = months(teaching.spine.cutoffs[before])
    found = rates(labels.hit[before], teaching.entities(before), parts, FEWEST)
    return found.sort_values("part").reset_index(drop=True)


def _months(subject: Subject) -> list[Figure]:
    """The months that have enough entities; none where no month has."""
    past, newest = _history(subject), _newest(subject)
    names = [*past["part"], *newest["part"]]
    if not names:
        return []
    high = float(np.nanmax([0.02, *past["high"], *newest["high"], *newest["predicted"]]))
    axis = _month_axis(names)
    share = f"share of {subject.many} that {subject.did} {subject.by_when}"
    keys = [
        LegendEntry("plain", "before (taught with)", "dot"),
        LegendEntry("seen", "newest (judged)", "dot"),
        LegendEntry("model", "what the model said"),
    ]
    plot = Plot(axis, Axis(share, 0, high * 1.05, whole_percent), keys)
    plot.line([axis.low, axis.high], [subject.rate] * 2, "plain")
    for table, css in ((past, "plain"), (newest, "seen")):
        at = [month_middle(m) for m in table["part"]]
        hints = [_hint(r) for r in table.to_dict("records")]
        ends = table["low"].tolist(), table["high"].tolist()
        plot.dots(at, table["observed"].tolist(), css, *ends, hints, r=3.4)
    plot.line([month_middle(m) for m in newest["part"]], newest["predicted"].tolist(), "model")
    said = (
        f"By the month of the look. Dashed: the rate known when the model was taught, "
        f"{percent(subject.rate, 1)}. Months of fewer than {FEWEST} {subject.many} have no dot."
    )
    rows = [_row(r, "before", "") for r in past.to_dict("records")]
    rows += [_row(r, "newest", percent(r["predicted"], 1)) for r in newest.to_dict("records")]
    head = ["Month", "Period", "Rows", "Came true", "95 % interval", "Said"]
    svg = plot.done("months", "Outcomes by month", said)
    return [Figure("Outcomes by month", svg, said, PageTable(head, rows, words=2))]


def _newest(subject: Subject) -> pd.DataFrame:
    """Predicted and observed share by month of the judged looks."""
    judgement = subject.judgement
    found = by_part(
        judgement.hit,
        judgement.scores,
        subject.judged_entities,
        months(subject.teaching.spine.cutoffs[judgement.rows]),
        subject.rate,
        FEWEST,
        subject.seed,
    )
    return found.sort_values("part").reset_index(drop=True)


def _row(month: dict[Hashable, Any], period: str, said: str) -> list[str]:
    observed = percent(month["observed"], 1), percents(month["low"], month["high"])
    return [month["part"], period, count(month["n"]), *observed, said]


def _hint(row: dict[Hashable, Any]) -> str:
    return (
        f"{row['part']}: {percent(row['observed'], 1)} ({percents(row['low'], row['high'])}), "
        f"n = {count(row['n'])}"
    )


def _month_axis(names: list[str]) -> Axis:
    found = sorted(set(names))
    ends = np.datetime64(found[0], "M"), np.datetime64(found[-1], "M") + 1
    low, high = (float(m.astype("datetime64[D]").astype(np.int64)) for m in ends)
    return date_axis("month of the look", low, high)


def _curve(subject: Subject) -> Figure:
    table = subject.judgement.curve
    days = [0.0, *table["day"].tolist()]
    high = float(np.nanmax([0.01, *table["high"], *table["predicted"], *table["baseline"]]))
    plot = Plot(
        Axis("days after the look", 0, days[-1], at=days),
        Axis(
            f"share of {subject.many} that {subject.did} by that day", 0, high * 1.08, whole_percent
        ),
        [
            LegendEntry("model", "what the model said"),
            LegendEntry("seen", "came true, 95 % interval", "dot"),
            LegendEntry("plain", "known when taught"),
        ],
    )
    plot.line(days, [0.0, *table["baseline"].tolist()], "plain")
    plot.line(days, [0.0, *table["predicted"].tolist()], "model")
    ends = table["low"].tolist(), table["high"].tolist()
    plot.dots(table["day"].tolist(), table["observed"].tolist(), "seen", *ends)
    last = table.iloc[-1]
    said = (
        f"By day {last['day']:g} the model said {percent(last['predicted'], 1)} on average, and "
        f"{percent(last['observed'], 1)} came true: {points(last['gap'])} points apart "
        f"({points(last['gap_low'])} to {points(last['gap_high'])})."
    )
    numbers = PageTable(
        ["By day", "Rows", "Said", "Came true", "95 % interval", "Known when taught", "AUC"],
        [
            [
                f"{r['day']:g}",
                count(r["n"]),
                percent(r["predicted"], 1),
                percent(r["observed"], 1),
                percents(r["low"], r["high"]),
                percent(r["baseline"], 1),
                f"{r['auc']:.2f}",
            ]
            for r in table.to_dict("records")
        ],
        words=0,
    )
    svg = plot.done("curve", "The curve by day", said)
    return Figure("By when it happens", svg, said, numbers)
