"""Naive Bayes on values, the formula of a widely used open-source CRM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.special import expit

from features.tables import Bools, Floats, Ints
from training.models.baselines.matured import both_kinds


@dataclass
class NaiveBayes:
    """Prior · Π per-value frequencies, as a widely used open-source CRM scores its leads.

    P(hit) ∝ share of hits · Π_f (count of f's value among hits + 0.1) / Σ_values (… + 0.1), the
    same for misses. Numbers are cut in 10 quantile bins. A missing value, or one never seen in
    training, is left out of the product. Like its model it ends between 0.01 % and 99.99 %.
    """

    categorical: Sequence[int]
    name: str = "naive Bayes"

    def fit(self, X: Floats, hit: Bools, weights: Floats | None = None) -> Self:
        """See ``Baseline.fit``."""
        hit, weights = both_kinds(X, hit, weights)
        self._prior = np.log(np.average(hit, weights=weights)) - np.log(
            np.average(~hit, weights=weights)
        )
        self._edges = [
            None if f in self.categorical else _edges_of(X[:, f]) for f in range(X.shape[1])
        ]
        self._log_odds = [
            _value_log_odds(_values(X[:, f], self._edges[f]), hit, weights)
            for f in range(X.shape[1])
        ]
        return self

    def predict(self, X: Floats) -> Floats:
        """See ``Baseline.predict``."""
        total = np.full(len(X), self._prior)
        for f, table in enumerate(self._log_odds):
            values = _values(X[:, f], self._edges[f])
            # Beyond the table is a value never seen, below it a missing one: neither adds.
            known = (values >= 0) & (values < len(table))
            total[known] += table[values[known]]
        p: Floats = np.clip(expit(total), 0.0001, 0.9999)
        return p


def _edges_of(column: Floats) -> Floats:
    seen = column[~np.isnan(column)]
    return np.unique(np.quantile(seen, np.linspace(0, 1, 11)[1:-1])) if len(seen) else np.empty(0)


def _values(column: Floats, edges: Floats | None) -> Ints:
    """(n,) value number of a column: a category's code, a number's bin; -1 missing."""
    missing = np.isnan(column)
    filled = np.where(missing, 0.0, column)
    values = filled if edges is None else np.searchsorted(edges, filled, side="right")
    return np.where(missing, -1, values).astype(np.int64)


def _value_log_odds(values: Ints, hit: Bools, weights: Floats) -> Floats:
    """log P(value | hit) / P(value | miss) by value; 0 for a value not seen."""
    seen = values >= 0
    size = int(values.max(initial=-1)) + 1
    wins = np.bincount(values[seen & hit], weights[seen & hit], size)
    losses = np.bincount(values[seen & ~hit], weights[seen & ~hit], size)
    present = np.bincount(values[seen], minlength=size) > 0
    won, lost = np.where(present, wins + 0.1, 0), np.where(present, losses + 0.1, 0)
    odds = np.zeros(size)
    ratio = (won[present] / won.sum()) / (lost[present] / lost.sum())
    odds[present] = np.log(ratio)
    return odds
