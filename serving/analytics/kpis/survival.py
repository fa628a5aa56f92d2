"""Durations of which some still run: Kaplan and Meier's curve, and incidence with rivals.

Kaplan & Meier (1958); Greenwood's variance; quantiles by Brookmeyer & Crowley (1982) on the
log(-log) scale; cumulative incidence by Aalen & Johansen (1978) with the delta-method variance
(Marubini & Valsecchi, 1995, section 10.3). What has not ended is censored, never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Bools, Floats, Ints
from training.stats.intervals import NONE, Interval, Z

_TINY = 1e-12
"""A curve that is at a half but for rounding is at a half."""


@dataclass(frozen=True)
class Curve:
    """A survival curve at the distinct times at which something ended, rising; (k,) each.

    greenwood  Σ d / (n (n - d)), the variance of log S; infinite where the curve reaches 0
    longest    the longest duration seen, ended or not
    """

    times: Floats
    survival: Floats
    greenwood: Floats
    n: int
    ended: int
    longest: float

    def at(self, days: Floats | float) -> Floats:
        """S(t): the share that lasts beyond ``days``; NaN beyond the longest one seen."""
        asked = np.asarray(days, np.float64)
        place = np.searchsorted(self.times, asked, side="right")
        found = np.concatenate([[1.0], self.survival])[place]
        if len(self.survival) and self.survival[-1] <= _TINY:
            return np.where(np.isnan(asked), np.nan, found)
        return np.where(asked <= self.longest, found, np.nan)

    def quantile(self, q: float) -> float:
        """The first time by which a share ``q`` has ended; NaN where so many have not."""
        return _first(self.times, self.survival <= 1 - q + _TINY)

    def quantile_interval(self, q: float) -> Interval:
        """95 % interval of a quantile; the upper end is infinite where it cannot be told."""
        if self.ended == 0:
            return NONE
        low, high = self.band()
        end = _first(self.times, high <= 1 - q + _TINY)
        return _first(self.times, low <= 1 - q + _TINY), float("inf") if np.isnan(end) else end

    def band(self) -> tuple[Floats, Floats]:
        """95 % band of S at ``times``, on the log(-log) scale.

        S ** exp(± z e / log S), where e is the standard error of log S.
        """
        s = self.survival
        inner = (s > _TINY) & (s < 1)
        log = np.log(np.where(inner, s, 0.5))
        step = Z * np.sqrt(np.where(inner, self.greenwood, 0.0)) / np.abs(log)
        # the step is capped: e^500 is as good as infinite and does not overflow
        low, high = (np.exp(log * np.exp(np.minimum(d, 500.0))) for d in (step, -step))
        return np.where(inner, low, s), np.where(inner, high, s)

    def mean_until(self, until: float, discount: float = 0.0) -> tuple[float, float]:
        """∫₀^until e^(-discount t) S(t) dt and its variance: the restricted mean, discounted.

        Variance Σ A(t_i)² d_i / (n_i (n_i - d_i)), where A is the integral beyond t_i.
        """
        knots = np.concatenate([[0.0], self.times[self.times < until], [until]])
        steps = np.concatenate([[1.0], self.survival[self.times < until]])
        weight = np.diff(knots) if discount == 0 else -np.diff(np.exp(-discount * knots)) / discount
        areas = steps * weight
        beyond = np.cumsum(areas[::-1])[::-1][1:]
        jumps = np.diff(np.concatenate([[0.0], self.greenwood]))[: len(beyond)]
        known = np.isfinite(jumps)
        return float(areas.sum()), float((beyond[known] ** 2 * jumps[known]).sum())


def _first(times: Floats, where: Bools) -> float:
    found = np.flatnonzero(where)
    return float(times[found[0]]) if len(found) else float("nan")


def kaplan_meier(days: Floats, ended: Bools, weights: Floats | None = None) -> Curve:
    """The curve of durations (n,), each either ended or still running when last seen.

    A missing or negative duration is left out. ``weights`` count a row more than once.
    """
    keep = days >= 0  # NaN is not
    days, ended = days[keep], ended[keep]
    weights = np.ones(len(days)) if weights is None else weights[keep]
    times, place = np.unique(days, return_inverse=True)
    at_risk, events = _risk_sets(place, len(times), weights, [ended])
    here = events[0] > 0
    n, d = at_risk[here], events[0][here]
    with np.errstate(divide="ignore"):
        greenwood: Floats = np.cumsum(d / (n * (n - d)))
    longest = float(days.max()) if len(days) else float("nan")
    size, over = round(float(weights.sum())), round(float(d.sum()))
    survival = np.cumprod(1 - d / n).astype(np.float64)
    return Curve(times[here], survival, greenwood, size, over, longest)


def _risk_sets(
    place: Ints, k: int, weights: Floats, marks: list[Bools]
) -> tuple[Floats, list[Floats]]:
    """Rows at risk at each of k times, and how many of each mark fall there."""

    def counted(weights: Floats) -> Floats:
        return np.bincount(place, weights=weights, minlength=k).astype(np.float64)

    at_risk: Floats = np.cumsum(counted(weights)[::-1])[::-1]
    return at_risk, [counted(weights * mark) for mark in marks]


@dataclass(frozen=True)
class Incidence:
    """The chance that something has ended one certain way by each of ``times``; (k,) each."""

    times: Floats
    share: Floats
    error: Floats
    longest: float
    n: int

    def by(self, days: float) -> tuple[float, Interval]:
        """The chance by ``days`` with its interval; NaN where nothing was watched that long."""
        if not days <= self.longest:
            return float("nan"), NONE
        place = int(np.searchsorted(self.times, days, side="right")) - 1
        if place < 0:
            return 0.0, NONE
        p, error = float(self.share[place]), float(self.error[place])
        if not 0 < p < 1 or error == 0:
            return p, NONE
        step = Z * error / (p * np.log(p))
        ends = sorted(float(p ** np.exp(s)) for s in (step, -step))
        return p, (ends[0], ends[1])


def incidence(days: Floats, wanted: Bools, rival: Bools) -> Incidence:
    """Cumulative incidence of ``wanted`` beside its rivals; rows with neither are censored."""
    keep = days >= 0
    days, wanted, rival = days[keep], wanted[keep], rival[keep]
    times, place = np.unique(days, return_inverse=True)
    n, (d, other) = _risk_sets(place, len(times), np.ones(len(days)), [wanted, rival])
    every = d + other
    before = np.concatenate([[1.0], np.cumprod(1 - every / n)[:-1]]) if len(n) else n
    share = np.cumsum(before * d / n)
    longest = float(days.max()) if len(days) else float("nan")
    return Incidence(times, share, np.sqrt(_delta(share, before, d, every, n)), longest, len(days))


def _delta(share: Floats, before: Floats, d: Floats, every: Floats, n: Floats) -> Floats:
    """Σ (F - F_i)² r_i + Σ S² d (n - d) / n³ - 2 Σ (F - F_i) S d / n²."""
    last = every >= n  # nobody is left: the first sum has no later F to differ from
    r = np.where(last, 0.0, every / (n * np.where(last, 1.0, n - every)))
    one = share**2 * np.cumsum(r) - 2 * share * np.cumsum(share * r) + np.cumsum(share**2 * r)
    two = np.cumsum(before**2 * d * (n - d) / n**3)
    q = before * d / n**2
    three = share * np.cumsum(q) - np.cumsum(share * q)
    variance: Floats = np.maximum(one + two - 2 * three, 0.0)
    return variance
