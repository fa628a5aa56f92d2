"""Growth splits without a rest, and scenarios change what they assume and nothing else."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import Tables, micros
from tests.helpers.sellers import company, deals
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.data.periods import cells, periods
from training.forecast.data.settings import ForecastSettings
from training.forecast.planning.growth import growth, split
from training.forecast.planning.scenarios import (
    Company,
    assumed,
    parse_scenario,
    scenarios,
)
from training.forecast.results.forecast import DrawnStreams, draft

APRIL = micros("2025-04-10T00:00:00+00:00")
SETTINGS = ForecastSettings(draws=300, dimensions=("product",), months=3, quarters=1, shock=0.1)

amounts = st.dictionaries(
    st.sampled_from("abc"), st.tuples(st.floats(1, 1e4), st.floats(1, 1e3)), min_size=1
)


@cache
def sold() -> tuple[Tables, FittedModels, DrawnStreams]:
    """A steady seller of deals, as drawn in April."""
    tables = company(deals(4))
    fitted = FittedModels.of(tables, [APRIL], SETTINGS)
    return tables, fitted, draft(fitted, APRIL, SETTINGS)


@settings(max_examples=60, deadline=None)
@given(amounts, amounts)
def test_growth_splits_without_a_rest(
    then: dict[str, tuple[float, float]], now: dict[str, tuple[float, float]]
) -> None:
    sides = [
        {product: pair[i] for product, pair in side.items()} for side in (then, now) for i in (0, 1)
    ]
    found = split(*sides)
    change = sum(sides[2].values()) - sum(sides[0].values())
    assert found["volume"] + found["price"] + found["mix"] == pytest.approx(change, abs=1e-6)


def test_the_worked_example_of_growth() -> None:
    found = split({"": 1000.0}, {"": 10.0}, {"": 1320.0}, {"": 12.0})
    assert found["weight"] == pytest.approx(1152.6, abs=0.1)
    assert found["volume"] == pytest.approx(210.1, abs=0.1)
    assert found["price"] == pytest.approx(109.9, abs=0.1) and found["mix"] == 0.0


def test_growth_of_a_steady_seller_against_the_year_before() -> None:
    _, fitted, base = sold()
    found = growth(fitted, base, {})
    assert set(found["part"]) == {"season", "trend", "price", "mix"}
    for (_, period), rows in found.groupby(["stream", "period"]):
        first = rows.to_dict("records")[0]
        assert rows["amount"].sum() == pytest.approx(first["after"] - first["before"], abs=1e-6)
        assert first["base"] == str(period).replace("2025", "2024")
        assert first["part"] == "season" and abs(first["amount"]) < 0.01 * first["before"]


def test_numbers_are_drawn_as_money_is() -> None:
    _, fitted, base = sold()
    number = draft(fitted, APRIL, SETTINGS, counting=True)
    each = base.whole("bookings").mean() / number.whole("bookings").mean()
    assert each == pytest.approx(3_000, rel=0.05)
    assert np.all(number.whole("bookings") % 1 == 0)


def test_scenarios_change_what_they_assume() -> None:
    tables, fitted, base = sold()
    texts = ["price +10%", "price +10% from 2025-06", "win rate +5 points", "new deals -100%"]
    with pytest.raises(ValueError, match="nothing would be left"):
        parse_scenario(texts[-1])
    texts[-1] = "new deals -50%, price +0%"
    rows = scenarios(tables, fitted, base, {}, texts).to_dict("records")
    change = {(str(r["scenario"]), str(r["period"])): float(r["change"]) for r in rows}
    whole = dict(zip([p.name for p in base.asked], base.whole("bookings"), strict=True))
    closed = base.streams[0].draws()["bookings", "closed"]
    for k, (name, draws) in enumerate(whole.items()):
        ahead = draws.mean() - closed[k].mean()
        assert change["price +10%", name] == pytest.approx(0.1 * ahead, rel=1e-6)
        assert change["win rate +5 points", name] > 0
        assert change["new deals -50%, price +0%", name] < 0
    later = [change["price +10% from 2025-06", f"2025-0{m}"] for m in (4, 5, 6)]
    assert later[0] == later[1] == 0.0 < later[2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rain +3%", "write one of: price"),
        ("price +3", "price \\+2 %"),
        ("win rate up", "is no assumption"),
        ("", "is no assumption"),
        ("sellers -2 from March", "from 2026-03"),
    ],
)
def test_what_is_no_assumption_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_scenario(text)


def test_people_and_points_are_of_what_there_is() -> None:
    months = cells(periods(APRIL, 3, 1))
    here = Company(0.25, 8)
    text = "sellers -2 from 2025-06, win rate +5 points from 2025-04-20"
    found = assumed(parse_scenario(text), here, months, APRIL)
    np.testing.assert_allclose(found["bookings"].arrivals, [1.0, 1.0, 0.75])
    np.testing.assert_allclose(found["bookings"].pace, [1 + 0.2 * 11 / 21, 1.2, 1.2])
    np.testing.assert_array_equal(found["recurring"].pace, 1.0)
    for text, said in (("sellers -8", "at least one must stay"), ("win rate +80 points", "25.0 %")):
        with pytest.raises(ValueError, match=said):
            assumed(parse_scenario(text), here, months, APRIL)
