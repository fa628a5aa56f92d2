"""BG/NBD: customers without a contract, who buy at their own pace until they silently stop.

Fader, Hardie & Lee, "Counting your customers the easy way: an alternative to the Pareto/NBD model"
(Marketing Science, 2005). While alive a customer buys at rate λ ~ Gamma(r, c), and after each
purchase stops for good with chance p ~ Beta(a, b). Of a customer first seen T days ago, with x
purchases since the first and the last of them at t_x:

    P(alive) = 1 / (1 + [x > 0] · a / (b + x − 1) · ((c + T) / (c + t_x))^(r + x))

A living customer stops at a purchase only, so that the next one falls into the next t days with

    P(alive) · (1 − ((c + T) / (c + T + t))^(r + x))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln

from features.tables import Bools, Floats
from training.models.baselines.matured import NotAvailableError, taught

COUNT, SINCE, AGE = "invoices_so_far", "days_since_invoice", "tenure"
"""Features that hold purchases, days since the last, and days since the first."""

STEPS = 200
WIDEST = 12.0
"""Bound of the logarithm of a parameter, in units of the data: beyond it nothing changes."""


@dataclass
class BgNbd:
    """The chance of another purchase within ``horizon`` days, from counts alone (see the module).

    Fitted by maximum likelihood of what was bought until each row; no outcome is looked at.
    """

    names: Sequence[str]
    horizon: float
    name: str = "BG/NBD"
    parameters: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)

    def fit(self, X: Floats, hit: Bools, weights: Floats | None = None) -> Self:
        """See ``Baseline.fit``; not available without counts of purchases and their dates."""
        _, weights = taught(X, hit, weights)
        x, recency, age = self._counted(X)
        known = ~np.isnan(x + recency + age)
        if not known.any():
            raise NotAvailableError("no row has a purchase to count from")
        x, recency, age, weights = x[known], recency[known], age[known], weights[known]
        unit = max(float(np.average(age, weights=weights)), 1e-9)

        def loss(logs: Floats) -> float:
            likely = log_likelihood(np.exp(logs), x, recency / unit, age / unit)
            return -float(np.average(likely, weights=weights)) + 1e-4 * float(logs @ logs)

        bounds = [(-WIDEST, WIDEST)] * 4
        found = minimize(
            loss, np.zeros(4), method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}
        )
        r, alpha, a, b = np.exp(found.x).tolist()
        self.parameters = (r, alpha * unit, a, b)
        return self

    def predict(self, X: Floats) -> Floats:
        """(n,) chance of a purchase by the horizon; a customer without a date has the mean's."""
        x, recency, age = self._counted(X)
        chance = next_purchase(self.parameters, x, recency, age, self.horizon)
        mean = float(np.nanmean(chance)) if (~np.isnan(chance)).any() else 0.5
        return np.where(np.isnan(chance), mean, chance)

    def _counted(self, X: Floats) -> tuple[Floats, Floats, Floats]:
        """x, t_x and T of each row (n,): purchases after the first, and days."""
        missing = [n for n in (COUNT, SINCE, AGE) if n not in self.names]
        if missing:
            raise NotAvailableError(f"there is no {', '.join(missing)} to count purchases by")
        count, since, age = (X[:, list(self.names).index(n)] for n in (COUNT, SINCE, AGE))
        return np.maximum(count - 1, 0.0), np.clip(age - since, 0.0, age), age


def log_likelihood(parameters: Floats, x: Floats, recency: Floats, age: Floats) -> Floats:
    """(n,) log-likelihood of x purchases, the last at ``recency``, within ``age``."""
    r, alpha, a, b = parameters
    bought = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    alive = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
    going = -(r + x) * np.log(alpha + age)
    stopped = np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + recency)
    total: Floats = bought + alive + np.where(x > 0, np.logaddexp(going, stopped), going)
    return total


def p_alive(parameters: Sequence[float], x: Floats, recency: Floats, age: Floats) -> Floats:
    """(n,) chance that a customer has not stopped."""
    r, alpha, a, b = parameters
    odds = np.log(a) - np.log(b + np.maximum(x, 1) - 1)
    odds = odds + (r + x) * (np.log(alpha + age) - np.log(alpha + recency))
    return np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0)


def next_purchase(
    parameters: Sequence[float], x: Floats, recency: Floats, age: Floats, days: float
) -> Floats:
    """(n,) chance of at least one purchase within the next ``days``."""
    r, alpha = parameters[0], parameters[1]
    none = np.exp((r + x) * (np.log(alpha + age) - np.log(alpha + age + days)))
    chance: Floats = p_alive(parameters, x, recency, age) * (1 - none)
    return chance
