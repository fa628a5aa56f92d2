"""Laws of the curve: it rises, it sums to one with survival, and K = J = 1 is the logistic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import approx_fprime
from scipy.special import expit, log_expit, softmax

from features.tables import Floats
from training.models.curves import (
    curve,
    entered,
    incidence,
    log_odds,
    loss,
    pooled_rates,
    survival,
)
from training.task.questions import Labels

shapes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 3))
margins_of = shapes.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(-700, 700)))
mild = shapes.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(-8, 8)))


@given(margins_of)
def test_the_curve_rises_and_sums_to_one_with_survival(margins: Floats) -> None:
    hit, still_open = curve(margins)
    assert (np.diff(hit, axis=1) >= 0).all()
    assert (np.diff(still_open, axis=1) <= 0).all()
    np.testing.assert_allclose(hit.sum(axis=2) + still_open, 1, atol=1e-12)


@given(mild)
def test_the_curve_is_the_textbook_recursion(margins: Floats) -> None:
    padded = np.concatenate([np.zeros((*margins.shape[:2], 1)), margins], axis=2)
    p = softmax(padded, axis=2)
    still_open = np.cumprod(p[:, :, 0], axis=1)
    before = np.concatenate([np.ones((len(p), 1)), still_open[:, :-1]], axis=1)
    expected = np.cumsum(before[:, :, None] * p[:, :, 1:], axis=1)
    np.testing.assert_allclose(incidence(margins), expected, rtol=1e-10)
    np.testing.assert_allclose(survival(margins), still_open, rtol=1e-10)


def test_one_bin_and_one_outcome_is_the_logistic() -> None:
    margins = np.linspace(-30, 30, 61).reshape(-1, 1, 1)
    np.testing.assert_allclose(incidence(margins).ravel(), expit(margins.ravel()), rtol=1e-14)
    np.testing.assert_allclose(log_odds(margins), margins.ravel(), rtol=1e-14)


@given(mild)
def test_log_odds_are_those_of_the_score(margins: Floats) -> None:
    score = incidence(margins)[:, -1, 0]
    inside = score < 1 - 1e-6  # nearer to 1, 1 - score has lost its digits; log_odds has not
    expected = np.log(score[inside] / (1 - score[inside]))
    np.testing.assert_allclose(log_odds(margins)[inside], expected, atol=1e-9)


def test_log_odds_stay_finite_where_the_score_rounds_to_one() -> None:
    margins = np.full((1, 3, 2), -500.0)
    margins[0, 1, 0] = 500.0
    assert incidence(margins)[0, -1, 0] == 1.0
    assert 499 < log_odds(margins)[0] < 501


def labels(event: list[int], event_bin: list[int], observed: list[int], bins: int) -> Labels:
    return Labels(np.array(event), np.array(event_bin), np.array(observed), bins, 2)


HISTORY = labels([1, 0, 2, 0, 1], [1, 3, 0, 3, 2], [3, 2, 3, 0, 1], 3)
"""Won in bin 1; open, seen for 2 bins; lost at once; not seen; won after it was last seen."""


def test_the_loss_counts_the_periods_entered_and_seen() -> None:
    np.testing.assert_array_equal(entered(HISTORY), [2, 2, 1, 0, 1])
    assert entered(HISTORY).sum() == len(HISTORY.person_periods()[0])
    margins = np.random.default_rng(1).normal(size=(5, 3, 2))
    weights = np.array([1.0, 2.0, 0.5, 1.0, 1.0])
    rows, bins, y = HISTORY.person_periods()
    padded = np.concatenate([np.zeros((len(rows), 1)), margins[rows, bins]], axis=1)
    shares = softmax(padded, axis=1)[np.arange(len(rows)), y]
    assert loss(margins, HISTORY, weights)[0] == pytest.approx(-(weights[rows] @ np.log(shares)))


def test_the_gradient_of_the_loss_is_its_finite_difference() -> None:
    margins = np.random.default_rng(2).normal(size=(5, 3, 2))
    weights = np.array([1.0, 2.0, 0.5, 1.0, 1.0])

    def at(flat: Floats) -> float:
        return loss(flat.reshape(margins.shape), HISTORY, weights)[0]

    numeric = approx_fprime(margins.ravel(), at, 1e-7).reshape(margins.shape)
    np.testing.assert_allclose(loss(margins, HISTORY, weights)[1], numeric, atol=1e-6)


def test_the_loss_of_one_bin_is_the_logistic_loss() -> None:
    hit = Labels(np.array([1, 0]), np.array([0, 1]), np.ones(2, np.int64), 1, 1)
    value, _ = loss(np.array([[[0.3]], [[900.0]]]), hit, np.ones(2))
    assert value == pytest.approx(-log_expit(0.3) + 900.0)


def test_pooled_rates_are_events_by_periods_with_half_an_event_of_each_kind() -> None:
    rates = pooled_rates(HISTORY, np.ones(5))
    np.testing.assert_allclose(rates, [1.5 / 7.5, 1.5 / 7.5])  # 6 periods, one won, one lost


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (labels([0, 0], [1, 1], [1, 1], 1), "2 rows with 2 observed bins hold no outcome"),
        (labels([1, 2], [0, 0], [1, 1], 1), "hold an outcome in every one"),
        (labels([1], [0], [0], 1), "1 rows with 0 observed bins hold no outcome"),
    ],
)
def test_one_class_only_is_an_error_that_says_what_is_needed(rows: Labels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pooled_rates(rows, np.ones(len(rows)))
