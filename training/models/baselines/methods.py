"""What the learner must beat beside the base rate: recency sort, naive Bayes, logistic, LightGBM.

Each is a direct classifier of "the scored outcome within the horizon", taught on matured rows only
(``Labels.matured`` against ``Labels.hit``), on the same matrix as the learner: numbers with NaN
missing, categories as codes 0 (other), 1, 2, …, NaN missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import lightgbm
import numpy as np
from sklearn.isotonic import IsotonicRegression

from features.tables import Bools, Floats
from training.models.baselines.logistic import Logistic
from training.models.baselines.matured import NotAvailableError, base_rate, both_kinds
from training.models.baselines.naive_bayes import NaiveBayes

RECENCY = ("days_since_activity", "days_since_account_activity", "days_since_usage")
AGE = ("age", "tenure")
"""Columns to sort by, best first: days since something happened, else how old the entity is."""


class Baseline(Protocol):
    """Fit on matured rows, then predict the probability of the outcome by the horizon."""

    name: str

    def fit(self, X: Floats, hit: Bools, weights: Floats | None = None) -> Self:
        """Learn from X (n, F), hit (n,) and weights (n,); NotAvailableError where impossible."""
        ...

    def predict(self, X: Floats) -> Floats:
        """(n,) probabilities for X (n, F)."""
        ...


def baselines(names: Sequence[str], categorical: Sequence[int], seed: int) -> list[Baseline]:
    """All of them, for a matrix whose F columns have these names and these category positions."""
    return [
        RecencySort(names),
        NaiveBayes(categorical),
        Logistic(categorical, seed),
        PlainLightGBM(categorical, seed),
    ]


def predict_all(
    made: Sequence[Baseline], X: Floats, hit: Bools, on: Floats, weights: Floats | None = None
) -> tuple[dict[str, Floats], dict[str, str]]:
    """Teach each on X, hit and predict ``on``: scores by name, and why the others have none."""
    scores: dict[str, Floats] = {}
    missing: dict[str, str] = {}
    for baseline in made:
        try:
            scores[baseline.name] = baseline.fit(X, hit, weights).predict(on)
        except NotAvailableError as why:
            missing[baseline.name] = str(why)
    return scores, missing


@dataclass
class RecencySort:
    """The freshest first: what a seller does by sorting the list, with a probability attached.

    Days since the last activity (else the entity's age) in 20 quantile bins; each bin's share is
    shrunk by one row at the base rate, then made falling with time (isotonic regression). Rows
    where nothing ever happened are a bin of their own.
    """

    names: Sequence[str]
    name: str = "recency sort"
    by: str = ""

    def fit(self, X: Floats, hit: Bools, weights: Floats | None = None) -> Self:
        """See ``Baseline.fit``; not available without a column to sort by."""
        hit, weights = both_kinds(X, hit, weights)
        self.by, days = self._column(X)
        rate, seen = base_rate(hit, weights), ~np.isnan(days)
        self._never = _shrunk(hit[~seen], weights[~seen], rate)
        self._edges = _quantiles(days[seen], 20)
        place = np.searchsorted(self._edges, days[seen], side="right")
        bins = np.unique(place)
        shares = [_shrunk(hit[seen][place == b], weights[seen][place == b], rate) for b in bins]
        sizes = np.bincount(place, weights[seen])[bins]
        falling = IsotonicRegression(increasing=False, out_of_bounds="clip")
        self._falling = falling.fit(bins, shares, sample_weight=sizes)
        return self

    def predict(self, X: Floats) -> Floats:
        """See ``Baseline.predict``."""
        days = X[:, list(self.names).index(self.by)]
        place = np.searchsorted(self._edges, np.nan_to_num(days), side="right")
        return np.where(np.isnan(days), self._never, self._falling.predict(place))

    def _column(self, X: Floats) -> tuple[str, Floats]:
        for wanted in (*RECENCY, *AGE):
            if wanted in self.names:
                days = X[:, list(self.names).index(wanted)]
                if len(np.unique(days[~np.isnan(days)])) > 1:
                    return wanted, days
        raise NotAvailableError(f"no column to sort by: none of {', '.join(RECENCY + AGE)} varies")


def _shrunk(hit: Bools, weights: Floats, rate: float) -> float:
    return float(((hit * weights).sum() + rate) / (weights.sum() + 1))


def _quantiles(values: Floats, bins: int) -> Floats:
    return np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))


@dataclass
class PlainLightGBM:
    """LightGBM as it comes: its defaults, 100 rounds, nothing tuned, nothing calibrated."""

    categorical: Sequence[int]
    seed: int
    name: str = "plain LightGBM"

    def fit(self, X: Floats, hit: Bools, weights: Floats | None = None) -> Self:
        """See ``Baseline.fit``."""
        hit, weights = both_kinds(X, hit, weights)
        data = lightgbm.Dataset(
            X, hit.astype(np.float64), weight=weights, categorical_feature=list(self.categorical)
        )
        params = {
            "objective": "binary",
            "seed": self.seed,
            "deterministic": True,
            "num_threads": 1,  # two threads wait for one another on a busy machine
            "verbosity": -1,
        }
        self._booster = lightgbm.train(params, data, num_boost_round=100)
        return self

    def predict(self, X: Floats) -> Floats:
        """See ``Baseline.predict``."""
        return np.asarray(self._booster.predict(X, num_threads=1))
