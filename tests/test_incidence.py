"""Incidence by bins, beside the closed forms without censoring and without rivals."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from training.stats.incidence import aalen_johansen

counts = arrays(np.int64, (6, 2), elements=st.integers(0, 20))


@given(counts, st.integers(0, 50))
def test_without_censoring_incidence_is_the_share_that_had_it(
    events: np.ndarray, left: int
) -> None:
    total = int(events.sum()) + left
    at_risk = total - np.concatenate([[0], events.sum(axis=1).cumsum()[:-1]])
    expected = events.cumsum(axis=0) / max(total, 1)
    np.testing.assert_allclose(aalen_johansen(at_risk * 1.0, events * 1.0), expected, atol=1e-12)


@given(arrays(np.float64, 5, elements=st.floats(0, 1)))
def test_one_outcome_alone_is_one_minus_kaplan_meier(hazards: np.ndarray) -> None:
    found = aalen_johansen(np.full(5, 100.0), (hazards * 100)[:, None])[:, 0]
    np.testing.assert_allclose(found, 1 - np.cumprod(1 - hazards), atol=1e-12)


def test_a_bin_that_nobody_entered_adds_nothing() -> None:
    found = aalen_johansen(np.array([10.0, 0.0]), np.array([[2.0, 1.0], [0.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.2, 0.1], [0.2, 0.1]])
