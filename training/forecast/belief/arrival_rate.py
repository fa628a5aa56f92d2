"""How many will come: a Poisson rate with trend and season, over-dispersed, and how unsure it is.

Weekly counts back from the origin, log rate = level + trend · years + season, by penalised
likelihood with older weeks counting less. The spread of the estimate (widened by the
over-dispersion found) becomes part of every draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import DAY, Floats, Instants

WEEK = 7
YEAR = 365.25
LONGEST = 4 * 365
"""Days of history looked at."""
HALF_LIFE = 365.0
"""Days after which a week counts half."""
TREND = 0.25
"""Prior standard deviation of the trend: log rate per year."""
WAVE = 0.15
"""Prior standard deviation of the season's waves, in log rate."""
WHOLE_YEARS = 2.0
"""Years of history from which on a season, and a trend beyond the origin, are believed."""
FEWEST = 8
"""Weeks of history from which on there is a rate."""


@dataclass(frozen=True)
class ArrivalRate:
    """The arrival rate after an origin.

    coefficients  of ``_design`` at the origin; covariance of them, over-dispersion included
    dispersion    variance of a week's count over its mean, at least 1
    weeks         weeks of history behind it
    """

    coefficients: Floats
    covariance: Floats
    dispersion: float
    origin: int
    waves: int
    trended: bool
    weeks: int

    def rate(self, days: Floats) -> Floats:
        """Expected arrivals a day, ``days`` after the origin."""
        found: Floats = np.exp(self._design(days) @ self.coefficients)
        return found

    def _design(self, days: Floats) -> Floats:
        years = days / YEAR if self.trended else np.minimum(days / YEAR, 0.0)
        return design(years, self.origin, days, self.waves)

    def spread(self, days: float) -> float:
        """Standard deviation of the mean log rate over the next ``days``."""
        middle = self._design(np.arange(0.5, max(days, 1.0))).mean(axis=0)
        return float(np.sqrt(middle @ self.covariance @ middle))


def design(years: Floats, origin: int, days: Floats, waves: int) -> Floats:
    """(n, 2 + 2 waves): one, years, and cosine and sine of the year's day."""
    turn = 2 * np.pi * (origin / DAY + days) / YEAR
    columns = [np.ones(len(days)), years]
    for k in range(1, waves + 1):
        columns += [np.cos(k * turn), np.sin(k * turn)]
    return np.stack(columns, axis=1)


def arrival_rate(born: Instants, origin: int, began: int) -> ArrivalRate:
    """Learn from births (microseconds) before ``origin``; the history began at ``began``.

    ValueError where the history is shorter than ``FEWEST`` weeks.
    """
    history = min((origin - began) / DAY, LONGEST)
    weeks = int(history // WEEK)
    if weeks < FEWEST:
        raise ValueError(
            f"too little history: {history:.0f} days before the origin, at least "
            f"{FEWEST * WEEK} are needed to know how many come a week"
        )
    ages = (origin - born[(born < origin)]) / DAY
    place = np.ceil(ages / WEEK).astype(np.int64) - 1
    counts = np.bincount(place[place < weeks], minlength=weeks).astype(np.float64)
    days = -(np.arange(weeks, dtype=np.float64) + 0.5) * WEEK
    weights: Floats = 0.5 ** (-days / HALF_LIFE)
    enough = history >= WHOLE_YEARS * 365
    best = min(
        (_fit(counts, days, weights, origin, waves) for waves in ((0, 1, 2) if enough else (0,))),
        key=lambda found: found[0],
    )
    _, coefficients, covariance, dispersion, waves = best
    level = coefficients.copy()
    level[0] -= np.log(WEEK)
    return ArrivalRate(level, covariance, dispersion, origin, waves, enough, weeks)


def _fit(
    counts: Floats, days: Floats, weights: Floats, origin: int, waves: int
) -> tuple[float, Floats, Floats, float, int]:
    """Information criterion, coefficients, covariance, dispersion and waves of one design."""
    X = design(days / YEAR, origin, days, waves)
    prior = np.array([1e-6, TREND**-2, *[WAVE**-2] * (2 * waves)])
    beta = np.zeros(X.shape[1])
    beta[0] = np.log(max(np.average(counts, weights=weights), 0.1))
    for _ in range(50):
        mean = np.exp(X @ beta)
        gradient = X.T @ (weights * (counts - mean)) - prior * beta * (np.arange(len(beta)) > 0)
        inverse = np.linalg.inv(X.T @ (X * (weights * mean)[:, None]) + np.diag(prior))
        step = inverse @ gradient
        beta = beta + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    mean = np.exp(X @ beta)
    free = max(weights.sum() - X.shape[1], 1.0)
    dispersion = max(1.0, float((weights * (counts - mean) ** 2 / mean).sum() / free))
    # weighted likelihood: the sandwich knows that down-weighted weeks are not so many
    meat = X.T @ (X * (weights**2 * mean)[:, None]) + np.diag(prior)
    covariance = inverse @ meat @ inverse * dispersion
    likelihood = float((weights * (counts * np.log(mean) - mean)).sum()) / dispersion
    return 2 * X.shape[1] - 2 * likelihood, beta, covariance, dispersion, waves
