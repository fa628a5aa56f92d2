"""Stacked bars of named rows: parts that add up, the range of the whole, and a mark to reach."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.charts.scales import Axis
from training.charts.svg import LETTER, WIDTH, Drawing, clip

ROW, FOOT, EDGE, LINE = 50.0, 38.0, 6.0, 16.0


@dataclass(frozen=True)
class Stack:
    """One row: ``parts`` in the order of the key, the whole's range, and a target where it has one.

    said  the numbers in words, at the right end of the name's line
    """

    name: str
    parts: Sequence[float]
    low: float
    high: float
    said: str = ""
    target: float = math.nan


def stacks(
    rows: Sequence[Stack], keys: Sequence[str], axis: Axis, name: str, title: str, said: str
) -> str:
    """Bars whose parts add up; a thin line is the range, a thick tick the target."""
    head = LINE * (1 + _key_rows(keys))
    draw = Drawing(WIDTH, head + ROW * len(rows) + FOOT)
    _keys(draw, keys, any(math.isfinite(r.target) for r in rows))
    x = axis.scale(EDGE, WIDTH - EDGE)
    for i, row in enumerate(rows):
        y = head + ROW * i + 14
        draw.text(0, y, clip(row.name, WIDTH - len(row.said) * LETTER - 14), "t name")
        draw.text(WIDTH, y, row.said, "t number", "end")
        middle, reached = y + 16, 0.0
        for part, value in enumerate(row.parts):
            a, b = sorted((x(reached), x(reached + value)))
            draw.rect(a, middle - 6, b - a, 12, f"bar part{part}", f"{keys[part]}")
            reached += value
        if math.isfinite(row.low) and math.isfinite(row.high):
            draw.line(x(row.low), middle, x(row.high), middle, "stem ink")
            for end in (row.low, row.high):
                draw.line(x(end), middle - 4, x(end), middle + 4, "stem ink")
        if math.isfinite(row.target):
            draw.rect(x(row.target) - 1.5, middle - 10, 3, 20, "mark target", "target")
    _foot(draw, axis)
    return draw.done(name, title, said)


def _key_rows(keys: Sequence[str]) -> int:
    """Lines of key above the bars: the parts, then the range and the target."""
    width = sum(19 + len(k) * LETTER + 16 for k in keys)
    return math.ceil(width / WIDTH) + 1


def _keys(draw: Drawing, keys: Sequence[str], target: bool) -> None:
    across, y = 0.0, 12.0
    for part, words in enumerate(keys):
        width = 19 + len(words) * LETTER + 16
        if across and across + width - 16 > WIDTH:
            across, y = 0.0, y + LINE
        draw.rect(across, y - 9, 14, 10, f"bar part{part}")
        draw.text(across + 19, y, words, "t")
        across += width
    y += LINE
    draw.line(0, y - 4, 14, y - 4, "stem ink")
    draw.text(19, y, "P10 to P90", "t")
    if target:
        draw.rect(112, y - 11, 3, 14, "mark target")
        draw.text(121, y, "target", "t")


def _foot(draw: Drawing, axis: Axis) -> None:
    x, foot = axis.scale(EDGE, WIDTH - EDGE), draw.height - FOOT + 4
    draw.line(EDGE, foot, WIDTH - EDGE, foot, "base")
    for at in axis.marks():
        words = axis.text(at)
        half = len(words) * LETTER / 2
        draw.line(x(at), foot, x(at), foot + 4, "base")
        draw.text(min(max(x(at), half), WIDTH - half), foot + 17, words, "t tick", "middle")
    draw.text(WIDTH / 2, draw.height - 3, axis.title, "t axis-title", "middle")
