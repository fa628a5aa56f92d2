"""Charts of named rows: the name and the number on one line, the mark on the next.

A name above its mark needs no margin guessed from the longest one, so the same drawing fits a
phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.charts.scales import Axis
from training.charts.svg import LETTER, WIDTH, Drawing, clip

ROW, TOP, FOOT = 38.0, 6.0, 38.0
EDGE = 6.0


@dataclass(frozen=True)
class Row:
    """One named value.

    value, low, high  the mark and its interval; NaN is left out
    said              the numbers in words, at the right end of the line
    other             a second value on the same scale, drawn as a tick (what was predicted, say)
    css               how it is drawn: model, seen, plain, weak
    """

    name: str
    value: float
    low: float = math.nan
    high: float = math.nan
    said: str = ""
    other: float = math.nan
    css: str = "model"


@dataclass(frozen=True)
class Line:
    """A vertical line of reference with its name."""

    at: float
    name: str


def intervals(
    rows: Sequence[Row], axis: Axis, name: str, title: str, said: str, lines: Sequence[Line] = ()
) -> str:
    """Dots with their intervals, a row each; a value beyond the axis is an arrow at its end."""
    draw, x = _paper(rows, axis, lines)
    for i, row in enumerate(rows):
        middle = _head(draw, i, row, bool(lines))
        draw.line(EDGE, middle, WIDTH - EDGE, middle, "rule")
        if math.isfinite(row.low) and math.isfinite(row.high):
            ends = (min(max(v, axis.low), axis.high) for v in (row.low, row.high))
            draw.line(x(next(ends)), middle, x(next(ends)), middle, f"stem wide {row.css}")
        if row.value > axis.high:
            _beyond(draw, middle)
            continue
        if math.isfinite(row.other):
            draw.rect(x(row.other) - 1.5, middle - 7, 3, 14, "mark other")
        if math.isfinite(row.value):
            draw.circle(x(row.value), middle, 5, f"dot {row.css}")
    return draw.done(name, title, said)


def _beyond(draw: Drawing, middle: float) -> None:
    """The value lies off the paper, to the right; its number is written out."""
    tip = WIDTH - EDGE + 5
    draw.path([(tip - 5, middle - 5), (tip, middle), (tip - 5, middle + 5)], "beyond")


def bars(rows: Sequence[Row], axis: Axis, name: str, title: str, said: str) -> str:
    """Bars from zero, with their intervals as a thin line."""
    draw, x = _paper(rows, axis, ())
    for i, row in enumerate(rows):
        middle = _head(draw, i, row, False)
        if math.isfinite(row.value):
            ends = sorted((x(0.0), x(row.value)))
            draw.rect(ends[0], middle - 5, ends[1] - ends[0], 10, f"bar {row.css}")
        if math.isfinite(row.low) and math.isfinite(row.high):
            draw.line(x(row.low), middle, x(row.high), middle, "stem ink")
    return draw.done(name, title, said)


def waterfall(
    start: tuple[str, float, str],
    steps: Sequence[Row],
    end: tuple[str, float, str],
    axis: Axis,
    name: str,
    title: str,
    said: str,
) -> str:
    """From ``start`` (name, value, words) to ``end`` by ``steps``, whose values add up."""
    ends = [Row(start[0], start[1], said=start[2]), Row(end[0], end[1], said=end[2])]
    rows = [ends[0], *steps, ends[1]]
    draw, x = _paper(rows, axis, ())
    reached = start[1]
    for i, row in enumerate(rows):
        middle = _head(draw, i, row, False)
        if i in (0, len(rows) - 1):
            draw.circle(x(row.value), middle, 6, "dot ink")
            reached = row.value
        else:
            a, b = sorted((x(reached), x(reached + row.value)))
            draw.rect(a, middle - 6, max(b - a, 1.0), 12, f"bar {row.css}")
            _arrow(draw, x(reached), x(reached + row.value), middle)
            reached += row.value
        if i < len(rows) - 1:
            draw.line(x(reached), middle + 6, x(reached), middle + ROW - 6, "link")
    return draw.done(name, title, said)


def _arrow(draw: Drawing, start: float, end: float, middle: float) -> None:
    """A point at the end of a bar, so that its direction does not rest on colour."""
    if abs(end - start) < 9:
        return
    way = math.copysign(4.0, end - start)
    tip = end - way * 0.5
    draw.path([(tip - way, middle - 4), (tip, middle), (tip - way, middle + 4)], "tip")


def _paper(
    rows: Sequence[Row], axis: Axis, lines: Sequence[Line]
) -> tuple[Drawing, Callable[[float], float]]:
    head = TOP + (14 if lines else 0)
    draw = Drawing(WIDTH, head + ROW * len(rows) + FOOT)
    x = axis.scale(EDGE, WIDTH - EDGE)
    foot = draw.height - FOOT + 4
    for line in lines:
        draw.line(x(line.at), head - 2, x(line.at), foot, "reference")
        half = len(line.name) * LETTER / 2
        place = min(max(x(line.at), half), WIDTH - half)
        draw.text(place, 12, line.name, "t reference-name", "middle")
    draw.line(EDGE, foot, WIDTH - EDGE, foot, "base")
    for at in axis.marks():
        words = axis.text(at)
        half = len(words) * LETTER / 2
        draw.line(x(at), foot, x(at), foot + 4, "base")
        place = min(max(x(at), half), WIDTH - half)
        draw.text(place, foot + 17, words, "t tick", "middle")
    draw.text(WIDTH / 2, draw.height - 3, axis.title, "t axis-title", "middle")
    return draw, x


def _head(draw: Drawing, i: int, row: Row, lines: bool) -> float:
    """The row's name and numbers; returns where its mark goes."""
    y = TOP + (14 if lines else 0) + ROW * i + 14
    room = WIDTH - len(row.said) * LETTER - 14
    draw.text(0, y, clip(row.name, room), "t name")
    draw.text(WIDTH, y, row.said, "t number", "end")
    return y + 12
