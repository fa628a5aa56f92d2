"""The parts of the learner, fitted on the same rows, and their weighted sum as one model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Instants
from training.fit.boosters import weighted_sum
from training.fit.parts import Boosted, Recipe, count_covers, fit_both
from training.fit.simple import SimpleWays, fit_simple
from training.fit.stack import Stack
from training.models.blend import Blend
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel
from training.models.outcome import OutcomeModel
from training.models.trees.model import Trees, margins_of
from training.task.questions import Labels

PARTS = ("linear", "boosted", "logistic", "plain LightGBM", "base curve")
"""The parts in the order of their weights."""

LEAST = 0.02
"""A smaller weight moves no score to be seen, and would cost time with every one."""


@dataclass(frozen=True)
class FittedParts:
    """Every part, fitted on the same rows."""

    linear: LinearModel
    boosted: Boosted
    simple: SimpleWays

    def margins(self, X: Floats) -> Floats:
        """(P, n, K, J) of rows X (n, F), in the order of ``PARTS``."""
        logistic, plain, base = self.simple.margins(X)
        return np.stack([self.linear.margins(X), self.boosted_margins(X), logistic, plain, base])

    def boosted_margins(self, X: Floats) -> Floats:
        """(n, K, J) of the boosted part alone."""
        return margins_of(self.boosted.text, X, *self.simple.base.shape)


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
    return FittedParts(linear, boosted, fit_simple(X, labels, encoding, recipe.seed, threads))


def assemble(
    encoding: Encoding,
    edges: tuple[float, ...],
    parts: FittedParts,
    stack: Stack,
    X: Floats,
    labels: Labels,
) -> OutcomeModel:
    """One model whose margins are ``stack.margins(parts.margins(...))``.

    X (n, F), labels: the rows the parts were fitted on, which the trees' covers count. A sum of
    linear models is a linear model and a sum of boosters a booster: what scores and explains has
    one of each. A weight under ``LEAST`` goes to the base curve.
    """
    weights = np.where(np.abs(stack.weights) < LEAST, 0.0, stack.weights)
    weights[-1] += stack.weights.sum() - weights.sum()
    of = dict(zip(PARTS, weights.tolist(), strict=True))
    simple = parts.simple
    if simple.logistic is None or simple.boosted is None:
        of["base curve"] += of["logistic"] + of["plain LightGBM"]
        of["logistic"] = of["plain LightGBM"] = 0.0
    a, linear = _linear(parts, of)
    b, text = _trees(parts, of)
    # plain LightGBM enters as its move from the base curve
    level = stack.level + (of["base curve"] + of["plain LightGBM"]) * simple.base
    level[:, 0] -= of["plain LightGBM"] * simple.slope * simple.centre
    blend = Blend(a, b, level)
    if not b:
        return OutcomeModel(encoding, linear, None, blend, edges)
    covers = count_covers(X, labels, text)
    trees = Trees.from_text(text, X.shape[1], labels.bins, labels.outcomes, covers)
    return OutcomeModel(encoding, linear, trees, blend, edges, text, covers)


def _linear(parts: FittedParts, of: dict[str, float]) -> tuple[float, LinearModel]:
    """The weight of the linear parts together, and their weighted mean."""
    total = of["linear"] + of["logistic"]
    if of["logistic"] == 0 or parts.simple.logistic is None:
        return total, parts.linear
    if of["linear"] == 0:
        return total, parts.simple.logistic
    share = of["linear"] / total
    return total, parts.linear.plus(parts.simple.logistic, share, 1 - share)


def _trees(parts: FittedParts, of: dict[str, float]) -> tuple[float, str]:
    """The weight of the boosted parts together, and the text of their weighted mean."""
    total = of["boosted"] + of["plain LightGBM"]
    if of["plain LightGBM"] == 0 or parts.simple.boosted is None:
        return total, parts.boosted.text
    outcomes = parts.simple.base.shape[1]
    share = of["boosted"] / total
    return total, weighted_sum(
        parts.boosted.text,
        share,
        parts.simple.boosted,
        (1 - share) * parts.simple.slope,
        outcomes + 1 if outcomes > 1 else 1,
    )
