"""A stated base rate instead of the one in training: the whole curve is shifted, coherently.

Where only the base rate has changed, Bayes' rule multiplies the odds of every score by the same
number (Saerens, Latinne & Decaestecker 2002): logit F' = logit F + logit(stated) - logit(expected),
where ``expected`` is the rate that the model itself expects: its mean score of the newest period.
The curve follows: one number d a record is added to the scored outcome's margin in every bin, so
that F_1(H) has the wanted odds. Hazards stay hazards: the curve still rises, and all outcomes and
"open" still sum to 1. With one bin d is the shift itself.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from features.tables import Floats
from training.models.curves import log_add, log_others, log_total

STEPS = 200
"""Halvings and doublings at most: an interval of doubles is used up long before."""


def log_odds_shift(stated: float, expected: float) -> float:
    """logit(stated) - logit(expected); ValueError unless both lie strictly between 0 and 1."""
    for name, rate in (("stated prior", stated), ("expected base rate", expected)):
        if not 0 < rate < 1:
            raise ValueError(f"the {name} must lie strictly between 0 and 1, got {rate}")
    return math.log(stated) - math.log1p(-stated) - math.log(expected) + math.log1p(-expected)


def restated(share: float, shift: float) -> float:
    """A share whose odds are multiplied by e**shift: 0.33 at logit(0.01) - logit(0.3) is 0.011."""
    odds = share * math.exp(shift)
    return odds / (odds + 1 - share)


def shifted(margins: Floats, shift: float) -> Floats:
    """Margins (n, K, J) whose logit F_1(H) is higher by ``shift``, each record's by one number.

    Found by bisection to the last bits; a shift of 0 gives the margins back.
    """
    out = np.array(margins, np.float64, order="C")
    if shift != 0:
        _shift(out, shift)
    return out


@njit(cache=True)
def _log_odds_at(margins: Floats, d: float) -> float:
    """logit F_1(H) of margins (K, J) with d added to the scored outcome's in every bin."""
    log_hit, log_miss = -np.inf, 0.0
    row = np.empty(margins.shape[1])
    for k in range(len(margins) - 1, -1, -1):
        row[:] = margins[k]
        row[0] += d
        total = log_total(row)
        log_hit = log_add(row[0], log_hit) - total
        log_miss = log_add(log_others(row), log_miss) - total
    return log_hit - log_miss


@njit(cache=True)
def _shift(margins: Floats, shift: float) -> None:
    for i in range(len(margins)):
        wanted = _log_odds_at(margins[i], 0.0) + shift
        near, far = 0.0, shift
        for _ in range(STEPS):  # the log-odds rise with d without bound: double until passed
            if (_log_odds_at(margins[i], far) - wanted) * shift >= 0:
                break
            near, far = far, 2 * far
        for _ in range(STEPS):
            middle = 0.5 * (near + far)
            if middle in (near, far):
                break
            if (_log_odds_at(margins[i], middle) - wanted) * shift >= 0:
                far = middle
            else:
                near = middle
        margins[i, :, 0] += far
