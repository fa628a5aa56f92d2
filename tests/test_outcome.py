"""The learner: the same twice, never worse than its parts, modest with few outcomes, explained."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import lightgbm as lgb
import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.tables import DAY, Floats
from tests.helpers.learning import World, world
from training.fit.parts import (
    Parts,
    Periods,
    Recipe,
    TreeParams,
    count_covers,
    decay,
    fit_fold,
    fit_trees,
)
from training.models.attribution import points
from training.models.blend import LEAN, Blend, penalised
from training.models.curves import incidence, log_odds, loss
from training.models.outcome import OutcomeModel
from training.task.questions import Labels

SMALL = TreeParams(rounds=12, num_leaves=6, max_depth=3, min_data_in_leaf=20, learning_rate=0.1)
RECIPE = Recipe(SMALL, l2=1.0)


def fit(made: World, recipe: Recipe = RECIPE) -> Parts:
    return fit_fold(made.X, made.labels, np.zeros(len(made.X), np.int64), made.encoding, recipe)


def model_of(made: World, parts: Parts, blend: Blend) -> OutcomeModel:
    edges = tuple(10.0 * (k + 1) for k in range(made.labels.bins))
    linear, trees, text = parts.linear, parts.trees, parts.boosted.text
    return OutcomeModel(made.encoding, linear, trees, blend, edges, text, parts.covers)


TEACH, TEST = world(1_500, 4, 2, seed=0), world(1_500, 4, 2, seed=1)
LONE = world(800, 1, 1, seed=2)


@cache
def fitted_parts() -> Parts:
    return fit(TEACH)


@cache
def fitted_blend() -> Blend:
    parts = fitted_parts()
    return Blend.fit(parts.linear.margins(TEST.X), parts.trees.margins(TEST.X), TEST.labels)


@cache
def fitted_model() -> OutcomeModel:
    return model_of(TEACH, fitted_parts(), fitted_blend())


@cache
def lone_parts() -> Parts:
    """Of one bin and one outcome."""
    return fit(LONE)


def test_effects_sum_to_the_move_of_the_log_odds() -> None:
    score, start, effects = fitted_model().explain(TEST.X)
    np.testing.assert_array_equal(score, fitted_model().score(TEST.X))
    moved = np.log(score / (1 - score)) - np.log(start / (1 - start))
    np.testing.assert_allclose(effects.sum(axis=1), moved, atol=1e-6)
    assert np.log(start / (1 - start)) == pytest.approx(fitted_model().baseline_log_odds)
    in_points = points(effects, fitted_model().baseline_log_odds)
    np.testing.assert_allclose(in_points.sum(axis=1), score - start, atol=1e-9)


odd = arrays(np.float64, (2, 4), elements=st.floats(allow_infinity=False, width=32))


@given(odd, st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan]), min_size=2, max_size=2))
@settings(max_examples=40)
def test_effects_sum_for_any_record(numbers: Floats, words: list[float]) -> None:
    X = np.column_stack([numbers, words, numbers[:, 0]])
    _, _, effects = fitted_model().explain(X)
    expected = log_odds(fitted_model().margins(X)) - fitted_model().baseline_log_odds
    np.testing.assert_allclose(effects.sum(axis=1), expected, atol=1e-8)


def test_with_one_bin_and_one_outcome_the_effects_are_shap_values() -> None:
    trees_alone = model_of(LONE, lone_parts(), Blend(0.0, 1.0, np.zeros((1, 1))))
    booster = lgb.Booster(model_str=lone_parts().boosted.text)
    expected = shap.TreeExplainer(booster).shap_values(LONE.X)
    _, start, effects = trees_alone.explain(LONE.X)
    np.testing.assert_allclose(effects, expected, atol=1e-9)
    np.testing.assert_allclose(trees_alone.score(LONE.X), booster.predict(LONE.X), rtol=1e-12)
    assert start == pytest.approx(trees_alone.score(LONE.X).mean(), abs=0.05)


def test_margins_are_boosters_own_bin_by_bin() -> None:
    booster = lgb.Booster(model_str=fitted_parts().boosted.text)
    for k in range(4):
        in_bin = np.column_stack([TEST.X, np.full(len(TEST.X), k)])
        raw = np.asarray(booster.predict(in_bin, raw_score=True))
        expected = raw[:, 1:] - raw[:, :1]
        np.testing.assert_allclose(fitted_parts().trees.margins(TEST.X)[:, k], expected, atol=1e-12)


def test_the_curve_agrees_with_what_happened_on_new_rows() -> None:
    true = incidence(TEST.margins).mean(axis=0)
    np.testing.assert_allclose(fitted_model().curve(TEST.X).mean(axis=0), true, atol=0.03)


def test_a_record_scores_and_explains_alike_alone_and_in_a_batch() -> None:
    score, _, effects = fitted_model().explain(TEST.X[:20])
    for i in range(20):
        alone, _, own = fitted_model().explain(TEST.X[i : i + 1])
        np.testing.assert_allclose(alone, score[i : i + 1], rtol=1e-14)
        np.testing.assert_allclose(own[0], effects[i], atol=1e-13)


def test_no_records_give_no_scores() -> None:
    score, _, effects = fitted_model().explain(TEST.X[:0])
    assert score.shape == (0,)
    assert effects.shape == (0, 6)
    assert fitted_model().score(TEST.X[:0]).shape == (0,)


def test_two_fits_are_the_same_bytes() -> None:
    state = json.dumps(fitted_model().to_state())
    assert json.dumps(model_of(TEACH, fit(TEACH), fitted_blend()).to_state()) == state


def test_the_state_survives_json() -> None:
    back = OutcomeModel.from_state(json.loads(json.dumps(fitted_model().to_state())))
    for mine, theirs in zip(
        fitted_model().explain(TEST.X[:50]), back.explain(TEST.X[:50]), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert back.edges == fitted_model().edges


def test_a_model_without_trees_works() -> None:
    blend = Blend.fit(fitted_parts().linear.margins(TEST.X), None, TEST.labels)
    assert blend.b == 0.0
    silent = OutcomeModel(TEACH.encoding, fitted_parts().linear, None, blend, fitted_model().edges)
    back = OutcomeModel.from_state(json.loads(json.dumps(silent.to_state())))
    with_trees = model_of(TEACH, fitted_parts(), blend)
    for other in (back, with_trees):
        np.testing.assert_allclose(silent.explain(TEST.X)[2], other.explain(TEST.X)[2], atol=1e-12)
    with pytest.raises(ValueError, match=r"the trees have weight 0\.5"):
        Blend(1.0, 0.5, blend.c).margins(fitted_parts().linear.margins(TEST.X), None)


def test_trees_that_found_nothing_to_split_on_add_nothing() -> None:
    stumps = fit(LONE, Recipe(replace(SMALL, min_data_in_leaf=10_000)))
    model = model_of(LONE, stumps, Blend(0.0, 1.0, np.zeros((1, 1))))
    score, start, effects = model.explain(LONE.X)
    assert (effects == 0).all()
    np.testing.assert_allclose(score, start)
    assert start == pytest.approx(LONE.labels.person_periods()[2].mean(), abs=1e-6)


def best_alone(part: Floats, labels: Labels) -> Blend:
    return Blend.fit(part, None, labels)


def test_the_blend_is_never_worse_than_a_part_alone_at_its_best() -> None:
    ones = np.ones(len(TEST.X))
    for seed in range(4):
        random = np.random.default_rng(seed)
        rows = random.choice(len(TEST.X), 400, replace=False)
        labels = TEST.labels.take(rows)
        linear = fitted_parts().linear.margins(TEST.X[rows]) * random.uniform(0, 3)
        trees = fitted_parts().trees.margins(TEST.X[rows]) + random.normal(0, seed, linear.shape)
        blend = Blend.fit(linear, trees, labels)
        whole = penalised(blend, linear, trees, labels)
        fit_to = loss(blend.margins(linear, trees), labels, ones[:400])[0]
        for part in (linear, trees):
            alone = best_alone(part, labels)
            assert whole <= penalised(alone, part, np.zeros_like(part), labels) + 1e-3
            # in plain likelihood too, up to what the prior may cost
            paid = LEAN * alone.a + len(alone.c)
            assert fit_to <= loss(alone.margins(part, None), labels, ones[:400])[0] + paid


def test_the_blend_is_the_optimum_of_what_it_minimises() -> None:
    linear, trees = fitted_parts().linear.margins(TEST.X), fitted_parts().trees.margins(TEST.X)
    least = penalised(fitted_blend(), linear, trees, TEST.labels)
    assert fitted_blend().a > 0 < fitted_blend().b
    for step in (-0.02, 0.02):
        others = [
            replace(fitted_blend(), a=fitted_blend().a + step),
            replace(fitted_blend(), b=fitted_blend().b + step),
        ]
        for cell in np.ndindex(fitted_blend().c.shape):
            c = fitted_blend().c.copy()
            c[cell] += step
            others.append(replace(fitted_blend(), c=c))
        assert all(penalised(o, linear, trees, TEST.labels) > least for o in others)


def test_the_true_margins_are_left_as_they_are() -> None:
    many = world(20_000, 3, 2, seed=7)
    noise = np.random.default_rng(8).normal(size=many.margins.shape)
    blend = Blend.fit(many.margins, noise, many.labels)
    assert blend.a == pytest.approx(1.0, abs=0.05)
    assert blend.b < 0.03
    np.testing.assert_allclose(blend.c, 0, atol=0.12)


def test_few_outcomes_leave_the_base_rate() -> None:
    few = world(40, 3, 2, seed=9, level=-4.0)
    assert 2 <= (few.labels.event > 0).sum() <= 12
    random = np.random.default_rng(10)
    noise = random.normal(0, 0.2, (2, *few.margins.shape))
    blend = Blend.fit(noise[0], noise[1], few.labels)
    assert blend.a == blend.b == 0.0
    hazards = incidence(blend.c[None])[0, 0]
    _, _, y = few.labels.person_periods()
    assert (np.abs(hazards - [(y == 1).mean(), (y == 2).mean()]) < 0.1).all()


def test_a_bin_nobody_entered_keeps_a_finite_level() -> None:
    early = replace(TEST.labels, observed=np.minimum(TEST.labels.observed, 2))
    linear, trees = fitted_parts().linear.margins(TEST.X), fitted_parts().trees.margins(TEST.X)
    assert np.isfinite(Blend.fit(linear, trees, early).c).all()


def test_rows_of_one_class_are_an_error_that_says_what_is_needed() -> None:
    nothing = replace(LONE.labels, event=np.zeros_like(LONE.labels.event))
    with pytest.raises(ValueError, match=r"800 rows .* hold no outcome.*needed are"):
        fit_trees(LONE.X, nothing, LONE.encoding, np.ones(800), SMALL)
    with pytest.raises(ValueError, match="hold no outcome"):
        fit(replace(LONE, labels=nothing))


def test_an_outcome_never_met_in_training_is_rare_and_not_impossible() -> None:
    labels = TEACH.labels
    never = replace(labels, event=np.where(labels.event == 2, 0, labels.event))
    never = replace(never, event_bin=np.where(never.event == 0, 4, never.event_bin))
    parts = fit(replace(TEACH, labels=never))
    hazards = incidence(parts.trees.margins(TEACH.X))[:, 0, 1]
    assert (hazards > 1e-6).all()
    assert (hazards < 0.01).all()


def test_training_stops_when_later_rows_no_longer_gain() -> None:
    many = replace(SMALL, rounds=400, learning_rate=0.3, patience=5)
    later = (TEST.X, TEST.labels, np.ones(len(TEST.X)))
    ones = np.ones(len(TEACH.X))
    boosted = fit_trees(TEACH.X, TEACH.labels, TEACH.encoding, ones, many, valid=later)
    assert boosted.rounds < 100
    assert boosted.text.count("\nTree=") == 3 * boosted.rounds
    trees = replace(SMALL, rounds=boosted.rounds, learning_rate=0.3)
    margins = fit(TEACH, Recipe(trees)).trees.margins(TEST.X)
    value, _ = loss(margins, TEST.labels, np.ones(len(TEST.X)))
    assert boosted.loss == pytest.approx(value / len(TEST.labels.person_periods()[0]), rel=1e-6)


def test_validation_rows_without_an_observed_bin_are_an_error() -> None:
    unseen = replace(TEST.labels, observed=np.zeros_like(TEST.labels.observed))
    ones = np.ones(len(TEST.X))
    with pytest.raises(ValueError, match="1500 rows hold no fully observed bin"):
        fit_trees(TEACH.X, TEACH.labels, TEACH.encoding, ones, SMALL, valid=(TEST.X, unseen, ones))


def test_reading_in_batches_is_reading_at_once() -> None:
    rows, bins, y = TEACH.labels.person_periods()
    periods = Periods(TEACH.X, rows, bins)
    whole = np.column_stack([TEACH.X[rows], bins])
    np.testing.assert_array_equal(periods[0 : len(rows)], whole)
    np.testing.assert_array_equal([periods[i] for i in (0, 5)], whole[[0, 5]])
    settings_ = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    settings_ |= {"deterministic": True, "force_row_wise": True}
    sets = [lgb.Dataset(data, y, categorical_feature=[4]) for data in (periods, whole)]
    texts = [lgb.train(settings_, data, 3).model_to_string() for data in sets]
    assert texts[0] == texts[1]


def test_covers_count_every_person_period_once_a_tree() -> None:
    _, bins, _ = TEACH.labels.person_periods()
    covers = count_covers(TEACH.X, TEACH.labels, fitted_parts().boosted.text)
    np.testing.assert_array_equal(covers, fitted_parts().covers)
    assert (covers.sum(axis=1) == np.bincount(bins, minlength=4)).all()


def test_old_rows_count_less() -> None:
    days = np.array([0, 365, 730], np.int64) * DAY
    np.testing.assert_allclose(decay(days, 365.0), [0.25, 0.5, 1.0])
    np.testing.assert_array_equal(decay(days, None), [1, 1, 1])
    with pytest.raises(ValueError, match="half_life_days must be positive or None, got 0"):
        decay(days, 0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"max_depth": 7}, "max_depth must be 1 to 6, got 7"), ({"rounds": 0}, "rounds must be")],
)
def test_settings_out_of_range_are_an_error(changed: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **changed)
