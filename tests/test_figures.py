"""Every figure worked out by hand on a company of six deals, and what a figure owes its reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.frames import from_frames
from features.tables import Meta, micros
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Window
from serving.analytics.glossary import glossary
from serving.analytics.kpis.catalog import FIGURES, chosen
from serving.analytics.kpis.compute import COLUMNS, one, table
from serving.analytics.kpis.definition import (
    ABSENT,
    FEW,
    HORIZON,
    NO_CASES,
    NO_COST,
    NOTHING_BELOW,
    RUNNING,
    SHORT,
    UNWATCHED,
    WARNINGS,
    ZERO,
    Given,
    SalesPlan,
)
from tests.helpers.figures_company import asof, at, frame, frames

ROOT = Path(__file__).parents[1]
MONTH = 365.25 / 12
COSTS = frame("start_at end_at cost source", ("2024-01-02", "2025-01-01", 1000.0, None))
COSTS = COSTS.rename(columns={"start_at": "start", "end_at": "end"}).astype({"source": "str"})
FORECASTS = frame(
    "period start_at end_at origin_at p10 p50 p90",
    ("2024-08", "2024-08-01", "2024-09-01", "2024-07-01", 0.0, 999.0, 999.0),  # an older one
    ("2024-08", "2024-08-01", "2024-09-01", "2024-08-01", 100.0, 200.0, 300.0),
    ("2024-09", "2024-09-01", "2024-10-01", "2024-08-01", 10.0, 50.0, 90.0),
    ("2024-10", "2024-10-01", "2024-11-01", "2024-10-02", 0.0, 0.0, 0.0),  # made too late
).rename(columns={"start_at": "start", "end_at": "end", "origin_at": "origin"})
GIVEN = Given(
    margin=0.5,
    discount=0.0,
    costs=COSTS,
    plan=SalesPlan(100.0, 6.0, 0.1),
    forecasts=FORECASTS,
    scores={"deal_close": pd.DataFrame({"id": ["d4", "d5"], "probability": [0.5, 0.2]})},
)
BY_HAND = {  # value, n; the window is 2024-01-02 to 2025-01-01
    "win_rate": (2 / 3, 3),
    "stage_conversion": (5 / 6, 6),
    "lead_conversion": (1 / 2, 2),
    "sales_cycle": (70.0, 4),  # 30, 32+, 70, 92+
    "days_to_win": (50.0, 2),  # 30 and 70
    "deal_size": (130.0, 2),  # 100 and 200 dollars at 0.8
    "typical_deal_size": (130.0, 2),
    "bookings": (260.0, 2),
    "deals_created": (4.0, 4),
    "deals_open": (2.0, 2),
    "pipeline_value": (290.0, 2),
    "weighted_pipeline": (240 * 2 / 3 + 50 / 2, 2),
    "scored_pipeline": (240 * 0.5 + 50 * 0.2, 2),
    "pipeline_coverage": (50 / (92 + 24), 1),
    "pipeline_velocity": (2 * (2 / 3) * 130 / 70, 5),
    "slippage": (2 / 3, 3),  # d2 in March kept, d3 in July and d5 in December not
    "pushes": (0.5, 2),
    "lead_response": (6.0, 3),
    "activities": (4.0, 4),
    "quota_attainment": (260 / (92 + 184), 2),
    "people_forecast_error": ((80 + 100 + 160 + 50) / 160, 4),
    "kept_forecast_error": ((40 + 50) / 160, 2),
    "kept_forecast_coverage": (1 / 2, 2),
    "logo_churn": (1 / 2, 2),
    "logo_retention": (1 / 2, 2),
    "net_revenue_retention": (15 / 30, 2),
    "gross_revenue_retention": (10 / 30, 2),
    "customer_lifetime": ((488 + 0.5 * (731 - 488)) / MONTH, 3),
    "customer_lifetime_value": (0.5 * (15 + 32) / 2 * (488 + 0.5 * (731 - 488)) / MONTH, 3),
    "acquisition_cost": (500.0, 2),
    "account_penetration": (2 / 4, 4),
    "product_penetration": (3 / 4, 4),
    "return_on_plan": (0.5 * (6 * 2 / 3 + 0.1 * 3) * 130 / 100 - 1, 3),
}
ELSEWHERE = (
    *("win_by_180d", "lead_conversion_90d", "growth", "growth_over_year", "win_back_rate"),
)


def value(name: str, since: str = "", **by: str) -> tuple[float, int]:
    """A figure of the small company, of one group."""
    found = one(asof(), FIGURES[name], list(by), given=GIVEN, since=at(since) if since else None)
    for column, word in by.items():
        found = found[found[column] == word]
    assert len(found) == 1
    return float(found["value"].iloc[0]), int(found["n"].iloc[0])


def same(found: tuple[float, int], expected: tuple[float, int]) -> bool:
    """Whether value and n are the same but for rounding."""
    return bool(np.isclose(found[0], expected[0], rtol=1e-9)) and found[1] == expected[1]


def warning(name: str, as_of: str = "", **options: object) -> str:
    there = asof(as_of) if as_of else asof()
    found = one(there, FIGURES[name], given=GIVEN, **options)  # type: ignore[arg-type]
    return str(found["warning"].iloc[-1])


def test_every_figure_is_worked_out_by_hand() -> None:
    assert set(FIGURES) == {*BY_HAND, *ELSEWHERE}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    assert same(value(name), BY_HAND[name]), (value(name), BY_HAND[name])


def test_the_chance_of_a_win_by_a_day_counts_rivals_and_the_censored() -> None:
    """Six deals: at 30 one won and one lost; 32 open; at 70 one of three won; 92 open; 240 lost."""
    assert same(value("win_by_180d", "2023-01-01"), (1 / 6 + 4 / 6 / 3, 6))
    assert np.isnan(value("win_by_180d")[0]) and UNWATCHED in warning("win_by_180d")
    assert np.isnan(value("lead_conversion_90d")[0])


def test_growth_compares_with_as_many_days_before() -> None:
    """184 days with 160 after 184 days with 100; a year earlier nothing was won."""
    assert same(value("growth", "2024-07-01"), (0.6, 2))
    assert np.isnan(value("growth_over_year", "2024-07-01")[0])
    assert ZERO in warning("growth", since=at("2024-07-01"))
    assert SHORT in warning("growth", since=at("2024-01-02"))


@pytest.mark.parametrize(
    ("name", "by", "expected"),
    [
        ("win_rate", {"owner": "o1"}, (1 / 2, 2)),
        ("win_rate", {"team": "S"}, (1.0, 1)),
        ("bookings", {"region": "south"}, (160.0, 1)),  # no region of its own: the owner's
        ("bookings", {"segment": "large"}, (160.0, 1)),
        ("bookings", {"product": "core", "owner": "o1"}, (100.0, 1)),
        ("stage_conversion", {"stage": "s1"}, (3 / 4, 4)),
        ("stage_conversion", {"stage": "s2"}, (1.0, 2)),
        ("pipeline_coverage", {"owner": "o1"}, (50 / 92, 1)),
        ("pipeline_coverage", {"owner": "o2"}, (0.0, 0)),
        ("quota_attainment", {"owner": "o2"}, (160 / 184, 1)),
        ("lead_response", {"source": "web"}, (2.0, 2)),
        ("activities", {"kind": "email", "owner": "o2"}, (1.0, 1)),
        ("product_penetration", {"product": "core"}, (1 / 2, 2)),
        ("logo_churn", {"segment": "small"}, (1 / 2, 2)),
    ],
)
def test_by_hand_of_a_group(name: str, by: dict[str, str], expected: tuple[float, int]) -> None:
    assert same(value(name, **by), expected), value(name, **by)


def test_a_quota_counts_by_the_days_of_it_that_lie_in_the_window() -> None:
    """46 of 92 days and 46 of 184: 46 + 46, and nothing was won in them."""
    assert value("quota_attainment", "2024-11-16") == (0.0, 0)
    half = one(asof(), FIGURES["quota_attainment"], period="quarter")
    third = half[half["period"] == "2024-Q3"]
    assert third["value"].iloc[0] == pytest.approx(160 / 92)  # o2 alone has a quota in it


def test_coverage_on_a_periods_first_day_is_of_that_period() -> None:
    """On 1 January o1's quota of the first quarter is whole, and that of the fourth is over."""
    changed = frames()
    new = changed["quotas"].iloc[[0]].assign(quota_id="q3", amount=200.0)
    new = new.assign(period_start_at=at("2025-01-01"), period_end_at=at("2025-04-01"))
    changed["quotas"] = pd.concat([changed["quotas"], new], ignore_index=True)
    tables = from_frames(changed, Meta(as_of="2025-01-01T00:00:00+00:00", currency="EUR"))
    then = AsOfFrames(tables, micros("2025-01-01T00:00Z"))
    open_now = then.deals[then.deals["open"] & (then.deals["owner"] == "o1")]
    due = open_now[open_now["expected_close_at"] < at("2025-04-01")]["amount"].sum()
    found = one(then, FIGURES["pipeline_coverage"])
    assert found["value"][0] == pytest.approx(due / 200) and due > 0


