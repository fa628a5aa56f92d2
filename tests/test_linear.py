"""The ridge recovers what is there, shrinks what is not, and its contributions add up."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.linear_model import LogisticRegression

from features.tables import Floats
from tests.helpers.learning import LEVELS, SLOPES, world
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel, Numbers
from training.models.linear.ridge import Design, fit_ridge
from training.task.questions import Labels

WORLD = world(8_000, 4, 2)
ONES = np.ones(8_000)


@cache
def fitted_model() -> LinearModel:
    return LinearModel.fit(WORLD.X, WORLD.labels, WORLD.encoding, ONES, 1.0)


def test_known_coefficients_come_back() -> None:
    per_unit = fitted_model().slope / fitted_model().numbers.scale
    np.testing.assert_allclose(per_unit[:, [0, 1]], SLOPES[:, [0, 1]], atol=0.06)
    np.testing.assert_allclose(per_unit[:, 3], SLOPES[:, 3], atol=0.06)
    levels = fitted_model().level[:, :4] - fitted_model().level[:, :1]
    np.testing.assert_allclose(levels, LEVELS, atol=0.12)
    assert np.abs(fitted_model().slope[:, 4]).max() < 0.06  # noise


def test_mean_margins_of_every_bin_come_back() -> None:
    means = fitted_model().margins(WORLD.X).mean(axis=0)
    np.testing.assert_allclose(means, WORLD.margins.mean(axis=0), atol=0.12)
    np.testing.assert_allclose(means, fitted_model().baseline, atol=1e-9)


def test_one_bin_and_one_outcome_is_penalised_logistic_regression() -> None:
    random = np.random.default_rng(1)
    X = random.normal(size=(500, 3))
    X -= X.mean(axis=0)
    y = (random.random(500) < 1 / (1 + np.exp(1 - X[:, 0]))).astype(np.int64)
    labels = Labels(y, 1 - y, np.ones(500, np.int64), 1, 1)
    none = np.zeros((500, 0))
    design = Design.of(X, none.astype(np.int64), 0, none.astype(bool))
    alpha, beta = fit_ridge(design, labels, np.ones(500), 5.0)
    twin = LogisticRegression(C=1 / 5.0, tol=1e-10, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(beta, twin.coef_, atol=1e-3)
    np.testing.assert_allclose(alpha, [twin.intercept_], atol=0.01)  # the pseudo person-period


@given(arrays(np.float64, (3, 4), elements=st.floats(allow_infinity=False, width=32)))
@settings(max_examples=50)
def test_contributions_sum_exactly_to_margins(numbers: Floats) -> None:
    X = np.column_stack([numbers, [0, 3, np.nan], numbers[:, 0]])
    added = fitted_model().baseline + fitted_model().contributions(X).sum(axis=2)[:, None, :]
    assert np.isfinite(added).all()
    np.testing.assert_array_equal(fitted_model().margins(X), added)


def test_contributions_average_zero_over_the_training_rows() -> None:
    np.testing.assert_allclose(fitted_model().contributions(WORLD.X).mean(axis=0), 0, atol=1e-12)


def test_absurd_numbers_are_limited_and_skewed_ones_compressed() -> None:
    """A number is followed three usual ranges beyond the usual one, and held there."""
    assert fitted_model().numbers.compressed.tolist() == [False, False, True, False, False]
    low, high = np.quantile(WORLD.X[:, 0], [0.005, 0.995])
    far = WORLD.X[:1].copy()
    far[:, 0] = 1e12
    end = far.copy()
    end[:, 0] = high + 3 * (high - low)
    np.testing.assert_array_equal(fitted_model().margins(far), fitted_model().margins(end))


def test_a_column_that_drifts_out_of_its_range_is_followed() -> None:
    """Trained on 0 to 1, asked at 2: the true line goes on, and so does the model."""
    drifted = WORLD.X[:50].copy()
    drifted[:, 0] = 2 * WORLD.X[:, 0].max()
    beyond = fitted_model().contributions(drifted)[:, 0, 0]
    slope = fitted_model().slope[0, 0] / fitted_model().numbers.scale[0]
    np.testing.assert_allclose(beyond, slope * (drifted[:, 0] - fitted_model().numbers.mean[0]))


def test_a_rare_value_is_not_held_away() -> None:
    column = np.zeros((1000, 1))
    column[:3] = 1.0
    numbers = Numbers.fit(column, [0])
    assert numbers.low <= 0.0 and numbers.high >= 1.0


def test_missing_has_a_coefficient_where_it_is_neither_rare_nor_the_rule() -> None:
    assert fitted_model().numbers.flagged.tolist() == [False, False, False, True, False]
    X = np.full((1000, 3), np.nan)
    X[:998, 0], X[:2, 1], X[:500, 2] = 1.0, 1.0, 1.0
    assert Numbers.fit(X, [0, 1, 2]).flagged.tolist() == [False, False, True]


def test_a_level_or_a_missing_word_never_seen_is_the_average() -> None:
    seen = WORLD.X[:, 4] < 3
    some = LinearModel.fit(
        WORLD.X[seen], WORLD.labels.take(np.flatnonzero(seen)), WORLD.encoding, ONES[seen], 1.0
    )
    X = np.tile(WORLD.X[:1], (2, 1))
    X[:, 4] = [3, np.nan]
    new, missing = some.contributions(X)[:, :, 4]
    np.testing.assert_array_equal(new, missing)


def test_useless_columns_are_left_out() -> None:
    useless = Encoding(WORLD.encoding.names, WORLD.encoding.levels, ["noise"])
    model = LinearModel.fit(WORLD.X, WORLD.labels, useless, ONES, 1.0)
    assert (model.contributions(WORLD.X)[:, :, 5] == 0).all()
    assert (model.contributions(WORLD.X)[:, :, 0] != 0).all()


def test_few_outcomes_shrink_to_the_base_rate() -> None:
    few = world(60, 4, 2, seed=3, level=-4.5)
    assert 0 < (few.labels.event > 0).sum() < 25
    loose, tight = (
        LinearModel.fit(few.X, few.labels, few.encoding, np.ones(60), l2) for l2 in (0.1, 1e5)
    )
    assert np.abs(tight.contributions(few.X)).max() < 1e-3 < np.abs(loose.slope).max()
    assert np.isfinite(tight.alpha).all()


def test_a_bin_without_outcomes_stays_finite_and_near_the_others() -> None:
    late = WORLD.labels.event_bin >= 3
    labels = Labels(
        np.where(late, 0, WORLD.labels.event),
        np.where(late, 4, WORLD.labels.event_bin),
        WORLD.labels.observed,
        4,
        2,
    )
    model = LinearModel.fit(WORLD.X, labels, WORLD.encoding, ONES, 1.0)
    assert (model.alpha[3] > -12).all()
    assert (model.alpha[3] < model.alpha[:3].min()).all()


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    rows = np.arange(300)
    twice = np.concatenate([rows, rows])
    design = fitted_model()._design(WORLD.X[rows])
    heavy = fit_ridge(design, WORLD.labels.take(rows), np.full(300, 2.0), 1.0)
    double = fit_ridge(
        fitted_model()._design(WORLD.X[twice]), WORLD.labels.take(twice), np.ones(600), 1.0
    )
    np.testing.assert_allclose(heavy[1], double[1], atol=1e-3)


def test_two_fits_are_the_same_and_survive_json() -> None:
    again = LinearModel.fit(WORLD.X, WORLD.labels, WORLD.encoding, ONES, 1.0)
    text = json.dumps(fitted_model().to_json())
    assert json.dumps(again.to_json()) == text
    back = LinearModel.from_json(json.loads(text))
    np.testing.assert_array_equal(back.margins(WORLD.X), fitted_model().margins(WORLD.X))


@pytest.mark.parametrize("only", [[0], [4]])
def test_only_numbers_or_only_categories_will_do(only: list[int]) -> None:
    names = [WORLD.encoding.names[f] for f in only]
    levels = {n: w for n, w in WORLD.encoding.levels.items() if n in names}
    X = WORLD.X[:2000, only]
    labels = WORLD.labels.take(np.arange(2000))
    model = LinearModel.fit(X, labels, Encoding(names, levels, []), np.ones(2000), 1.0)
    back = LinearModel.from_json(json.loads(json.dumps(model.to_json())))
    np.testing.assert_array_equal(back.margins(X), model.margins(X))
    assert model.margins(X).std() > 0.1


def test_no_penalty_is_an_error() -> None:
    with pytest.raises(ValueError, match="l2 must be positive, got 0"):
        LinearModel.fit(WORLD.X, WORLD.labels, WORLD.encoding, ONES, 0.0)
