"""Measures against scikit-learn and closed formulas; intervals and verdicts against laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    roc_auc_score,
)

from features.tables import Bools, Floats, Ints
from training.evaluation import measures
from training.evaluation.curve import curve_table, person_period_nll
from training.evaluation.measures import Estimate, Ranked
from training.evaluation.scoreboard import (
    MEASURES,
    Comparison,
    compare,
    measure,
    reliability,
    scoreboard,
)
from training.evaluation.verdict import verdict
from training.stats.intervals import wilson, wilson_each
from training.task.questions import Labels

Drawn = tuple[Bools, Floats]


@st.composite
def scored(draw: st.DrawFn) -> Drawn:
    n = draw(st.integers(4, 60))
    levels = draw(st.integers(1, 20))  # few levels make ties
    p = draw(st.lists(st.integers(0, levels), min_size=n, max_size=n))
    hit = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    hit[0], hit[1] = True, False
    return np.array(hit), (np.array(p, np.float64) + 0.5) / (levels + 1)


def _value(table: pd.DataFrame, name: str, column: str = "value") -> float:
    return float(table[column].to_numpy(float)[MEASURES.index(name)])


@settings(max_examples=80, deadline=None)
@given(scored())
def test_values_are_those_of_scikit_learn(drawn: Drawn) -> None:
    hit, p = drawn
    table = measure(hit, p, np.arange(len(p)), base=float(hit.mean()), draws=2)
    assert _value(table, "log_loss") == pytest.approx(log_loss(hit, p))
    assert _value(table, "brier") == pytest.approx(brier_score_loss(hit, p))
    assert _value(table, "auc") == pytest.approx(roc_auc_score(hit, p))
    assert _value(table, "pr_auc") == pytest.approx(average_precision_score(hit, p))
    assert _value(table, "auc", "baseline") == 0.5
    assert _value(table, "lift_10", "baseline") == pytest.approx(1)
    assert _value(table, "pr_auc", "baseline") == pytest.approx(hit.mean())


def _ranks(hit: Bools, p: Floats) -> Floats:
    ranks: Floats = Ranked(hit, p, np.arange(len(p))).measure(np.ones((1, len(p))))[0]
    return ranks


@settings(max_examples=40, deadline=None)
@given(scored(), st.integers(0, 1000))
def test_a_draw_is_the_measure_of_the_rows_drawn(drawn: Drawn, seed: int) -> None:
    hit, p = drawn
    weights = np.random.default_rng(seed).integers(1, 4, len(p)).astype(np.float64)
    repeated = np.repeat(np.arange(len(p)), weights.astype(np.int64))
    ranks = Ranked(hit, p, np.arange(len(p))).measure(weights[None, :])[0]
    again = _ranks(hit[repeated], p[repeated])
    np.testing.assert_allclose(ranks, again)
    assert ranks[0] == pytest.approx(roc_auc_score(hit, p, sample_weight=weights))
    assert ranks[1] == pytest.approx(average_precision_score(hit, p, sample_weight=weights))


def test_lift_counts_the_best_tenth_and_shares_out_ties() -> None:
    hit = np.zeros(100, bool)
    hit[:20] = True
    falling = np.linspace(0.9, 0.1, 100)
    np.testing.assert_allclose(
        _ranks(hit, falling)[2:], [5.0, 5.0]
    )  # all of the top tenth against 20 %
    tied = np.where(np.arange(100) < 40, 0.8, 0.1)  # the 20 hits are half of the tied top
    np.testing.assert_allclose(_ranks(hit, tied)[2:], [2.5, 2.5])


def _logistic(n: int, seed: int, slope: float = 1.0, shift: float = 0.0) -> Drawn:
    rng = np.random.default_rng(seed)
    z = rng.normal(-1, 1.5, n)
    return rng.random(n) < expit(shift + slope * z), expit(z)


def test_recalibration_is_an_unpenalised_logistic_fit() -> None:
    hit, p = _logistic(2000, 1, slope=0.6, shift=0.4)
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    fit.fit(measures.logits(p)[:, None], hit)
    expected = [fit.intercept_[0], fit.coef_[0, 0]]
    np.testing.assert_allclose(measures.recalibrate(hit, p), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("hit", "p"),
    [
        ([True] * 4, [0.1, 0.2, 0.3, 0.4]),  # one class
        ([True, False, True, False], [0.3] * 4),  # nothing to slope along
        ([False, False, True, True], [0.1, 0.2, 0.8, 0.9]),  # separated: the slope is infinite
    ],
)
def test_recalibration_that_does_not_exist_is_missing(hit: list[bool], p: list[float]) -> None:
    assert np.isnan(measures.recalibrate(np.array(hit), np.array(p))).all()


def test_one_class_leaves_ranks_missing_and_keeps_the_losses() -> None:
    table = measure(np.zeros(30, bool), np.linspace(0.1, 0.5, 30), np.arange(30), 0.2)
    assert np.isfinite(_value(table, "log_loss"))
    for name in ("auc", "pr_auc", "lift_10", "calibration_slope"):
        assert np.isnan(_value(table, name)) and np.isnan(_value(table, name, "low"))


def test_intervals_hold_the_value() -> None:
    hit, p = _logistic(1500, 3)
    table = measure(hit, p, np.arange(len(p)), 0.3)
    inside = table[table["measure"] != "ece"]  # a draw's ECE is never below its own noise
    assert (inside["low"] <= inside["value"]).all() and (inside["value"] <= inside["high"]).all()
    assert list(table["measure"]) == list(MEASURES)


def test_true_scores_are_found_calibrated() -> None:
    covered = 0
    for seed in range(30):
        hit, p = _logistic(500, seed)
        table = measure(hit, p, np.arange(500), 0.3, draws=100)
        slope = "calibration_slope"
        covered += _value(table, slope, "low") < 1 < _value(table, slope, "high")
    assert covered >= 25, "a 95 % interval holds the truth about 28 times in 30"


def test_one_step_draws_agree_with_refitting() -> None:
    hit, p = _logistic(1000, 5)
    table = measure(hit, p, np.arange(1000), 0.3, seed=4, draws=150)
    slopes = []
    for block in measures.draws(1000, 4, 150):
        for w in block:
            rows = np.repeat(np.arange(1000), w.astype(np.int64))
            slopes.append(measures.recalibrate(hit[rows], p[rows])[1])
    low, high = np.quantile(slopes, [0.025, 0.975])
    got = [_value(table, "calibration_slope", end) for end in ("low", "high")]
    np.testing.assert_allclose(got, [low, high], atol=0.1 * (high - low))


def test_snapshots_of_an_entity_do_not_narrow_the_interval() -> None:
    hit, p = _logistic(300, 7)
    six = np.tile(np.arange(300), 6)
    once = measure(hit, p, np.arange(300), 0.3)
    often = measure(hit[six], p[six], six, 0.3)
    ends = ["low", "high"]
    alike = once["measure"].isin(["log_loss", "brier", "calibration_slope", "auc"])
    np.testing.assert_allclose(once.loc[alike, ends], often.loc[alike, ends])
    assert set(often["n"]) == {1800} and set(often["entities"]) == {300}


def test_draws_are_seeded() -> None:
    whole = np.concatenate(list(measures.draws(50, 3, 20)))
    np.testing.assert_array_equal(whole, np.concatenate(list(measures.draws(50, 3, 20))))
    assert whole.shape == (20, 50) and (whole.sum(1) == 50).all()
    assert not np.array_equal(whole, np.concatenate(list(measures.draws(50, 4, 20))))


@given(st.integers(0, 200), st.integers(1, 200))
def test_wilson_solves_its_equation(hits: int, misses: int) -> None:
    n = hits + misses
    low, high = wilson(hits, n)
    share, z = hits / n, 1.959963984540054
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):  # (share - end)^2 = z^2 end (1 - end) / n
        assert (share - end) ** 2 == pytest.approx(z * z * end * (1 - end) / n, abs=1e-9)


def test_wilson_published_value_and_nothing_known() -> None:
    low, high = wilson_each(np.array([81.0, 0.0]), np.array([263.0, 0.0]))
    np.testing.assert_allclose([low[0], high[0]], [0.2553, 0.3662], atol=5e-5)  # Newcombe 1998
    assert np.isnan([low[1], high[1]]).all(), "of nothing there is no interval"


def test_reliability_counts_every_row_once_and_is_as_wide_as_its_entities() -> None:
    hit, p = _logistic(500, 9)
    table = reliability(hit, p, np.arange(500))
    assert table["n"].sum() == 500 and len(table) == 10
    assert (table["observed"] * table["n"]).sum() == pytest.approx(hit.sum())
    assert ((table["low"] <= table["observed"]) & (table["observed"] <= table["high"])).all()
    assert (table["score_high"].to_numpy()[:-1] < table["score_low"].to_numpy()[1:]).all()
    six = np.tile(np.arange(500), 6)
    often = reliability(hit[six], p[six], six)
    pd.testing.assert_frame_equal(table.drop(columns="n"), often.drop(columns="n"))
    assert len(reliability(hit, np.full(500, 0.3), np.arange(500))) == 1, "one score, one bin"


@pytest.mark.parametrize("bad", [np.array([0.5, np.nan]), np.array([0.5, 1.2])])
def test_scores_must_be_probabilities(bad: Floats) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        measure(np.array([True, False]), bad, np.arange(2), 0.5)


def test_nothing_to_measure_and_unequal_lengths_are_told() -> None:
    empty = np.zeros(0)
    with pytest.raises(ValueError, match="no matured rows"):
        measure(empty.astype(bool), empty, np.arange(0), 0.5)
    with pytest.raises(ValueError, match="of one length"):
        measure(np.ones(3, bool), np.full(2, 0.5), np.arange(3), 0.5)


def test_a_comparison_is_paired_and_antisymmetric() -> None:
    hit, p = _logistic(800, 11)
    rng = np.random.default_rng(0)
    worse = expit(measures.logits(p) + rng.normal(0, 0.7, 800))
    ours, theirs = compare(hit, p, worse, np.arange(800)), compare(hit, worse, p, np.arange(800))
    assert ours.log_loss.low > 0 and ours.auc.low > 0
    assert ours.log_loss.value == pytest.approx(log_loss(hit, worse) - log_loss(hit, p))
    assert ours.auc.value == pytest.approx(-theirs.auc.value)
    assert ours.log_loss.low == pytest.approx(-theirs.log_loss.high)
    same = compare(hit, p, p, np.arange(800))
    assert same.log_loss == Estimate(0, 0, 0, 800) and same.auc == Estimate(0, 0, 0, 800)
    assert ours.to_json()["log_loss.low"] == ours.log_loss.low


def test_the_scoreboard_holds_every_model() -> None:
    hit, p = _logistic(200, 13)
    base = float(hit.mean())
    board = scoreboard(hit, {"model": p, "base rate": np.full(200, base)}, np.arange(200), base)
    assert set(board["model"]) == {"model", "base rate"} and len(board) == 2 * len(MEASURES)
    constant = board[board["model"] == "base rate"].dropna()
    np.testing.assert_allclose(constant["value"], constant["baseline"])


def _labels(event: list[int], event_bin: list[int], observed: list[int], bins: int = 3) -> Labels:
    return Labels(np.array(event), np.array(event_bin), np.array(observed), bins, 2)


def test_the_curve_uses_whoever_was_seen() -> None:
    # won in bin 0, lost in bin 1, open and seen for 2 bins, open and seen through
    labels = _labels([1, 2, 0, 0], [0, 1, 3, 3], [3, 3, 2, 3])
    curve = np.tile([0.2, 0.3, 0.4], (4, 1))
    table = curve_table(curve, labels, np.arange(4), (7, 14, 30), base=np.array([0.1, 0.2, 0.3]))
    assert list(table["n"]) == [4, 4, 3]
    np.testing.assert_allclose(table["observed"], [0.25, 0.25, 1 / 3])
    np.testing.assert_allclose(table["gap"], table["predicted"] - table["observed"])
    assert list(table["baseline"]) == [0.1, 0.2, 0.3] and list(table["day"]) == [7, 14, 30]
    with pytest.raises(ValueError, match="the curve must be"):
        curve_table(curve[:, :2], labels, np.arange(4), (7, 14, 30))


def test_person_period_nll_is_the_product_of_its_bins() -> None:
    rng = np.random.default_rng(2)
    hazards = rng.dirichlet([6, 1, 1], (50, 3))  # open, won, lost in each bin
    before = np.cumprod(np.c_[np.ones(50), hazards[:, :, 0]], axis=1)[:, :-1]
    incidence = np.cumsum(before[:, :, None] * hazards[:, :, 1:], axis=1)
    event_bin = rng.integers(0, 4, 50)
    event = np.where(event_bin < 3, rng.integers(1, 3, 50), 0)
    labels = Labels(event, event_bin, rng.integers(0, 4, 50), 3, 2)
    rows, bins, y = labels.person_periods()
    expected = -np.log(hazards[rows, bins, y]).mean()
    got = person_period_nll(incidence, labels, np.arange(50))
    assert got.value == pytest.approx(expected) and got.n == len(rows)
    assert got.low < got.value < got.high
    unseen = replace(labels, observed=np.zeros(50, np.int64))
    assert np.isnan(person_period_nll(incidence, unseen, np.arange(50)).value)


def _gain(value: float, low: float, high: float, hits: int = 100, name: str = "x") -> Comparison:
    return Comparison(name, Estimate(value, low, high, 500), Estimate(0, 0, 0, 500), hits, 400)


@pytest.mark.parametrize(
    ("base", "others", "word", "promotable"),
    [
        (_gain(0.05, 0.03, 0.07), [], "better", True),
        (_gain(0.05, 0.03, 0.07), [_gain(0.02, 0.01, 0.03)], "better", True),
        (_gain(0.05, 0.03, 0.07), [_gain(0.02, 0.01, 0.03), _gain(0.001, -0.01, 0.01)],
         "as good as", True),
        (_gain(0.05, 0.03, 0.07), [_gain(-0.02, -0.03, -0.01)], "worse", False),
        (_gain(0.02, -0.01, 0.05), [], "too little data", False),
        (_gain(0.001, -0.05, 0.05), [], "no skill", False),
        (_gain(-0.01, -0.02, 0.0), [], "no skill", False),
        (_gain(0.0, 0.0, 0.0), [], "no skill", False),
        (_gain(np.nan, np.nan, np.nan), [], "no skill", False),
        (_gain(0.2, 0.1, 0.3, hits=4), [], "too little data", False),
    ],
)  # fmt: skip
def test_the_verdict_follows_its_rule(
    base: Comparison, others: list[Comparison], word: str, promotable: bool
) -> None:
    given = verdict(base, others)
    assert (given.word, given.promotable) == (word, promotable), given.sentence
    assert given.sentence.endswith(".") and "nan more" not in given.sentence


def test_more_outcomes_shrink_the_interval_as_the_root() -> None:
    # a width of 0.03 against a gain of 0.02 needs (0.03 / 0.02)^2 = 2.25 times the outcomes
    given = verdict(_gain(0.02, -0.01, 0.05))
    assert given.more_outcomes == 125 and "125 more" in given.sentence


def _noise_verdicts(n: int, entities: Ints) -> list[str]:
    words: list[str] = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        hit = rng.random(n) < 0.3
        p = expit(rng.normal(-0.85, 0.3, n))  # scores that know nothing
        words.append(verdict(compare(hit, p, np.full(n, 0.3), entities, draws=200)).word)
    return words


def test_noise_has_no_skill() -> None:
    words = _noise_verdicts(400, np.arange(400))
    assert "better" not in words and words.count("no skill") >= 15