# what is known when


def test_an_earlier_instant_knows_no_more_than_was_known() -> None:
    """In July 2024 d3 was open at half a dollar's worth, and a4 had not left."""
    then = asof("2024-07-20T00:00:00+00:00")
    assert then.deals.set_index("deal_id")["amount"]["d3"] == 160  # the rate of July is known
    then = asof("2024-06-20T00:00:00+00:00")
    deals = then.deals.set_index("deal_id")
    assert set(deals.index) == {"d0", "d1", "d2", "d3"} and deals["amount"]["d3"] == 100
    assert one(then, FIGURES["deals_open"])["value"][0] == 1
    assert one(then, FIGURES["logo_churn"])["value"][0] == 0
    assert np.isnan(then.deals["closed_at"].isna().sum()) is np.False_


def test_a_plan_that_was_moved_is_seen_as_it_stood() -> None:
    early, late = (
        asof(text).deals.set_index("deal_id")["expected_close_at"]["d5"]
        for text in ("2024-12-04T00:00:00+00:00", "2024-12-06T00:00:00+00:00")
    )
    assert (early, late) == (at("2024-12-10"), at("2024-12-20"))


def test_an_edited_field_without_history_is_known_at_the_end_only() -> None:
    """The amounts have no history: earlier they are missing, not today's."""
    changed = frames()
    changed["deals"]["probability"] = 0.4
    tables = from_frames(changed, Meta(as_of="2025-01-01T00:00:00+00:00", currency="EUR"))
    now, then = (AsOfFrames(tables, micros(t)) for t in ("2025-01-01T00:00Z", "2024-12-15T00:00Z"))
    assert now.deals["probability"].notna().all() and then.deals["probability"].isna().all()
    assert then.deals["amount"].isna().all()
    assert one(then, FIGURES["pipeline_value"])["warning"][0] == ABSENT + "deals.amount"


