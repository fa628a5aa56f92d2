"""What came before: the score at earlier instants, and the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from features.tables import DAY, NAT, Tables
from features.timeline import Timeline
from serving.analytics.asof.history import Happened, born, date
from serving.scoring.changes import ChangeExplainer, moved_since
from serving.scoring.scorer import Scorer
from serving.web.record.score import fact
from training.charts.dates import date_axis
from training.charts.lanes import Lane, LaneEvent, timeline
from training.charts.numbers import count, decimal, percent, points, signed, typeset, whole_percent
from training.charts.page import Figure, PageTable, Section
from training.charts.plot import Plot
from training.charts.scales import Axis

LOOKS = 16
"""Earlier instants at which the score is computed again, at most."""

MONTH = 28 * DAY
"""What moved the score is told since the newest look that is at least as old."""

PARTS = 8
"""Facts that moved the score, told one by one; the rest are one row."""

LATELY = 6
"""Events told in the text."""

NEWEST = 20
"""Events listed under the time line, the newest first."""


def before(scorer: Scorer, tables: Tables, seen: Timeline, key: str, at: int) -> Section:
    """The score at earlier instants, computed again from what was known then."""
    title_, asks = "How the score moved", "Is it rising or falling?"
    start = born(tables, scorer.entity, scorer.born_column, key)
    first = (start // DAY + 1) * DAY
    step = max(DAY, (at - first) // (LOOKS - 1) // DAY * DAY) if at > first else DAY
    cutoffs = [*range(first, at, step), at]
    if len(cutoffs) < 2:
        return Section("moved", title_, asks, paragraphs=["It is too new to have a past."])
    scores = [float(scorer.score(seen, [key], c).probability[0]) for c in cutoffs]
    days = [c / DAY for c in cutoffs]
    plot = Plot(
        date_axis("date", days[0], days[-1]),
        Axis("score", 0, min(1.0, max(0.02, *scores) * 1.15), whole_percent),
        height=240,
    )
    plot.line(days, scores, "model")
    plot.dots(days, scores, "model", r=3.4)
    low, high = min(scores), max(scores)
    said = (
        f"From {percent(scores[0], 0)} on {date(cutoffs[0])} to {percent(scores[-1], 0)}; lowest "
        f"{percent(low, 0)}, highest {percent(high, 0)}. Each is what this version would have "
        f"said from what was known then."
    )
    rows = [[date(c), percent(s, 1)] for c, s in zip(cutoffs, scores, strict=True)]
    svg = plot.done("moved", "Score by date", said)
    figure = Figure("The score since it began", svg, said, PageTable(["Date", "Score"], rows))
    since = max((c for c in cutoffs if c <= at - MONTH), default=cutoffs[0])
    table = _parts(scorer, tables, key, since, at)
    return Section("moved", title_, asks, figures=[figure], tables=[table])


def _parts(scorer: Scorer, tables: Tables, key: str, since: int, at: int) -> PageTable:
    """What moved the score since then: facts, largest first, then time; they add up."""
    change, explainer = moved_since(scorer, tables, [key], since, at), ChangeExplainer(scorer)
    parts = explainer.rows(change, 0)
    facts = [p for p in parts if p["part"] == "facts"]
    smaller, others = facts[PARTS:], [p for p in parts if p["part"] != "facts"]
    rows = [_row(fact(p["sentence"]), [p]) for p in facts[:PARTS]]
    if smaller:
        rows.append(_row(f"{count(len(smaller))} smaller facts", smaller))
    rows += [_row(fact(p["sentence"]), [p]) for p in others]
    caption = f"{explainer.record(change, 0)['sentence']}: what moved it"
    return PageTable(["What changed", "Points", "Log-odds"], rows, caption=caption)


def _row(said: str, parts: Sequence[Mapping[str, Any]]) -> list[str]:
    effect, moved = (sum(p[name] for p in parts) for name in ("effect", "points"))
    return [typeset(said), points(moved), signed(effect)]


def story(
    happened: Sequence[Happened], scorer: Scorer, tables: Tables, key: str, at: int
) -> Section:
    """The time line of what happened, and the newest of it as a table."""
    title_, asks = "History", "What has happened so far?"
    if not happened:
        said = "Nothing is recorded before this date: no activity and no change."
        return Section("history", title_, asks, paragraphs=[said])
    start = born(tables, scorer.entity, scorer.born_column, key)
    low = min(start if start != NAT else happened[0].at, happened[0].at) / DAY
    lanes = []
    for kind, group in groupby(sorted(happened, key=lambda h: h.kind), key=lambda h: h.kind):
        some = list(group)
        events = [LaneEvent(h.at / DAY, f"{date(h.at)} {h.said}") for h in some]
        css = "seen" if kind == "change" else "model"
        lanes.append(Lane(kind, events, f"{count(len(some))}, last {date(some[-1].at)}", css))
    lanes.sort(key=lambda lane: -len(lane.events))
    axis = date_axis("date", low, at / DAY)
    marks = [(start / DAY, "began")] if start != NAT else []
    said = "; ".join(f"{lane.name}: {lane.said}" for lane in lanes)
    svg = timeline(lanes, axis, "history", "What happened, by date", said, marks)
    newest = list(reversed(happened))[:NEWEST]
    table = PageTable(["Date", "What", ""], [[date(h.at), h.kind, h.said] for h in newest], words=3)
    months = decimal((at / DAY - low) / 30.44, 1)
    reading = f"{count(len(happened))} events in {months} months; the newest are under the drawing."
    lately = [f"{date(h.at)}: {h.kind}{', ' if h.said else ''}{h.said}" for h in newest[:LATELY]]
    return Section(
        "history",
        title_,
        asks,
        paragraphs=["Lately:"],
        points=lately,
        figures=[Figure("What happened, by date", svg, reading, table)],
    )
