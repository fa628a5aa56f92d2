"""The simple ways as parts of the learner: the base curve, and plain logistic regression.

Logistic regression classifies "the scored outcome within the horizon" directly, on matured rows. As
a part it moves the scored outcome's margin in every bin of the base curve by

    (g(x) - logit F_1(H)) / G,    G = d logit F_1(H) / d (that margin, in all bins alike),

where g is its log-odds and F_1(H) the base curve's. With one bin that is the regression itself;
with several its curve follows, and to first order its score. So it has reasons like every part.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from features.tables import Bools, Floats
from training.models.attribution import attribution_weights
from training.models.curves import entered, log_odds, pooled_rates
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel, Numbers
from training.task.questions import Labels

WEAK = 1.0
"""Precision of a coefficient's prior: scikit-learn's default penalty, C = 1."""


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


def fit_logistic(X: Floats, labels: Labels, encoding: Encoding, base: Floats) -> LinearModel | None:
    """Plain logistic regression on rows X (n, F), as margins on top of the base curve (K, J).

    None where no matured row, or only one class of them, can teach it.
    """
    rows = np.flatnonzero(labels.matured)
    hit = labels.hit[rows]
    if not 0 < hit.sum() < len(hit):
        return None
    plain = LinearModel.fit(
        X[rows], _within_horizon(hit), encoding, np.ones(len(rows)), WEAK, Numbers.plain
    )
    return _in_every_bin(plain, base)


def _within_horizon(hit: Bools) -> Labels:
    """One bin, one outcome: whether the scored outcome happened within the horizon."""
    happened = hit.astype(np.int64)
    return Labels(happened, 1 - happened, np.ones(len(hit), np.int64), 1, 1)


def _in_every_bin(plain: LinearModel, base: Floats) -> LinearModel:
    """A direct classifier's linear part, moving the scored outcome's margin in every bin."""
    slope = 1 / float(attribution_weights(base, base[None])[0, :, 0].sum())
    alpha = base.copy()
    alpha[:, 0] += (plain.alpha[0, 0] - float(log_odds(base[None])[0])) * slope

    def first(coefficients: Floats) -> Floats:
        out = np.zeros((base.shape[1], coefficients.shape[1]))
        out[0] = coefficients[0] * slope
        return out

    slopes, gaps, levels = first(plain.slope), first(plain.gap), first(plain.level)
    return replace(plain, alpha=alpha, slope=slopes, gap=gaps, level=levels)