def test_a_booking_keeps_the_rate_of_its_day() -> None:
    changed = frames()
    more = frame("rate_id currency rate_at rate", ("f3", "USD", "2024-12-01", 8.0))
    changed["fx_rates"] = pd.concat([changed["fx_rates"], more], ignore_index=True)
    there = AsOfFrames(from_frames(changed, asof().tables.meta), micros("2025-01-01T00:00Z"))
    assert one(there, FIGURES["bookings"])["value"][0] == 260
    assert one(there, FIGURES["pipeline_value"])["value"][0] == 300 * 8 + 50


def test_a_missing_rate_leaves_the_amount_missing() -> None:
    changed = frames()
    changed["deals"].loc[4, "currency"] = "CHF"
    there = AsOfFrames(from_frames(changed, asof().tables.meta), micros("2025-01-01T00:00Z"))
    found = one(there, FIGURES["pipeline_value"]).iloc[0]
    assert (found["value"], found["n"]) == (50.0, 1)
    assert "left out" in found["warning"]


@pytest.mark.parametrize(
    ("as_of", "said"),
    [("2025-01-02T00:00:00+00:00", "the data end at 2025-01-01"), ("", "no time zone")],
)
def test_what_cannot_be_known_is_an_error(as_of: str, said: str) -> None:
    if as_of:
        with pytest.raises(ValueError, match=said):
            asof(as_of)
    flat = from_frames({"deals": pd.DataFrame({"deal_id": ["d"], "outcome": ["won"]})})
    with pytest.raises(ValueError, match="need dates"):
        AsOfFrames(flat, 0)


# what a figure owes its reader


def test_every_row_has_n_an_interval_and_a_warning_where_it_is_small() -> None:
    found = table(asof(), list(FIGURES.values()), given=GIVEN)
    assert list(found.columns) == list(COLUMNS)
    assert sorted(found["figure"]) == sorted(FIGURES)
    known = found[found["value"].notna()]
    assert (known["n"] > 0).all() and known["warning"].str.startswith((FEW, NO_CASES)).all()
    inside = known["low"].isna() | (known["low"] <= known["value"]) & (
        known["value"] <= known["high"]
    )
    assert inside.all(), known[~inside]
    assert (known["unit"] != "").all() and (known["interval"] != "").all()


