"""The combination listens to what was right, its ranges learn, and draws stay coherent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import DAY, Floats, micros
from training.forecast.backtest.cell_store import CellStore, coarse_to_fine
from training.forecast.backtest.cells import MODEL, SIMULATION
from training.forecast.backtest.combination import combined
from training.forecast.backtest.scoring import LEVELS, scored
from training.forecast.backtest.steering import steer, steer_in_reach
from training.forecast.data.periods import month
from training.forecast.data.revenue import RevenueFlow
from training.forecast.data.settings import ForecastSettings

FIRST = 2022 * 12


def cells(months: int, seed: int, off: float = 1.0, spread: float = 1.0) -> pd.DataFrame:
    """A month at a time: the simulation says ``off`` times the truth, a rival says it without bias.

    The actual value is 100 · exp(0.2 z); ranges of both are ``spread`` times the right ones.
    """
    rng, rows = np.random.default_rng(seed), []
    for number in range(FIRST, FIRST + months):
        period, actual = month(number), 100 * np.exp(0.2 * rng.normal())
        for method, level in ((SIMULATION, 100.0 * off), ("rival", 100.0)):
            half = level * 0.2 * 1.2816 * spread
            quantiles = {"q0": level - half, "q1": level, "q2": level + half}
            common = {"stream": "bookings", "method": method, "point": level, "closed": 0.0}
            target = {"origin": period.start, "period": period.name, "kind": "month", "ahead": 0}
            span = {"start": period.start, "end": period.end, "weeks": 4, "actual": actual}
            rows.append({**common, **target, **span, **quantiles})
    return pd.DataFrame(rows)


def test_with_little_evidence_the_simulation_speaks_almost_alone() -> None:
    (found,) = combined(cells(2, 0, off=1.3))
    assert found.methods[0] == SIMULATION
    assert found.weights[0, 0] > 0.85 and found.evidence[0] == 0.0
    np.testing.assert_allclose(found.moved[0], [-1.0, 0.0, 1.0], atol=0.03)


def test_a_way_that_has_been_right_is_listened_to() -> None:
    (found,) = combined(cells(48, 1, off=1.5))
    assert found.weights[-1, 0] < 0.5 < found.weights[0, 0]
    every = scored(pd.concat([cells(48, 1, off=1.5), found.cells()], ignore_index=True))
    late = every[every["origin"] >= month(FIRST + 24).start].groupby("method")["pinball"].mean()
    assert late[MODEL] < 0.6 * late[SIMULATION]
    assert late[MODEL] < 1.1 * late["rival"], "no worse than the best single way beyond noise"


@pytest.mark.parametrize(("spread", "least", "most"), [(0.3, 0.6, 0.85), (2.5, 0.8, 0.95)])
def test_ranges_learn_from_their_own_record(spread: float, least: float, most: float) -> None:
    """As stated they would hold 30 and 100 % of what comes."""
    found = [combined(cells(60, seed, spread=spread))[0].cells() for seed in range(6)]
    late = scored(pd.concat([f.tail(30).assign(data=i) for i, f in enumerate(found)]))
    assert least < late["coverage"].mean() < most


def test_nothing_later_is_looked_at() -> None:
    whole, (found,) = cells(30, 2), combined(cells(30, 2))
    early = whole[whole["origin"] <= month(FIRST + 20).start].copy()
    early["actual"] = early["actual"].where(early["end"] <= month(FIRST + 20).start)
    (again,) = combined(early)
    np.testing.assert_array_equal(found.quantiles[:21], again.quantiles)


def futures(seed: int, draws: int = 4_000) -> Floats:
    """Three months that share a shock, and their quarter."""
    rng = np.random.default_rng(seed)
    months = 100 * np.exp(0.25 * rng.normal(size=draws) + 0.1 * rng.normal(size=(3, draws)))
    return np.vstack([months, months.sum(axis=0)])


@settings(max_examples=25, deadline=None)
@given(st.floats(0.85, 1.2), st.floats(0.6, 1.25), st.integers(0, 50))
def test_chosen_draws_have_the_quantiles_asked(factor: float, width: float, seed: int) -> None:
    whole = futures(seed)
    own = np.quantile(whole, LEVELS, axis=1).T
    asked = {p: q[1] * factor + (q - q[1]) * width for p, q in enumerate(own)}
    found = steer(whole, asked)
    chosen = whole[:, found.chosen]
    got = np.quantile(chosen, LEVELS, axis=1).T
    wanted = np.stack(list(asked.values()))
    np.testing.assert_allclose(got, wanted, rtol=0.05)
    np.testing.assert_array_equal(chosen[:3].sum(axis=0), chosen[3])
    assert np.all(np.diff(found.chosen) >= 0) and len(found.chosen) == whole.shape[1]
    assert 1 < found.effective <= whole.shape[1] + 1e-6


def test_a_point_and_what_is_out_of_reach_change_nothing_they_cannot() -> None:
    whole = np.vstack([np.full(1_000, 7.0), futures(1, 1_000)[0]])
    found = steer(whole, {0: np.array([6.0, 7.0, 8.0]), 1: np.array([1e6, 2e6, 3e6])})
    assert np.all(whole[0, found.chosen] == 7.0) and np.isfinite(found.effective)


def test_a_range_never_rests_on_a_handful_of_futures() -> None:
    whole = futures(3)
    own = np.quantile(whole, LEVELS, axis=1).T
    near = {p: q * 1.05 for p, q in enumerate(own)}
    found, way = steer_in_reach(whole, near, 0.05)
    assert way == 1.0 and np.array_equal(found.chosen, steer(whole, near).chosen)
    # three months are to be more and their sum less: no future is so, and a few would stand for all
    against = {p: q * 1.2 if p < 3 else q / 1.2 for p, q in enumerate(own)}
    found, way = steer_in_reach(whole, against, 0.05)
    assert steer(whole, against).effective < 0.05 * whole.shape[1] <= found.effective
    assert 0.0 < way < 1.0


def test_the_store_keeps_answers_until_their_past_changes(tmp_path: object) -> None:
    at = micros("2025-01-01T00:00:00+00:00") + np.arange(3) * 30 * DAY
    every = {"bookings": RevenueFlow.of("bookings", at, np.array([1.0, 2.0, 3.0]), int(at[0]))}
    store = CellStore.at(tmp_path, "shop", ForecastSettings())  # type: ignore[arg-type]
    origins = [int(at[1]) + DAY, int(at[2]) + DAY]
    for origin in origins:
        store.add(origin, every, [{"origin": origin, "why": "too little"}])
    store.write()
    again = CellStore.at(tmp_path, "shop", ForecastSettings(draws=7))  # type: ignore[arg-type]
    assert again.origins() == set(origins), "the number of draws is no reason to ask again"
    assert not CellStore.at(tmp_path, "shop", ForecastSettings(seed=8)).rows  # type: ignore[arg-type]
    changed = {"bookings": RevenueFlow.of("bookings", at, np.array([1.0, 2.0, 9.0]), int(at[0]))}
    again.keep_fresh(changed)
    assert again.origins() == {origins[0]}
    assert again.skipped(origins) == [(origins[0], "too little")]
    assert coarse_to_fine([1, 2, 3, 4, 5, 6]) == [6, 2, 4, 5, 3, 1]
