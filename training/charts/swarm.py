"""Many rows at once: a strip of dots a feature, and one feature's effect against its value."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.charts.plot import Plot
from training.charts.scales import Axis
from training.charts.svg import LETTER, WIDTH, Drawing, clip

STRIP, FOOT, EDGE = 54.0, 38.0, 6.0
SHADES = 5
"""Steps of colour from a low value to a high one."""


@dataclass(frozen=True)
class Strip:
    """One feature's effects, and each row's value as a rank from 0 (lowest) to 1.

    A rank of None has no order (a category); NaN is missing. ``said`` stands at the right end.
    """

    name: str
    effects: Sequence[float]
    ranks: Sequence[float | None]
    said: str = ""


def strips(rows: Sequence[Strip], axis: Axis, name: str, title: str, said: str) -> str:
    """Every dot a row of the data, stacked where many meet; colour is the feature's own value."""
    head = 24.0
    draw = Drawing(WIDTH, head + STRIP * len(rows) + FOOT)
    _legend(draw)
    x = axis.scale(EDGE, WIDTH - EDGE)
    foot = draw.height - FOOT + 4
    draw.line(x(0), head, x(0), foot, "reference")
    for i, row in enumerate(rows):
        y = head + STRIP * i
        room = WIDTH - len(row.said) * LETTER - 14
        draw.text(0, y + 12, clip(row.name, room), "t name")
        draw.text(WIDTH, y + 12, row.said, "t number", "end")
        _dots(draw, row, x, y + 34)
    draw.line(EDGE, foot, WIDTH - EDGE, foot, "base")
    for at in axis.marks():
        draw.line(x(at), foot, x(at), foot + 4, "base")
        draw.text(min(max(x(at), 14), WIDTH - 14), foot + 17, axis.text(at), "t tick", "middle")
    draw.text(WIDTH / 2, draw.height - 3, axis.title, "t axis-title", "middle")
    return draw.done(name, title, said)


def _legend(draw: Drawing) -> None:
    draw.text(0, 12, "value: low", "t")
    for step in range(SHADES):
        draw.circle(75 + 10 * step, 8, 4, f"shade{step}")
    draw.text(124, 12, "high", "t")
    draw.circle(172, 8, 4, "unordered")
    draw.text(181, 12, "a word", "t")
    draw.circle(246, 8, 3.2, "missing")
    draw.text(255, 12, "missing", "t")


def _dots(
    draw: Drawing, row: Strip, x: Callable[[float], float], middle: float, r: float = 2.6
) -> None:
    stacks: dict[int, list[float | None]] = defaultdict(list)
    for effect, rank in zip(row.effects, row.ranks, strict=True):
        if math.isfinite(effect):
            stacks[round(x(effect) / (1.6 * r))].append(rank)
    tallest = max((len(s) for s in stacks.values()), default=1)
    step = min(1.7 * r, 15.0 / max((tallest - 1) / 2, 1))
    for place, stack in sorted(stacks.items()):
        ordered = sorted(stack, key=lambda k: -1.0 if k is None or math.isnan(k) else k)
        for i, rank in enumerate(ordered):
            up = (i - (len(stack) - 1) / 2) * step
            draw.circle(place * 1.6 * r, middle - up, r, shade(rank))


def shade(rank: float | None) -> str:
    """The style of a value of this rank."""
    if rank is None:
        return "unordered"
    if math.isnan(rank):
        return "missing"
    return f"shade{min(int(rank * SHADES), SHADES - 1)}"


def dependence(
    values: Sequence[float],
    effects: Sequence[float],
    middle: Sequence[tuple[float, float]],
    x: Axis,
    y: Axis,
    name: str,
    title: str,
    said: str,
) -> str:
    """Effects against values, a dot a row, with the running mean ``middle`` as a line."""
    plot = Plot(x, y, height=230)
    plot.drawing.line(plot.left, plot.y(0), plot.right, plot.y(0), "reference")
    plot.dots(values, effects, "faint", r=2.4)
    plot.line([a for a, _ in middle], [b for _, b in middle], "model")
    return plot.done(name, title, said)
