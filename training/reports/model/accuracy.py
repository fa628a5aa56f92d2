"""How right the scores are: their order, their probabilities, the grades."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.charts.numbers import (
    count,
    decimal,
    percent,
    percents,
    share_within,
    span,
    whole_percent,
    within,
)
from training.charts.page import Figure, PageTable, Section
from training.charts.plot import LegendEntry, Plot
from training.charts.rows import Line, Row, intervals
from training.charts.scales import Axis
from training.evaluation.gains import gains_beside, gains_table
from training.evaluation.holdout import BASE
from training.evaluation.slices import by_part
from training.models.grades import grade
from training.reports.model.comparison import NAME
from training.reports.model.subject import Subject


def telling_apart(subject: Subject) -> Section:
    """Does a higher score mean a likelier outcome?"""
    judgement = subject.judgement
    gains = gains_table(judgement.hit, judgement.scores, subject.judged_entities, seed=subject.seed)
    auc = subject.measured("auc")
    said = (
        f"Of two {subject.many}, one with and one without the outcome, the model puts the right "
        f"one first {share_within(auc.value, auc.low, auc.high)} of the time (the AUC); "
        f"a coin does so half the time."
    )
    if np.ptp(judgement.scores) == 0:
        said = "Every row has the same score: nothing is put first."
    return Section(
        "order",
        "Does it put the right ones first?",
        "If a team can only work part of the list, how much does it find?",
        paragraphs=[said],
        figures=[_gains(subject, gains), _lift(gains)],
    )


def _strongest(subject: Subject) -> str | None:
    others = [c for c in subject.judgement.comparisons if c.against != BASE]
    best = min(others, key=lambda c: c.log_loss.value, default=None)
    return None if best is None or best.against not in subject.judgement.others else best.against


def _gains(subject: Subject, gains: pd.DataFrame) -> Figure:
    judgement, rival = subject.judgement, _strongest(subject)
    keys = [LegendEntry("model", NAME), LegendEntry("plain", "by chance")]
    if rival:
        keys.insert(1, LegendEntry("rival", rival))
    share, captured = gains["share"].tolist(), gains["captured"].tolist()
    plot = Plot(
        Axis("share of the list worked, highest scores first", 0, 1, whole_percent),
        Axis("share of all outcomes found", 0, 1, whole_percent),
        keys,
    )
    plot.band(share, gains["low"].tolist(), gains["high"].tolist(), "model")
    plot.line([0, 1], [0, 1], "plain")
    if rival:
        beside = gains_beside(judgement.hit, {rival: judgement.others[rival]})
        plot.line(share, beside[rival].tolist(), "rival")
    plot.line(share, captured, "model")
    top = gains[np.isclose(gains["share"], 0.2)].iloc[0]
    if np.isfinite(top["captured"]):
        plot.guides(0.2, top["captured"])
        plot.dots([0.2], [top["captured"]], "model", r=5)
        plot.words(0.2, top["captured"] - 0.03, percent(top["captured"], 0), "model")
    found = share_within(top["captured"], top["low"], top["high"])
    said = f"The top fifth by score holds {found} of the {count(top['outcomes'])} outcomes."
    table = PageTable(
        ["Top of the list", "Outcomes found", "95 % interval", "By chance", "Rows"],
        [
            [
                percent(r["share"], 0),
                percent(r["captured"], 0),
                percents(r["low"], r["high"]),
                percent(r["share"], 0),
                count(r["n"]),
            ]
            for r in gains.iloc[2::2].to_dict("records")
        ],
    )
    svg = plot.done("gains", "Cumulative gains", said)
    return Figure("Working the list from the top", svg, said, table)


def _lift(gains: pd.DataFrame) -> Figure:
    tops = gains[[bool(np.isclose(s, [0.05, 0.1, 0.2, 0.3, 0.5]).any()) for s in gains["share"]]]
    rows = [
        Row(
            f"top {percent(r['share'], 0)}, {count(r['n'])} rows",
            r["lift"],
            r["lift_low"],
            r["lift_high"],
            f"{decimal(r['lift'], 1)} × ({span(r['lift_low'], r['lift_high'], 1)})",
        )
        for r in tops.to_dict("records")
    ]
    high = np.nanmax([1.5, *tops["lift_high"].tolist()])
    axis = Axis("times the average", 0, float(high) * 1.05)
    said = "; ".join(f"{r.name}: {r.said}" for r in rows)
    svg = intervals(rows, axis, "lift", "Lift in the top of the list", said, [Line(1, "average")])
    table = PageTable(
        ["Part", "Times the average (95 % interval)"], [[r.name, r.said] for r in rows]
    )
    reading = "How many times more outcomes than in as many rows picked by chance."
    return Figure("Lift", svg, reading, table)


def probabilities(subject: Subject) -> Section:
    """Does 30 per cent mean 30 per cent?"""
    judgement = subject.judgement
    table = judgement.reliability
    return Section(
        "calibration",
        "Are the probabilities right?",
        "When the score says 30 %, do 30 in 100 come true?",
        paragraphs=[_calibrated(subject)],
        figures=[_reliability(table), _grades(subject)],
    )


def _calibrated(subject: Subject) -> str:
    judgement = subject.judgement
    predicted, observed = float(judgement.scores.mean()), float(judgement.hit.mean())
    slope, ece = subject.measured("calibration_slope"), subject.measured("ece")
    said = (
        f"On average the model said {percent(predicted, 1)}, and {percent(observed, 1)} came true. "
    )
    if np.isfinite(slope.value):
        said += (
            f"The slope of what happened against what was said is "
            f"{within(slope.value, slope.low, slope.high)}: 1 is right, below 1 the "
            f"scores are too extreme, above 1 too timid. "
        )
    return said + f"Ten bins miss by {percent(ece.value, 1)} on average."


def _reliability(table: pd.DataFrame) -> Figure:
    top = float(np.nanmax([0.05, *table["predicted"], *table["high"]])) * 1.04
    top = min(top, 1.0)
    plot = Plot(
        Axis("what the score said (mean of the bin)", 0, top, whole_percent),
        Axis("what came true", 0, top, whole_percent),
        [LegendEntry("model", "bins, 95 % interval", "dot"), LegendEntry("plain", "as said")],
        height=360,
    )
    plot.line([0, top], [0, top], "plain")
    hints = [
        f"said {percent(r['predicted'])}, n = {count(r['n'])}, came true "
        + share_within(r["observed"], r["low"], r["high"])
        for r in table.to_dict("records")
    ]
    at, observed = table["predicted"].tolist(), table["observed"].tolist()
    plot.dots(at, observed, "model", table["low"].tolist(), table["high"].tolist(), hints)
    missed = int(((table["predicted"] < table["low"]) | (table["predicted"] > table["high"])).sum())
    said = (
        f"{len(table) - missed} of {len(table)} bins hold what was said within their interval. "
        f"Dots above the dashed line: more came true than the score said."
    )
    numbers = PageTable(
        ["Scores", "Said", "Came true", "95 % interval", "Rows", "Entities"],
        [
            [
                percents(r["score_low"], r["score_high"]),
                percent(r["predicted"], 1),
                percent(r["observed"], 1),
                percents(r["low"], r["high"]),
                count(r["n"]),
                count(r["entities"]),
            ]
            for r in table.to_dict("records")
        ],
    )
    svg = plot.done("reliability", "Said against came true", said)
    return Figure("What was said, and what came true", svg, said, numbers)


def _grades(subject: Subject) -> Figure:
    judgement, grades = subject.judgement, subject.bundle.grades
    letters = grade(judgement.scores, grades)
    parts = by_part(
        judgement.hit,
        judgement.scores,
        subject.judged_entities,
        letters,
        subject.rate,
        1,
        subject.seed,
    )
    parts = parts.sort_values("part").reset_index(drop=True)
    rows = [
        Row(
            f"{r['part']} · scores from {percent(grades[r['part']], 0)} · n = {count(r['n'])}",
            r["observed"],
            r["low"],
            r["high"],
            share_within(r["observed"], r["low"], r["high"]),
            r["predicted"],
        )
        for r in parts.to_dict("records")
    ]
    overall = float(judgement.hit.mean())
    high = max([overall, *parts["high"], *parts["predicted"]])
    axis = Axis("share with the outcome", 0, min(1.0, high * 1.04), whole_percent)
    lines = [Line(overall, f"all: {percent(overall, 0)}")]
    said = "; ".join(f"{r.name}: {r.said}" for r in rows)
    svg = intervals(rows, axis, "grades", "Outcomes by grade", said, lines)
    table = PageTable(
        ["Grade", "Scores from", "Rows", "Outcomes", "Said", "Came true", "95 % interval"],
        [
            [
                r["part"],
                percent(grades[r["part"]], 0),
                count(r["n"]),
                count(r["outcomes"]),
                percent(r["predicted"], 1),
                percent(r["observed"], 1),
                percents(r["low"], r["high"]),
            ]
            for r in parts.to_dict("records")
        ],
    )
    reading = "Dot: what came true, with its interval. Tick: what the scores said on average."
    return Figure("Outcomes by grade", svg, reading, table)
