"""Linear and trees into one margin: blending and calibration at once, on out-of-fold margins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.tables import Floats
from training.models.curves import LabelArrays, entered, loss, pooled_rates, pseudo_loss

LEAN = 2.0
"""Nats a part must earn for each unit of its coefficient: an exponential prior on a and on b."""


@dataclass(frozen=True)
class Blend:
    """m_kj = a · linear_kj + b · trees_kj + c_kj, with a, b ≥ 0 and c (K, J)."""

    a: float
    b: float
    c: Floats

    def margins(self, linear: Floats, trees: Floats | None) -> Floats:
        """Blended margins, shaped as the margins given; ``trees`` may be None where b is 0."""
        if trees is None:
            if self.b:
                raise ValueError(f"the trees have weight {self.b}: their margins are needed")
            return self.a * linear + self.c
        return self.a * linear + self.b * trees + self.c

    @staticmethod
    def fit(
        linear: Floats, trees: Floats | None, labels: LabelArrays, weights: Floats | None = None
    ) -> Blend:
        """Fit by penalised maximum likelihood over the person-periods of n rows.

        linear, trees  (n, K, J) margins of rows the parts have not seen; no trees means b = 0
        weights        (n,), one a row; None counts every row once

        Minimises loss + 2 (a + b) + one pseudo person-period a bin, at the bin's average margins
        and ending as all person-periods together do. So a part that gains less likelihood than
        chance gives gets 0, few outcomes pull c to the base rate, and with many neither matters.
        The problem is convex: so measured, the blend is never worse than a part alone at its best.
        Rows of one class only are an error. Costs about 30 passes over the person-periods.
        """
        weights = np.ones(len(linear)) if weights is None else weights
        parts = [linear] if trees is None else [linear, trees]
        slopes, level = fit_weights(parts, labels, weights)
        a, b = [*slopes.tolist(), 0.0][:2]
        return Blend(a, b, level)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"a": self.a, "b": self.b, "c": self.c.tolist()}

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> Blend:
        """The inverse of ``to_json``."""
        return Blend(state["a"], state["b"], np.array(state["c"], np.float64))


def fit_weights(parts: list[Floats], labels: LabelArrays, weights: Floats) -> tuple[Floats, Floats]:
    """Weights (P,) of P parts' margins (n, K, J) and their level c (K, J), as ``Blend.fit``."""
    centres = [_centre(part, labels, weights) for part in parts]
    centred = [part - centre for part, centre in zip(parts, centres, strict=True)]
    slopes, levels = _minimise(centred, labels, weights)
    shift = sum(s * centre for s, centre in zip(slopes, centres, strict=True))
    return slopes, levels - shift


def penalised(blend: Blend, linear: Floats, trees: Floats, labels: LabelArrays) -> float:
    """What ``Blend.fit`` minimises, in nats, every row counting once."""
    weights = np.ones(len(linear))
    rates = pooled_rates(labels, weights)
    average = blend.margins(_centre(linear, labels, weights), _centre(trees, labels, weights))
    value, _ = loss(blend.margins(linear, trees), labels, weights)
    return value + LEAN * (blend.a + blend.b) + pseudo_loss(average, rates)[0]


def _centre(part: Floats, labels: LabelArrays, weights: Floats) -> Floats:
    """(K, J) mean margins over the person-periods of each bin; over all rows where it has none."""
    last = entered(labels)
    means = [
        np.average(part[:, k], axis=0, weights=mass if mass.sum() > 0 else None)
        for k in range(labels.bins)
        for mass in [weights * (last > k)]
    ]
    return np.array(means)


def _minimise(parts: list[Floats], labels: LabelArrays, weights: Floats) -> tuple[Floats, Floats]:
    """Slopes (parts,) and levels (K, J) at the optimum, for centred parts."""
    from scipy.optimize import minimize  # noqa: PLC0415  # 0.3 s, and scoring never needs it

    rates = pooled_rates(labels, weights)
    K, J, P = labels.bins, labels.outcomes, len(parts)
    spread = rates * (1 - rates)
    last = entered(labels)
    mass = np.array([weights[last > k].sum() for k in range(K)])
    steep = [
        np.sqrt(1 + (weights * last) @ (part**2 * spread).sum(axis=2).mean(axis=1))
        for part in parts
    ]
    scale = np.concatenate([steep, np.sqrt((1 + mass)[:, None] * spread).ravel()])

    def objective(at: Floats) -> tuple[float, Floats]:
        slopes, levels = (at / scale)[:P], (at / scale)[P:].reshape(K, J)
        margins = sum(s * part for s, part in zip(slopes, parts, strict=True)) + levels
        value, residual = loss(margins, labels, weights)
        pull, toward = pseudo_loss(levels, rates)
        rise = [LEAN + float(np.vdot(part, residual)) for part in parts]
        gradient = np.concatenate([rise, (residual.sum(axis=0) + toward).ravel()]) / scale
        return value + LEAN * float(slopes.sum()) + pull, gradient

    level = np.tile(np.log(rates / (1 - rates.sum())), (K, 1)).ravel()
    found = minimize(
        objective,
        np.concatenate([np.full(P, 1 / P), level]) * scale,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * P + [(None, None)] * (K * J),
        options={"maxiter": 500, "maxcor": 20, "ftol": 1e-14, "gtol": 1e-5},
    )
    if found.status == 1:
        raise RuntimeError(f"the blend did not converge: {found.message}")
    return (found.x / scale)[:P], (found.x / scale)[P:].reshape(K, J)
