"""How many will come: deals or customers a day, with level, growth and season in the draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import DAY, Floats, Instants
from training.forecast.belief.drift import BIN, DriftPosterior, bins_of, count_drift

FEWEST = 56.0
"""Days of history from which on there is a rate."""


@dataclass(frozen=True)
class ArrivalRate:
    """The arrival rate after an origin: ``daily`` on average of the bins seen, times the drift."""

    daily: float
    drift: DriftPosterior

    def rate(self, bounds: Floats) -> Floats:
        """(C,) expected arrivals a day between ``bounds`` (C + 1,), days from the origin."""
        found: Floats = self.daily * self.drift.expected(bounds)
        return found

    def draws(self, bounds: Floats, draws: int, *purpose: str | int) -> Floats:
        """(C, draws) arrivals a day; ``purpose`` names the random numbers."""
        found: Floats = self.daily * self.drift.factors(bounds, draws, *purpose)
        return found


def arrival_rate(born: Instants, origin: int, began: int) -> ArrivalRate:
    """Learn from births (microseconds) before ``origin``; the history began at ``began``.

    ValueError where the history is shorter than ``FEWEST`` days.
    """
    history = (origin - began) / DAY
    if history < FEWEST:
        raise ValueError(
            f"too little history: {history:.0f} days before the origin, at least "
            f"{FEWEST:.0f} are needed to know how many come a week"
        )
    n = bins_of(history)
    place = ((origin - born[born < origin]) / DAY // BIN).astype(np.int64)
    counts = np.bincount(place[place < n], minlength=n).astype(np.float64)
    # half an arrival more than was seen: a rate is never known to be 0
    usual = (counts.sum() + 0.5) / n
    return ArrivalRate(usual / BIN, count_drift(origin, counts, np.full(n, usual)))
