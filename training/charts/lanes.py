"""A time line: what happened to one record, a lane a kind of event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.charts.scales import Axis
from training.charts.svg import LETTER, WIDTH, Drawing, clip

LANE, FOOT, EDGE = 40.0, 38.0, 8.0


@dataclass(frozen=True)
class LaneEvent:
    """Something that happened: when (in the axis' terms), and a hint for the pointer."""

    at: float
    hint: str = ""


@dataclass(frozen=True)
class Lane:
    """Events of one kind; ``said`` stands at the right end of its name."""

    name: str
    events: Sequence[LaneEvent]
    said: str = ""
    css: str = "model"


def timeline(
    lanes: Sequence[Lane],
    axis: Axis,
    name: str,
    title: str,
    said: str,
    marks: Sequence[tuple[float, str]] = (),
) -> str:
    """Lanes of dots over a time axis, with named instants as lines of reference."""
    head = 20.0 if marks else 4.0
    draw = Drawing(WIDTH, head + LANE * len(lanes) + FOOT)
    x = axis.scale(EDGE, WIDTH - EDGE)
    foot = draw.height - FOOT + 4
    for at, words in marks:
        half = len(words) * LETTER / 2
        draw.line(x(at), head - 4, x(at), foot, "reference")
        place = min(max(x(at), half), WIDTH - half)
        draw.text(place, 12, words, "t reference-name", "middle")
    for i, lane in enumerate(lanes):
        y = head + LANE * i + 14
        draw.text(0, y, clip(lane.name, WIDTH - len(lane.said) * LETTER - 14), "t name")
        draw.text(WIDTH, y, lane.said, "t number", "end")
        draw.line(EDGE, y + 14, WIDTH - EDGE, y + 14, "rule")
        for event in lane.events:
            draw.circle(x(event.at), y + 14, 4, f"event {lane.css}", event.hint)
    draw.line(EDGE, foot, WIDTH - EDGE, foot, "base")
    for at in axis.marks():
        words = axis.text(at)
        half = len(words) * LETTER / 2
        draw.line(x(at), foot, x(at), foot + 4, "base")
        draw.text(min(max(x(at), half), WIDTH - half), foot + 17, words, "t tick", "middle")
    draw.text(WIDTH / 2, draw.height - 3, axis.title, "t axis-title", "middle")
    return draw.done(name, title, said)
