"""A small SVG writer: colours come from the page's style sheet, so light and dark are one drawing.

Text sizes are those of the view box; charts are drawn ``WIDTH`` wide, about a phone's, so that
nothing has to shrink there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

WIDTH = 400
"""View-box width of a chart."""

LETTER = 6.9
"""Mean width of a letter at the size of chart text (12), in the widest of the usual fonts."""


class Drawing:
    """Marks in the order they are drawn; y runs down."""

    def __init__(self, width: float = WIDTH, height: float = 300) -> None:
        self.width, self.height = width, height
        self._marks: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """A straight line."""
        self._add("line", css, x1=x1, y1=y1, x2=x2, y2=y2)

    def rect(self, x: float, y: float, w: float, h: float, css: str, hint: str = "") -> None:
        """A rectangle; a negative width or height is drawn as none."""
        ends = {"x": x, "y": y, "width": max(w, 0.0), "height": max(h, 0.0)}
        self._add("rect", css, hint, **ends)

    def circle(self, x: float, y: float, r: float, css: str, hint: str = "") -> None:
        """A dot; ``hint`` is shown where a pointer rests."""
        self._add("circle", css, hint, cx=x, cy=y, r=r)

    def text(self, x: float, y: float, words: str, css: str = "t", anchor: str = "start") -> None:
        """One line of text."""
        place = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self._marks.append(
            f'<text class="{css}" x="{short(x)}" y="{short(y)}"{place}>{escape(words)}</text>'
        )

    def path(self, points: Sequence[tuple[float, float]], css: str, closed: bool = False) -> None:
        """Straight lines from point to point."""
        if points:
            steps = "L".join(f"{short(x)} {short(y)}" for x, y in points)
            self._marks.append(f'<path class="{css}" d="M{steps}{"Z" if closed else ""}"/>')

    def _add(self, tag: str, css: str, hint: str = "", **numbers: float) -> None:
        given = " ".join(f'{name}="{short(value)}"' for name, value in numbers.items())
        inside = f"><title>{escape(hint)}</title></{tag}>" if hint else "/>"
        self._marks.append(f'<{tag} class="{css}" {given}{inside}')

    def done(self, name: str, title: str, said: str) -> str:
        """The ``<svg>``: ``title`` and ``said`` are what a screen reader reads in its place."""
        key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        return (
            f'<svg role="img" aria-labelledby="{key}-t {key}-d" '
            f'viewBox="0 0 {short(self.width)} {short(self.height)}">'
            f'<title id="{key}-t">{escape(title)}</title><desc id="{key}-d">{escape(said)}</desc>'
            f"{''.join(self._marks)}</svg>"
        )


def short(value: float) -> str:
    """A coordinate to a tenth, which is finer than any screen here."""
    return f"{value:.1f}".removesuffix(".0")


def clip(words: str, width: float, letter: float = LETTER) -> str:
    """Words cut to a width in view-box units, with an ellipsis."""
    room = int(width / letter)
    return words if len(words) <= room else f"{words[: max(room - 1, 1)].rstrip()}…"
