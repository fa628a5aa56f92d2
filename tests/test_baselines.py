"""What must be beaten is itself right: formulas by hand, laws, and clear words when unavailable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import CategoricalNB

from features.tables import Bools, Floats
from training.models.baselines.logistic import Logistic, LogisticDesign
from training.models.baselines.matured import NotAvailableError, base_rate
from training.models.baselines.methods import PlainLightGBM, RecencySort, baselines, predict_all
from training.models.baselines.naive_bayes import NaiveBayes

NAMES = ["days_since_activity", "size", "source"]


def _leads(n: int = 400, seed: int = 0) -> tuple[Floats, Bools]:
    """Fresh and large leads of source 2 convert; a tenth of every column is missing."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.exponential(20, n), rng.normal(size=n), rng.integers(0, 4, n)])
    z = 0.5 - X[:, 0] / 15 + X[:, 1] + 1.2 * (X[:, 2] == 2)
    hit = rng.random(n) < 1 / (1 + np.exp(-z))
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, hit


def test_all_of_them_know_more_than_the_base_rate_where_there_is_something_to_know() -> None:
    X, hit = _leads(1500)
    scores, missing = predict_all(
        baselines(NAMES, [2], seed=1), X[:1000], hit[:1000], X[1000:], np.ones(1000)
    )
    assert missing == {}
    assert len(scores) == 4
    for name, p in scores.items():
        assert ((p > 0) & (p < 1)).all(), name
        assert roc_auc_score(hit[1000:], p) > 0.6, name


@settings(max_examples=10, deadline=None)
@given(st.integers(20, 80), st.integers(0, 99), st.floats(0.05, 0.95))
def test_odd_rows_still_give_probabilities(n: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.choice([0.0, 1.0, 5.0, 1e12, -1e12, np.nan], (n, 3), p=[0.3, 0.3, 0.1, 0.1, 0.1, 0.1])
    X[:, 2] = rng.choice([0.0, 1.0, 2.0, np.nan], n)
    hit = rng.random(n) < share
    on = np.vstack([X, [np.nan, np.nan, 99.0]])  # a level no training row had
    scores, _ = predict_all(baselines(NAMES, [2], seed)[:3], X, hit, on)
    for name, p in scores.items():
        assert p.shape == (n + 1,) and ((p >= 0) & (p <= 1)).all(), name


def test_the_base_rate_is_the_share_and_never_certain() -> None:
    _, hit = _leads()
    assert base_rate(hit) == pytest.approx(hit.mean())
    assert base_rate(np.zeros(9, bool)) == 0.05  # half a row in ten
    assert base_rate(np.array([True, False]), np.array([3.0, 1.0])) == 0.75


def test_naive_bayes_by_hand() -> None:
    # source 1: 2 hits 0 misses; source 2: 1 hit 2 misses; one row unknown. 3 hits, 3 misses.
    X = np.array([[1], [1], [2], [2], [2], [np.nan]], float)
    hit = np.array([True, True, True, False, False, False])
    p = NaiveBayes([0]).fit(X, hit).predict(np.array([[1.0], [2.0], [np.nan], [7.0]]))
    won, lost = 2.1 / 3.2, 0.1 / 2.2
    assert p[0] == pytest.approx(0.5 * won / (0.5 * won + 0.5 * lost))
    won, lost = 1.1 / 3.2, 2.1 / 2.2
    assert p[1] == pytest.approx(won / (won + lost))
    np.testing.assert_allclose(p[2:], 0.5)  # missing and never seen are left out


def test_naive_bayes_is_that_of_scikit_learn_with_a_tenth_added() -> None:
    rng = np.random.default_rng(3)
    X = rng.integers(0, 4, (300, 5)).astype(float)
    hit = rng.random(300) < 0.2 + 0.15 * X[:, 0]
    ours = NaiveBayes(range(5)).fit(X, hit).predict(X)
    theirs = CategoricalNB(alpha=0.1).fit(X, hit).predict_proba(X)[:, 1]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_naive_bayes_never_ends_beyond_its_bounds() -> None:
    X = np.repeat([[1.0], [2.0]], 50, axis=0).repeat(30, axis=1)
    p = NaiveBayes(range(30)).fit(X, X[:, 0] == 1).predict(X)
    assert set(np.round(p, 6)) == {0.0001, 0.9999}


def test_recency_falls_with_time_and_keeps_the_silent_apart() -> None:
    X, hit = _leads(2000)
    model = RecencySort(NAMES).fit(X, hit)
    on = np.full((200, 3), np.nan)
    on[:, 0] = np.linspace(0, 200, 200)
    p = model.predict(on)
    assert model.by == "days_since_activity"
    assert (np.diff(p) <= 0).all() and p[0] > p[-1]
    silent = np.isnan(X[:, 0])
    never = (hit[silent].sum() + hit.mean()) / (silent.sum() + 1)
    assert model.predict(np.full((1, 3), np.nan))[0] == pytest.approx(never)


def test_recency_falls_back_to_age_or_says_that_there_is_none() -> None:
    X, hit = _leads()
    assert RecencySort(["age", "size", "source"]).fit(X, hit).by == "age"
    still = X.copy()
    still[:, 0] = 3.0
    with pytest.raises(NotAvailableError, match="no column to sort by"):
        RecencySort(NAMES).fit(still, hit)


def test_the_design_standardises_and_marks_what_is_missing() -> None:
    X = np.array([[1.0, 1.0], [3.0, 2.0], [np.nan, np.nan]])
    Z = LogisticDesign.fit(X, [1]).matrix(X)
    # number, missing, level 1, level 2, missing
    np.testing.assert_allclose(Z, [[-1, 0, 1, 0, 0], [1, 0, 0, 1, 0], [0, 1, 0, 0, 1]])
    unseen = LogisticDesign.fit(X, [1]).matrix(np.array([[2.0, 9.0]]))
    np.testing.assert_allclose(unseen, [[0, 0, 0, 0, 0]])


def test_the_penalty_is_chosen_by_the_data() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(120, 40))
    assert Logistic([], seed=0).fit(noise, rng.random(120) < 0.5).C == 0.01
    X, hit = _leads(1500)
    assert Logistic([2], seed=0).fit(X, hit).C > 0.01


@pytest.mark.parametrize("made", [Logistic([2], 3), PlainLightGBM([2], 3)])
def test_seeded_fits_repeat(made: Logistic | PlainLightGBM) -> None:
    X, hit = _leads()
    first = made.fit(X, hit).predict(X)
    np.testing.assert_array_equal(first, made.fit(X, hit).predict(X))


def test_one_class_leaves_the_base_rate_and_says_why() -> None:
    X, _ = _leads(50)
    scores, missing = predict_all(baselines(NAMES, [2], 0), X, np.zeros(50, bool), X)
    assert not scores
    assert all("lacked the outcome" in why for why in missing.values()) and len(missing) == 4


def test_no_rows_no_columns_and_unequal_lengths_are_told() -> None:
    X, hit = _leads(10)
    _, missing = predict_all(baselines(NAMES, [2], 0), X[:0], hit[:0], X)
    assert all("no matured row" in why for why in missing.values()) and len(missing) == 4
    with pytest.raises(NotAvailableError, match="no feature"):
        NaiveBayes([]).fit(X[:, :0], hit)
    with pytest.raises(ValueError, match="as many rows as outcomes"):
        NaiveBayes([]).fit(X, hit[:5])
