"""Multinomial ridge regression on hazards, fast because a row is expanded once, not once a bin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from features.tables import Bools, Floats, Ints
from training.models.curves import LabelArrays, entered, loss, pooled_rates, pseudo_loss

GOAL, FAR = 1e-4, 0.05
"""Steepest slope to reach, and to be refused, in whitened coordinates: a slope of 0.05 is about a
thousandth of a nat from the optimum."""


SAMPLE = 40_000
"""About how many rows measure the curvature; it only has to be near enough to speed the search."""


@dataclass(frozen=True)
class Design:
    """n rows of P centred columns: dense ones (n, D) of mean 0, and zeros and ones (n, P - D).

    The latter stay sparse; ``mean`` (P - D,) is subtracted wherever they are used.
    """

    dense: Floats
    ones: csr_matrix
    mean: Floats

    @staticmethod
    def of(dense: Floats, slots: Ints, size: int, flags: Bools) -> Design:
        """A design of dense columns, of slots (n, C) among ``size`` that are 1, and of flags."""
        n, C = slots.shape
        ends = np.arange(0, n * C + 1, max(C, 1))[: n + 1] if C else np.zeros(n + 1, np.int64)
        levels = csr_matrix((np.ones(n * C), slots.ravel(), ends), shape=(n, size))
        ones = csr_matrix(hstack([levels, csr_matrix(flags.astype(np.float64))]))
        return Design(dense, ones, np.asarray(ones.mean(axis=0)).ravel())

    @property
    def width(self) -> int:
        """P, the number of columns."""
        return int(self.dense.shape[1]) + len(self.mean)

    def times(self, beta: Floats) -> Floats:
        """(n, J) the design times beta (J, P)."""
        D = self.dense.shape[1]
        sparse = self.ones @ beta[:, D:].T - beta[:, D:] @ self.mean
        product: Floats = self.dense @ beta[:, :D].T + sparse
        return product

    def transposed(self, rows: Floats) -> Floats:
        """(J, P) the transposed design times rows (n, J)."""
        sparse = (self.ones.T @ rows).T - np.outer(rows.sum(axis=0), self.mean)
        return np.hstack([rows.T @ self.dense, sparse])

    def take(self, rows: slice) -> Design:
        """The design at ``rows``, centred as before."""
        return Design(self.dense[rows], self.ones[rows], self.mean)

    def gram(self, weights: Floats) -> Floats:
        """(P, P) weighted sums of products of the columns."""
        D = self.dense.shape[1]
        scaled, ones = self.dense * weights[:, None], self.ones.multiply(weights[:, None]).tocsr()
        gram = np.empty((self.width, self.width))
        gram[:D, :D] = scaled.T @ self.dense
        gram[D:, :D] = self.ones.T @ scaled - np.outer(self.mean, scaled.sum(axis=0))
        gram[:D, D:] = gram[D:, :D].T
        twice = np.outer(np.asarray(ones.sum(axis=0)).ravel(), self.mean)
        centre = weights.sum() * np.outer(self.mean, self.mean)
        gram[D:, D:] = (self.ones.T @ ones).toarray() - twice - twice.T + centre
        return gram


def fit_ridge(
    design: Design, labels: LabelArrays, weights: Floats, l2: float
) -> tuple[Floats, Floats]:
    """Intercepts alpha (K, J) and coefficients beta (J, P) of largest penalised likelihood.

    Minimises loss + l2 / 2 · |beta|² + one pseudo person-period a bin at the mean row, by L-BFGS in
    coordinates whitened by the curvature at the base rate (about ten steps then suffice). Costs
    min(n, 40,000) P² once and n P a step.
    """
    if not l2 > 0:
        raise ValueError(f"l2 must be positive, got {l2}; without it beta need not be finite")
    rates = pooled_rates(labels, weights)
    K, J, P = labels.bins, len(rates), design.width
    factors = _whiten(design, labels, weights, rates, l2)
    spread = np.sqrt(rates * (1 - rates)) * np.sqrt(1 + _mass(labels, weights))[:, None]

    def unpack(at: Floats) -> tuple[Floats, Floats]:
        whitened = at[K * J :].reshape(J, P)
        beta = [
            solve_triangular(f, u, lower=True, trans=1)
            for f, u in zip(factors, whitened, strict=True)
        ]
        return at[: K * J].reshape(K, J) / spread, np.array(beta).reshape(J, P)

    def objective(at: Floats) -> tuple[float, Floats]:
        alpha, beta = unpack(at)
        value, residual = loss(design.times(beta)[:, None, :] + alpha, labels, weights)
        pull, toward = pseudo_loss(alpha, rates)
        slopes = design.transposed(residual.sum(axis=1)) + l2 * beta
        steep = [solve_triangular(f, g, lower=True) for f, g in zip(factors, slopes, strict=True)]
        level = (residual.sum(axis=0) + toward) / spread
        return value + pull + l2 / 2 * float((beta**2).sum()), np.concatenate(
            [level.ravel(), *steep]
        )

    start = np.tile(np.log(rates / (1 - rates.sum())), (K, 1)) * spread
    found = minimize(
        objective,
        np.concatenate([start.ravel(), np.zeros(J * P)]),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 500, "maxcor": 20, "ftol": 1e-14, "gtol": GOAL},
    )
    if not np.abs(found.jac).max() < FAR * max(1.0, found.fun * 1e-6):
        raise RuntimeError(
            f"the linear part did not converge: {found.message}, steepest slope "
            f"{np.abs(found.jac).max()}; raise l2 from {l2}"
        )
    return unpack(found.x)


def _mass(labels: LabelArrays, weights: Floats) -> Floats:
    """(K,) weight of the person-periods of each bin."""
    last = entered(labels)
    return np.array([weights[last > k].sum() for k in range(labels.bins)])


def _whiten(
    design: Design, labels: LabelArrays, weights: Floats, rates: Floats, l2: float
) -> list[Floats]:
    """A Cholesky factor (P, P) an outcome, of the curvature where every margin is the base rate."""
    step = 1 + len(weights) // SAMPLE
    periods = (weights * entered(labels))[::step] * step
    gram = design.take(slice(None, None, step)).gram(periods)
    ridge = l2 * np.eye(design.width)
    return [cholesky(rate * (1 - rate) * gram + ridge, lower=True) for rate in rates]
