"""What is learned at an origin, against closed formulas and hand-made cases."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from features.tables import DAY, Floats, Instants, micros
from training.forecast.belief.amounts import AmountChanges, factor_pools
from training.forecast.belief.arrival_rate import arrival_rate
from training.forecast.belief.drift import YEAR, count_drift, price_drift
from training.forecast.belief.hazard_season import hazard_season, pace_drift
from training.forecast.belief.lifetimes import event_ages
from training.forecast.belief.purchases import PurchaseHistory, fit_process
from training.forecast.data.periods import Period, cells, month, month_of, periods, quarter
from training.forecast.data.settings import ForecastSettings, load_settings

ORIGIN = micros("2025-07-01T00:00:00+00:00")
WIN, LOSE = 0.012, 0.008


def lived(
    n: int, days: float, seed: int, pace: Floats | None = None
) -> tuple[Instants, Instants, Floats]:
    """Births over ``days`` before ORIGIN, ends at constant hazards, and 1 won, 2 lost, 0 open."""
    rng = np.random.default_rng(seed)
    born = np.sort(rng.uniform(-days, 0, n))
    life = rng.exponential(1 / (WIN + LOSE), n)
    if pace is not None:
        life = life * pace
    outcome = np.where(rng.random(n) < WIN / (WIN + LOSE), 1.0, 2.0)
    outcome[born + life >= 0] = 0
    at = (ORIGIN + born * DAY).astype(np.int64)
    return at, at + (life * DAY).astype(np.int64), outcome


def test_the_incidence_by_age_is_that_of_constant_hazards() -> None:
    born, ended, outcome = lived(4_000, 900, 1)
    found = event_ages(born, ended, outcome == 1, outcome == 2, ORIGIN - 400 * DAY, ORIGIN)
    ages = np.array([20.0, 60.0, 120.0])
    truth = WIN / (WIN + LOSE) * -np.expm1(-(WIN + LOSE) * ages)
    np.testing.assert_allclose(found.incidence(ages), truth, atol=0.025)


def test_delayed_entry_and_censoring_by_hand() -> None:
    """Born 10, 8, 4 days ago; the stretch is the last 5 days. Won at age 6, open, won at age 2."""
    born = ORIGIN - np.array([10, 8, 4]) * DAY
    ended = born + np.array([6, 0, 2]) * DAY
    won = np.array([True, False, True])
    found = event_ages(born, ended, won, ~won & False, ORIGIN - 5 * DAY, ORIGIN)
    # at age 2 only the youngest was watched: its hazard is 1, and nobody is left to be won later
    np.testing.assert_allclose(found.ages, [2.0, 6.0])
    np.testing.assert_allclose(found.weight, [1.0, 0.0])


def test_nothing_after_the_origin_is_looked_at() -> None:
    born, ended, outcome = lived(500, 300, 2)
    since = ORIGIN - 200 * DAY
    found = event_ages(born, ended, outcome == 1, outcome == 2, since, ORIGIN)
    later = np.append(born, ORIGIN + DAY), np.append(ended, ORIGIN + 9 * DAY)
    more = np.append(outcome, 1.0)
    again = event_ages(*later, more == 1, more == 2, since, ORIGIN)
    np.testing.assert_array_equal(found.weight, again.weight)


def births(daily: float, days: int, seed: int, wave: float = 0.0, slope: float = 0.0) -> Instants:
    """Births at a rate that waves once a year (highest on 1 January) and grows by ``slope``."""
    rng = np.random.default_rng(seed)
    day = np.arange(-days, 0)
    turn = 2 * np.pi * (ORIGIN / DAY + day) / 365.25
    counts = rng.poisson(daily * np.exp(wave * np.cos(turn) + slope * day / 365.25))
    at: Instants = ORIGIN + np.repeat(day, counts) * DAY + 9 * DAY // 24
    return np.sort(at)


BOUNDS = np.array([0.0, 20.0, 80.0, 100.0, 170.0, 190.0])


def test_a_rate_with_trend_and_season_is_found_again() -> None:
    born = births(6.0, 1_400, 3, wave=0.3, slope=0.15)
    found = arrival_rate(born, ORIGIN, int(born.min()))
    days = (BOUNDS[:-1] + BOUNDS[1:]) / 2
    turn = 2 * np.pi * (ORIGIN / DAY + days) / 365.25
    truth = 6.0 * np.exp(0.3 * np.cos(turn) + 0.15 * days / 365.25)
    np.testing.assert_allclose(found.rate(BOUNDS), truth, rtol=0.12)
    spread = np.log(found.draws(BOUNDS, 2_000, "x")).std(axis=1)
    assert np.all((spread > 0.03) & (spread < 0.25))


def test_what_a_short_history_cannot_know_is_in_the_draws() -> None:
    """Half a year of a steady rate: the level stays near, the range is that of the priors."""
    born = births(4.0, 200, 4)
    short = arrival_rate(born, ORIGIN, int(born.min()))
    assert np.all(np.abs(short.rate(BOUNDS) / 4.0 - 1) < 0.2)
    born = births(4.0, 1_400, 4)
    long = arrival_rate(born, ORIGIN, int(born.min()))
    wide, narrow = (np.log(f.draws(BOUNDS, 2_000, "x")).std(axis=1) for f in (short, long))
    assert np.all(wide > 1.3 * narrow) and wide[-1] > 0.2
    with pytest.raises(ValueError, match="at least 56 are needed"):
        arrival_rate(born[-100:], ORIGIN, ORIGIN - 30 * DAY)


def test_bursts_widen_the_range() -> None:
    calm = births(1.0, 700, 5)
    bursts = np.sort(np.repeat(np.random.default_rng(5).choice(calm, len(calm) // 6), 6))
    even, odd = (arrival_rate(b, ORIGIN, int(calm.min())) for b in (calm, bursts))
    spread = [np.log(f.draws(BOUNDS, 2_000, "x")).std() for f in (even, odd)]
    assert spread[1] > 1.3 * spread[0]


def test_the_drift_of_counts_is_gaussian_process_regression() -> None:
    """With one size of each part and large counts the posterior is the closed formula's."""
    n, rng = 12, np.random.default_rng(1)
    expected = np.full(n, 4_000.0)
    counts = rng.poisson(expected * np.exp(rng.normal(0, 0.1, n))).astype(float)
    found = count_drift(ORIGIN, counts, expected)
    evidence, mean, covariance = found.ahead(BOUNDS)
    sizes, _ = found._sizes
    h = int(np.argmax(evidence))
    times = np.concatenate([(BOUNDS[:-1] + BOUNDS[1:]) / 2 / YEAR, found._times])
    K = found._kernel(times, times)[h] + sizes[h, 4] ** 2 * np.eye(len(times))
    y, noise = np.log(counts / expected), np.diag(1 / counts)
    c = len(BOUNDS) - 1
    gain = K[:, c:] @ np.linalg.inv(K[c:, c:] + noise)
    A = np.hstack([np.eye(c), -np.tile(found.weights, (c, 1))])
    np.testing.assert_allclose(mean[h], A @ gain @ y, atol=2e-3)
    np.testing.assert_allclose(covariance[h], A @ (K - gain @ K[c:, :]) @ A.T, atol=2e-3, rtol=0.05)


