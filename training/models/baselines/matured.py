"""The rows a direct classifier of the whole horizon may learn from, and their base rate."""

from __future__ import annotations

import numpy as np

from features.tables import Bools, Floats


class NotAvailableError(ValueError):
    """A baseline cannot be made from these rows; the message says why."""


def taught(X: Floats, hit: Bools, weights: Floats | None) -> tuple[Bools, Floats]:
    """Outcomes (n,) and weights (n,; ones unless given); no rows is a NotAvailableError."""
    hit = np.asarray(hit, bool)
    if len(X) != len(hit):
        raise ValueError(f"as many rows as outcomes are needed, got {len(X)} and {len(hit)}")
    if len(hit) == 0:
        raise NotAvailableError("no matured row to learn from: the horizon is longer than history")
    return hit, np.ones(len(hit)) if weights is None else np.asarray(weights, np.float64)


def both_kinds(X: Floats, hit: Bools, weights: Floats | None) -> tuple[Bools, Floats]:
    """``taught``, and there is a column and both an outcome and its absence to tell apart."""
    hit, weights = taught(X, hit, weights)
    if X.shape[1] == 0:
        raise NotAvailableError("there is no feature to learn from; the mapping gave none")
    if hit.all() or not hit.any():
        kind = "had" if hit.all() else "lacked"
        raise NotAvailableError(f"all {len(hit)} matured rows {kind} the outcome: nothing to tell")
    return hit, weights


def base_rate(hit: Bools, weights: Floats | None = None) -> float:
    """The weighted share of outcomes, kept half a row away from 0 and 1.

    A rate of exactly 0 would be a claim that n rows cannot support, at infinite log loss.
    """
    hit, weights = taught(np.empty((len(hit), 0)), hit, weights)
    edge = 0.5 / (len(hit) + 1)
    return float(np.clip(np.average(hit, weights=weights), edge, 1 - edge))
