"""Margins become a curve: hazards by bin, cumulative incidence, survival; and their likelihood.

In bin k an entity still open stays so or meets one of the J outcomes, with probabilities softmax(0,
m_k1, …, m_kJ): discrete-time competing risks (Tutz & Schmid, *Modeling Discrete Time-to-Event
Data*, 2016, chapter 8). With K = J = 1 it is the logistic model.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numba import njit

from features.tables import Floats, Ints
from training.stats.incidence import aalen_johansen


class LabelArrays(Protocol):
    """What happened to n rows; ``training.task.questions.Labels`` says what each part means."""

    @property
    def event(self) -> Ints: ...
    @property
    def event_bin(self) -> Ints: ...
    @property
    def observed(self) -> Ints: ...
    @property
    def bins(self) -> int: ...
    @property
    def outcomes(self) -> int: ...
    def person_periods(self) -> tuple[Ints, Ints, Ints]: ...


@njit(cache=True)
def log_total(margins: Floats) -> float:
    """log(1 + Σ_j exp m_j) without overflow, for the (J,) margins of one bin."""
    top = 0.0
    for m in margins:
        top = max(top, m)
    total = math.exp(-top)
    for m in margins:
        total += math.exp(m - top)
    return top + math.log(total)


@njit(cache=True)
def _curve(margins: Floats, incidence: Floats, survival: Floats) -> None:
    n, bins, outcomes = margins.shape
    for i in range(n):
        log_open = 0.0
        for k in range(bins):
            total = log_total(margins[i, k])
            for j in range(outcomes):
                before = incidence[i, k - 1, j] if k else 0.0
                incidence[i, k, j] = before + math.exp(log_open + margins[i, k, j] - total)
            log_open -= total
            survival[i, k] = math.exp(log_open)


def curve(margins: Floats) -> tuple[Floats, Floats]:
    """Cumulative incidence (n, K, J) and survival (n, K) from margins (n, K, J).

    F_j(t_k) = Σ_{i≤k} S_{i-1} p_ij and S_k = Π_{i≤k} p_i,open; F rises, S falls, ΣF + S = 1.
    """
    incidence, survival = np.empty(margins.shape), np.empty(margins.shape[:2])
    _curve(np.ascontiguousarray(margins, np.float64), incidence, survival)
    return incidence, survival


def incidence(margins: Floats) -> Floats:
    """(n, K, J) probability of each outcome by the end of each bin, from margins (n, K, J)."""
    return curve(margins)[0]


def survival(margins: Floats) -> Floats:
    """(n, K) probability of being open still at the end of each bin, from margins (n, K, J)."""
    return curve(margins)[1]


@njit(cache=True)
def _log_odds(margins: Floats, out: Floats) -> None:
    n, bins, _ = margins.shape
    for i in range(n):
        log_hit, log_miss = -np.inf, 0.0  # beyond the horizon: not hit
        for k in range(bins - 1, -1, -1):
            total = log_total(margins[i, k])
            log_hit = log_add(margins[i, k, 0], log_hit) - total
            log_miss = log_add(log_others(margins[i, k]), log_miss) - total
        out[i] = log_hit - log_miss


@njit(cache=True)
def log_add(a: float, b: float) -> float:
    """log(exp a + exp b) without overflow; -inf is log 0."""
    top, low = max(a, b), min(a, b)
    return top if low == -np.inf else top + math.log1p(math.exp(low - top))


@njit(cache=True)
def log_others(margins: Floats) -> float:
    """log Σ_{j>1} exp m_j: the outcomes of one bin that are not the scored one; -inf if none."""
    total = -np.inf
    for j in range(1, len(margins)):
        total = log_add(total, margins[j])
    return total


def log_odds(margins: Floats) -> Floats:
    """(n,) logit F_1(H), computed in logarithms: finite where the probability rounds to 0 or 1."""
    out = np.empty(len(margins))
    _log_odds(np.ascontiguousarray(margins, np.float64), out)
    return out


@njit(cache=True)
def _loss(
    margins: Floats, event: Ints, event_bin: Ints, last: Ints, weights: Floats, residual: Floats
) -> float:
    loss = 0.0
    for i in range(len(margins)):
        for k in range(last[i]):
            total = log_total(margins[i, k])
            happened = event[i] - 1 if k == event_bin[i] else -1
            loss += weights[i] * (total - (margins[i, k, happened] if happened >= 0 else 0.0))
            for j in range(margins.shape[2]):
                share = math.exp(margins[i, k, j] - total)
                residual[i, k, j] = weights[i] * (share - (1.0 if j == happened else 0.0))
    return loss


def entered(labels: LabelArrays) -> Ints:
    """(n,) how many leading bins each row entered and was seen through: its person-periods."""
    last: Ints = np.minimum(labels.event_bin + 1, labels.observed)
    return last


def loss(margins: Floats, labels: LabelArrays, weights: Floats) -> tuple[float, Floats]:
    """Negative log likelihood of the person-periods in nats, and its gradient (n, K, J).

    margins (n, K, J); weights (n,), one a row. The bins a row did not enter count nothing.
    """
    residual = np.zeros(margins.shape)
    happened = (labels.event, labels.event_bin, entered(labels))
    return _loss(np.ascontiguousarray(margins), *happened, weights, residual), residual


def pooled_rates(labels: LabelArrays, weights: Floats) -> Floats:
    """(J,) share of person-periods that end in each outcome, all bins together.

    Half an event of each kind is added, so no share is zero. Rows of one class only are an error.
    """
    last = entered(labels)
    seen = (labels.event > 0) & (labels.event_bin < last)
    kinds = np.where(seen, labels.event, 0)
    periods, events = int(last.sum()), int(seen.sum())
    if events == 0 or events == periods:
        what = "no outcome" if events == 0 else "an outcome in every one"
        raise ValueError(
            f"{len(kinds)} rows with {periods} observed bins hold {what}: there is nothing to tell "
            f"apart; needed are bins with an outcome and bins without (more history, or a later "
            f"origin)"
        )
    counts = np.bincount(kinds, weights, labels.outcomes + 1)[1:] + 0.5
    rates: Floats = counts / (last @ weights + 0.5 * (labels.outcomes + 1))
    return rates


def base_curve(labels: LabelArrays) -> Floats:
    """(K, J) incidence of all rows together: the Aalen–Johansen estimate by bins.

    The hazard of a bin is its share of events among the rows that entered it and were observed
    through it (Aalen and Johansen, 1978); a bin that no row entered has hazard 0.
    """
    bins = np.arange(labels.bins)
    at_risk = entered(labels)[:, None] > bins
    happened = at_risk & (labels.event_bin[:, None] == bins)
    events = [(happened & (labels.event[:, None] == j + 1)).sum(0) for j in range(labels.outcomes)]
    return aalen_johansen(at_risk.sum(0).astype(float), np.stack(events, axis=1).astype(float))


def pseudo_loss(alpha: Floats, rates: Floats) -> tuple[float, Floats]:
    """Loss, and gradient (K, J), of one pseudo person-period a bin at margins alpha (K, J).

    Its outcome is spread over the classes in the shares ``rates`` (J,) and 1 - Σ rates.
    """
    padded = np.hstack([np.zeros((len(alpha), 1)), alpha])
    total = np.logaddexp.reduce(padded, axis=1)
    shares = np.exp(alpha - total[:, None])
    return float((total - alpha @ rates).sum()), shares - rates