def test_a_price_that_rose_stays_risen() -> None:
    days = np.arange(0.5, 700.0)
    found = price_drift(ORIGIN, days, np.where(days < 150, 130.0, 100.0), 365.0)
    recent = np.exp((150 * np.log(130.0) + 215 * np.log(100.0)) / 365)
    np.testing.assert_allclose(found.expected(BOUNDS[:3]), 130.0 / recent, rtol=0.05)


def test_a_push_at_the_end_of_the_quarter_is_found() -> None:
    rng = np.random.default_rng(6)
    born, ended, outcome = lived(5_000, 1_000, 6)
    end_days = ended / DAY
    turn = 2 * np.pi * end_days / (365.25 / 4)
    # ends are kept with a chance that waves: thinning a Poisson stream makes its rate wave
    keep = (outcome != 1) | (rng.random(len(born)) < (1 + 0.3 * np.cos(turn)) / 1.3)
    born, ended, outcome = born[keep], ended[keep], outcome[keep]
    found = hazard_season(born, ended, outcome == 1, outcome == 2, ORIGIN)
    assert 0.15 < found.coefficients[0] < 0.45
    assert abs(found.coefficients[1]) < 0.12
    pace = pace_drift(born, ended, outcome == 1, outcome == 2, ORIGIN, found)
    assert np.all(np.abs(pace.expected(BOUNDS) - 1) < 0.15)
    young = slice(-300, None)
    little = hazard_season(
        born[young], ended[young], outcome[young] == 1, outcome[young] == 2, ORIGIN
    )
    assert little.factor(ORIGIN, ORIGIN + 30 * DAY) == 1.0


