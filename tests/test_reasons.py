"""Reasons add up: exactly, on any curve, to the last decimal, and in probability too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import approx_fprime
from scipy.special import expit

from features.tables import Floats
from training.models.attribution import _gradient, attribution_weights, merge, points
from training.models.curves import incidence, log_odds


def logit(p: Floats) -> Floats:
    found: Floats = np.log(p / (1 - p))
    return found


def oracle(start: Floats, end: Floats, steps: int = 400) -> Floats:
    """Aumann-Shapley by brute force: central differences of the plain logit, midpoint rule."""
    weights = np.zeros_like(start)
    for s in (np.arange(steps) + 0.5) / steps:
        at = start + s * (end - start)
        for cell in np.ndindex(start.shape):
            step = np.zeros_like(start)
            step[cell] = 1e-4
            both = incidence(np.stack([at + step, at - step]))[:, -1, 0]
            up, down = logit(both)
            weights[cell] += (up - down) / 2e-4 / steps
    return weights


@pytest.mark.parametrize("shape", [(1, 2), (3, 1), (3, 2), (6, 3)])
def test_weights_equal_the_brute_force_integral(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(sum(shape))
    start, end = random.normal(-2, 1, (2, *shape))
    found = attribution_weights(start, end[None])[0]
    np.testing.assert_allclose(found, oracle(start, end), atol=2e-6)


def test_the_gradient_is_the_finite_difference_of_the_log_odds() -> None:
    margins = np.random.default_rng(0).normal(-1, 2, (4, 2))
    gradient = np.empty((4, 2))
    value = _gradient(margins, gradient)
    assert value == pytest.approx(log_odds(margins[None])[0])

    def at(flat: Floats) -> float:
        return float(log_odds(flat.reshape(1, 4, 2))[0])

    numeric = approx_fprime(margins.ravel(), at, 1e-7).reshape(4, 2)
    np.testing.assert_allclose(gradient, numeric, atol=1e-6)


def test_with_one_bin_and_one_outcome_every_weight_is_exactly_one() -> None:
    margins = np.array([[[-40.0]], [[0.0]], [[3.0]]])
    assert (attribution_weights(np.array([[1.0]]), margins) == 1.0).all()


shapes = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 3))
several = shapes.flatmap(lambda s: arrays(np.float64, s, elements=st.floats(-60, 60)))


@given(several)
def test_effects_add_up_on_any_curve(margins: Floats) -> None:
    start, ends = margins[0], margins
    weights = attribution_weights(start, ends)
    total = (weights * (ends - start)).sum(axis=(1, 2))
    expected = log_odds(ends) - log_odds(start[None])
    np.testing.assert_allclose(total, expected, atol=1e-8)


@pytest.mark.parametrize("target", [1e-9, 1 - 1e-9])
def test_effects_add_up_at_the_ends_of_probability(target: float) -> None:
    start = np.full((6, 2), -3.0)
    margins = start.copy()
    margins[:, 0] += 10.0 if target > 0.5 else -22.0
    margins[:, 1] -= 22.0 if target > 0.5 else 0.0
    weights = attribution_weights(start, margins[None])[0]
    score = incidence(margins[None])[0, -1, 0]
    assert min(score, 1 - score) < 1e-8
    rise = log_odds(margins[None])[0] - log_odds(start[None])[0]
    assert (weights * (margins - start)).sum() == pytest.approx(rise, abs=1e-9)


@pytest.mark.parametrize("size", [100.0, 1e3, 1e5])
def test_effects_add_up_where_the_probability_itself_saturates(size: float) -> None:
    random = np.random.default_rng(3)
    start, ends = random.normal(-3, 1, (6, 2)), random.normal(0, size, (20, 6, 2))
    weights = attribution_weights(start, ends)
    total = (weights * (ends - start)).sum(axis=(1, 2))
    expected = log_odds(ends) - log_odds(start[None])
    np.testing.assert_allclose(total, expected, rtol=1e-10, atol=1e-8)


def test_the_scored_outcome_raises_and_a_competing_one_lowers() -> None:
    random = np.random.default_rng(4)
    start, ends = random.normal(-2, 1, (5, 2)), random.normal(-2, 3, (50, 5, 2))
    weights = attribution_weights(start, ends)
    assert (weights[:, :, 0] > 0).all()
    assert (weights[:, :, 1] < 0).all()


def test_a_record_is_weighed_alike_alone_and_in_a_batch() -> None:
    random = np.random.default_rng(5)
    start, ends = random.normal(-2, 1, (5, 2)), random.normal(-2, 3, (9, 5, 2))
    alone = [attribution_weights(start, end[None])[0] for end in ends]
    np.testing.assert_array_equal(attribution_weights(start, ends), alone)


def test_merging_sums_columns_in_order_of_first_appearance() -> None:
    effects = np.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    names, merged = merge(effects, ["pace", "source", "pace"])
    assert names == ["pace", "source"]
    np.testing.assert_array_equal(merged, [[5, 2], [40, 16]])
    with pytest.raises(ValueError, match="3 columns of contributions need as many groups, got 1"):
        merge(effects, ["pace"])


effects_of = arrays(np.float64, (3, 4), elements=st.floats(-15, 15))


@given(effects_of, st.floats(-15, 15))
def test_points_sum_to_the_move_of_the_probability_and_keep_the_order(
    effects: Floats, baseline: float
) -> None:
    moved = points(effects, baseline)
    rise = expit(baseline + effects.sum(axis=1)) - expit(baseline)
    np.testing.assert_allclose(moved.sum(axis=1), rise, atol=1e-12)
    assert (np.sign(moved) * np.sign(effects) >= 0).all()


def test_points_of_effects_that_cancel_use_the_slope_there() -> None:
    moved = points(np.array([[1.0, -1.0], [1e-9, 0.0]]), 0.0)
    np.testing.assert_allclose(moved, [[0.25, -0.25], [0.25e-9, 0]], rtol=1e-9)


def test_points_vanish_where_the_probability_rounds_to_one() -> None:
    assert (points(np.array([[2000.0, -500.0]]), 800.0) == 0).all()
