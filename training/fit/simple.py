"""The simple ways as parts of the learner: base curve, logistic regression, LightGBM as it comes.

A simple way classifies "the scored outcome within the horizon" directly, on matured rows. As a part
it moves the scored outcome's margin in every bin of the base curve by

    (g(x) - logit F_1(H)) / G,    G = d logit F_1(H) / d (that margin, in all bins alike),

where g is its log-odds and F_1(H) the base curve's. With one bin that is the simple way itself;
with several its curve follows, and to first order its score. So it has reasons like every part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from features.tables import Bools, Floats
from training.fit.parts import TreeParams, fit_trees
from training.models.attribution import attribution_weights
from training.models.curves import entered, log_odds, pooled_rates
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel, Numbers
from training.models.trees.model import margins_of
from training.task.questions import Labels

PLAIN = TreeParams(0.1, 31, 6, 20, 1.0, 0.0, 100)
"""LightGBM's defaults, but for the depth that reasons can pay for."""

WEAK = 1.0
"""Precision of a coefficient's prior: scikit-learn's default penalty, C = 1."""


@dataclass(frozen=True)
class SimpleWays:
    """The simple ways, taught on the same rows; None where those rows cannot teach them.

    base      (K, J) margins of the base curve
    slope     1 / G, what one log-odds of a simple way moves the scored outcome's margin by
    logistic  margins (K, J) as they enter the blend
    boosted   LightGBM's text, a single class; ``centre`` the log-odds it is measured from
    """

    base: Floats
    slope: float
    centre: float
    logistic: LinearModel | None
    boosted: str | None

    def margins(self, X: Floats) -> list[Floats]:
        """(n, K, J) margins: logistic, LightGBM, base curve."""
        base = np.broadcast_to(self.base, (len(X), *self.base.shape))
        logistic = base if self.logistic is None else self.logistic.margins(X)
        return [logistic, base if self.boosted is None else self._boosted(X), base]

    def _boosted(self, X: Floats) -> Floats:
        assert self.boosted is not None
        moved = (margins_of(self.boosted, X, 1, 1)[:, 0, 0] - self.centre) * self.slope
        margins = np.tile(self.base, (len(X), 1, 1))
        margins[:, :, 0] += moved[:, None]
        return margins


def fit_simple(
    X: Floats, labels: Labels, encoding: Encoding, seed: int = 0, threads: int = 1
) -> SimpleWays:
    """Teach the simple ways on rows X (n, F)."""
    base = base_margins(labels)
    slope = 1 / float(attribution_weights(base, base[None])[0, :, 0].sum())
    centre = float(log_odds(base[None])[0])
    rows = np.flatnonzero(labels.matured)
    hit = labels.hit[rows]
    if not 0 < hit.sum() < len(hit):
        return SimpleWays(base, slope, centre, None, None)
    once = _direct(hit)
    ones = np.ones(len(rows))
    plain = LinearModel.fit(X[rows], once, encoding, ones, WEAK, Numbers.plain)
    logistic = _spread(plain, base, slope, centre)
    boosted = fit_trees(X[rows], once, encoding, ones, PLAIN, seed=seed, threads=threads).text
    return SimpleWays(base, slope, centre, logistic, boosted)


def _direct(hit: Bools) -> Labels:
    """One bin, one outcome: whether the scored outcome happened within the horizon."""
    happened = hit.astype(np.int64)
    return Labels(happened, 1 - happened, np.ones(len(hit), np.int64), 1, 1)


def base_margins(labels: Labels) -> Floats:
    """(K, J) margins of the base curve; one pseudo person-period keeps every bin finite."""
    rates = pooled_rates(labels, np.ones(len(labels)))
    last = entered(labels)
    margins = np.empty((labels.bins, labels.outcomes))
    for k in range(labels.bins):
        here = (last > k) & (labels.event_bin == k)
        events = np.bincount(labels.event[here], minlength=labels.outcomes + 1)[1:]
        hazard = (events + rates) / (int((last > k).sum()) + 1)
        margins[k] = np.log(hazard / (1 - hazard.sum()))
    return margins


def _spread(plain: LinearModel, base: Floats, slope: float, centre: float) -> LinearModel:
    """A direct classifier's linear part, moving the scored outcome's margin in every bin."""
    alpha = base.copy()
    alpha[:, 0] += (plain.alpha[0, 0] - centre) * slope

    def first(coefficients: Floats) -> Floats:
        out = np.zeros((base.shape[1], coefficients.shape[1]))
        out[0] = coefficients[0] * slope
        return out

    slopes, gaps, levels = first(plain.slope), first(plain.gap), first(plain.level)
    return replace(plain, alpha=alpha, slope=slopes, gap=gaps, level=levels)
