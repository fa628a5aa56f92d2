"""Why a score moved: the parts sum to the change, and what did nothing is told to have done so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from math import factorial

import lightgbm as lgb
import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from features.tables import Floats
from tests.helpers.learning import world
from tests.test_outcome import LONE, TEST, fit, fitted_model, fitted_parts, lone_parts, model_of
from training.models.blend import Blend
from training.models.curves import log_odds
from training.models.explain_change import PARTS as NAMES
from training.models.explain_change import ChangeAttribution, ExplainedScore, between, moved
from training.models.outcome import OutcomeModel
from training.models.trees.model import Trees

X = TEST.X[:40]
LATER = TEST.X[40:80]


@cache
def newer_model() -> OutcomeModel:
    made = world(1_000, 4, 2, seed=9)
    blend = Blend(0.4, 0.7, np.full((4, 2), -0.2))
    return replace(model_of(made, fit(made), blend), edges=fitted_model().edges)


def parts(found: ChangeAttribution) -> dict[str, Floats]:
    return dict(zip(NAMES, found.parts.T, strict=True))


def all_zero(found: ChangeAttribution, but: tuple[str, ...] = ()) -> None:
    for name, effect in parts(found).items():
        assert name in but or (effect == 0).all(), name


def brute(value: Callable[[Floats], float], before: Floats, after: Floats) -> Floats:
    """Shapley values by every coalition: members take their value from ``after``."""
    F = len(before)
    out = np.zeros(F)
    for f in range(F):
        rest = [g for g in range(F) if g != f]
        for size in range(F):
            share = factorial(size) * factorial(F - 1 - size) / factorial(F)
            for others in combinations(rest, size):
                at = before.copy()
                at[list(others)] = after[list(others)]
                without = value(at)
                at[f] = after[f]
                out[f] += share * (value(at) - without)
    return out


def test_trees_between_two_records_are_the_shapley_values_of_the_game() -> None:
    """Numbers, categories, missing values; every bin and outcome, against all coalitions."""
    trees = fitted_parts().trees
    random = np.random.default_rng(0)
    weights = random.normal(size=(6, 4, 2))
    found = trees.between(X[:6], LATER[:6], weights)
    for row in range(6):

        def value(at: Floats, row: int = row) -> float:
            return float((weights[row] * trees.margins(at[None])[0]).sum())

        np.testing.assert_allclose(found[row], brute(value, X[row], LATER[row]), atol=1e-12)


def test_trees_between_two_records_agree_with_shap_itself() -> None:
    """On numbers: shap's interventional explainer misreads LightGBM's categories."""
    random = np.random.default_rng(1)
    numbers = random.normal(size=(800, 5))
    y = numbers[:, 0] * numbers[:, 1] + np.sin(2 * numbers[:, 2]) + random.normal(size=800) > 0
    quiet = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 15}
    booster = lgb.train(quiet, lgb.Dataset(numbers, y), 20)
    start, asked = numbers[:1], numbers[1:60]
    explainer = shap.TreeExplainer(booster, start, feature_perturbation="interventional")
    trees = Trees.from_text(booster.model_to_string(), 5, 1, 1)
    found = trees.between(np.repeat(start, 59, axis=0), asked, np.ones((59, 1, 1)))
    np.testing.assert_allclose(found, explainer.shap_values(asked), atol=1e-7)  # it works in floats


odd = arrays(np.float64, (2, 4), elements=st.floats(allow_infinity=False, width=32))
words = st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan]), min_size=2, max_size=2)


@given(odd, words)
@settings(max_examples=40, deadline=None)
def test_any_two_records_sum_to_their_difference(numbers: Floats, levels: list[float]) -> None:
    rows = np.column_stack([numbers, levels, numbers[:, 0]])
    effects = between(fitted_model(), rows[:1], rows[1:])
    rise = log_odds(fitted_model().margins(rows[1:])) - log_odds(fitted_model().margins(rows[:1]))
    np.testing.assert_allclose(effects.sum(axis=1), rise, atol=1e-8)


@given(st.lists(st.integers(0, 5), max_size=6, unique=True), st.integers(0, 39))
@settings(max_examples=30, deadline=None)
def test_what_did_not_change_did_nothing(changed: list[int], row: int) -> None:
    after = X[row : row + 1].copy()
    after[:, changed] = LATER[row, changed]
    effects = between(fitted_model(), X[row : row + 1], after)[0]
    assert (np.delete(effects, changed) == 0).all()


def test_the_way_back_is_the_negative() -> None:
    np.testing.assert_allclose(
        between(fitted_model(), X, LATER), -between(fitted_model(), LATER, X), atol=1e-9
    )


def test_nothing_changed_is_zero_to_the_bit() -> None:
    all_zero(moved(ExplainedScore(fitted_model(), X), ExplainedScore(fitted_model(), X.copy())))


def test_only_time_passed_is_only_time() -> None:
    found = moved(
        ExplainedScore(fitted_model(), X), ExplainedScore(fitted_model(), LATER), aged=LATER
    )
    all_zero(found, ("time",))
    np.testing.assert_allclose(found.time.sum(axis=1), found.after - found.before, atol=1e-9)


def test_only_new_facts_are_only_facts() -> None:
    all_zero(
        moved(ExplainedScore(fitted_model(), X), ExplainedScore(fitted_model(), LATER), aged=X),
        ("facts",),
    )


def test_only_another_constant_is_only_calibration() -> None:
    again = replace(
        fitted_model(), blend=replace(fitted_model().blend, c=fitted_model().blend.c + 0.3)
    )
    found = moved(ExplainedScore(fitted_model(), X), ExplainedScore(again, X))
    all_zero(found, ("calibration",))
    assert (found.calibration != 0).all()


def test_only_other_parts_are_only_the_model() -> None:
    again = replace(fitted_model(), linear=newer_model().linear, trees=newer_model().trees)
    found = moved(ExplainedScore(fitted_model(), X), ExplainedScore(again, X))
    np.testing.assert_allclose(found.calibration, 0, atol=1e-12)
    assert (found.model != 0).all()


def test_only_a_prior_is_only_the_prior() -> None:
    found = moved(ExplainedScore(fitted_model(), X), ExplainedScore(fitted_model(), X, shift=0.4))
    all_zero(found, ("prior",))
    np.testing.assert_allclose(found.prior, 0.4)


def _one_bin() -> OutcomeModel:
    return model_of(LONE, lone_parts(), Blend(0.5, 0.6, np.full((1, 1), 0.1)))


@pytest.mark.parametrize("kind", ["same", "newer", "no trees now", "no trees then", "other bins"])
def test_everything_at_once_sums_to_the_change(kind: str) -> None:
    bare = replace(newer_model(), trees=None, blend=replace(newer_model().blend, b=0.0))
    old = replace(fitted_model(), trees=None, blend=replace(fitted_model().blend, b=0.0))
    before, after = {
        "same": (fitted_model(), fitted_model()),
        "newer": (fitted_model(), newer_model()),
        "no trees now": (fitted_model(), bare),
        "no trees then": (old, newer_model()),
        "other bins": (_one_bin(), newer_model()),
    }[kind]
    aged = np.where(np.arange(6) < 3, LATER, X)
    found = moved(
        ExplainedScore(before, X, 0.1), ExplainedScore(after, LATER, -0.2), aged, known=LATER
    )
    change = found.after - found.before
    np.testing.assert_allclose(found.parts.sum(axis=1), change, atol=1e-9)
    in_points = found.points(found.parts).sum(axis=1)
    np.testing.assert_allclose(in_points, expit(found.after) - expit(found.before), atol=1e-9)
    assert (found.calibration == 0).all() == (kind in ("same", "other bins"))


def test_versions_change_places_and_signs() -> None:
    """Model and calibration have no order among themselves: back is the negative of forth."""
    forth = moved(ExplainedScore(fitted_model(), X), ExplainedScore(newer_model(), X))
    back = moved(ExplainedScore(newer_model(), X), ExplainedScore(fitted_model(), X))
    np.testing.assert_allclose(forth.model, -back.model, atol=1e-9)
    np.testing.assert_allclose(forth.calibration, -back.calibration, atol=1e-9)


def test_the_table_sums_by_reason_and_keeps_no_order_of_columns() -> None:
    found = moved(
        ExplainedScore(fitted_model(), X),
        ExplainedScore(newer_model(), LATER, 0.3),
        aged=X,
        known=LATER,
    )
    groups = ["pace", "pace", "size", "size", "source", "noise"]
    rows = found.table(3, groups, ["pace", "size", "source", "noise"])
    assert rows == found.table(3, groups, ["noise", "source", "size", "pace"])
    change = float(found.after[3] - found.before[3])
    assert sum(r["effect"] for r in rows) == pytest.approx(change, abs=1e-9)
    assert sum(r["points"] for r in rows) == pytest.approx(
        expit(found.after[3]) - expit(found.before[3]), abs=1e-9
    )
    assert [r["part"] for r in rows][-4:].count("facts") == 0


def test_no_records_have_no_parts() -> None:
    found = moved(ExplainedScore(fitted_model(), X[:0]), ExplainedScore(newer_model(), X[:0]))
    assert found.parts.shape == (0, 5)
