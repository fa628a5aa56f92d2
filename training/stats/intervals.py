"""95 % intervals in closed form; each function gives (low, high), NaN where there is none.

Wilson (1927) for shares; Garwood (1936) for counts; Student for means; order statistics (binomial)
for medians; a compound Poisson process for sums; linearisation for ratios of sums.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import stats

from features.tables import Floats

LEVEL = 0.95
Z = float(stats.norm.ppf(0.5 + LEVEL / 2))
NONE = (float("nan"), float("nan"))
Interval = tuple[float, float]


@lru_cache(maxsize=4096)
def _student(freedom: int) -> float:
    return float(stats.t.ppf(0.5 + LEVEL / 2, freedom))


def wilson(k: float, n: float) -> Interval:
    """Of a share k / n; neither need be whole: n may be an effective number of cases."""
    low, high = wilson_each(np.array([k], np.float64), np.array([n], np.float64))
    return float(low[0]), float(high[0])


def wilson_each(k: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Of each share k / n: (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n); NaN where n is 0."""
    n, z2 = np.where(n > 0, n, np.nan), Z * Z
    p = k / n
    middle, spread = p + z2 / (2 * n), Z * np.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = (middle - spread) / (1 + z2 / n), (middle + spread) / (1 + z2 / n)
    # at 0 and 1 the ends are exact, whatever the rounding
    return np.where(k == 0, n * 0, low), np.where(k == n, n / n, high)


@lru_cache(maxsize=4096)
def poisson(n: int) -> Interval:
    """Of a count: the exact (Garwood) interval for its expectation."""
    tail = (1 - LEVEL) / 2
    low = 0.0 if n == 0 else float(stats.chi2.ppf(tail, 2 * n) / 2)
    return low, float(stats.chi2.ppf(1 - tail, 2 * n + 2) / 2)


def mean(values: Floats) -> Interval:
    """Of a mean: Student's, from two values on."""
    n = len(values)
    if n < 2:
        return NONE
    half = _student(n - 1) * float(np.std(values, ddof=1)) / np.sqrt(n)
    middle = float(np.mean(values))
    return _not_below(values, middle - half), middle + half


def _not_below(values: Floats, low: float) -> float:
    """A lower end that is not negative where no value is."""
    return max(0.0, low) if values.min() >= 0 else low


def median(values: Floats) -> Interval:
    """Of a median: the order statistics (j, n - j + 1) with 2 P(Bin(n, ½) < j) <= 5 %."""
    n = len(values)
    if n < 6:  # from six on two order statistics hold it with 95 %
        return NONE
    j = int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5))
    ordered = np.sort(values)
    return float(ordered[j - 1]), float(ordered[n - j])


def total(values: Floats) -> Interval:
    """Of a sum of independent arrivals: Σx ± z √Σx², not below 0 where no part is.

    What the sum would be in another stretch of the same process (compound Poisson).
    """
    if len(values) == 0:
        return NONE
    middle, half = float(values.sum()), Z * float(np.sqrt(np.square(values).sum()))
    return _not_below(values, middle - half), middle + half


def ratio(above: Floats, below: Floats) -> Interval:
    """Of Σabove / Σbelow: linearised, from the residuals above - R below, with Student's factor."""
    n, base = len(above), float(below.sum())
    if n < 2 or base <= 0:
        return NONE
    value = float(above.sum()) / base
    rest = above - value * below
    half = _student(n - 1) * np.sqrt(n / (n - 1) * float(np.square(rest).sum())) / base
    return _not_below(above, value - float(half)), value + float(half)


def on_logs(value: float, variance: float) -> Interval:
    """Of a positive product whose logarithm has this variance."""
    if not value > 0 or not np.isfinite(variance):
        return NONE
    factor = float(np.exp(Z * np.sqrt(variance)))
    return value / factor, value * factor
