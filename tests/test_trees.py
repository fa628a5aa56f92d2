"""Scored trees: LightGBM's own numbers, a brute-force Shapley oracle, laws of the restriction."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import combinations
from math import factorial
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.models.trees.forest import Floats, Ints
from training.models.trees.model import Trees, leaf_covers
from training.models.trees.paths import BLOCK
from training.models.trees.shapley import TABLE_BITS

F = 5
CATEGORIES = (0, 1)
Fractions = dict[int, Fraction]
QUIET = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "min_data_per_group": 2}


def rows(seed: int, n: int) -> Floats:
    """Two categories, a column of many zeros, two numbers; a tenth of everything missing."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, F)).round(2)
    X[:, 0], X[:, 1] = rng.integers(0, 40, n), rng.integers(0, 4, n)
    X[rng.random(n) < 0.5, 2] = 0.0
    X[rng.random((n, F)) < 0.1] = np.nan
    return X


def strange_rows() -> Floats:
    """Values no training row had: LightGBM answers for them too."""
    odd = [-1.0, -0.5, 0.0, -0.0, 1e-36, -1e-36, 0.7, 31.0, 32.0, 99.0, 3e9, np.inf, -np.inf]
    return np.array([[value] * F for value in [*odd, np.nan]])


def labels(seed: int, X: Floats, classes: int) -> Ints:
    rng = np.random.default_rng(seed + 1)
    known = np.nan_to_num(X)
    signal = known[:, 2] * known[:, 3] + np.sin(3 * known[:, 4]) + (known[:, 0] % 3 == 1)
    cuts = np.quantile(signal, np.arange(1, classes) / classes)
    classed: Ints = np.searchsorted(cuts, signal + rng.normal(size=len(X)) * 0.3)
    return classed


def boosted(seed: int, X: Floats, outcomes: int, rounds: int = 6, **params: Any) -> Any:
    many = {"objective": "multiclass", "num_class": outcomes + 1}
    objective = many if outcomes > 1 else {"objective": "binary"}
    data = lgb.Dataset(X, labels(seed, X, outcomes + 1), categorical_feature=list(CATEGORIES))
    return lgb.train({**QUIET, **objective, **params}, data, rounds)


def against_open(raw: Floats, outcomes: int) -> Floats:
    """LightGBM's class scores (n, classes, …) as margins (n, J, …)."""
    if outcomes == 1:
        return raw.reshape(len(raw), 1, *raw.shape[2:])
    return raw[:, 1:] - raw[:, :1]


