"""Targets, cover and what is kept of a forecast, on one made by hand."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import DAY, micros
from tests.helpers.forecasted import company, made
from training.forecast.data.periods import Period, periods
from training.forecast.planning.cover import cover, multiples
from training.forecast.planning.targets import _covered, _share, outlook, targets

forecast = cache(made)


@cache
def asked() -> pd.DataFrame:
    return targets(company(), forecast())


@cache
def looked() -> pd.DataFrame:
    return outlook(forecast(), asked())


def row(value: str, period: str) -> dict[str, float]:
    found = looked()[(looked()["value"] == value) & (looked()["period"] == period)]
    assert len(found) == 1
    return {str(k): v for k, v in found.iloc[0].items()}


def test_quotas_become_targets_by_days_and_at_the_rate_known_at_the_origin() -> None:
    found = asked().set_index(["dimension", "value", "period"])["target"]
    dollars = 50_000 * 0.9
    assert found["owner", "O1", "2026-02"] == pytest.approx(60_000 * 28 / 90)
    assert found["owner", "O1", "2026-Q1"] == pytest.approx(60_000)
    assert found["owner", "O2", "2026-Q1"] == pytest.approx(3_100)
    assert found["owner", "O3", "2026-Q1"] == pytest.approx(dollars * 90 / 365)
    assert found["team", "North", "2026-01"] == pytest.approx(60_000 * 31 / 90 + 3_100)
    assert found["all", "all", "2026-Q2"] == pytest.approx(dollars * 91 / 365)
    assert ("owner", "O2", "2026-02") not in found.index
    for period in ("2026-01", "2026-02", "2026-Q1"):
        total = found["all", "all", period]
        for dimension in ("owner", "team"):
            assert found[dimension].xs(period, level="period").sum() == pytest.approx(total)


def test_covered_is_the_share_of_days_that_quotas_speak_of() -> None:
    found = asked().set_index(["dimension", "value", "period"])["covered"]
    assert found["owner", "O2", "2026-Q1"] == pytest.approx(31 / 90)
    assert found["all", "all", "2026-Q1"] == 1


@given(
    st.integers(-500, 500),
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 90))),
)
@settings(max_examples=60, deadline=None)
def test_what_a_quota_asks_of_all_months_is_the_quota(
    first: int, days: int, spans: list[tuple[int, int]]
) -> None:
    start = micros("2026-01-01T00:00:00+00:00") + first * DAY
    ends = np.array([start]), np.array([start + days * DAY])
    months = [p for p in periods(start, 15, 0) if p.kind == "month"]
    assert sum(float(_share(*ends, p)[0]) for p in months) == pytest.approx(1)
    period = Period(0, 90 * DAY, "month", "x")
    begins = np.array([a * DAY for a, _ in spans], np.int64)
    finish = np.array([(a + n) * DAY for a, n in spans], np.int64)
    days_spoken_of = {d for a, n in spans for d in range(a, min(a + n, 90))}
    assert _covered(begins, finish, period) == pytest.approx(len(days_spoken_of) / 90)


def test_a_missing_rate_is_named() -> None:
    with pytest.raises(ValueError, match="quotas: no rate of USD was known on 2026-01-15"):
        targets(company(rates=False), forecast())


def test_chances_are_shares_of_the_draws() -> None:
    for value, dimension in (("O1", "owner"), ("North", "team"), ("all", "all")):
        told = row(value, "2026-Q1")
        draws = forecast().whole("bookings", "2026-Q1")
        if dimension != "all":
            values, grouped = forecast().group_draws(dimension)
            draws = grouped[values.index(value), forecast().place("2026-Q1")]
        assert told["chance"] == (draws >= told["target"]).mean()
        assert told["p50"] == np.quantile(draws, 0.5)
        assert told["gap"] == pytest.approx(told["target"] - told["p50"])
        assert told["left"] == pytest.approx(max(told["target"] - told["closed"], 0))


def test_people_say_what_they_say() -> None:
    """Commit is closed and committed, of deals dated into the period; best case adds to it."""
    january, quarter = row("all", "2026-01"), row("all", "2026-Q1")
    assert january["closed"] == 20_000 and january["due"] == 10_000 + 5_000
    assert january["commit"] == january["best_case"] == 20_000 + 10_000
    assert quarter["commit"] == 20_000 + 10_000 + 60_000
    assert quarter["best_case"] == quarter["commit"] + 40_000
    assert quarter["due"] == 10_000 + 40_000 + 15_000 + 60_000 + 5_000
    assert quarter["coverage"] == pytest.approx(quarter["due"] / quarter["left"])
    for dimension in ("owner", "team", "product"):
        parts = looked()[(looked()["dimension"] == dimension) & (looked()["period"] == "2026-Q1")]
        for column in ("closed", "due", "commit", "best_case", "mean"):
            assert parts[column].sum() == pytest.approx(quarter[column]), (dimension, column)


def test_what_is_closed_is_what_the_forecast_says_is_closed() -> None:
    table = forecast().table
    closed = table[(table["part"] == "closed") & (table["dimension"] == "all")].set_index("period")
    for period in closed.index:
        assert row("all", str(period))["closed"] == pytest.approx(closed["mean"][period])


def test_without_a_quota_or_a_call_nothing_is_made_up() -> None:
    told = row("core", "2026-Q1")
    assert np.isnan([told[c] for c in ("target", "chance", "gap", "left", "coverage")]).all()
    silent = made()
    silent.deals["category"] = None
    assert outlook(silent, asked())[["commit", "best_case"]].isna().all(axis=None)
    nobody = outlook(forecast(), asked().iloc[:0])
    assert nobody["target"].isna().all() and nobody["mean"].notna().all()


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9])
def test_so_much_more_pipeline_reaches_the_target_as_often_as_said(confidence: float) -> None:
    found = cover(forecast(), looked(), [confidence]).set_index("period")
    assert list(found.index) == [p.name for p in forecast().periods]
    place = forecast().place("2026-Q1")
    closed, brought, new = (
        forecast().draws["bookings", p][place] for p in ("closed", "open", "new")
    )
    told = dict(found.reset_index()[found.index == "2026-Q1"].to_dict("records")[0])

    def reached(times: float) -> float:
        return float((closed + times * brought + new >= told["target"] - 1e-6).mean())

    assert reached(told["times"]) >= confidence
    assert told["times"] == 0 or reached(told["times"] * 0.999 - 1e-9) < confidence
    assert told["more"] == pytest.approx(max(told["times"] - 1, 0) * told["due"])


def test_more_pipeline_cannot_help_where_the_open_deals_bring_nothing() -> None:
    far = looked()[looked()["period"] == "2026-Q2"].assign(target=1e6, left=1e6)
    found = cover(forecast(), far, [0.9])
    assert np.isinf(multiples(forecast(), "2026-Q2", 1e6)).any()
    assert found[["times", "more", "deals", "coverage"]].isna().all(axis=None)
    assert (multiples(forecast(), "2026-Q1", 0.0) == 0).all()


def test_more_confidence_needs_more_pipeline() -> None:
    found = cover(forecast(), looked(), [0.3, 0.5, 0.7, 0.9])
    for _, rows in found.groupby("period"):
        times = rows["times"].fillna(np.inf).to_numpy()
        assert (np.diff(times[np.isfinite(times)]) >= 0).all()
        assert (np.diff(np.isinf(times).astype(int)) >= 0).all()