def test_factors_come_from_the_finest_pool_that_is_large_enough() -> None:
    factors = np.array([0.8] * 40 + [1.2] * 40 + [9.0] * 3)
    stage = ["late"] * 40 + ["early"] * 40 + ["rare"] * 3
    days, changed = np.full(83, 10.0), np.zeros(83, np.int64)
    changes = AmountChanges.of(factors, stage, changed, days)
    assert changes.pool("late", 0, 5.0) == ("late", "0", "0")
    assert changes.pool("rare", 0, 5.0) == ("0",)
    assert changes.pool("late", 1, 500.0) == ()
    pools, place = factor_pools(
        changes,
        ["late", "early", "late"],
        np.zeros(3, np.int64),
        np.array([5.0, 20.0]),
        [None, None, "core"],
        np.array([100.0] * 30 + [900.0] * 30),
        ["core"] * 30 + ["suite"] * 30,
    )
    np.testing.assert_allclose(pools.means[place[:, 0]], [0.8, 1.2, 100.0])


def test_habits_of_buyers_who_never_leave() -> None:
    rng = np.random.default_rng(8)
    n, age = 800, 400.0
    rate = rng.gamma(2.0, 1 / 50.0, n)
    x = rng.poisson(rate * age).astype(float)
    last = np.where(x > 0, age * rng.beta(np.maximum(x, 1), 1), 0.0)
    found = PurchaseHistory(
        np.arange(n), x, last, np.full(n, age), np.ones(n), np.arange(n + 1), np.ones(n)
    )
    process = fit_process(found)
    assert abs(process.r / process.alpha / (2.0 / 50.0) - 1) < 0.1
    assert process.alive(found).mean() > 0.9
    silent = PurchaseHistory(
        np.arange(1),
        np.array([30.0]),
        np.array([100.0]),
        np.array([400.0]),
        np.ones(1),
        np.arange(2),
        np.ones(1),
    )
    assert process.alive(silent)[0] < 0.1


def test_months_and_fiscal_quarters() -> None:
    at = micros(datetime(2026, 2, 14, tzinfo=UTC))
    names = [p.name for p in periods(at, 2, 2)]
    assert names == ["2026-02", "2026-03", "2026-Q1", "2026-Q2"]
    assert quarter(month_of(at), 2).name == "FY2027-Q1"
    assert quarter(month_of(at), 4).name == "FY2026-Q4"
    assert [m.name for m in cells([quarter(month_of(at), 2)])] == ["2026-02", "2026-03", "2026-04"]
    with pytest.raises(ValueError, match="1 to 12"):
        quarter(month_of(at), 13)
    with pytest.raises(ValueError, match="no period"):
        cells([])


@pytest.mark.parametrize("fiscal", range(1, 13))
def test_quarters_are_whole_months_without_gaps(fiscal: int) -> None:
    first = month_of(micros("2025-11-03T00:00:00+00:00"))
    found: list[Period] = [quarter(first + 3 * i, fiscal) for i in range(5)]
    for a, b in pairwise(found):
        assert a.end == b.start
    held = found[0]
    assert held.start <= month(first).start < held.end
    assert len(held.months) == 3


def test_settings_say_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "f.toml"
    file.write_text('[forecast]\nmonths = 2\ndimensions = ["team"]\n', encoding="utf-8")
    found = load_settings(file, draws=50)
    assert (found.months, found.dimensions, found.draws) == (2, ("team",), 50)
    for text, said in (
        ("month = 2", "did you mean months"),
        ("draws = 1.5", "whole number"),
        ('dimensions = ["moon"]', "unknown dimensions moon"),
        ("level = 2.0", "between 0 and 1"),
        ("total = 1", "true or false"),
        ("fiscal_start = 0", "1 to 12"),
    ):
        file.write_text(f"[forecast]\n{text}\n", encoding="utf-8")
        with pytest.raises(ValueError, match=said):
            load_settings(file)
    assert ForecastSettings(level=0.9).levels == pytest.approx((0.05, 0.5, 0.95))
