"""A fan: nested ranges that open with time, around a middle line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.charts.plot import Plot


@dataclass(frozen=True)
class Fan:
    """What is foreseen at each place of the x axis.

    bands   (low, high) for each nested range, widest first; all as long as ``x``
    middle  the line inside
    """

    x: Sequence[float]
    bands: Sequence[tuple[Sequence[float], Sequence[float]]]
    middle: Sequence[float]


def fan(plot: Plot, seen: Fan, css: str = "model") -> None:
    """Draw the fan; where ranges lie over one another they are darker, so the likely stands out."""
    for low, high in seen.bands:
        plot.band(seen.x, low, high, css)
    plot.line(seen.x, seen.middle, css)


def ranges(
    plot: Plot,
    x: Sequence[float],
    low: Sequence[float],
    high: Sequence[float],
    middle: Sequence[float],
    css: str,
    hints: Sequence[str] = (),
) -> None:
    """Separate ranges, a bar from ``low`` to ``high`` with a notch at ``middle`` for each x."""
    for i, (at, a, b, m) in enumerate(zip(x, low, high, middle, strict=True)):
        place = plot.x(at)
        top, foot = plot.y(b), plot.y(a)
        hint = hints[i] if hints else ""
        plot.drawing.rect(place - 4, top, 8, foot - top, f"range {css}", hint)
        plot.drawing.line(place - 6, plot.y(m), place + 6, plot.y(m), f"stem {css}")
