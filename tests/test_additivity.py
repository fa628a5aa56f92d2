"""The bar of every reason: exact sums on each question, and SHAP's own values at one bin."""

from __future__ import annotations

from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import shap

from features.tables import Floats
from tests.helpers.histories import history
from tests.helpers.scored import bundle_of, training
from training.fit.parts import Parts, Recipe, TreeParams, fit_fold
from training.models.blend import Blend
from training.models.curves import log_odds
from training.models.encoding import Encoding
from training.models.outcome import OutcomeModel
from training.task.questions import Labels

ENTITIES = ("leads", "deals", "accounts")
RECIPE = Recipe(TreeParams(rounds=12, min_data_in_leaf=8, num_leaves=8), l2=1.0)


@cache
def flat(entity: str) -> tuple[Encoding, Floats, Parts]:
    """A question without time (K = 1) on every feature of the entity: its matrix and its parts."""
    features = training(entity)
    encoding = Encoding.fit(features, min_count=3)
    X, n = encoding.matrix(features), len(features)
    hit = np.random.default_rng(4).integers(0, 2, n)
    labels = Labels(hit, np.where(hit == 1, 0, 1), np.ones(n, np.int64), 1, 1)
    parts = fit_fold(X, labels, np.zeros(n, np.int64), encoding, RECIPE)
    return encoding, X, parts


def model_of(entity: str, blend: Blend) -> OutcomeModel:
    encoding, _, parts = flat(entity)
    return OutcomeModel(
        encoding, parts.linear, parts.trees, blend, (1.0,), parts.boosted.text, parts.covers
    )


@pytest.mark.parametrize("entity", ENTITIES)
def test_at_one_bin_the_effects_are_shap_s_own(entity: str) -> None:
    _, X, parts = flat(entity)
    booster: Any = lgb.Booster(model_str=parts.boosted.text)
    expected = shap.TreeExplainer(booster).shap_values(X)
    trees_alone = model_of(entity, Blend(0.0, 1.0, np.zeros((1, 1))))
    np.testing.assert_allclose(trees_alone.explain(X)[2], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("entity", ENTITIES)
def test_at_one_bin_a_blend_is_shap_plus_the_linear_deviations(entity: str) -> None:
    """Coefficient × (x - mean) for the linear part, TreeSHAP for the trees, as they are blended."""
    _, X, parts = flat(entity)
    booster: Any = lgb.Booster(model_str=parts.boosted.text)
    both = model_of(entity, Blend(0.6, 0.5, np.full((1, 1), 0.2)))
    expected = 0.6 * parts.linear.contributions(X)[:, 0]
    expected += 0.5 * np.asarray(shap.TreeExplainer(booster).shap_values(X))
    np.testing.assert_allclose(both.explain(X)[2], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("timed", [True, False])
def test_effects_sum_to_the_move_of_the_score_from_the_baseline(entity: str, timed: bool) -> None:
    model = (
        bundle_of(entity, history(3)).model
        if timed
        else model_of(entity, Blend(0.6, 0.5, np.zeros((1, 1))))
    )
    X = model.encoding.matrix(training(entity))
    score, start, effects = model.explain(X)
    moved = np.log(score / (1 - score)) - np.log(start / (1 - start))
    np.testing.assert_allclose(effects.sum(axis=1), moved, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        effects.sum(axis=1), log_odds(model.margins(X)) - model.baseline_log_odds, atol=1e-9
    )
