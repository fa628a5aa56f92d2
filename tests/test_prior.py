"""A stated prior: odds move by the wanted factor, and the curve stays a curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.tables import Floats
from training.models.curves import curve, log_odds
from training.models.grades import at_prior, grade
from training.models.prior import log_odds_shift, restated, shifted
from training.models.track_record import ReliabilityBin
from training.task.questions import QUESTIONS

shapes = st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 3))
several = shapes.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(-30, 30)))
shifts = st.floats(-12, 12)


@settings(deadline=None)
@given(several, shifts)
def test_the_odds_at_the_horizon_move_by_the_shift(margins: Floats, shift: float) -> None:
    moved = log_odds(shifted(margins, shift)) - log_odds(margins)
    np.testing.assert_allclose(moved, shift, rtol=0, atol=1e-9)


@settings(deadline=None)
@given(several, shifts)
def test_the_shifted_curve_is_a_curve(margins: Floats, shift: float) -> None:
    """It rises in time, all outcomes and open sum to 1, and it lies above or below as a whole."""
    before, after = curve(margins), curve(shifted(margins, shift))
    assert (np.diff(after[0], axis=1) >= 0).all()
    np.testing.assert_allclose(after[0].sum(axis=2)[:, -1] + after[1][:, -1], 1, atol=1e-12)
    rise = (after[0] - before[0])[:, :, 0] * np.sign(shift)
    assert (rise >= -1e-12).all()


@given(arrays(np.float64, (4, 1, 2), elements=st.floats(-20, 20)), shifts)
def test_with_one_bin_the_margin_moves_by_the_shift_itself(margins: Floats, shift: float) -> None:
    moved = shifted(margins, shift) - margins
    np.testing.assert_allclose(moved[:, :, 0], shift, atol=1e-9)
    assert (moved[:, :, 1] == 0).all()


def test_no_shift_changes_nothing() -> None:
    margins = np.random.default_rng(0).normal(size=(5, 4, 2))
    np.testing.assert_array_equal(shifted(margins, 0.0), margins)


def test_a_record_is_shifted_alike_alone_and_in_a_batch() -> None:
    margins = np.random.default_rng(1).normal(-3, 1, (6, 4, 2))
    alone = [shifted(row[None], 0.7)[0] for row in margins]
    np.testing.assert_array_equal(shifted(margins, 0.7), alone)


def test_scores_keep_their_order() -> None:
    margins = np.random.default_rng(2).normal(-3, 1, (200, 4, 2))
    before, after = log_odds(margins), log_odds(shifted(margins, -1.5))
    np.testing.assert_array_equal(np.argsort(before), np.argsort(after))


def test_bayes_corrects_the_rate_of_a_resampled_world() -> None:
    """Scores learned at a rate of 30 % answer a world of 10 % with its own posterior."""
    rng = np.random.default_rng(3)
    hit = rng.random(400_000) < 0.1
    x = rng.normal(hit * 1.0, 1.0)
    learned = (x - 0.5) + np.log(0.3 / 0.7)  # the posterior log-odds in the world of 30 %
    shift = log_odds_shift(0.1, 0.3)
    p = 1 / (1 + np.exp(-log_odds(shifted(learned[:, None, None], shift))))
    assert p.mean() == pytest.approx(hit.mean(), abs=0.002)


@pytest.mark.parametrize(("stated", "expected"), [(0.0, 0.3), (1.0, 0.3), (0.2, 0.0), (1.2, 0.3)])
def test_a_prior_is_a_probability(stated: float, expected: float) -> None:
    with pytest.raises(ValueError, match="must lie strictly between 0 and 1"):
        log_odds_shift(stated, expected)
    assert log_odds_shift(0.3, 0.3) == 0.0


def test_a_mapping_may_state_the_prior_of_a_question() -> None:
    asked = QUESTIONS["churn"].with_overrides({"prior": 0.04})
    assert asked.prior == 0.04 and QUESTIONS["churn"].prior is None
    with pytest.raises(ValueError, match="prior is a share strictly between 0 and 1, got 4"):
        QUESTIONS["churn"].with_overrides({"prior": 4})


def test_a_receipt_and_a_grade_follow_the_prior() -> None:
    """Of a world resampled from 30 % to 1 %, a restated band states that world's own share."""
    rng = np.random.default_rng(4)
    hit = rng.random(2_000_000) < 0.01
    x = rng.normal(hit * 1.5, 1.0)
    learned = 1 / (1 + np.exp(-(1.5 * x - 1.125 + np.log(0.3 / 0.7))))  # the world of 30 %
    shift = log_odds_shift(0.01, 0.3)
    some = (learned > 0.5) & (learned < 0.6)
    odds = 0.55 / 0.45
    band = ReliabilityBin(0.5, 0.6, 1000, 1000, 550, 0.55, 0.52, 0.58, 0.55).at_prior(shift)
    assert band.share == pytest.approx(odds * np.exp(shift) / (1 + odds * np.exp(shift)))
    assert band.low < hit[some].mean() < band.high and band.calibrated
    assert (band.n, band.happened, band.restated) == (1000, 550, True)
    grades = at_prior({"A": 0.5, "D": 0.0}, shift)
    scores = np.array([0.2, 0.5, 0.9])
    moved = np.array([restated(p, shift) for p in scores])
    assert grade(moved, grades) == grade(scores, {"A": 0.5, "D": 0.0}) == ["D", "A", "A"]
