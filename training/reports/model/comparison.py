"""The verdict: the model beside everything that is easier."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from training.charts.numbers import UNKNOWN, count, decimal, signed, span, typeset
from training.charts.page import Figure, PageTable, Section
from training.charts.rows import Line, Row, intervals
from training.charts.scales import Axis, reach
from training.evaluation.holdout import BASE, MODEL
from training.reports.model.subject import Subject

NAME = "Embudo"
_SHOWN = {
    "log_loss": ("Log loss, nats", 3),
    "auc": ("AUC", 3),
    "pr_auc": ("PR-AUC", 3),
    "lift_10": ("Lift, top 10 %", 2),
    "brier": ("Brier", 4),
    "calibration_slope": ("Calibration slope", 2),
}


def verdict(subject: Subject) -> Section:
    """Is the model better than what is easier?"""
    judgement = subject.judgement
    rows = len(judgement.rows)
    did = f"{count(judgement.hit.sum())} of them {subject.did}"
    seen = f"The model was judged once, on {count(rows)} rows it had never seen; {did}"
    seen += f" {subject.by_when}." if subject.by_when else "."
    return Section(
        "verdict",
        f"Verdict: {judgement.verdict.word}",
        "Is it worth using, compared with what is easier?",
        paragraphs=[seen, typeset(judgement.verdict.sentence), _permission(subject)],
        figures=[_gains_over(subject)],
        tables=[_board(judgement.board)],
    )


def _permission(subject: Subject) -> str:
    if subject.judgement.verdict.promotable:
        return (
            "It beats the base rate beyond chance and no simpler way is better, "
            "so it may be promoted."
        )
    return (
        "It may not be promoted unless a person overrules this with a reason, "
        "which is kept with the version."
    )


def _gains_over(subject: Subject) -> Figure:
    found = subject.judgement.comparisons
    rows = [
        Row(
            f"over {c.against}",
            c.log_loss.value,
            c.log_loss.low,
            c.log_loss.high,
            f"{signed(c.log_loss.value, 4)} ({span(c.log_loss.low, c.log_loss.high, 4)})",
        )
        for c in found
    ]
    # a hopeless baseline would squeeze the close ones together: it goes off the paper
    base = next(c.log_loss for c in found if c.against == BASE)
    most = 2 * max(abs(base.low), abs(base.high))
    ends = reach([0.0, *(min(v, most) for r in rows for v in (r.value, r.low, r.high))])
    axis = Axis("gain in log loss, nats a row; right of 0 the model is better", ends.low, ends.high)
    table = PageTable(
        ["Against", "Log loss gain", "95 % interval", "AUC gain", "95 % interval", "Rows"],
        [
            [
                c.against,
                signed(c.log_loss.value, 4),
                span(c.log_loss.low, c.log_loss.high, 4),
                signed(c.auc.value, 3),
                span(c.auc.low, c.auc.high, 3),
                count(c.log_loss.n),
            ]
            for c in found
        ],
    )
    said = "; ".join(f"{r.name}: {r.said}" for r in rows)
    svg = intervals(
        rows, axis, "gain", "Gain of the model over each baseline", said, [Line(0, "no gain")]
    )
    reading = (
        "Paired on the same rows: a bar that does not touch the dashed line is a difference "
        "beyond chance."
    )
    return Figure("How much better than each baseline", svg, reading, table)


def _board(board: pd.DataFrame) -> PageTable:
    order = [MODEL, *(m for m in dict.fromkeys(board["model"]) if m != MODEL)]
    cells = {(r["model"], r["measure"]): r for r in board.to_dict("records")}
    rows = []
    for model in order:
        row = [NAME if model == MODEL else model]
        for measure, (_, places) in _SHOWN.items():
            found = cells.get((model, measure))
            row.append(_stacked(found, places) if found else UNKNOWN)
        rows.append(row)
    head = ["Model", *(title for title, _ in _SHOWN.values())]
    caption = "Every measure on the same rows, 95 % intervals. Log loss and Brier: less is better."
    return PageTable(head, rows, caption=caption, marked=frozenset({0}))


def _stacked(found: dict[Hashable, Any], places: int) -> str:
    """The value, and its interval on a line of its own."""
    return f"{decimal(found['value'], places)}\n{span(found['low'], found['high'], places)}"
