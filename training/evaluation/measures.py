"""The measures themselves, and their intervals: weighted, so one code serves sample and bootstrap.

A snapshot is not an independent case: an entity looked at six times has one fate. The bootstrap
therefore draws *entities* with replacement; a draw is a weight for every entity (how often it was
drawn), and a measure is a function of weights. Equal seeds give equal draws, so two score vectors
measured on the same rows are compared on the same draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.special import expit, logit

from features.tables import Bools, Floats, Ints

DRAWS = 500
SMALLEST = 1e-15
"""Probabilities are kept this far from 0 and 1, so that one wrong certainty stays finite."""

_BLOCK = 2_000_000  # weights held at once, about 16 MB


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and the rows behind it; NaN where undefined."""

    value: float
    low: float
    high: float
    n: int


def kept_inside(p: Floats) -> Floats:
    """Probabilities at least ``SMALLEST`` from 0 and 1; anything else than 0 … 1 is an error."""
    p = np.asarray(p, np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        bad = p[~((p >= 0) & (p <= 1))][0]
        raise ValueError(f"scores must be probabilities between 0 and 1, got {bad}")
    return np.clip(p, SMALLEST, 1 - SMALLEST)


def logits(p: Floats) -> Floats:
    """log(p / (1 - p)), finite."""
    z: Floats = logit(kept_inside(p))
    return z


def log_losses(y: Bools, p: Floats) -> Floats:
    """(n,) negative log likelihood of each row, in nats."""
    p = kept_inside(p)
    return -np.log(np.where(y, p, 1 - p))


def numbered(entities: Ints | Sequence[str]) -> tuple[Ints, int]:
    """Entities as numbers 0 … E-1, and E."""
    names, numbers = np.unique(np.asarray(entities), return_inverse=True)
    return numbers.astype(np.int64), len(names)


def draws(entities: int, seed: int, count: int = DRAWS) -> Iterator[Floats]:
    """Blocks (b, E) of bootstrap weights, ``count`` draws in all; the same draws for a seed."""
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // max(entities, 1))
    for done in range(0, count, block):
        b = min(block, count - done)
        drawn = np.empty((b, entities))
        for i in range(b):
            drawn[i] = np.bincount(rng.integers(0, entities, entities), minlength=entities)
        yield drawn


def interval(values: Floats) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the draws in which the measure was defined."""
    finite = values[np.isfinite(values)]
    if len(finite) < len(values) / 2 or len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [0.025, 0.975])
    return float(low), float(high)


def summed(columns: Floats, numbers: Ints, entities: int) -> Floats:
    """(n, m) columns summed by entity: (E, m). A linear measure needs no more than these."""
    out = np.empty((entities, columns.shape[1]))
    for j in range(columns.shape[1]):
        out[:, j] = np.bincount(numbers, weights=columns[:, j], minlength=entities)
    return out


def ratio(top: Floats, bottom: Floats) -> Floats:
    """top / bottom, NaN where bottom is 0."""
    out = np.full(np.broadcast(top, bottom).shape, np.nan)
    np.divide(top, bottom, out=out, where=np.asarray(bottom) != 0)
    return out


class Ranked:
    """Rows sorted by falling score, tied scores as one group: what AUC, PR-AUC and lift need."""

    def __init__(self, y: Bools, p: Floats, numbers: Ints) -> None:
        order = np.argsort(-p, kind="stable")
        falling = p[order]
        self._last = np.r_[falling[1:] != falling[:-1], True][: len(p)]
        self._y, self._numbers = np.asarray(y, np.float64)[order], numbers[order]

    def measure(self, weights: Floats) -> Floats:
        """(b, 4) AUC, PR-AUC (average precision), lift in the top 10 % and 20 %, a row a draw.

        weights (b, E), one an entity. NaN where the rows drawn hold one class only.
        """
        out = np.empty((len(weights), 4))
        _rank_measures(weights, self._numbers, self._y, self._last, out)
        return out


@njit(cache=True)
def _rank_measures(weights: Floats, numbers: Ints, y: Floats, last: Bools, out: Floats) -> None:
    for b in range(len(weights)):
        w = weights[b]
        rows = hits = 0.0
        for i in range(len(y)):
            rows += w[numbers[i]]
            hits += w[numbers[i]] * y[i]
        if hits == 0.0 or hits == rows:
            out[b] = np.nan
            continue
        above = precision = top10 = top20 = 0.0
        seen = seen_hits = group = group_hits = 0.0
        for i in range(len(y)):
            group += w[numbers[i]]
            group_hits += w[numbers[i]] * y[i]
            if last[i] and group > 0.0:
                # A group across the edge of the top counts in part, by its share of outcomes.
                top10 += min(max(0.1 * rows - seen, 0.0), group) * group_hits / group
                top20 += min(max(0.2 * rows - seen, 0.0), group) * group_hits / group
                above += (group - group_hits) * (seen_hits + group_hits / 2)
                seen += group
                seen_hits += group_hits
                precision += group_hits * seen_hits / seen
                group = group_hits = 0.0
        out[b, 0] = above / (hits * (rows - hits))  # Mann-Whitney: a tie is half a win
        out[b, 1] = precision / hits
        out[b, 2] = top10 / (0.1 * hits)
        out[b, 3] = top20 / (0.2 * hits)


def bins_of(p: Floats, bins: int) -> Ints:
    """(n,) bin of each score: as equal in size as ties allow, 0 = lowest."""
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, p, side="right").astype(np.int64)


def recalibrate(y: Bools, p: Floats) -> tuple[float, float]:
    """Intercept a and slope b of logit P(y) = a + b logit p, by Newton (Cox 1958).

    Perfect scores have (0, 1); b < 1 means overconfident. NaN where the fit does not exist: one
    class only, constant scores, or outcomes that the scores separate without error.
    """
    z = logits(p)
    theta = np.array([0.0, 1.0])
    if len(y) == 0 or y.all() or not y.any() or np.ptp(z) < 1e-9:
        return float("nan"), float("nan")
    for _ in range(50):
        sums = newton_columns(y, z, theta[0], theta[1]).sum(0)
        step = newton_step(sums[:2], sums[2:])
        if not np.isfinite(step).all() or np.abs(theta + step).max() > 1e3:
            break
        theta = theta + step * _length(y, z, theta, step)
        if np.abs(step).max() < 1e-9:
            return float(theta[0]), float(theta[1])
    return float("nan"), float("nan")


def _length(y: Bools, z: Floats, theta: Floats, step: Floats) -> float:
    """The part of a Newton step that does not lower the likelihood.

    From a flat region a full step overshoots, and then overshoots back: for overconfident scores
    the two alternate for ever. The likelihood is concave, so halving always ends.
    """
    length, before = min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12)), _fit(y, z, theta)
    lowest = before - 1e-12 * abs(before)  # at the top the sums differ by rounding alone
    while length > 1e-9 and _fit(y, z, theta + length * step) < lowest:
        length /= 2
    return length


def _fit(y: Bools, z: Floats, theta: Floats) -> float:
    """Log likelihood of the recalibration."""
    margin = theta[0] + theta[1] * z
    return -float(np.logaddexp(0.0, np.where(y, -margin, margin)).sum())


def newton_columns(y: Bools, z: Floats, intercept: float, slope: float) -> Floats:
    """(n, 5) rows of the gradient (2) and Hessian (3) of the recalibration at (a, b); z = logit p.

    One Newton step from the estimate on a draw's sums is that draw's estimate (the k-step
    bootstrap, Andrews 2002), which costs a sum instead of a fit.
    """
    q = expit(intercept + slope * z)
    g, h = np.asarray(y, np.float64) - q, q * (1 - q)
    return np.column_stack([g, g * z, h, h * z, h * z * z])


def newton_step(gradient: Floats, hessian: Floats) -> Floats:
    """Solve the 2 x 2 systems (…, 2) by (…, 3 = h00, h01, h11); NaN where singular."""
    h00, h01, h11 = hessian[..., 0], hessian[..., 1], hessian[..., 2]
    det = h00 * h11 - h01 * h01
    det = np.where(det > 1e-12 * np.maximum(h00 * h11, 1e-300), det, 0.0)
    a = ratio(h11 * gradient[..., 0] - h01 * gradient[..., 1], det)
    b = ratio(h00 * gradient[..., 1] - h01 * gradient[..., 0], det)
    return np.stack([a, b], axis=-1)
