"""Durations and intervals beside statsmodels, scipy and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight  # type: ignore[import-untyped]
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]

from features.tables import Bools, Floats
from serving.analytics.kpis.survival import incidence, kaplan_meier
from training.stats import intervals

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, n: int = 60) -> tuple[Floats, Bools, Bools]:
    """Durations on a grid (so that ties are common), and two ways to end; the rest is censored."""
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 25, n).astype(np.float64)
    how = rng.integers(0, 3, n)
    return days, how == 1, how == 2


def test_a_curve_worked_out_by_hand() -> None:
    """6, 6, 6, 6+, 7, 9+, 10, 10+ …: the first patients of Freireich's 6-MP trial."""
    days = np.array(
        [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35.0]
    )
    running = {3, 5, 7, 8, 11, 12, 13, 16, 17, 18, 19, 20}
    ended = np.array([i not in running for i in range(21)])
    curve = kaplan_meier(days, ended)
    assert curve.survival == pytest.approx(
        [0.8571, 0.8067, 0.7529, 0.6902, 0.6275, 0.5378, 0.4482], abs=1e-4
    )
    assert np.sqrt(curve.greenwood[0]) * curve.survival[0] == pytest.approx(0.0764, abs=1e-4)
    assert curve.quantile(0.5) == 23 and np.isnan(curve.quantile(0.9))
    assert curve.at(5.0) == 1 and curve.at(6.0) == pytest.approx(0.8571, abs=1e-4)
    assert np.isnan(curve.at(36.0))


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_kaplan_meier_and_greenwood_agree_with_statsmodels(seed: int) -> None:
    days, first, second = draw(seed)
    curve, oracle = kaplan_meier(days, first | second), SurvfuncRight(days, first | second)
    assert curve.times.tolist() == oracle.surv_times.tolist()
    assert curve.survival == pytest.approx(oracle.surv_prob, abs=1e-12)
    inside = curve.survival > 1e-9
    error = curve.survival * np.sqrt(np.where(inside, curve.greenwood, 0))
    assert error[inside] == pytest.approx(oracle.surv_prob_se[inside], abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_the_interval_of_a_median_agrees_with_statsmodels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    days, ended = rng.exponential(10, 61), rng.random(61) < 0.8
    curve, oracle = kaplan_meier(days, ended), SurvfuncRight(days, ended)
    if not np.isclose(oracle.surv_prob, 0.5).any():
        assert curve.quantile(0.5) == pytest.approx(oracle.quantile(0.5), nan_ok=True)
    assert curve.quantile_interval(0.5) == pytest.approx(oracle.quantile_ci(0.5))


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_incidence_and_its_error_agree_with_statsmodels(seed: int) -> None:
    days, wanted, rival = draw(seed)
    found = incidence(days, wanted, rival)
    with np.errstate(all="ignore"):
        oracle = CumIncidenceRight(days, wanted + 2 * rival)
    share, error = oracle.cinc[0], oracle.cinc_se[0]
    known = np.isfinite(error)
    assert found.share == pytest.approx(share, abs=1e-12)
    assert found.error[known] == pytest.approx(error[known], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_without_censoring_a_curve_is_a_share(seed: int) -> None:
    days, first, _ = draw(seed)
    everybody = np.ones(len(days), np.bool_)
    curve = kaplan_meier(days, everybody)
    assert curve.survival == pytest.approx([(days > t).mean() for t in curve.times])
    assert incidence(days, first, ~first).share[-1] == pytest.approx(first.mean())
    assert curve.mean_until(1000.0)[0] == pytest.approx(days.mean())


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_weight_counts_a_row_so_often(seed: int) -> None:
    days, first, _ = draw(seed)
    times = np.random.default_rng(seed).integers(0, 4, len(days))
    weighted = kaplan_meier(days, first, times.astype(np.float64))
    repeated = kaplan_meier(np.repeat(days, times), np.repeat(first, times))
    if repeated.n and weighted.ended:
        assert weighted.survival == pytest.approx(repeated.survival)
        assert weighted.quantile(0.5) == pytest.approx(repeated.quantile(0.5), nan_ok=True)


def test_the_restricted_mean_is_the_area_and_its_variance_that_of_many_samples() -> None:
    rng = np.random.default_rng(5)
    means, variances = [], []
    for _ in range(400):
        life, watched = rng.exponential(20, 80), rng.uniform(5, 60, 80)
        curve = kaplan_meier(np.minimum(life, watched), life <= watched)
        mean, variance = curve.mean_until(30.0)
        grid = np.linspace(0, 30, 3001)[:-1]
        assert mean == pytest.approx(float(np.nan_to_num(curve.at(grid)).mean() * 30), rel=0.01)
        means.append(mean)
        variances.append(variance)
    assert np.mean(means) == pytest.approx(20 * (1 - np.exp(-1.5)), rel=0.02)
    assert np.mean(variances) == pytest.approx(np.var(means), rel=0.15)


def test_a_discount_weighs_later_days_less() -> None:
    curve = kaplan_meier(np.array([10.0, 10.0]), np.array([True, True]))
    assert curve.mean_until(20.0)[0] == 10
    assert curve.mean_until(20.0, 0.1)[0] == pytest.approx((1 - np.exp(-1)) / 0.1)


@given(st.integers(1, 400), st.data())
def test_wilson_agrees_with_statsmodels(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert intervals.wilson(k, n) == pytest.approx(
        proportion_confint(k, n, method="wilson"), abs=1e-12
    )


@given(st.integers(0, 2000))
def test_a_count_just_fits_its_poisson_interval(n: int) -> None:
    low, high = intervals.poisson(n)
    assert stats.poisson.cdf(n, high) == pytest.approx(0.025, abs=1e-9)
    if n:
        assert stats.poisson.sf(n - 1, low) == pytest.approx(0.025, abs=1e-9)


def test_means_and_medians_agree_with_scipy() -> None:
    values = np.random.default_rng(1).lognormal(3, 1, 41)
    expected = stats.ttest_1samp(values, 0).confidence_interval()
    assert intervals.mean(values) == pytest.approx((expected.low, expected.high))
    test = stats.quantile_test(values, p=0.5).confidence_interval()
    assert intervals.median(values) == pytest.approx((test.low, test.high))


@pytest.mark.parametrize("kind", ["total", "ratio", "median"])
def test_nineteen_intervals_of_twenty_hold_the_truth(kind: str) -> None:
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(600):
        n = rng.poisson(150)
        below = rng.lognormal(0, 0.5, n)
        above = below * rng.uniform(0.5, 1.5, n)
        if kind == "total":
            (low, high), truth = intervals.total(below), 150 * np.exp(0.125)
        elif kind == "ratio":
            (low, high), truth = intervals.ratio(above, below), 1.0
        else:
            (low, high), truth = intervals.median(below), 1.0
        held += low <= truth <= high
    assert 0.92 < held / 600 < 0.98


def test_what_has_too_few_cases_has_no_interval() -> None:
    one = np.array([3.0])
    for found in (intervals.wilson(0, 0), intervals.mean(one), intervals.median(one)):
        assert np.isnan(found).all()
    assert np.isnan(intervals.ratio(one, one)).all() and np.isnan(intervals.total(one[:0])).all()
    nothing = kaplan_meier(np.empty(0), np.empty(0, np.bool_))
    assert nothing.n == 0 and np.isnan(nothing.quantile(0.5))
    assert np.isnan(nothing.quantile_interval(0.5)).all()
    assert np.isnan(incidence(np.empty(0), np.empty(0, bool), np.empty(0, bool)).by(3.0)[0])
