"""Calibration intercept and slope: found wherever they exist, however overconfident the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from training.evaluation.measures import newton_columns, recalibrate


@given(st.integers(0, 10_000), st.floats(0.2, 6.0), st.floats(-2.0, 2.0))
def test_scores_told_too_boldly_have_their_slope_divided(
    seed: int, boldness: float, shift: float
) -> None:
    """logit q = shift + boldness · logit p: (a, b) becomes (a - b shift / boldness, b / boldness).

    Newton's full steps alternate for ever between two points for some of these.
    """
    rng = np.random.default_rng(seed)
    z = rng.normal(size=300)
    y = rng.random(300) < expit(0.7 * z - 0.3)
    intercept, slope = recalibrate(y, expit(z))
    found = recalibrate(y, expit(shift + boldness * z))
    wanted = intercept - slope * shift / boldness, slope / boldness
    assert found == pytest.approx(wanted, abs=1e-4)
    at_fit = newton_columns(y, z, intercept, slope).sum(0)[:2]
    np.testing.assert_allclose(at_fit, 0.0, atol=1e-6)


def test_bold_noise_has_a_slope_near_zero() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=400) * 4, rng.random(400) < 0.4
    assert abs(recalibrate(y, expit(z))[1]) < 0.1


def test_there_is_none_where_the_scores_separate_or_say_nothing() -> None:
    y = np.array([False] * 5 + [True] * 5)
    apart = expit(np.linspace(-3, 3, 10))
    for outcome, p in ((y, apart), (y, np.full(10, 0.4)), (y | True, apart)):
        assert np.isnan(recalibrate(outcome, p)).all()
