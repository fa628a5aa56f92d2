"""The parts' weights: learned where tomorrow is, never nothing on weak evidence, one model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from benchmarks import worlds
from features.tables import DAY, Floats
from tests.helpers.learning import World, world
from training.fit.direct import base_margins, fit_logistic
from training.fit.ensemble import PARTS, FittedParts, assemble, fit_parts
from training.fit.parts import Recipe, TreeParams
from training.fit.stack import PartWeights, fit_stack
from training.models.baselines.logistic import LogisticDesign
from training.models.curves import base_curve, incidence, log_odds
from training.models.outcome import OutcomeModel

RECIPE = Recipe(TreeParams(rounds=12, num_leaves=6, max_depth=3, min_data_in_leaf=20), l2=1.0)
WEIGHTS = np.array([0.3, 0.35, 0.2, 0.15])


def parts_of(made: World) -> FittedParts:
    return fit_parts(made.X, made.labels, np.zeros(len(made.X), np.int64), made.encoding, RECIPE)


def model_of(made: World, parts: FittedParts, stack: PartWeights) -> OutcomeModel:
    edges = tuple(10.0 * (k + 1) for k in range(made.labels.bins))
    return assemble(made.encoding, edges, parts, stack, made.X, made.labels)


@pytest.mark.parametrize(("bins", "outcomes"), [(1, 1), (3, 1), (3, 2)])
def test_one_model_is_the_weighted_sum_of_its_parts_and_its_reasons_add_up(
    bins: int, outcomes: int
) -> None:
    made, new = world(600, bins, outcomes, seed=3), world(100, bins, outcomes, seed=4)
    parts = parts_of(made)
    stack = PartWeights(WEIGHTS, np.full((bins, outcomes), 0.05))
    model = model_of(made, parts, stack)
    expected = stack.margins(parts.margins(new.X))
    np.testing.assert_allclose(model.margins(new.X), expected, atol=1e-9)
    _, _, effects = model.explain(new.X)
    moved = log_odds(model.margins(new.X)) - model.baseline_log_odds
    np.testing.assert_allclose(effects.sum(axis=1), moved, atol=1e-8)
    back = OutcomeModel.from_state(model.to_state())
    np.testing.assert_array_equal(back.explain(new.X)[2], effects)


@pytest.mark.parametrize("name", PARTS)
def test_each_part_alone_is_a_limit_of_the_blend(name: str) -> None:
    made = world(600, 3, 2, seed=3)
    parts = parts_of(made)
    alone = PartWeights((np.array(PARTS) == name).astype(float), np.zeros((3, 2)))
    margins = parts.margins(made.X)[PARTS.index(name)]
    np.testing.assert_allclose(model_of(made, parts, alone).margins(made.X), margins, atol=1e-9)


def test_the_base_curve_is_that_of_aalen_and_johansen() -> None:
    made = world(4_000, 3, 2, seed=5)
    found = incidence(base_margins(made.labels)[None])[0]
    np.testing.assert_allclose(found, base_curve(made.labels), atol=1e-3)


def test_the_logistic_part_with_one_bin_is_plain_logistic_regression() -> None:
    made = world(800, 1, 1, seed=6)
    seen = replace(made.labels, observed=np.ones(800, np.int64))
    part = fit_logistic(made.X, seen, made.encoding, base_margins(seen))
    assert part is not None
    Z = LogisticDesign.fit(made.X, made.encoding.categorical).matrix(made.X)
    plain = LogisticRegression(C=1.0, max_iter=1_000).fit(Z, seen.hit)
    expected = plain.decision_function(Z)
    found = part.margins(made.X)[:, 0, 0]
    assert np.corrcoef(found, expected)[0, 1] > 0.99
    np.testing.assert_allclose(found.mean(), expected.mean(), atol=0.05)


def test_rows_of_one_kind_leave_the_base_curve_in_the_logistic_parts_place() -> None:
    made = world(300, 3, 2, seed=6)
    early = replace(made.labels, observed=np.minimum(made.labels.observed, 2))
    parts = parts_of(replace(made, labels=early))
    assert parts.logistic is None
    _, _, logistic, base = parts.margins(made.X)
    assert (logistic == base).all()


def stacked(parts: list[Floats], made: World) -> PartWeights:
    n = len(made.X)
    cutoffs = np.arange(n) * DAY
    fold = np.arange(n) * 4 // n
    return fit_stack(np.stack(parts), made.labels, cutoffs, fold, True)


def test_weak_evidence_leaves_every_part_a_weight_and_strong_evidence_decides() -> None:
    for n, least, most in ((60, 0.02, 0.9), (20_000, 0.0, 1.1)):
        made = world(n, 1, 1, seed=8, level=-1.0)
        noise = np.random.default_rng(1).normal(size=made.margins.shape)
        base = np.full_like(made.margins, base_margins(made.labels))
        weights = stacked([made.margins, noise, base], made).weights
        assert least < weights[0] < most
        assert weights[1] > 0, "never exactly nothing"
    assert weights[0] > 0.9 and weights[1] < 0.05


def test_a_part_that_begins_to_be_right_in_the_last_fold_is_believed() -> None:
    made = world(4_000, 1, 1, seed=9, level=-1.0)
    new = np.arange(4_000) >= 3_400
    old_way = np.where(new[:, None, None], -made.margins - 2.0, made.margins)
    new_way = np.where(new[:, None, None], made.margins, -made.margins - 2.0)
    base = np.full_like(made.margins, base_margins(made.labels))
    weights = stacked([old_way, new_way, base], made).weights
    assert weights[1] > 0.7 and weights[0] < 0.1


@pytest.fixture(scope="module")
def law() -> pd.DataFrame:
    """``python -m benchmarks.worlds`` asks the law of 200 worlds, and of 15 to 100,000 outcomes."""
    return worlds.run(10, 1_000, seed=1, least=200)


def test_the_blend_loses_to_no_part_on_generated_worlds(law: pd.DataFrame) -> None:
    table = worlds.by_kind(law)
    assert table["above"].mean() <= 0.001
    assert table["above"].max() <= 0.005


def test_with_few_outcomes_the_blend_is_as_good_as_the_best_single_choice() -> None:
    found = worlds.run(10, 60, seed=2)
    means = found[[*PARTS, worlds.BLEND]].mean()
    assert means[worlds.BLEND] <= means[list(PARTS)].min() + 0.005