def test_warnings_name_what_is_wrong() -> None:
    assert HORIZON in warning("customer_lifetime")
    assert NOTHING_BELOW in warning("growth_over_year")
    assert RUNNING in warning("win_rate", "2024-12-15T00:00:00+00:00", period="month")
    assert RUNNING not in warning("win_rate", period="month")
    by_source = one(asof(), FIGURES["acquisition_cost"], ["source"], given=GIVEN)
    assert NO_COST not in by_source["warning"].iloc[0]  # neither costs nor deals name a source
    empty = one(asof(), FIGURES["win_rate"], since=at("2024-12-30"))
    assert empty["warning"][0] == NO_CASES and np.isnan(empty["value"][0])


def test_absent_facts_are_named() -> None:
    bare = {"deals": frames()["deals"][["deal_id", "created_at", "outcome", "closed_at"]]}
    there = AsOfFrames(from_frames(bare, asof().tables.meta), micros("2025-01-01T00:00Z"))
    found = table(there, list(FIGURES.values()), given=GIVEN).set_index("figure")
    assert found["value"]["win_rate"] == 2 / 3
    assert found["warning"]["bookings"] == f"{ABSENT}deals.closed_amount or deals.amount"
    assert found["warning"]["quota_attainment"].startswith(f"{ABSENT}quotas.amount")
    assert found["warning"]["stage_conversion"] == f"{ABSENT}changes.field=stage"
    by_team = one(there, FIGURES["win_rate"], ["team"])
    assert by_team["team"].isna().all() and len(by_team) == 1


def test_a_figure_that_cannot_be_divided_so_or_lacks_an_input_says_it() -> None:
    with pytest.raises(ValueError, match="cannot be divided by product; it can by owner"):
        one(asof(), FIGURES["quota_attainment"], ["product"])
    with pytest.raises(ValueError, match="customer_lifetime_value needs margin"):
        one(asof(), FIGURES["customer_lifetime_value"])
    with pytest.raises(KeyError, match="no figure 'win'; there are win_rate"):
        chosen(["win"])
    with pytest.raises(ValueError, match="no period 'week'"):
        one(asof(), FIGURES["win_rate"], period="week")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="take an earlier start"):
        one(asof(), FIGURES["win_rate"], since=at("2025-02-01"))
    assert list(table(asof(), [FIGURES["quota_attainment"]], ["product"]).columns)[2] == "product"


def test_periods_are_half_open_and_know_when_they_are_over() -> None:
    there = asof("2024-11-15T00:00:00+00:00")
    found = one(there, FIGURES["deals_created"], period="quarter")
    assert found["period"].tolist()[-4:] == ["2024-Q1", "2024-Q2", "2024-Q3", "2024-Q4"]
    assert found["value"].tolist()[-4:] == [2, 1, 0, 1]
    assert found["to"].iloc[-1] == there.instant and RUNNING in found["warning"].iloc[-1]
    stock = one(there, FIGURES["deals_open"], period="quarter")
    assert stock["value"].tolist()[-3:] == [1, 0, 1]  # d3 in June, none in September, d4


def test_a_running_period_is_compared_with_as_much_of_the_last() -> None:
    march = Window(at("2024-03-01"), at("2024-03-11"), "2024-03", over=False)
    assert march.before() == Window(at("2024-02-01"), at("2024-02-11"), "2024-03")
    whole = Window(at("2024-01-01"), at("2024-04-01"), "2024-Q1")
    assert whole.before().start == at("2023-10-01") and whole.before().end == at("2024-01-01")
    assert whole.last_year().end == at("2023-04-01")


# the glossary


def test_the_glossary_is_in_step() -> None:
    written = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert written == glossary(), "run `python -m serving figures --glossary > docs/figures.md`"


def test_every_figure_says_what_it_is() -> None:
    assert len({f.title for f in FIGURES.values()}) == len(FIGURES)
    for figure in FIGURES.values():
        assert (
            figure.formula.endswith(".") and len(figure.formula) > 20
        ) or "logo churn" in figure.formula
        assert figure.unit and figure.grain and figure.interval, figure.name
    assert len(set(WARNINGS)) == len(WARNINGS)