def native(booster: Any, X: Floats, outcomes: int) -> tuple[Floats, Floats]:
    """LightGBM's margins (n, J) and contributions, the baseline last (n, J, F + 1)."""
    raw = booster.predict(X, raw_score=True)
    contributions = booster.predict(X, pred_contrib=True).reshape(len(X), -1, X.shape[1] + 1)
    return against_open(raw.reshape(len(X), -1), outcomes), against_open(contributions, outcomes)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    outcomes=st.integers(1, 3),
    leaves=st.sampled_from([2, 3, 8, 31]),
    depth=st.sampled_from([1, 2, 4, 6, -1]),
    missing=st.sampled_from([{}, {"zero_as_missing": True}, {"use_missing": False}]),
    average=st.booleans(),
)
def test_one_bin_is_lightgbm_itself(
    seed: int, outcomes: int, leaves: int, depth: int, missing: dict[str, bool], average: bool
) -> None:
    X = rows(seed, 160)
    params = {"num_leaves": leaves, "max_depth": depth, "boost_from_average": average, **missing}
    booster = boosted(seed, X, outcomes, **params)
    asked = np.concatenate([X[:40], strange_rows()])
    margins, contributions = native(booster, asked, outcomes)

    trees = Trees.from_text(booster.model_to_string(), F, 1, outcomes)

    np.testing.assert_allclose(trees.margins(asked)[:, 0], margins, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        trees.contributions(asked)[:, 0], contributions[..., :-1], rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(trees.baseline, contributions[:1, :, -1], rtol=0, atol=1e-12)


def peeled(columns: int) -> tuple[Any, Floats, Trees]:
    """Each column peels off one side, so paths ask up to all the features."""
    rng = np.random.default_rng(columns)
    X = rng.random((3000, columns))
    y = (1.5 / columns < X).cumprod(axis=1).sum(axis=1) + rng.normal(size=3000) * 0.01
    params = {**QUIET, "objective": "regression", "num_leaves": 90}
    booster = lgb.train(params, lgb.Dataset(X, y), 3)
    asked = np.where(rng.random((50, columns)) < 0.1, np.nan, X[:50])
    return booster, asked, Trees.from_text(booster.model_to_string(), columns, 1, 1)


def exact_shapley(node: dict[str, Any], x: Floats, path: tuple[Any, ...] = ()) -> Fractions:
    """In rational numbers: a leaf's polynomial in t multiplied out and integrated over [0, 1]."""
    if "leaf_value" in node:
        return leaf_shapley(Fraction(node["leaf_value"]), path)
    values: Fractions = defaultdict(Fraction)
    taken = goes_left(node, x[node["split_feature"]])
    for name, left in (("left_child", True), ("right_child", False)):
        share = Fraction(below(node[name]), below(node))
        step = (node["split_feature"], int(taken == left), share)
        for feature, value in exact_shapley(node[name], x, (*path, step)).items():
            values[feature] += value
    return values


def leaf_shapley(leaf_value: Fraction, path: tuple[Any, ...]) -> Fractions:
    asked: dict[int, tuple[int, Fraction]] = {}
    for feature, met, share in path:
        others = asked.get(feature, (1, Fraction(1)))
        asked[feature] = others[0] & met, others[1] * share
    values: Fractions = defaultdict(Fraction)
    for feature, (met, share) in asked.items():
        polynomial = [Fraction(1)]
        for other, (other_met, other_share) in asked.items():
            if other != feature:
                constant = [other_share * c for c in polynomial] + [Fraction(0)]
                linear = [Fraction(0)] + [(other_met - other_share) * c for c in polynomial]
                polynomial = [c + d for c, d in zip(constant, linear, strict=True)]
        integral = sum((c / (i + 1) for i, c in enumerate(polynomial)), Fraction(0))
        values[feature] = leaf_value * (met - share) * integral
    return values


@pytest.mark.parametrize("columns", [4, 14, 18])
def test_long_paths_are_exact_in_rational_arithmetic(columns: int) -> None:
    booster, asked, trees = peeled(columns)
    assert trees._paths.deep.any() == (columns > TABLE_BITS)
    mine = trees.contributions(asked)[:, 0, 0]
    dumped = [t["tree_structure"] for t in booster.dump_model()["tree_info"]]
    parts = [exact_shapley(tree, asked[0]) for tree in dumped]
    expected = [float(sum(part[f] for part in parts)) for f in range(columns)]
    np.testing.assert_allclose(mine[0], expected, rtol=0, atol=1e-13)


def test_the_longest_paths_still_add_up() -> None:
    """64 features on a path: LightGBM 4.7's recursion divides its digits away (off by tens)."""
    booster, asked, trees = peeled(70)
    margins = booster.predict(asked)
    mine = trees.contributions(asked)
    whole = trees.baseline[0, 0] + mine[:, 0, 0].sum(axis=1)
    np.testing.assert_allclose(whole, margins, rtol=0, atol=1e-11)
    for row in range(len(asked)):
        assert (trees.contributions(asked[row : row + 1])[0] == mine[row]).all()


def test_the_shap_package_agrees() -> None:
    """shap's own algorithm, not its call of LightGBM's."""
    shap = pytest.importorskip("shap")
    X = np.nan_to_num(rows(3, 300))[:, 2:]
    booster = lgb.train({**QUIET, "objective": "binary"}, lgb.Dataset(X, X[:, 0] * X[:, 1] > 0), 8)
    explainer = shap.TreeExplainer(booster)
    explainer.model.model_type = "internal"

    trees = Trees.from_text(booster.model_to_string(), 3, 1, 1)

    theirs = explainer.shap_values(X[:50], check_additivity=False)
    np.testing.assert_allclose(trees.contributions(X[:50])[:, 0, 0], theirs, rtol=0, atol=1e-9)


def binned(seed: int, outcomes: int, bins: int, **params: Any) -> tuple[Any, Floats, Ints, Trees]:
    """A booster of (X, bin), its training rows and its restricted trees; late bins have fewer."""
    X = rows(seed, 300)
    where = np.random.default_rng(seed).integers(0, bins, (2, len(X))).min(axis=0)
    with_bin = np.column_stack([X, where.astype(np.float64)])
    # The bin matters, or no tree would split on it.
    steep = np.where((where % 2 == 1)[:, None] & (np.arange(F) > 1), -2 * X, X)
    many = {"objective": "multiclass", "num_class": outcomes + 1}
    objective = many if outcomes > 1 else {"objective": "binary"}
    categories = [*CATEGORIES, *params.pop("also", [])]
    data = lgb.Dataset(with_bin, labels(seed, steep, outcomes + 1), categorical_feature=categories)
    booster = lgb.train({**QUIET, **objective, "num_leaves": 12, **params}, data, 5)
    covers = leaf_covers(booster, with_bin, where, bins)
    trees = Trees.from_text(booster.model_to_string(), F, bins, outcomes, covers)
    return booster, X, where, trees


@pytest.mark.parametrize("params", [{}, {"zero_as_missing": True}, {"also": [F]}])
@pytest.mark.parametrize(("outcomes", "bins"), [(1, 2), (2, 6), (2, 40)])
def test_restricted_to_a_bin_they_are_the_model_at_that_bin(
    outcomes: int, bins: int, params: dict[str, Any]
) -> None:
    booster, X, where, trees = binned(5, outcomes, bins, **params)
    asked = np.concatenate([X[:60], strange_rows()])
    assert f" {F} " in " ".join(  # some tree does split on the bin
        f" {line.partition('=')[2]} "
        for line in booster.model_to_string().splitlines()
        if line.startswith("split_feature=")
    )
    margins = trees.margins(asked)
    for k in range(bins):
        raw = booster.predict(np.column_stack([asked, np.full(len(asked), k)]), raw_score=True)
        expected = against_open(raw.reshape(len(asked), -1), outcomes)
        np.testing.assert_allclose(margins[:, k], expected, rtol=0, atol=1e-12)

    contributions = trees.contributions(asked)
    np.testing.assert_allclose(
        trees.baseline + contributions.sum(axis=3), margins, rtol=0, atol=1e-10
    )
    mine = trees.margins(X)
    for k in np.unique(where):
        mean = mine[where == k, k].mean(axis=0)
        np.testing.assert_allclose(trees.baseline[k], mean, rtol=0, atol=1e-12)


def test_attributions_are_weighted_contributions() -> None:
    for outcomes, bins in ((1, 3), (2, 4)):
        _, X, _, trees = binned(8, outcomes, bins)
        weights = np.random.default_rng(1).normal(size=(len(X), bins, outcomes))
        expected = (weights[..., None] * trees.contributions(X)).sum(axis=(1, 2))
        mine = trees.attributions(X, weights)
        np.testing.assert_allclose(mine, expected, rtol=0, atol=1e-11)


def goes_left(node: dict[str, Any], x: float) -> bool:
    if node["decision_type"] == "==":
        return not np.isnan(x) and str(int(x)) in node["threshold"].split("||")
    if np.isnan(x):
        return bool(
            node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        )
    return bool(x <= node["threshold"])


def expected_given(
    node: dict[str, Any], x: Floats, k: int, known: tuple[int, ...], covers: Ints
) -> float:
    """E[tree | the known features], over the training rows of bin k: the game being played."""
    if "leaf_value" in node:
        return float(node["leaf_value"])
    sides = node["left_child"], node["right_child"]
    column = node["split_feature"]
    if column == F:
        return expected_given(sides[not k <= node["threshold"]], x, k, known, covers)
    if column in known:
        return expected_given(sides[not goes_left(node, x[column])], x, k, known, covers)
    mine = [covers[leaves_below(side), k].sum() for side in sides]
    shares = mine if sum(mine) > 0 else [below(side) for side in sides]
    parts = [expected_given(side, x, k, known, covers) for side in sides]
    return float(np.dot(shares, parts) / sum(shares))


def leaves_below(node: dict[str, Any]) -> list[int]:
    if "leaf_value" in node:
        return [node["leaf_index"]]
    return leaves_below(node["left_child"]) + leaves_below(node["right_child"])


def below(node: dict[str, Any]) -> int:
    return int(node["leaf_count"] if "leaf_value" in node else node["internal_count"])


def shapley(tree: dict[str, Any], x: Floats, k: int, covers: Ints) -> Floats:
    """Every coalition, one by one."""
    values = np.zeros(F)
    for feature in range(F):
        others = [f for f in range(F) if f != feature]
        for size in range(F):
            weight = factorial(size) * factorial(F - 1 - size) / factorial(F)
            for known in combinations(others, size):
                without = expected_given(tree, x, k, known, covers)
                joined = expected_given(tree, x, k, (*known, feature), covers)
                values[feature] += weight * (joined - without)
    return values


def test_every_coalition_agrees_bin_by_bin() -> None:
    """Bins 3 and 4 have no training rows at all: the whole model's proportions stand in."""
    bins = 5
    booster, X, _, _ = binned(11, 1, 3)
    where = np.random.default_rng(11).integers(0, 3, len(X))
    covers = leaf_covers(booster, np.column_stack([X, where]), where, bins)
    trees = Trees.from_text(booster.model_to_string(), F, bins, 1, covers)
    dumped = [t["tree_structure"] for t in booster.dump_model()["tree_info"]]
    mine = trees.contributions(X[:4])
    for row in range(4):
        for k in range(bins):
            expected = sum(shapley(t, X[row], k, covers[i]) for i, t in enumerate(dumped))
            np.testing.assert_allclose(mine[row, k, 0], expected, rtol=0, atol=1e-12)
            level = sum(expected_given(t, X[row], k, (), covers[i]) for i, t in enumerate(dumped))
            np.testing.assert_allclose(trees.baseline[k, 0], level, rtol=0, atol=1e-12)


def test_a_model_that_found_nothing_is_its_constant() -> None:
    X = rows(1, 60)
    booster = boosted(1, X, 1, min_data_in_leaf=1000)
    trees = Trees.from_text(booster.model_to_string(), F, 1, 1)
    raw = booster.predict(X, raw_score=True)
    np.testing.assert_allclose(trees.margins(X)[:, 0, 0], raw, rtol=0, atol=1e-12)
    np.testing.assert_allclose(trees.baseline[0, 0], raw[0], rtol=0, atol=1e-12)
    assert (trees.contributions(X) == 0).all()
    assert (trees.contributions(X[:1]) == 0).all()


def test_a_row_is_the_same_bit_for_bit_in_any_company() -> None:
    """Alone, in a batch, at a block's edge, in another order: parity of endpoint and batch."""
    _, X, _, trees = binned(13, 2, 3)
    X = np.tile(X, (3, 1))
    weights = np.random.default_rng(2).normal(size=(len(X), 3, 2))
    whole = trees.margins(X), trees.contributions(X), trees.attributions(X, weights)
    order = np.random.default_rng(3).permutation(len(X))
    sizes = [np.arange(n) for n in (0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1)]
    for part in (*sizes, *np.arange(20)[:, None], order):
        again = (
            trees.margins(X[part]),
            trees.contributions(X[part]),
            trees.attributions(X[part], weights[part]),
        )
        for expected, got in zip(whole, again, strict=True):
            assert np.array_equal(expected[part], got)


def test_how_x_lies_in_memory_does_not_matter() -> None:
    _, X, _, trees = binned(13, 1, 2)
    frozen = X.copy()
    frozen.flags.writeable = False
    for same in (frozen, np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2]):
        assert np.array_equal(trees.contributions(same), trees.contributions(X))


