"""The segments where the model is weak."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.tables import Coded
from training.charts.numbers import count, decimal, many, percent, points, signed, span
from training.charts.page import Figure, PageTable, Section
from training.charts.rows import Line, Row, intervals
from training.charts.scales import Axis, reach
from training.charts.svg import clip
from training.evaluation.drivers import largest
from training.evaluation.paired import paired_gains
from training.evaluation.slices import FEWEST, by_part, months, quarter_of_values, weaknesses
from training.reports.model.subject import Subject, word_of

COLUMNS = 10
"""Columns whose segments are looked at, those with the largest effects first."""

SHOWN = 10

_CHANCE = 0.075
"""Share of sound segments flagged by chance: two-sided on the gap, one-sided on the AUC."""


def weak(subject: Subject) -> Section:
    """Where is it weak?"""
    table = segments(subject)
    whole = float((subject.judgement.scores - subject.judgement.hit).mean())
    found = weaknesses(table, whole)
    columns = len(set(table["column"])) if len(table) else 0
    by_chance = _CHANCE * len(table)
    chance = f"about {count(by_chance)}" if by_chance >= 0.75 else "less than one"
    said = (
        f"{many(len(table), 'segment')} of at least {FEWEST} {subject.many}, from "
        f"{many(columns, 'column')}, were looked at; {count(len(found))} "
        f"stand{'s' if len(found) == 1 else ''} out. By chance alone {chance} would. "
        f"Over all rows the scores are {decimal(100 * abs(whole), 1)} points too "
        f"{'high' if whole > 0 else 'low'}; a segment stands out where it is off by more than "
        f"that, or sorts worse than its scores promise."
    )
    title, asks = "Where it is weak", "For whom should the score be taken with more care?"
    if table.empty:
        said = f"No segment holds {FEWEST} {subject.many}: there is too little to judge parts."
    numbers = _numbers(found, table)
    return Section(
        "weak",
        title,
        asks,
        paragraphs=[said],
        figures=[_weak_figure(found, numbers, whole)] if len(found) else [],
        tables=[*([] if len(found) or table.empty else [numbers]), *_beside(subject)],
        after=_after(found),
    )


def paired(subject: Subject) -> pd.DataFrame:
    """``paired_gains`` over every baseline, by the columns looked at and by month."""
    judgement = subject.judgement
    return paired_gains(
        judgement.hit,
        judgement.scores,
        judgement.others,
        subject.judged_entities,
        partings(subject),
        subject.seed,
    )


def _beside(subject: Subject) -> list[PageTable]:
    """The paired gains by month, and by the column that matters most, as they are read."""
    gains = paired(subject)
    shown = list(dict.fromkeys(gains["column"]))
    tables = []
    for column in dict.fromkeys([*shown[-1:], *shown[:1]]):
        here = gains[gains["column"] == column]
        names = list(dict.fromkeys(here["against"]))
        cells = [
            [
                part,
                count(rows["entities"].iloc[0]),
                *(
                    f"{signed(g, 3)}\n{span(lo, hi, 3)}"
                    for g, lo, hi in rows[["gain", "low", "high"]].itertuples(index=False)
                ),
            ]
            for part, rows in here.groupby("part", sort=False)
        ]
        caption = f"Gain over each baseline by {column.lower()}, nats of log loss a row, paired"
        head = ["Part", subject.many.capitalize(), *(f"over {n}" for n in names)]
        tables.append(PageTable(head, cells, caption=caption))
    return tables


def _after(found: pd.DataFrame) -> list[str]:
    if len(found) <= SHOWN:
        return []
    return [f"The {SHOWN} that cost most are drawn; the table under the drawing has all."]


def segments(subject: Subject) -> pd.DataFrame:
    """``slices.by_part`` of every column looked at, with ``column`` first."""
    judgement = subject.judgement
    tables = []
    for column, parts in partings(subject):
        found = by_part(
            judgement.hit,
            judgement.scores,
            subject.judged_entities,
            parts,
            subject.rate,
            FEWEST,
            subject.seed,
            draws=300,
        )
        if len(found) > 1:
            ordered = found.sort_values("observed", ascending=False, kind="stable")
            tables.append(ordered.assign(column=column))
    if not tables:
        nobody = by_part(np.empty(0, np.bool_), np.empty(0), np.empty(0, np.int64), [], 0.5)
        return nobody.assign(column=[])
    # the same rows under several names ("no internet service" in five columns) count once
    return pd.concat(tables, ignore_index=True).drop_duplicates(["n", "outcomes", "predicted"])


def partings(subject: Subject) -> list[tuple[str, Sequence[str | None]]]:
    """Columns and the part of each judged row: categories, numbers by quarter, owner, month."""
    teaching, rows = subject.teaching, subject.judgement.rows
    specs = subject.ordered
    always = [f for f, s in enumerate(specs) if s.name in ("owner", "owner_team")]
    first = largest(subject.effects, len(specs))
    chosen = list(dict.fromkeys([*first[:COLUMNS], *always]))
    found: list[tuple[str, Sequence[str | None]]] = []
    for f in chosen:
        column = teaching.features.columns[specs[f].name]
        if isinstance(column, Coded):
            words = [w and word_of(specs[f], w) for w in column.take(rows).words()]
            found.append((specs[f].short, words))
        elif specs[f].unit == "yes = 1":
            answers = {1.0: "yes", 0.0: "no"}
            found.append((specs[f].short, [answers.get(v) for v in column[rows].tolist()]))
        else:
            found.append((specs[f].short, quarter_of_values(column[rows])))
    if not teaching.question.flat:
        found.append(("Month of the look", months(teaching.spine.cutoffs[rows])))
    return found


def _weak_figure(found: pd.DataFrame, numbers: PageTable, whole: float) -> Figure:
    drawn = found.head(SHOWN)
    rows = [
        Row(
            f"{clip(r['column'], 150)}: {r['part']}",
            r["gap"],
            r["gap_low"],
            r["gap_high"],
            f"{points(r['gap'])} ({span(100 * r['gap_low'], 100 * r['gap_high'], 1)})",
            css="weak",
        )
        for r in drawn.to_dict("records")
    ]
    ends = reach([0.0, whole, *drawn["gap_low"], *drawn["gap_high"]])
    axis = Axis("said less what came true, points", ends.low, ends.high, lambda v: points(v, 0))
    said = "; ".join(f"{r.name}: {r.said}" for r in rows)
    lines = [Line(0, "right"), Line(whole, "")]
    svg = intervals(rows, axis, "weak", "Segments where the model is off", said, lines)
    reading = (
        "Right of 0 the scores were too high, left of it too low; the second dashed line is all "
        "rows together."
    )
    return Figure("The segments that stand out", svg, reading, numbers)


def _numbers(found: pd.DataFrame, table: pd.DataFrame) -> PageTable:
    """Every segment, the ones that stand out marked."""
    failing = {(r["column"], r["part"]): r["how"] for r in found.to_dict("records")}
    records = table.to_dict("records")
    return PageTable(
        ["Segment", "Stands out", "Rows", "Came true", "Said", "Said − true", "AUC", "Promised"],
        [
            [
                f"{r['column']}: {r['part']}",
                failing.get((r["column"], r["part"]), ""),
                count(r["n"]),
                percent(r["observed"], 1),
                percent(r["predicted"], 1),
                f"{points(r['gap'])}\n{span(100 * r['gap_low'], 100 * r['gap_high'], 1)}",
                f"{decimal(r['auc'])}\n{span(r['auc_low'], r['auc_high'])}",
                decimal(r["promised"]),
            ]
            for r in records
        ],
        words=2,
        marked=frozenset(i for i, r in enumerate(records) if (r["column"], r["part"]) in failing),
    )
