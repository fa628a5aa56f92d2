"""From a curve by bins to a cumulative hazard at any day."""

from __future__ import annotations

import numpy as np

from features.tables import Floats

CERTAIN = 1.0 - 1e-12
"""An incidence is held below 1, so that its cumulative hazard is finite."""


def incidence_at(curve: Floats, edges: tuple[float, ...], days: Floats) -> Floats:
    """(n, D) incidence of the first outcome by ``days`` (D,), from a curve (n, K, J) by bins.

    Hazards are constant within a bin; beyond the horizon the last bin's go on:
    F(t) = F(t_k) + (1 - exp(-r (t - t_k))) S(t_k) h_1 / r with r = Σ_j h_j, for t_k <= t < t_k+1.
    """
    ends = np.array(edges)
    starts = np.concatenate([[0.0], ends[:-1]])
    before = np.concatenate([np.zeros((len(curve), 1, curve.shape[2])), curve[:, :-1]], axis=1)
    gained = curve - before
    alive = np.maximum(1.0 - before.sum(axis=2), 1e-12)
    leaving = np.minimum(gained.sum(axis=2) / alive, CERTAIN)
    rate = -np.log1p(-leaving) / (ends - starts)
    share = gained[:, :, 0] / np.maximum(gained.sum(axis=2), 1e-300)
    place = np.minimum(np.searchsorted(ends, days, side="left"), len(ends) - 1)
    since = days - starts[place]
    gone = -np.expm1(-rate[:, place] * since)
    found: Floats = before[:, place, 0] + share[:, place] * alive[:, place] * gone
    return np.clip(found, 0.0, CERTAIN)


def cumulative(incidence: Floats) -> Floats:
    """-log(1 - F), the cumulative hazard of a (sub-)distribution."""
    hazard: Floats = -np.log1p(-incidence)
    return hazard
