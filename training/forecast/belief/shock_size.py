"""How wide the shared shock is: what past origins expected against what then happened.

At every past origin s the bookings of the next ``WINDOW`` days had a mean m, a variance v of their
own (luck of deals, arrivals and amounts) and a slope d against the log hazard. With a shared shock
of deviation sigma what happened has about variance v + sigma² d². Sigma is the posterior mean under
a half-normal prior: the less the past origins tell, the closer to what the prior alone says, and
where they stray less than their own luck would have them stray, close to 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats

WINDOW = 56.0
"""Days that a past origin is held to."""
STEP = 28.0
"""Days between past origins."""
PAST_DAYS = 273.0
"""How far before an origin the past origins lie."""
PRIOR = 0.2
"""Deviation of the half-normal prior (docs/decisions.md, "The prior of the shock")."""
GRID = np.linspace(0.0, 0.8, 81)


@dataclass(frozen=True)
class ShockObservation:
    """A past origin: expected bookings, their own variance, slope against the shock, and truth."""

    mean: float
    variance: float
    slope: float
    happened: float


def sigma_of(past: list[ShockObservation], scale: float = PRIOR) -> float:
    """The posterior mean of the shock's deviation; overlapping windows count as what is new."""
    if not past:
        prior = np.exp(-0.5 * (GRID / scale) ** 2)
        return float((GRID * prior).sum() / prior.sum())
    mean, variance, slope, happened = (
        np.array([getattr(p, name) for p in past])
        for name in ("mean", "variance", "slope", "happened")
    )
    total = variance + (GRID[:, None] * slope) ** 2
    log: Floats = -0.5 * (np.log(total) + (happened - mean) ** 2 / total)
    posterior = log.sum(axis=1) * (STEP / WINDOW) - 0.5 * (GRID / scale) ** 2
    weight = np.exp(posterior - posterior.max())
    return float((GRID * weight).sum() / weight.sum())
