"""The push at a quarter's end: when in a quarter open deals close faster.

Wins of each past week are held against what the ages of the deals open in it led to expect,

    log rate = log expected + level + trend + waves of the quarter,

a Poisson regression whose waves lean to 0. The waves then scale the hazards of the weeks to come;
the year's season is ``drift``'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from features.tables import DAY, Bools, Floats, Instants
from training.forecast.belief.drift import BIN, YEAR, DriftPosterior, bins_of, count_drift

WEEK = 7
LONGEST = 4 * 365
"""Days of history looked at."""
WAVE = 0.12
"""Prior standard deviation of each wave, in log hazard."""
TREND = 0.25
"""Prior standard deviation of the trend, log rate a year."""
QUARTERS = 4.0
"""Quarters of history from which on a wave of the quarter is believed."""
AGES = 60
"""Weeks of age that are told apart."""


@dataclass(frozen=True)
class HazardSeason:
    """Log factors on the hazards of winning; ``coefficients`` of ``waves``, empty for none."""

    coefficients: Floats

    def factor(self, begin: int, end: int) -> float:
        """The mean factor between two instants (microseconds)."""
        if len(self.coefficients) == 0 or end <= begin:
            return 1.0
        days = np.arange(begin / DAY + 0.5, max(end / DAY, begin / DAY + 0.6))
        return float(np.exp(waves(days) @ self.coefficients).mean())


def waves(days: Floats) -> Floats:
    """(n, 2): cosine and sine of the quarter's turn, by days since 1970."""
    turn = 2 * np.pi * days / (YEAR / 4)
    found: Floats = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    return found


def hazard_season(
    born: Instants, ended: Instants, won: Bools, lost: Bools, origin: int
) -> HazardSeason:
    """Learn from n deals known at ``origin``; ``ended`` counts where won or lost before it."""
    history = min((origin - int(born.min())) / DAY, LONGEST) if len(born) else 0.0
    weeks = int(history // WEEK)
    if weeks * WEEK < QUARTERS * YEAR / 4:
        return HazardSeason(np.empty(0))
    expected, counts = by_week(born, ended, won, lost, origin, weeks)
    days = origin / DAY - (np.arange(weeks, dtype=np.float64) + 0.5) * WEEK
    X = np.column_stack([np.ones(weeks), (days - days[0]) / YEAR, waves(days)])
    prior = np.array([1e-6, TREND**-2, WAVE**-2, WAVE**-2])
    beta = poisson_fit(X, counts, expected, prior)
    return HazardSeason(beta[2:])


def by_week(
    born: Instants, ended: Instants, won: Bools, lost: Bools, origin: int, weeks: int
) -> tuple[Floats, Floats]:
    """Wins expected by the ages of the open deals, and wins, of each week back from the origin."""
    done = won | lost
    start = (origin - born) / DAY / WEEK  # weeks before the origin
    stop = np.where(done, (origin - ended) / DAY / WEEK, 0.0)
    newest = np.maximum(np.floor(stop), 0).astype(np.int64)
    oldest = np.minimum(np.ceil(start).astype(np.int64), weeks)
    times = np.maximum(oldest - newest, 0)
    rows = np.repeat(np.arange(len(born)), times)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    week = newest[rows] + turn
    age = np.minimum(np.ceil(start).astype(np.int64)[rows] - 1 - week, AGES - 1)
    hit = won[rows] & (turn == 0) & done[rows]
    place = week * AGES + np.maximum(age, 0)
    at_risk = np.bincount(place, minlength=weeks * AGES).reshape(weeks, AGES).astype(np.float64)
    wins = np.bincount(place[hit], minlength=weeks * AGES).reshape(weeks, AGES).astype(np.float64)
    hazard = wins.sum(axis=0) / np.maximum(at_risk.sum(axis=0), 1.0)
    expected: Floats = np.maximum(at_risk @ hazard, 1e-3)
    counts: Floats = wins.sum(axis=1)
    return expected, counts


def poisson_fit(X: Floats, counts: Floats, expected: Floats, prior: Floats) -> Floats:
    """Coefficients of log(mean / expected), by Newton's method with normal priors around 0."""
    beta = np.zeros(X.shape[1])
    for _ in range(50):
        mean = expected * np.exp(X @ beta)
        gradient = X.T @ (counts - mean) - prior * beta
        step = np.linalg.solve(X.T @ (X * mean[:, None]) + np.diag(prior), gradient)
        beta = beta + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-9:
            break
    return beta


HALF_LIFE = 365.0
"""Days after which a win counts half in the level that a curve has learned."""


def pace_drift(
    born: Instants,
    ended: Instants,
    won: Bools,
    lost: Bools,
    origin: int,
    season: HazardSeason,
) -> DriftPosterior:
    """The drift of wins against what the ages of the open deals and the quarter led to expect.

    Factors are against the recent level: the one that curves and ages at the win have learned.
    """
    n = bins_of((origin - int(born.min())) / DAY)
    by_bin = round(BIN / WEEK)
    weeks = n * by_bin
    expected, counts = by_week(born, ended, won, lost, origin, weeks)
    ends = [origin - week * WEEK * DAY for week in range(weeks + 1)]
    expected = expected * [season.factor(b, a) for a, b in pairwise(ends)]
    return count_drift(
        origin,
        counts.reshape(n, by_bin).sum(axis=1),
        expected.reshape(n, by_bin).sum(axis=1),
        HALF_LIFE,
    )
