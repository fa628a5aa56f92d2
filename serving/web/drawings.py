"""The drawings of the pages, made with the reports' own: one hand for all of Embudo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from training.charts.numbers import whole_percent
from training.charts.plot import LegendEntry, Plot
from training.charts.scales import Axis


def curve(points: Sequence[Mapping[str, float]], x: str, y: str, said: str) -> Markup:
    """The chance by day: [{day, probability}], rising."""
    days = [0.0, *(float(p["day"]) for p in points)]
    chances = [0.0, *(float(p["probability"]) for p in points)]
    high = max(0.02, *chances)
    plot = Plot(
        Axis(x, 0, days[-1], at=_apart(days)),
        Axis(y, 0, min(1.0, high * 1.12), whole_percent),
        [LegendEntry("model", y)],
    )
    plot.line(days, chances, "model")
    plot.dots(days[1:], chances[1:], "model", r=3.4)
    return Markup(plot.done("curve", said, said))


def _apart(days: Sequence[float]) -> list[float]:
    """The days that can stand under an axis without touching."""
    kept: list[float] = []
    for day in sorted(days, reverse=True):
        if not kept or kept[-1] - day >= 0.08 * days[-1]:
            kept.append(day)
    return kept[::-1]