def test_covers_count_every_training_row_once_in_each_tree() -> None:
    booster, X, where, _ = binned(17, 2, 4)
    covers = leaf_covers(booster, np.column_stack([X, where]), where, 4)
    assert covers.shape[0] == booster.num_trees()
    assert (covers.sum(axis=1) == np.bincount(where, minlength=4)).all()


def test_shapes_that_do_not_fit_say_so() -> None:
    booster, X, where, trees = binned(19, 2, 3)
    text, covers = booster.model_to_string(), leaf_covers(booster, np.c_[X, where], where, 3)
    with pytest.raises(ValueError, match=r"X must be \(n, 5\)"):
        trees.margins(np.c_[X, where])
    with pytest.raises(ValueError, match=r"X must be \(n, 5\)"):
        trees.contributions(X[0])
    with pytest.raises(ValueError, match=r"weights must be .* got \(300, 3\)"):
        trees.attributions(X, np.zeros((300, 3)))
    with pytest.raises(ValueError, match="need covers"):
        Trees.from_text(text, F, 3, 2)
    with pytest.raises(ValueError, match="covers must be"):
        Trees.from_text(text, F, 3, 2, covers[:, :, :2])
    with pytest.raises(ValueError, match="cannot be negative"):
        Trees.from_text(text, F, 3, 2, covers - 500)
    with pytest.raises(ValueError, match="expected a model of 5 columns"):
        Trees.from_text(text, F, 1, 2)
    with pytest.raises(ValueError, match="expected 1 trees per iteration"):
        Trees.from_text(text, F, 3, 1, covers)
    with pytest.raises(ValueError, match="bins must be"):
        Trees.from_text(text, F, 63, 2, covers)
    with pytest.raises(ValueError, match="outcomes must be"):
        Trees.from_text(text, F, 3, 0, covers)
    with pytest.raises(ValueError, match="bin_of_row"):
        leaf_covers(booster, np.c_[X, where], where + 1, 3)


def test_a_damaged_model_is_refused_not_walked() -> None:
    """LightGBM itself aborts the process on some of these and follows others out of its arrays."""
    X = rows(1, 120)
    text = boosted(1, X, 1).model_to_string()
    first = next(line for line in text.splitlines() if line.startswith("left_child="))
    column = next(line for line in text.splitlines() if line.startswith("split_feature="))
    damaged = {
        "not a whole": text[: len(text) // 3],
        "not a": "{}",
        "promises": text.replace("\nTree=5", "\nTwig=5"),
        "values": text.replace(first, first + " 1"),
        "impossible children": text.replace(first, "left_child=0" + first[12:]),
        "children or columns": text.replace(column, "split_feature=9" + column[15:]),
        "linear": text.replace("is_linear=0", "is_linear=1"),
        "forests": text.replace("version=v4", "version=v4\naverage_output"),
    }
    for message, broken in damaged.items():
        with pytest.raises(ValueError, match=message):
            Trees.from_text(broken, F, 1, 1)
