"""How much each feature moved a score: margins carried through the curve, so that reasons add up.

Aumann & Shapley (*Values of Non-Atomic Games*, 1974): along the straight path from the baseline
margins m⁰ to the record's margins m, each margin earns the integral of its own partial derivative,

    w_kj = ∫₀¹ ∂ logit F_1(H) / ∂m_kj (m⁰ + s (m - m⁰)) ds,

and Σ_kj w_kj (m_kj - m⁰_kj) = logit(score) - logit(baseline). A feature that moved m_kj by Δ_kj,f
therefore has the effect φ_f = Σ_kj w_kj Δ_kj,f. With K = J = 1 every w is 1 and φ is SHAP itself.

Everything is computed in logarithms: for finite margins the effects add up in log-odds even where
the probability itself rounds to 0 or 1 (there the *points* of all features are 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numba import njit

from features.tables import Floats
from training.models.curves import log_add, log_others, log_total

TOLERANCE = 1e-10
"""Largest error of one piece of the path, per unit of log-odds it covers (and at least one)."""

DEEPEST = 40
"""A piece is halved at most so often: then it is shorter than a double can tell apart."""


@njit(cache=True)
def _gradient(margins: Floats, gradient: Floats) -> float:
    """Gradient (K, J) of logit F_1(H) at margins (K, J); returns logit F_1(H).

    Let A_k be the probability that an entity open before bin k still meets outcome 1 by H, and
    B_k = 1 - A_k. Then ∂F_1/∂m_k1 = S_{k-1} p_k1 B_k, and -S_{k-1} p_kj A_k for another outcome.
    """
    bins, outcomes = margins.shape
    log_hit, log_miss = -np.inf, 0.0
    for k in range(bins - 1, -1, -1):
        total = log_total(margins[k])
        log_hit = log_add(margins[k, 0], log_hit) - total
        log_miss = log_add(log_others(margins[k]), log_miss) - total
        gradient[k, 0] = margins[k, 0] - total + log_miss
        for j in range(1, outcomes):
            gradient[k, j] = margins[k, j] - total + log_hit
    log_open = -(log_hit + log_miss)  # divides by F (1 - F)
    for k in range(bins):
        gradient[k, 0] = math.exp(gradient[k, 0] + log_open)
        for j in range(1, outcomes):
            gradient[k, j] = -math.exp(gradient[k, j] + log_open)
        log_open -= log_total(margins[k])
    return log_hit - log_miss


@njit(cache=True)
def _path(
    start: Floats, end: Floats, nodes: Floats, shares: Floats, tolerance: float, weights: Floats
) -> None:
    """Integrate the gradient from ``start`` to ``end``, halving pieces until each adds up.

    The integral of a piece along the path is known, for it is the rise of logit F_1 over it: that
    is the error estimate. ``trail`` holds the log-odds at the ends of the pieces still to do.
    """
    move = end - start
    size = 0.0
    for step in move.flat:
        size += abs(step)
    at, piece, gradient = np.empty_like(start), np.empty_like(start), np.empty_like(start)
    ends, trail = np.empty(DEEPEST + 1), np.empty(DEEPEST + 1)
    left, before = 0.0, _gradient(start, gradient)
    ends[0], trail[0] = 1.0, _gradient(end, gradient)
    depth = 0
    while depth >= 0:
        length = ends[depth] - left
        piece[:] = 0.0
        for q in range(len(nodes)):
            at[:] = start + (left + length * nodes[q]) * move
            _gradient(at, gradient)
            piece += length * shares[q] * gradient
        rise = trail[depth] - before
        error = abs((piece * move).sum() - rise)
        rounding = 1e-14 * (size + abs(before))
        if error > tolerance * max(1.0, abs(rise)) + rounding and depth < DEEPEST:
            depth += 1
            ends[depth] = left + 0.5 * length
            at[:] = start + ends[depth] * move
            trail[depth] = _gradient(at, gradient)
        else:
            weights += piece
            left, before = ends[depth], trail[depth]
            depth -= 1


@njit(cache=True)
def _paths(
    start: Floats, ends: Floats, nodes: Floats, shares: Floats, tolerance: float, weights: Floats
) -> None:
    for i in range(len(ends)):
        _path(start, ends[i], nodes, shares, tolerance, weights[i])


@lru_cache
def _gauss(nodes: int) -> tuple[Floats, Floats]:
    """Gauss-Legendre nodes and shares on [0, 1]."""
    places, shares = np.polynomial.legendre.leggauss(nodes)
    return (places + 1) / 2, shares / 2


def attribution_weights(margins0: Floats, margins: Floats, nodes: int = 16) -> Floats:
    """(n, K, J) weight of each margin's move in the log-odds of the score.

    margins0  (K, J) of the baseline; margins (n, K, J); all finite
    nodes     Gauss-Legendre nodes of one piece of the path; a piece whose sum misses its known
              value by more than 1e-10 is halved, so the sums hold however far apart the margins are
    """
    if margins.shape[1:] == (1, 1):
        return np.ones(margins.shape)
    weights = np.zeros(margins.shape)
    start = np.ascontiguousarray(margins0, np.float64)
    _paths(start, np.ascontiguousarray(margins, np.float64), *_gauss(nodes), TOLERANCE, weights)
    return weights


def merge(contributions: Floats, groups: Sequence[str]) -> tuple[list[str], Floats]:
    """Sum related columns into one: group names by first appearance, and (n, G) sums.

    contributions (n, F); groups: the group of each of the F columns.
    """
    if len(groups) != contributions.shape[1]:
        raise ValueError(
            f"{contributions.shape[1]} columns of contributions need as many groups, "
            f"got {len(groups)}"
        )
    names = list(dict.fromkeys(groups))
    place = {name: g for g, name in enumerate(names)}
    member = np.zeros((len(groups), len(names)))
    member[np.arange(len(groups)), [place[name] for name in groups]] = 1.0
    return names, contributions @ member


def points(effects: Floats, baseline: float | Floats) -> Floats:
    """(n, F) effects in probability (0.01 = one point) from effects (n, F) in log-odds.

    baseline  the log-odds the effects start from, one for all rows or (n,)

    Every effect of a record is multiplied by the same number, the mean slope of the logistic
    function between baseline and score:
    (score - baseline) / Σφ. So points keep the signs and the order of the log-odds, and they sum to
    score - baseline. (It is the Aumann-Shapley value again, of the probability as a function of
    the log-odds.)
    """
    total = effects.sum(axis=1)
    start = np.full(len(total), baseline, np.float64)
    scaled: Floats = effects * _mean_slopes(start, total)[:, None]
    return scaled


@njit(cache=True)
def _mean_slopes(start: Floats, moves: Floats) -> Floats:
    """(n,) mean slope of the logistic function from ``start`` to ``start`` + ``moves``."""
    slopes = np.empty(len(moves))
    for i, move in enumerate(moves):
        ends = _log_cosh(start[i] / 2) + _log_cosh((start[i] + move) / 2)
        slopes[i] = math.exp(_log_sinhc(abs(move) / 2) - ends) / 4
    return slopes


@njit(cache=True)
def _log_cosh(x: float) -> float:
    size = abs(x)
    return size + math.log1p(math.exp(-2 * size)) - math.log(2)


@njit(cache=True)
def _log_sinhc(x: float) -> float:
    """log(sinh x / x) for x ≥ 0, 0 at 0."""
    if x < 1e-5:
        return 0.0
    return x + math.log(-math.expm1(-2 * x) / (2 * x))
