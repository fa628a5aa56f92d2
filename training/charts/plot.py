"""A plot with two axes: lines, bands, dots with intervals, and words beside what they name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from training.charts.scales import Axis
from training.charts.svg import LETTER, WIDTH, Drawing

LEFT, RIGHT, BOTTOM = 44.0, 10.0, 40.0
LINE = 16.0
"""Height of a line of text."""


@dataclass(frozen=True)
class LegendEntry:
    """One entry of the key above a plot: how it is drawn, and its name."""

    css: str
    name: str
    mark: str = "line"


class Plot:
    """Axes drawn at once; marks in data terms after that; ``done`` gives the SVG.

    The title of the y axis stands above it, where it is read without turning the head; ``right`` is
    the room kept for words at the ends of lines.
    """

    def __init__(
        self,
        x: Axis,
        y: Axis,
        keys: Sequence[LegendEntry] = (),
        height: float = 290,
        right: float = RIGHT,
        rules: bool = True,
    ) -> None:
        placed = _placed(keys)
        top = LINE * (1 + (1 + placed[-1][1] if placed else 0)) + 10
        self.drawing = Drawing(WIDTH, height)
        self.left, self.right, self.top, self.bottom = LEFT, WIDTH - right, top, height - BOTTOM
        self.x = x.scale(self.left, self.right)
        self.y = y.scale(self.bottom, self.top)
        for key, (across, row) in zip(keys, placed, strict=True):
            self._key(key, across, 12 + row * LINE)
        self.drawing.text(0, top - 10, y.title, "t axis-title")
        self._axes(x, y, rules)

    def _key(self, key: LegendEntry, x: float, y: float) -> None:
        if key.mark == "dot":
            self.drawing.circle(x + 7, y - 4, 4, f"dot {key.css}")
        elif key.mark == "range":
            self.drawing.rect(x + 3, y - 10, 8, 12, f"range {key.css}")
        elif key.mark == "band":
            self.drawing.rect(x, y - 9, 14, 10, f"band {key.css}")
        else:
            self.drawing.line(x, y - 4, x + 14, y - 4, f"line {key.css}")
        self.drawing.text(x + 19, y, key.name, "t")

    def _axes(self, x: Axis, y: Axis, rules: bool) -> None:
        draw = self.drawing
        for at in y.marks():
            if rules:
                draw.line(self.left, self.y(at), self.right, self.y(at), "rule")
            draw.text(self.left - 6, self.y(at) + 4, y.text(at), "t tick", "end")
        draw.line(self.left, self.bottom, self.right, self.bottom, "base")
        for at in x.marks():
            place = self.x(at)
            draw.line(place, self.bottom, place, self.bottom + 4, "base")
            words = x.text(at)
            half = len(words) * LETTER / 2
            anchor = "end" if place + half > draw.width else "middle"
            draw.text(min(place, draw.width), self.bottom + 17, words, "t tick", anchor)
        draw.text((self.left + self.right) / 2, draw.height - 4, x.title, "t axis-title", "middle")

    def line(self, x: Sequence[float], y: Sequence[float], css: str) -> None:
        """A line through the finite points; it breaks where one is unknown."""
        run: list[tuple[float, float]] = []
        for a, b in [*zip(x, y, strict=True), (math.nan, math.nan)]:
            if math.isfinite(a) and math.isfinite(b):
                run.append((self.x(a), self.y(b)))
            else:
                self.drawing.path(run, f"line {css}")
                run = []

    def band(
        self, x: Sequence[float], low: Sequence[float], high: Sequence[float], css: str
    ) -> None:
        """The area between ``low`` and ``high``."""
        known = [p for p in zip(x, low, high, strict=True) if all(map(math.isfinite, p))]
        up = [(self.x(a), self.y(h)) for a, _, h in known]
        down = [(self.x(a), self.y(b)) for a, b, _ in reversed(known)]
        self.drawing.path([*up, *down], f"band {css}", closed=True)

    def dots(
        self,
        x: Sequence[float],
        y: Sequence[float],
        css: str,
        low: Sequence[float] = (),
        high: Sequence[float] = (),
        hints: Sequence[str] = (),
        r: float = 4,
    ) -> None:
        """Dots, each with its interval as a stem where ``low`` and ``high`` are given."""
        for i, (a, b) in enumerate(zip(x, y, strict=True)):
            if not (math.isfinite(a) and math.isfinite(b)):
                continue
            if low and math.isfinite(low[i]) and math.isfinite(high[i]):
                ends = self.y(low[i]), self.y(high[i])
                self.drawing.line(self.x(a), ends[0], self.x(a), ends[1], f"stem {css}")
            self.drawing.circle(self.x(a), self.y(b), r, f"dot {css}", hints[i] if hints else "")

    def words(self, x: float, y: float, words: str, css: str = "", anchor: str = "start") -> None:
        """Words at a place in data terms, moved a little off it."""
        off = {"start": 7, "end": -7}.get(anchor, 0)
        self.drawing.text(self.x(x) + off, self.y(y) + 4, words, f"t label {css}".strip(), anchor)

    def guides(self, x: float, y: float) -> None:
        """Thin lines from a place to both axes."""
        self.drawing.line(self.x(x), self.y(y), self.x(x), self.bottom, "guide")
        self.drawing.line(self.left, self.y(y), self.x(x), self.y(y), "guide")

    def ends(self, named: Sequence[tuple[float, str, str]]) -> None:
        """Names at the right ends of lines, (y, name, css), pushed apart where they would touch."""
        places = apart([self.y(at) for at, _, _ in named], LINE, self.top, self.bottom)
        for place, (_, name, css) in zip(places, named, strict=True):
            self.drawing.text(self.right + 7, place + 4, name, f"t label {css}".strip())

    def done(self, name: str, title: str, said: str) -> str:
        """The SVG (see ``Drawing.done``)."""
        return self.drawing.done(name, title, said)


def _placed(keys: Sequence[LegendEntry]) -> list[tuple[float, int]]:
    """Where each key entry begins: across, and in which row."""
    places: list[tuple[float, int]] = []
    across, row = 0.0, 0
    for key in keys:
        width = 19 + len(key.name) * LETTER + 16
        if across and across + width - 16 > WIDTH:
            across, row = 0.0, row + 1
        places.append((across, row))
        across += width
    return places


def apart(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """The places moved as little as a pass down and a pass up allow, ``least`` from each other."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, i in zip([None, *order], order, strict=False):
        if before is not None:
            moved[i] = max(moved[i], moved[before] + least)
    limit = high
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - least
    return [max(m, low) for m in moved]
