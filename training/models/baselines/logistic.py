"""Logistic regression as most people would do it: a baseline, not the learner's own ridge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from features.tables import Bools, Floats, Ints
from training.models.baselines.matured import both_kinds

GRID = (0.01, 0.1, 1.0, 10.0)
"""The inverse penalties C that are tried."""


@dataclass
class Logistic:
    """scikit-learn's logistic regression on standardised numbers and one-hot categories.

    A missing number is the mean, with a column that says so; a missing category is a level. C is
    the one of 0.01, 0.1, 1, 10 with the lowest log loss in a seeded stratified 3-fold inner
    cross-validation on at most 20,000 training rows (1 where a class has fewer than 3).
    """

    categorical: Sequence[int]
    seed: int
    name: str = "logistic"
    C: float = 1.0

    def fit(self, X: Floats, hit: Bools, weights: Floats | None = None) -> Self:
        """See ``Baseline.fit``."""
        hit, weights = both_kinds(X, hit, weights)
        self._design = LogisticDesign.fit(X, self.categorical)
        Z = self._design.matrix(X)
        self.C = self._chosen(Z, hit, weights)
        self._model = _logistic(self.C).fit(Z, hit, weights)
        return self

    def predict(self, X: Floats) -> Floats:
        """See ``Baseline.predict``."""
        return np.asarray(self._model.predict_proba(self._design.matrix(X))[:, 1])

    def _chosen(self, Z: Floats, hit: Bools, weights: Floats) -> float:
        if min(hit.sum(), (~hit).sum()) < 3:
            return 1.0
        rows = np.random.default_rng(self.seed).permutation(len(Z))[:20_000]
        Z, hit, weights = Z[rows], hit[rows], weights[rows]
        folds = StratifiedKFold(3, shuffle=True, random_state=self.seed)
        parts = list(folds.split(Z, hit))
        losses = [sum(_held_out(Z, hit, weights, C, *p) for p in parts) for C in GRID]
        return GRID[int(np.argmin(losses))]


def _logistic(C: float) -> Any:
    # a Newton step solves the whole problem at once: with 100 columns far quicker than L-BFGS
    return LogisticRegression(C=C, max_iter=500, solver="newton-cholesky")


def _held_out(Z: Floats, hit: Bools, weights: Floats, C: float, train: Ints, valid: Ints) -> float:
    model = _logistic(C).fit(Z[train], hit[train], weights[train])
    p = np.clip(model.predict_proba(Z[valid])[:, 1], 1e-15, 1 - 1e-15)
    return float((-np.log(np.where(hit[valid], p, 1 - p)) * weights[valid]).sum())


@dataclass(frozen=True)
class LogisticDesign:
    """How a matrix becomes standardised columns; learnt on training rows, applied to any."""

    mean: Floats
    scale: Floats
    levels: Mapping[int, Floats]

    @staticmethod
    def fit(X: Floats, categorical: Sequence[int]) -> LogisticDesign:
        """Means and spreads of the numbers, codes of the categories, as in X (n, F)."""
        levels = {f: np.unique(X[:, f][~np.isnan(X[:, f])]) for f in categorical}
        count = np.maximum((~np.isnan(X)).sum(0), 1)
        mean = np.nansum(X, 0) / count
        spread = np.sqrt(np.nansum((X - mean) ** 2, 0) / count)
        return LogisticDesign(mean, np.where(spread > 0, spread, 1.0), levels)

    def matrix(self, X: Floats) -> Floats:
        """(n, D): each number and whether it is missing, each level and whether none is known."""
        parts = []
        for f in range(X.shape[1]):
            column, missing = X[:, f], np.isnan(X[:, f])
            if f in self.levels:
                parts += [column == level for level in self.levels[f]]
            else:
                parts.append(np.where(missing, 0.0, (column - self.mean[f]) / self.scale[f]))
            parts.append(missing)
        return np.column_stack(parts).astype(np.float64) if parts else np.zeros((len(X), 0))
