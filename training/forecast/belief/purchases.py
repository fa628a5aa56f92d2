"""Repeat purchases without a contract: how often each customer buys, and whether it still does.

BG/NBD (Fader, Hardie and Lee, 2005): while alive a customer buys at its own rate, which is
gamma(r, alpha) among customers, and after each purchase leaves for good with its own chance, which
is beta(a, b). With x repeat purchases, the last at t, seen for T, a customer is alive with
probability 1 / (1 + [x > 0] a / (b + x - 1) ((alpha + T) / (alpha + t))^(r + x)), and then has rate
gamma(r + x, alpha + T) and chance beta(a, b + x). Few purchases say little: the estimate leans on
the others' by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaincinv, betaln, gammaincinv, gammaln

from features.tables import DAY, Floats, Ints
from training.forecast.belief.drift import BIN, DriftPosterior, bins_of, count_drift
from training.forecast.data.charges import Charges

LEVELS = 24
"""Quantiles by which a customer's rate and chance are drawn."""
FEWEST = 30
"""Customers without whom no purchase process can be learned."""
OWN = 3.0
"""Purchases a customer needs so that half of its next amounts are like its own."""


@dataclass(frozen=True)
class PurchaseHistory:
    """Purchases known at an origin, a day's charges of a customer being one; customers (n,).

    account  code in ``Charges``; x repeat purchases; last, age days from the first purchase to the
             last and to the origin
    amount   (m,) of every purchase, customer by customer, days_ago (m,) when; starts (n + 1,)
    """

    account: Ints
    x: Floats
    last: Floats
    age: Floats
    amount: Floats
    starts: Ints
    days_ago: Floats


def purchase_history(charges: Charges, origin: int) -> PurchaseHistory:
    """What was known before ``origin`` (microseconds)."""
    rows = np.flatnonzero(charges.seen(origin))
    amounts = np.nan_to_num(charges.amounts(rows))
    account, day = charges.account[rows], charges.at[rows] // DAY
    order = np.lexsort((day, account))
    account, day, amounts = account[order], day[order], amounts[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (account[1:] != account[:-1]) | (day[1:] != day[:-1])
    summed = np.add.reduceat(amounts, np.flatnonzero(new)) if len(order) else amounts
    account, day = account[new], day[new]
    who, first, count = np.unique(account, return_index=True, return_counts=True)
    began = day[first]
    last = day[first + count - 1] - began
    age = origin / DAY - began
    starts = np.append(first, len(account)).astype(np.int64)
    x = count.astype(np.float64) - 1.0
    ago = (origin / DAY - day).astype(np.float64)
    return PurchaseHistory(
        who, x, last.astype(np.float64), age.astype(np.float64), summed, starts, ago
    )


@dataclass(frozen=True)
class PurchaseProcess:
    """The four numbers of the process: gamma(r, alpha) of rates a day, beta(a, b) of leaving."""

    r: float
    alpha: float
    a: float
    b: float

    def alive(self, found: PurchaseHistory) -> Floats:
        """(n,) probability that each customer still buys."""
        odds = np.log(self.a / (self.b + np.maximum(found.x, 1.0) - 1.0)) + (self.r + found.x) * (
            np.log(self.alpha + found.age) - np.log(self.alpha + found.last)
        )
        gone = np.where(found.x > 0, np.exp(np.minimum(odds, 700.0)), 0.0)
        alive: Floats = 1.0 / (1.0 + gone)
        return alive


def fit_process(found: PurchaseHistory) -> PurchaseProcess:
    """The four numbers by maximum likelihood; ValueError with fewer than ``FEWEST`` customers."""
    if len(found.x) < FEWEST:
        raise ValueError(
            f"too little history: {len(found.x)} customers ever bought, at least {FEWEST} are "
            f"needed to know how often they come back"
        )
    start = np.log([0.8, float(np.mean(found.age)) / 2 + 1.0, 0.8, 2.5])
    best = minimize(_loss, start, args=(found,), method="Nelder-Mead", options={"maxiter": 600})
    r, alpha, a, b = np.exp(np.clip(best.x, -7.0, 12.0)).tolist()
    return PurchaseProcess(r, alpha, a, b)


def _loss(logs: Floats, found: PurchaseHistory) -> float:
    """Minus the mean log likelihood (formula 6 of the paper), with a faint prior on the logs."""
    r, alpha, a, b = np.exp(np.clip(logs, -7.0, 12.0))
    x, again = found.x, found.x > 0
    common = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    stays = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + found.age)
    less = np.maximum(x, 1.0) - 1.0
    leaves = betaln(a + 1, b + less) - betaln(a, b) - (r + x) * np.log(alpha + found.last)
    likelihood = common + np.where(again, np.logaddexp(stays, leaves), stays)
    return float(-likelihood.mean() + 1e-4 * (logs**2).sum())


AGES = 104
"""Weeks since the first purchase that are told apart."""


def purchase_drift(found: PurchaseHistory, origin: int) -> DriftPosterior:
    """The drift of repeat purchases against what the customers' ages led to expect.

    Of each week since the first purchase the usual number of repeat purchases is known from all
    customers; a four-week bin's expected number is the sum over the customers there.
    """
    n = bins_of(float(found.age.max()))
    weeks = n * round(BIN / 7)
    came = (found.age // 7).astype(np.int64)  # weeks before the origin
    first = np.bincount(np.minimum(came, weeks - 1), minlength=weeks).astype(np.float64)
    later = np.ones(len(found.amount), np.bool_)
    later[found.starts[:-1]] = False
    since = np.repeat(came, np.diff(found.starts))[later]
    ago = np.minimum((found.days_ago[later] // 7).astype(np.int64), weeks - 1)
    bought = np.bincount(np.clip(since - ago, 0, AGES - 1), minlength=AGES).astype(np.float64)
    # (weeks, weeks) customers there in each week, by the week they came in
    age = np.arange(weeks)[None, :] - np.arange(weeks)[:, None]
    there = np.where(age >= 0, first[None, :], 0.0)
    place = np.clip(age, 0, AGES - 1)
    at_risk = np.bincount(place.ravel(), weights=there.ravel(), minlength=AGES)
    usual = bought / np.maximum(at_risk, 1e-9)
    expected = (there * usual[place]).sum(axis=1).reshape(n, -1).sum(axis=1)
    counts = np.bincount(ago, minlength=weeks).astype(np.float64).reshape(n, -1).sum(axis=1)
    return count_drift(origin, counts, expected)


def levels() -> Floats:
    """The middles of LEVELS equal shares."""
    found: Floats = (np.arange(LEVELS) + 0.5) / LEVELS
    return found


def rates(r: Floats, alpha: Floats) -> Floats:
    """(n, LEVELS) quantiles of gamma(r, alpha), with its mean."""
    found = gammaincinv(r[:, None], levels()) / alpha[:, None]
    mean = (r / alpha)[:, None]
    scaled: Floats = found * mean / np.maximum(found.mean(axis=1, keepdims=True), 1e-300)
    return scaled


def chances(a: Floats, b: Floats) -> Floats:
    """(n, LEVELS) quantiles of beta(a, b)."""
    found: Floats = betaincinv(a[:, None], b[:, None], levels())
    return found
