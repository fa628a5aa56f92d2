"""Whether the calendar pays: month and quarter enter the model only where they help out of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from training.fit.parts import Recipe
from training.fit.tune import FoldData, fold_data
from training.models.curves import loss
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel
from training.task.dataset import TrainingData

SEASON = "season"
"""The group of the features that tell the time of the year."""

LEAST = 2.0
"""Nats that the calendar must gain in every fold: less is chance."""


def without_idle_season(teaching: TrainingData) -> TrainingData:
    """Leave the calendar out unless it gains in every fold, forward in time.

    A month that means nothing still fits the one or two years in training, and then moves the same
    record up and down over the year. Without folds nothing shows that it helps, so it stays out; a
    flat table has no calendar. What is decided is noted.
    """
    names = {s.name for s in teaching.features.specs if s.group == SEASON}
    if not names or len(names) == len(teaching.features.specs):
        return teaching
    gains = [_gain(fold, teaching.encoding, names) for fold in fold_data(teaching)]
    if gains and min(gains) >= LEAST:
        return teaching
    note = (
        f"the calendar ({', '.join(sorted(names))}) was left out: it did not help in every period "
        f"it was tried on"
    )
    left = teaching.less(names)
    return replace(left, notes=[*left.notes, note])


def _gain(fold: FoldData, encoding: Encoding, names: set[str]) -> float:
    """Nats by which the linear part with the calendar is better on the fold's later rows."""
    kept = np.array([n not in names for n in encoding.names], np.bool_)
    less = replace(fold, X=fold.X[:, kept], X_valid=fold.X_valid[:, kept])
    return _loss(less, encoding.without(names)) - _loss(fold, encoding)


def _loss(fold: FoldData, encoding: Encoding) -> float:
    weights = np.ones(len(fold.X))
    fitted = LinearModel.fit(fold.X, fold.labels, encoding, weights, Recipe().l2)
    margins = fitted.margins(fold.X_valid)
    return float(loss(margins, fold.labels_valid, np.ones(len(fold.X_valid)))[0])
