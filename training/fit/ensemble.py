"""The parts of the learner, fitted on the same rows, and their weighted sum as one model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Instants
from training.fit.direct import base_margins, fit_logistic
from training.fit.parts import Boosted, Recipe, count_covers, fit_both
from training.fit.stack import PartWeights
from training.models.blend import Blend
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel
from training.models.outcome import OutcomeModel
from training.models.trees.model import Trees, margins_of
from training.task.questions import Labels

PARTS = ("linear", "boosted", "logistic", "base curve")
"""The parts in the order of their weights."""

LEAST = 0.02
"""A smaller weight moves no score to be seen, and would cost time with every one."""


@dataclass(frozen=True)
class FittedParts:
    """Every part, fitted on the same rows.

    logistic  None where the rows cannot teach it: the base curve stands in
    base      (K, J) margins of the base curve
    """

    linear: LinearModel
    boosted: Boosted
    logistic: LinearModel | None
    base: Floats

    def margins(self, X: Floats) -> Floats:
        """(P, n, K, J) of rows X (n, F), in the order of ``PARTS``."""
        base = np.broadcast_to(self.base, (len(X), *self.base.shape))
        logistic = base if self.logistic is None else self.logistic.margins(X)
        return np.stack([self.linear.margins(X), self.boosted_margins(X), logistic, base])

    def boosted_margins(self, X: Floats) -> Floats:
        """(n, K, J) of the boosted part alone."""
        return margins_of(self.boosted.text, X, *self.base.shape)


def fit_parts(
    X: Floats,
    labels: Labels,
    cutoffs: Instants,
    encoding: Encoding,
    recipe: Recipe,
    threads: int = 1,
) -> FittedParts:
    """Fit every part on training rows X (n, F), their labels and their cutoffs (n,)."""
    linear, boosted = fit_both(X, labels, cutoffs, encoding, recipe, threads)
    base = base_margins(labels)
    return FittedParts(linear, boosted, fit_logistic(X, labels, encoding, base), base)


def assemble(
    encoding: Encoding,
    edges: tuple[float, ...],
    parts: FittedParts,
    stack: PartWeights,
    X: Floats,
    labels: Labels,
) -> OutcomeModel:
    """One model whose margins are ``stack.margins(parts.margins(...))``.

    X (n, F), labels: the rows the parts were fitted on, which the trees' covers count. A sum of
    linear models is a linear model, so scoring and reasons have one of each kind. A weight under
    ``LEAST`` goes to the base curve; trees without weight are left out.
    """
    weights = np.where(np.abs(stack.weights) < LEAST, 0.0, stack.weights)
    weights[-1] += stack.weights.sum() - weights.sum()
    linear, boosted, logistic, base = weights.tolist()
    if parts.logistic is None:
        logistic, base = 0.0, base + logistic
    blend = Blend(linear + logistic, boosted, stack.level + base * parts.base)
    line = _weighted_mean(parts, linear, logistic)
    if not boosted:
        return OutcomeModel(encoding, line, None, blend, edges)
    text = parts.boosted.text
    covers = count_covers(X, labels, text)
    trees = Trees.from_text(text, X.shape[1], labels.bins, labels.outcomes, covers)
    return OutcomeModel(encoding, line, trees, blend, edges, text, covers)


def _weighted_mean(parts: FittedParts, linear: float, logistic: float) -> LinearModel:
    """The two linear parts by their weights."""
    if parts.logistic is None or not logistic:
        return parts.linear
    if not linear:
        return parts.logistic
    share = linear / (linear + logistic)
    return parts.linear.plus(parts.logistic, share, 1 - share)
