"""The forecast as a whole: what was known is all that speaks, parts add up, and clear answers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from features.demo import Demo, generate
from features.frames import from_frames
from features.tables import DAY, Floats, Meta, Tables, instant_text, micros
from tests.helpers.earlier import export_at
from tests.helpers.sellers import AS_OF, company, contracts, deals, purchases, stamps
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.data.periods import month, month_of, periods, quarter
from training.forecast.data.settings import ForecastSettings
from training.forecast.results.forecast import forecast
from training.forecast.results.result import Forecast
from training.forecast.simulate.deals_ahead import open_deal_odds

ORIGIN = micros("2025-08-14T00:00:00+00:00")
SETTINGS = ForecastSettings(draws=400, threads=1, shock=0.1, total=True, refit_days=365)
APRIL = micros("2025-04-10T00:00:00+00:00")


@cache
def demo() -> Demo:
    """A tiny CRM, drawn once."""
    return generate(101, "tiny")


@cache
def tables() -> Tables:
    """Its tables."""
    return from_frames(demo().frames, demo().meta)


@cache
def fitted() -> FittedModels:
    """What is believed at two origins."""
    return FittedModels.of(tables(), [ORIGIN - 70 * DAY, ORIGIN], SETTINGS)


@cache
def made() -> Forecast:
    """The forecast of the tiny CRM in the middle of August."""
    return forecast(tables(), ORIGIN, fitted(), SETTINGS)


def of(data: Tables, origin: int, **others: object) -> Forecast:
    """A quick forecast of a small made-up company."""
    settings = replace(SETTINGS, total=False, **others)  # type: ignore[arg-type]
    return forecast(data, origin, FittedModels.of(data, [origin], settings), settings)


def test_later_rows_change_nothing() -> None:
    """The export as it stood at the origin gives the same forecast to the last bit."""
    before = export_at(demo().frames, ORIGIN)
    then = from_frames(before, replace(demo().meta, as_of=instant_text(ORIGIN)))
    again = forecast(then, ORIGIN, FittedModels.of(then, [ORIGIN], SETTINGS), SETTINGS)
    for key, draws in made().draws.items():
        np.testing.assert_array_equal(draws, again.draws[key])
    pd.testing.assert_frame_equal(made().table, again.table)
    pd.testing.assert_frame_equal(made().deals, again.deals)
    assert made().to_json() == again.to_json()


def test_every_hierarchy_adds_up_draw_by_draw() -> None:
    found = made()
    assert found.streams == ("bookings", "recurring", "total")
    for (stream, dimension), (values, draws) in found.groups.items():
        np.testing.assert_array_equal(draws.sum(axis=0), found.draws[stream, "whole"])
        assert len(values) == len(set(values)), dimension
    assert {d for _, d in found.groups} == set(SETTINGS.dimensions)
    for stream in found.streams:
        parts = [d for (s, p), d in found.draws.items() if s == stream and p != "whole"]
        np.testing.assert_array_equal(np.sum(parts, axis=0), found.draws[stream, "whole"])
    first, second = found.draws["bookings", "whole"], found.draws["recurring", "whole"]
    np.testing.assert_array_equal(first + second, found.draws["total", "whole"])


def test_months_add_up_to_their_quarter() -> None:
    asked = [*(month(month_of(ORIGIN) - 1 + i) for i in range(3)), quarter(month_of(ORIGIN))]
    found = forecast(tables(), ORIGIN, fitted(), SETTINGS, asked, weigh=False)
    for draws in found.draws.values():
        np.testing.assert_array_equal(draws[:3].sum(axis=0), draws[3])


def test_the_table_says_what_the_draws_say() -> None:
    found = made()
    rows = found.table[(found.table["part"] == "whole") & (found.table["dimension"] == "all")]
    for row in rows.to_dict("records"):
        draws = found.whole(row["stream"], row["period"])
        got = [row["mean"], row["p10"], row["p50"], row["p90"]]
        np.testing.assert_allclose(got, [draws.mean(), *np.quantile(draws, (0.1, 0.5, 0.9))])
    parts = (
        found.table[found.table["part"] != "whole"]
        .groupby(["stream", "dimension", "value", "period"], sort=False)["mean"]
        .sum()
    )
    wholes = found.table[found.table["part"] == "whole"]
    np.testing.assert_allclose(parts.to_numpy(), wholes["mean"].to_numpy(), atol=1e-6)


def test_closed_is_what_was_booked() -> None:
    frame = demo().frames["deals"]
    start = pd.Timestamp("2025-07-01", tz="UTC")
    done = frame[
        (frame["closed_at"] >= start)
        & (frame["closed_at"] < pd.Timestamp(ORIGIN, unit="us", tz="UTC"))
    ]
    won = done[(done["outcome"] == "won") & (done["currency"] == "EUR")]
    table = made().deals
    ours = table[(table["status"] == "won")].set_index("deal_id")["amount"]
    np.testing.assert_allclose(ours[won["deal_id"]], won["closed_amount"], atol=1e-4)
    assert set(table.loc[table["status"] == "won", "deal_id"]) == set(
        done.loc[done["outcome"] == "won", "deal_id"]
    )


def test_the_open_part_is_near_the_truth() -> None:
    """Expected wins of the open deals against those of the true curves, over two origins."""
    ratios: list[Floats] = []
    for origin in (ORIGIN - 70 * DAY, ORIGIN):
        days = np.array([0.0, 30.0, 60.0, 90.0])
        there = open_deal_odds(fitted(), fitted().at(origin), origin, days)
        ids = [fitted().deals.ids[r] for r in there.snapshots.rows]
        cutoffs = np.full(len(ids), origin, np.int64)
        truth = demo().true_curve("deal_close", ids, cutoffs, (30, 60, 90))[:, 0]
        ratios.append(there.incidence.sum(axis=0) / truth.sum(axis=0))
    # 900 deals of three years leave the level of the curve a standard error of about a tenth
    assert np.all(np.abs(np.mean(ratios, axis=0) - 1) < 0.2)


def test_influence_and_chances() -> None:
    found = made()
    n = int((found.deals["status"] == "open").sum())
    assert found.chances.shape == found.expected.shape == found.influence.shape
    assert found.chances.shape == (n, len(found.periods))
    assert np.all((found.chances >= 0) & (found.chances <= 1))
    place = found.place("2025-09")
    mean = found.draws["bookings", "open"][place].mean()
    assert abs(found.expected[:, place].sum() / mean - 1) < 0.1
    top = found.drivers("2025-09", 5)
    assert top["influence"].is_monotonic_decreasing
    assert 0 < found.influence[:, place].sum() < 1.1
    with pytest.raises(KeyError, match="there are 2025-08"):
        found.drivers("2031-01")


def test_a_period_already_over_is_what_was_booked() -> None:
    asked = [month(month_of(ORIGIN) - 2), quarter(month_of(ORIGIN) - 3)]
    found = forecast(tables(), ORIGIN, fitted(), SETTINGS, asked)
    table = found.table[found.table["part"] == "whole"]
    assert (table["p10"] == table["p90"]).all()
    np.testing.assert_allclose(table["p10"], table["mean"])
    asof = fitted().deals
    rows = asof.won(ORIGIN)
    start, end = asked[0].start, asked[0].end
    rows = rows[(asof.closed_at[rows] >= start) & (asof.closed_at[rows] < end)]
    np.testing.assert_allclose(
        found.whole("bookings", asked[0].name), asof.amounts(rows).sum(), rtol=1e-12
    )


def test_without_open_deals_it_rests_on_new_ones() -> None:
    frame = deals()
    found = of(company(frame[frame["outcome"].notna()]), micros(AS_OF))
    assert found.chances.shape == (0, len(found.periods))
    assert "no deal is open" in found.notes[0]
    assert found.whole("bookings", "2025-09").mean() > 0
    assert found.to_json()["drivers"] == {}


def test_a_steady_company_is_forecast_at_its_rate() -> None:
    """1.5 deals a day, three of five won, 3,000 each: 81,000 in thirty days, whatever the month."""
    found = of(company(deals(4)), APRIL, draws=1_000, shock=0.0)
    late = found.whole("bookings", "2025-06")
    assert abs(late.mean() / 81_000 - 1) < 0.15
    assert 0.1 < late.std() / late.mean() < 0.3
    assert found.learned["curve_fitted_at"] is not None


def test_the_smallest_values_are_told_together() -> None:
    found = of(company(deals()), APRIL, max_values=2)
    values, draws = found.group_draws("owner")
    assert len(values) == 2 and values[1] == "(other)"
    np.testing.assert_array_equal(draws.sum(axis=0), found.draws["bookings", "whole"])
    with pytest.raises(KeyError, match="no bookings by segment"):
        found.group_draws("segment")


def test_later_invoices_change_nothing() -> None:
    """Later purchases, of old and of new customers, in any place of the table."""
    frame = purchases()
    cut = pd.Timestamp(APRIL, unit="us", tz="UTC")
    early = from_frames({"invoices": frame[frame["issued_at"] < cut]}, Meta(AS_OF, "EUR"))
    late = from_frames({"invoices": frame.sort_values("amount")}, Meta(AS_OF, "EUR"))
    found, again = of(early, APRIL), of(late, APRIL)
    np.testing.assert_array_equal(
        found.draws["recurring", "whole"], again.draws["recurring", "whole"]
    )
    pd.testing.assert_frame_equal(found.table, again.table)


def test_amounts_that_nobody_states_are_drawn_from_wins() -> None:
    frame = deals()
    frame["amount"] = np.nan
    found = of(company(frame), APRIL)
    assert "show no amount" in found.notes[0]
    assert found.deals.loc[found.deals["status"] == "open", "amount"].isna().all()
    place = found.place("2025-05")
    each = found.expected[:, place].sum() / found.chances[:, place].sum()
    assert abs(each / 3_000 - 1) < 0.1


def test_too_little_history_is_answered_with_a_base_rate_and_a_wide_range() -> None:
    """A month of deals: the note says what is missing, and the range is anything but sure."""
    data = company(deals())
    found = of(data, micros("2024-02-01T00:00:00+00:00"), draws=1_000)
    (note,) = [n for n in found.notes if n.startswith("bookings: a base rate only")]
    assert "needed are 20 won deals and 84 days" in note
    low, middle, high = np.quantile(found.whole("bookings", "2024-03"), (0.1, 0.5, 0.9))
    assert 0 < low < 0.7 * middle and high > 1.5 * middle
    draws = found.group_draws("owner")[1]
    np.testing.assert_array_equal(draws.sum(axis=0), found.draws["bookings", "whole"])


def test_nothing_known_is_an_error_that_says_what_is_needed() -> None:
    data = company(deals())
    with pytest.raises(TooLittleError, match="the first entered 2024-01-0"):
        of(data, micros("2023-02-01T00:00:00+00:00"))


def test_an_origin_outside_the_data_is_an_error() -> None:
    with pytest.raises(ValueError, match="lies after the data, which end 2025-07-01"):
        of(company(deals()), micros("2025-07-02T00:00:00+00:00"))
    with pytest.raises(ValueError, match="neither a won deal nor an invoice"):
        of(company(deals().drop(columns=["outcome", "closed_at"])), APRIL)
    with pytest.raises(ValueError, match="no dates"):
        of(from_frames({"deals": deals()}, Meta("", "EUR")), APRIL)


def test_a_missing_rate_names_the_currency_and_the_day() -> None:
    frame = deals()
    odd = frame.index[frame["outcome"] == "won"][50]
    frame["currency"] = pd.array(["USD" if i == odd else "EUR" for i in frame.index], "str")
    late = pd.DataFrame(
        {
            "rate_id": ["R1"],
            "currency": ["USD"],
            "rate_at": stamps(np.array([0.0])),
            "rate": [0.9],
        }
    )
    with pytest.raises(ValueError, match=r"no rate of USD was known on 202\d-\d\d-\d\d"):
        of(company(frame), APRIL)
    found = of(company(frame, fx_rates=late), APRIL)
    assert found.rates.to_dict("records") == [
        {"currency": "USD", "rate": 0.9, "rate_at": pd.Timestamp("2024-01-01", tz="UTC")}
    ]


@pytest.mark.parametrize("kind", [purchases, contracts])
def test_customers_alone(kind: object) -> None:
    """Invoices without deals: the next two months lie near what was then invoiced."""
    frame = kind()  # type: ignore[operator]
    data = from_frames({"invoices": frame}, Meta(AS_OF, "EUR"))
    found = of(data, APRIL, draws=800)
    assert found.streams == ("recurring",)
    assert len(found.deals) == 0
    for name in ("2025-05", "2025-06"):
        p = found.periods[found.place(name)]
        cut = [pd.Timestamp(x, unit="us", tz="UTC") for x in (p.start, p.end)]
        ours = frame[(frame["issued_at"] >= cut[0]) & (frame["issued_at"] < cut[1])]
        assert abs(found.whole("recurring", name).mean() / ours["amount"].sum() - 1) < 0.2


def test_subscriptions_without_invoices_are_charged_by_the_month() -> None:
    n = 60
    rng = np.random.default_rng(2)
    start = np.sort(rng.uniform(0, 500, n))
    stop = np.where(rng.random(n) < 0.3, start + 100, np.nan)
    frame = pd.DataFrame(
        {
            "subscription_id": [f"S{i}" for i in range(n)],
            "account_id": [f"A{i}" for i in range(n)],
            "mrr": 50.0,
            "product": pd.array(["core"] * n, "str"),
            "started_at": stamps(start),
            "ended_at": stamps(np.where(stop < 547, stop, np.nan)),
        }
    )
    data = from_frames({"subscriptions": frame}, Meta(AS_OF, "EUR"))
    found = of(data, APRIL)
    origin_day = (APRIL - micros("2024-01-01T00:00:00+00:00")) / DAY
    running = int(((start < origin_day) & ~(stop < origin_day)).sum())
    mean = found.draws["recurring", "renewals"][found.place("2025-05")].mean()
    assert 0.75 * running * 50 < mean <= 1.1 * running * 50
    assert found.groups["recurring", "product"][0] == ["core"]


def test_the_running_periods_come_first() -> None:
    names = [p.name for p in made().periods]
    assert names == [p.name for p in periods(ORIGIN, SETTINGS.months, SETTINGS.quarters)]
    assert names[0] == "2025-08" and "2025-Q3" in names
