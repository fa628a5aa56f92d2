"""What drives the model: sizes of reasons, the summary of effects, and effects by value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.spine import FeatureSpec
from features.tables import Floats
from training.charts.numbers import (
    compact,
    count,
    decimal,
    percent,
    rough,
    signed,
    span,
    whole_percent,
)
from training.charts.page import Figure, PageTable, Section
from training.charts.rows import Line, Row, bars, intervals
from training.charts.scales import Axis, places_of, reach
from training.charts.swarm import Strip, dependence, strips
from training.evaluation.drivers import by_value, by_word, importance, largest, ranks
from training.reports.model.subject import Subject, group_name, word_of

REASONS, STRIPS, CLOSE = 12, 8, 6
"""How many reasons, features in the summary, and features looked at closely."""

DOTS = 220
"""Rows drawn one by one; every number is from all explained rows."""

UNIT = "effect on the score, log-odds"


def drivers(subject: Subject) -> Section:
    """What moves the scores, and which way?"""
    n = len(subject.effects)
    said = (
        f"Effects are exact contributions: for every one of the {count(n)} rows explained they add "
        f"up to its score. They are measured in log-odds: +0.7 doubles the odds, −0.7 halves them. "
        f"An average row has no effects and a score of {percent(subject.bundle.baseline, 1)}."
    )
    top = largest(subject.effects, STRIPS)
    figures = [_importance(subject), _summary(subject, top)] if top else []
    if not top:
        said = "Nothing does: no fact moves a score, and every row gets the same."
    return Section(
        "drivers",
        "What drives the model",
        "Which facts move the scores, by how much, and which way?",
        paragraphs=[said],
        figures=[*figures, *(_close(subject, f) for f in top[:CLOSE])],
    )


def _importance(subject: Subject) -> Figure:
    specs = subject.ordered
    groups = [s.group for s in specs]
    entities = subject.teaching.entities(subject.rows)
    table = importance(subject.effects, groups, entities, subject.seed)
    members: dict[str, list[FeatureSpec]] = {}
    for spec in specs:
        members.setdefault(spec.group, []).append(spec)
    named = [group_name(g, members[g]) for g in table["group"]]
    own = ["yes" if any(s.own for s in members[g]) else "no" for g in table["group"]]
    shown = table.head(REASONS)
    rows = [
        Row(name, size, low, high, f"{decimal(size)} · {percent(share, 0)}")
        for name, size, low, high, share in zip(
            named, *(shown[c] for c in ("size", "low", "high", "share")), strict=False
        )
    ]
    high = float(np.nanmax([0.01, *shown["high"], *shown["size"]]))
    axis = Axis("mean size of the effect, log-odds", 0, high * 1.02)
    said = "; ".join(f"{r.name}: {r.said}" for r in rows)
    svg = bars(rows, axis, "importance", "Mean size of each reason's effect", said)
    rest = float(table["share"][REASONS:].sum())
    reading = "Related columns are summed into one reason first. At the right: size, share of all."
    if len(table) > REASONS:
        reading += f" {len(table) - REASONS} smaller reasons hold the other {percent(rest, 0)}."
    numbers = PageTable(
        ["Reason", "Can be influenced", "Size", "95 % interval", "Share"],
        [
            [name, o, decimal(r["size"], 3), span(r["low"], r["high"], 3), percent(r["share"], 1)]
            for name, o, r in zip(named, own, table.to_dict("records"), strict=True)
        ],
        words=2,
    )
    return Figure("The reasons that weigh most", svg, reading, numbers)


def _sample(n: int, most: int = DOTS) -> Sequence[int]:
    """Evenly spaced rows, so that the same run draws the same dots."""
    return [int(i) for i in np.unique(np.linspace(0, n - 1, min(n, most)).round())] if n else []


def _summary(subject: Subject, top: Sequence[int]) -> Figure:
    specs, words = subject.ordered, subject.bundle.model.encoding.levels
    drawn = _sample(len(subject.effects))
    rows = []
    for f in top:
        ordered = specs[f].name not in words
        place = ranks(subject.values[:, f])[drawn]
        missing = np.isnan(subject.values[drawn, f])
        shown = [float(p) if ordered or m else None for p, m in zip(place, missing, strict=True)]
        effects = subject.effects[drawn, f].tolist()
        mean = float(np.abs(subject.effects[:, f]).mean())
        rows.append(Strip(specs[f].short, effects, shown, decimal(mean)))
    ends = reach(subject.effects[np.ix_(drawn, list(top))].ravel().tolist())
    axis = Axis(UNIT, min(ends.low, 0), max(ends.high, 0))
    reading = (
        f"Each dot is one of {count(len(drawn))} rows; to the right it raises the score. Colour "
        f"is the fact's own value. At the right: mean size."
    )
    said = "; ".join(f"{r.name}: mean size {r.said}" for r in rows)
    svg = strips(rows, axis, "summary", "Effects of the largest columns, row by row", said)
    table = PageTable(
        ["Column", "Mean size", "Lowest tenth", "Highest tenth", "Missing"],
        [
            [
                specs[f].short,
                decimal(float(np.abs(subject.effects[:, f]).mean()), 3),
                signed(float(np.quantile(subject.effects[:, f], 0.1)), 3),
                signed(float(np.quantile(subject.effects[:, f], 0.9)), 3),
                percent(float(np.isnan(subject.values[:, f]).mean()), 0),
            ]
            for f in top
        ],
    )
    return Figure("Every row's effects", svg, reading, table)


def _close(subject: Subject, f: int) -> Figure:
    spec, values, effects = subject.ordered[f], subject.values[:, f], subject.effects[:, f]
    words = subject.bundle.model.encoding.levels.get(spec.name)
    if words is not None:
        return _words(spec, by_word(values, effects, [word_of(spec, w) for w in words]))
    if spec.unit == "yes = 1":
        said = np.where(np.isnan(values), np.nan, np.where(values == 1, 1.0, 2.0))
        return _words(spec, by_word(said, effects, ["yes", "no"]))
    return _numbers(subject, spec, values, effects)


def _words(spec: FeatureSpec, table: pd.DataFrame) -> Figure:
    rows = [
        Row(
            f"{r['word']} · n = {count(r['n'])}",
            r["effect"],
            r["low"],
            r["high"],
            signed(r["effect"]),
        )
        for r in table.to_dict("records")
    ]
    ends = reach([0.0, *table["low"], *table["high"]])
    axis = Axis(UNIT, ends.low, ends.high)
    said = "; ".join(f"{r.name}: {r.said}" for r in rows)
    title = spec.short
    svg = intervals(rows, axis, f"close-{spec.name}", title, said, [Line(0, "no effect")])
    reading = "Mean effect of each word; the bar spans the middle 80 % of its rows."
    named = [str(w) for w in table["word"]]
    return Figure(title, svg, reading, _effect_table("Word", table, named))


def _effect_table(head: str, table: pd.DataFrame, named: Sequence[str]) -> PageTable:
    return PageTable(
        [head, "Mean effect", "Middle 80 % of rows", "Rows"],
        [
            [name, signed(r["effect"], 3), span(r["low"], r["high"], 3), count(r["n"])]
            for name, r in zip(named, table.to_dict("records"), strict=True)
        ],
    )


def _numbers(subject: Subject, spec: FeatureSpec, values: Floats, effects: Floats) -> Figure:
    table = by_value(values, effects)
    known = table[table["value"].notna()]
    unit = spec.unit.replace("money", subject.bundle.meta.currency).strip()
    inside = np.isfinite(values)
    low, high = np.quantile(values[inside], [0.01, 0.99]) if inside.any() else (0.0, 1.0)
    drawn = [i for i in _sample(len(values), 2 * DOTS) if inside[i] and low <= values[i] <= high]
    text = whole_percent if unit == "share" else compact
    say = percent if unit == "share" else rough
    ends = reach([0.0, *effects[drawn].tolist(), *known["effect"]])
    places = places_of(ends.marks())
    middle = [
        (v, e) for v, e in zip(known["value"], known["effect"], strict=True) if low <= v <= high
    ]
    title = spec.short
    said = "; ".join(
        f"around {say(r['value'])}: {signed(r['effect'])}" for r in known.to_dict("records")
    )
    svg = dependence(
        values[drawn].tolist(),
        effects[drawn].tolist(),
        middle,
        Axis(unit or "value", float(low), float(high), text),
        Axis(UNIT, ends.low, ends.high, lambda v: signed(v, places)),
        f"close-{spec.name}",
        title,
        said,
    )
    reading = "Dots: rows, without the outer hundredths. Line: mean effect by value."
    gone = table[table["value"].isna()]
    if len(gone):
        row = gone.iloc[0]
        reading += f" Missing in {count(row['n'])} rows: {signed(row['effect'])} on average."
    named = [say(v) if np.isfinite(v) else "missing" for v in table["value"]]
    return Figure(title, svg, reading, _effect_table(f"Around ({unit or 'value'})", table, named))
