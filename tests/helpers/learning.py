"""Competing risks with known coefficients, to learn from in the tests of the learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats
from training.models.encoding import Encoding
from training.task.questions import Labels


@dataclass(frozen=True)
class World:
    """A matrix (n, 6): four numbers, of which x2 is skewed and x3 sometimes missing, then a
    category and a number without meaning; what happened; and the true margins (n, K, J)."""

    X: Floats
    encoding: Encoding
    labels: Labels
    margins: Floats


SLOPES = np.array([[0.8, -0.5, 0.0, 0.3], [0.0, 0.6, 0.4, -0.3]])
"""True coefficients (2, 4) of x0, x1, log(x2), x3 for the two outcomes."""

LEVELS = np.array([[0.0, 1.0, -1.0, 0.5], [0.0, 0.0, 0.5, -0.5]])
"""True effects (2, 4) of the category: other, "a", "b", "c"."""


def world(n: int, bins: int, outcomes: int, seed: int = 0, level: float = -2.5) -> World:
    """A world of n rows, all bins observed but for a tenth censored half way."""
    random = np.random.default_rng(seed)
    X = np.column_stack([random.normal(size=(n, 4)), random.integers(0, 4, n), random.random(n)])
    absent = random.random(n) < 0.2
    shown = np.where(absent[:, None] & (np.arange(4) == 3), 0.0, X[:, :4])
    eta = shown @ SLOPES[:outcomes].T + LEVELS[:outcomes, X[:, 4].astype(int)].T
    margins = eta[:, None, :] + (level + 0.3 * np.arange(bins))[None, :, None]
    X[:, 2] = np.exp(X[:, 2])
    X[absent, 3] = np.nan
    names = ["x0", "x1", "x2", "x3", "word", "noise"]
    encoding = Encoding(names, {"word": ["a", "b", "c"]}, [])
    return World(X, encoding, happen(margins, random), margins)


def happen(margins: Floats, random: np.random.Generator) -> Labels:
    """Draw what happens, bin by bin."""
    n, bins, outcomes = margins.shape
    event, event_bin = np.zeros(n, np.int64), np.full(n, bins, np.int64)
    for k in range(bins):
        odds = np.concatenate([np.ones((n, 1)), np.exp(margins[:, k])], axis=1)
        reached = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
        drawn = (random.random((n, 1)) > reached[:, :-1]).sum(axis=1)
        now = (event == 0) & (drawn > 0)
        event[now], event_bin[now] = drawn[now], k
    observed = np.where(random.random(n) < 0.1, (bins + 1) // 2, bins)
    return Labels(event, event_bin, observed, bins, outcomes)
