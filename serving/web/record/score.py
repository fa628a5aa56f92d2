"""The score itself: by when, why, and how such scores turned out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.schema import OUTCOMES
from features.tables import DAY
from serving.analytics.asof.history import date
from serving.scoring.scorer import Scored, Scorer
from training.charts.numbers import (
    count,
    percent,
    percents,
    points,
    share_within,
    signed,
    whole_percent,
)
from training.charts.page import Figure, PageTable, Section
from training.charts.plot import LegendEntry, Plot
from training.charts.rows import Row, waterfall
from training.charts.scales import Axis, reach


def curve(scorer: Scorer, scored: Scored) -> Section:
    """How the chance grows, by day and by date."""
    days = [0.0, *scorer.edges]
    outcomes = scored.incidence.shape[2]
    words = (scorer.outcome, *OUTCOMES[scorer.entity][1:])[:outcomes]
    at = int(np.max(scored.cutoff))
    curves = [[0.0, *scored.incidence[0, :, j].tolist()] for j in range(len(words))]
    high = max(0.02, *(max(c) for c in curves))
    styles = ("model", "plain")
    plot = Plot(
        Axis(f"days after {date(at)}", 0, days[-1], at=_spread(days)),
        Axis("probability by that day", 0, min(1.0, high * 1.12), whole_percent),
        [LegendEntry(css, word) for css, word in zip(styles, words, strict=False)],
    )
    for css, curve in reversed(list(zip(styles, curves, strict=False))):
        plot.line(days, curve, css)
    plot.dots(days[1:], curves[0][1:], "model", r=3.4)
    plot.words(days[-1], curves[0][-1] + high * 0.06, percent(curves[0][-1], 0), "model", "end")
    rows = [
        [f"{day:g}", date(at + round(day * DAY)), *(percent(c[i], 1) for c in curves)]
        for i, day in enumerate(days)
        if i
    ]
    said = "; ".join(f"by day {r[0]} {r[2]}" for r in rows)
    svg = plot.done("curve", "Probability by day", said)
    table = PageTable(["By day", "Date", *words], rows, words=2)
    what_else = (
        "The rest stays open." if len(words) == 1 else f"Dashed: {words[1]}. The rest: open."
    )
    dates = [f"{r[1]} {r[2]}" for r in rows[max(0, len(rows) - 4) :]]
    return Section(
        "curve",
        "By when",
        "How does the chance grow with time?",
        paragraphs=[f"The chance of “{words[0]}”: by {', by '.join(dates)}."],
        figures=[Figure("The chance by day", svg, what_else, table)],
    )


def _spread(days: Sequence[float]) -> list[float]:
    """The days that can stand under an axis without touching."""
    kept: list[float] = []
    for day in sorted(days, reverse=True):
        if not kept or kept[-1] - day >= 0.06 * days[-1]:
            kept.append(day)
    return kept[::-1]


def why(scored: Scored, thing: str) -> Section:
    """From the average ``thing`` to this score, reason by reason; the steps add up."""
    reasons, score = scored.reasons[0], float(scored.probability[0])
    rest = score - scored.baseline - sum(r.points for r in reasons)
    steps = [
        Row(fact(r.sentence), r.points, said=points(r.points), css="up" if r.points > 0 else "down")
        for r in reasons
    ]
    steps.append(Row("everything else", rest, said=points(rest), css="plain"))
    start = (f"the average {thing}", scored.baseline, percent(scored.baseline, 1))
    end = ("this score", score, percent(score, 1))
    passed = np.cumsum([scored.baseline, *(s.value for s in steps)]).tolist()
    ends = reach(passed)
    axis = Axis("probability", max(0.0, ends.low), min(1.0, ends.high), whole_percent)
    said = "; ".join(f"{s.name}: {s.said} points" for s in steps)
    svg = waterfall(start, steps, end, axis, "why", f"From the average {thing} to this score", said)
    table = PageTable(
        ["Reason", "Can be influenced", "Points", "Log-odds"],
        [
            [r.sentence, "yes" if r.own else "no", points(r.points), signed(r.effect)]
            for r in reasons
        ]
        + [["everything else, and what is not known", "", points(rest), signed(scored.others[0])]],
        words=2,
    )
    reading = "Each bar begins where the one before ended; points of probability at the right."
    mine = [r.sentence for r in reasons if r.own]
    return Section(
        "why",
        "Why",
        "Which facts make this score, and which of them can be influenced?",
        paragraphs=[
            "What a seller can influence among these:"
            if mine
            else "Nothing among the largest reasons can be influenced by a seller."
        ],
        points=mine,
        figures=[Figure(f"From the average {thing} to this score", svg, reading, table)],
    )


def fact(sentence: str) -> str:
    """The fact of a reason's sentence, without what it does to the chance."""
    return sentence.rsplit(" (", 1)[0]


def receipt(scored: Scored) -> Section:
    """What became of past scores like this one."""
    band = scored.track_record[0]
    if band is None:
        said = "No past score has matured yet: there is nothing to compare with."
    else:
        said = (
            f"Of {count(band.n)} past scores from {percents(band.low_score, band.high_score)}, "
            f"{count(band.happened)} came true: {share_within(band.share, band.low, band.high)}. "
            f"They had said {percent(band.predicted, 1)} on average"
        )
        said += ", which fits." if band.calibrated else ": here the model is not calibrated."
        if band.restated:
            said += (
                " Shares and scores are restated to the stated base rate; counts are the past's."
            )
    return Section(
        "receipt", "Receipt", "How did scores like this one turn out?", paragraphs=[said]
    )
