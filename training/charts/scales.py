"""From data to paper: nice ticks and linear scales."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from training.charts.numbers import compact

Format = Callable[[float], str]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, steps of 1, 2 or 5 times a power of ten."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def places_of(at: Sequence[float]) -> int:
    """Decimals that tell the ticks apart."""
    step = min((b - a for a, b in pairwise(at)), default=1.0)
    return max(0, math.ceil(-math.log10(step) - 1e-9)) if step > 0 else 0


@dataclass(frozen=True)
class Axis:
    """One axis: its title (with the unit), its ends in data terms, and how its numbers read."""

    title: str
    low: float
    high: float
    text: Format = compact
    at: Sequence[float] | None = None
    about: int = 5

    def marks(self) -> list[float]:
        """Where the ticks are."""
        return list(self.at) if self.at is not None else ticks(self.low, self.high, self.about)

    def scale(self, start: float, end: float) -> Callable[[float], float]:
        """Data to paper, ``low`` at ``start``; one value only sits in the middle."""
        width = self.high - self.low
        slope = (end - start) / width if width > 0 else 0.0
        origin = start if width > 0 else (start + end) / 2
        return lambda value: origin + (value - self.low) * slope


def reach(values: Sequence[float], floor: float | None = None, room: float = 0.06) -> Axis:
    """An untitled axis around the finite values, with a little room; ``floor`` holds its start."""
    known = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    width = (high - low) or abs(high) or 1.0
    return Axis("", low - room * width if floor is None else floor, high + room * width)
