"""From a forecast to people: what is measured is what the rows say, and the rest says why."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.frames import from_frames
from features.tables import DAY, NAT, Meta, Table, Tables, instant_text, micros
from tests.helpers.forecasted import ORIGIN, company, made
from training.forecast.planning.capacity import CapacitySettings, capacity, load_capacity
from training.forecast.planning.cover import cover
from training.forecast.planning.effort import seller_effort
from training.forecast.planning.ramp import MONTH, Ramp, ramp, sellers
from training.forecast.planning.targets import outlook, targets

forecast = cache(made)


@cache
def needed() -> pd.DataFrame:
    return cover(forecast(), outlook(forecast(), targets(company(), forecast())), [0.9])


def stamps(days: list[float | None]) -> pd.Series[pd.Timestamp]:
    """Days after the origin as timestamps."""
    texts = [None if d is None else instant_text(ORIGIN + round(d * DAY)) for d in days]
    return pd.to_datetime(pd.Series(texts, dtype=object), utc=True)


def log(durations: bool = True) -> Tables:
    """Two sellers, four deals (two closed), four leads; and what is after the origin."""
    deals = pd.DataFrame(
        {
            "deal_id": ["a", "b", "c", "later"],
            "lead_id": ["l1", "l2", None, "l3"],
            "owner_id": ["O1", "O2", "O1", "O3"],
            "created_at": stamps([-200, -100, -10, 3]),
            "closed_at": stamps([-50, -20, None, 4]),
            "outcome": ["won", "lost", None, "won"],
            "closed_amount": [100.0, np.nan, np.nan, 900.0],
        }
    )
    leads = pd.DataFrame(
        {
            "lead_id": ["l1", "l2", "l3", "l4"],
            "owner_id": ["O1", "O1", "O2", "O2"],
            "created_at": stamps([-210, -120, -110, -5]),
            "closed_at": stamps([-200, -100, None, None]),
        }
    )
    activities = pd.DataFrame(
        {
            "activity_id": list("123456"),
            "deal_id": ["a", "a", "b", None, "a", "a"],
            "lead_id": [None, None, None, "l1", None, None],
            "owner_id": ["O1", "O1", "O2", "O1", "O1", "O1"],
            "kind": ["call", "meeting", "call", "call", "web", "call"],
            "duration": [30.0, 60.0, np.nan, 90.0, 500.0, 600.0],
            "occurred_at": stamps([-60, -59, -30, -205, -58, 1]),
        }
    )
    if not durations:
        activities = activities.drop(columns="duration")
    owners = pd.DataFrame(
        {
            "owner_id": ["O1", "O2", "O3", "gone"],
            "started_at": stamps([-900, None, -20, -900]),
            "ended_at": stamps([None, None, None, -1]),
        }
    )
    frames = {"deals": deals, "leads": leads, "activities": activities, "owners": owners}
    return from_frames(frames, Meta(instant_text(ORIGIN + 30 * DAY), "EUR"))


def at(found: pd.DataFrame, name: str, column: str = "value") -> float:
    """One number of a table."""
    return float(found[column].to_dict()[name])


def lines(tables: Tables, chosen: CapacitySettings | None = None) -> pd.DataFrame:
    found = capacity(tables, forecast(), needed(), chosen or CapacitySettings())
    assert not found["name"].duplicated().any()
    return found.set_index("name")


def test_the_log_is_counted_before_the_origin_only() -> None:
    done = seller_effort(log(), ORIGIN, 52)
    assert sorted(done.touches) == [1, 2], "visits are no work, and tomorrow is not known"
    assert sorted(done.deal_hours) == [0, 1.5], "a call without a duration adds none"
    assert sorted(done.lead_hours) == [0, 1.5]
    assert sorted(done.seller_weeks) == [1.5, 1.5]
    there = sellers(log(), ORIGIN, 52)
    assert there.ids == ["O1", "O2"] and np.isnan(there.months[1])
    assert there.months[0] == pytest.approx(900 / MONTH)


def test_the_table_says_how_each_number_is_known() -> None:
    found = lines(log())
    assert at(found, "deals a week") == pytest.approx(3 / 52)
    assert at(found, "leads a week") == pytest.approx(4 / 52)
    assert at(found, "deals from a lead") == pytest.approx(2 / 3)
    assert at(found, "deals from a lead", "n") == 3
    assert at(found, "hours on a deal") == pytest.approx(0.75)
    hours = 3 / 52 * 0.75 + 4 / 52 * 0.75
    assert at(found, "hours that arrive a week") == pytest.approx(hours)
    need = at(found, "sellers needed for what arrives")
    assert need == pytest.approx(hours / at(found, "a full week"))
    assert set(found["basis"]) == {"measured", "stated", "computed"}
    assert found["why"].str.len().min() > 5
    measured = found[found["basis"] == "measured"]
    assert measured["n"].notna().all()
    inside = measured.dropna(subset=["low"])
    assert (inside["low"] <= inside["value"]).all() and (inside["value"] <= inside["high"]).all()


def test_a_target_asks_for_deals_then_leads_then_sellers() -> None:
    found = lines(log())
    goal = "2026-Q1 at 90 %"
    deals, leads, need = (at(found, f"{goal}: more {w}") for w in ("deals", "leads", "sellers"))
    assert deals == pytest.approx(at(needed().set_index("period"), "2026-Q1", "deals"))
    assert leads == pytest.approx(deals / (2 / 3))
    weeks = (micros("2026-04-01T00:00:00+00:00") - ORIGIN) / (7 * DAY)
    hours = deals * 0.75 + leads * 0.75
    assert need == pytest.approx(hours / at(found, "a full week") / weeks)
    assert not any("2026-01 at" in name for name in found.index), "people are no matter of a month"


def test_without_durations_deals_are_counted_and_without_a_log_nothing_is_made_up() -> None:
    found = lines(log(durations=False))
    assert "hours on a deal" not in found.index and "a full week" not in found.index
    weeks = (micros("2026-04-01T00:00:00+00:00") - ORIGIN) / (7 * DAY)
    each = at(found, "deals a seller a week")
    deals = at(found, "2026-Q1 at 90 %: more deals")
    assert at(found, "2026-Q1 at 90 %: more sellers") == pytest.approx(deals / weeks / each)
    bare = lines(company())
    assert at(bare, "sellers at work") == 3
    assert at(bare, "deals a week") == pytest.approx(9 / 52)
    assert {"leads a week", "activities on a deal"}.isdisjoint(bare.index)


def history(joiner: float, months: int = 36) -> Tables:
    """Six settled sellers book 100 a month; four who join at intervals book ``joiner`` of that in
    their first three months and the same as all later. What comes after the origin is absurd.
    """
    starts = {f"S{i}": -2000.0 for i in range(6)} | {f"J{i}": -900.0 + 90 * i for i in range(4)}
    rows = []
    for who, began in starts.items():
        for month in range(-months, 2):
            day = month * MONTH
            if day < began:
                continue
            share = joiner if (day - began) / MONTH < 3 else 1.0
            rows.append((who, day, 1e9 if day >= 0 else 100.0 * share))
    deals = pd.DataFrame(
        {
            "deal_id": [str(i) for i in range(len(rows))],
            "owner_id": [r[0] for r in rows],
            "created_at": stamps([r[1] - 5 for r in rows]),
            "closed_at": stamps([r[1] for r in rows]),
            "outcome": "won",
            "closed_amount": [r[2] for r in rows],
        }
    )
    owners = pd.DataFrame(
        {"owner_id": list(starts), "started_at": stamps([*starts.values()]), "ended_at": None}
    )
    owners["ended_at"] = stamps([None] * len(owners))
    return from_frames({"deals": deals, "owners": owners}, Meta("2027-01-01T00:00:00Z", "EUR"))


@pytest.mark.parametrize("joiner", [0.2, 0.6, 1.0])
def test_the_ramp_is_found_again(joiner: float) -> None:
    found = ramp(history(joiner), ORIGIN, (3.0, 6.0, 12.0))
    assert found.people.tolist() == [4, 4, 4]
    assert found.share[0] == pytest.approx(joiner, abs=0.16), (
        "months of the calendar are not theirs"
    )
    np.testing.assert_allclose(found.share[1:], 1.0, atol=0.12)
    assert (found.low <= found.share + 1e-9).all() and (found.share <= found.high + 1e-9).all()


def test_the_ramps_months_are_the_companys() -> None:
    """The same history by Tokyo's clock, nine hours earlier in UTC: the same ramp, to the bit."""
    here = history(0.4)
    hours = 9 * 3_600_000_000

    def earlier(table: Table) -> Table:
        names = [n for n in table.columns if n.endswith("_at")]
        at = {n: table.instant(n) for n in names}
        moved = {n: np.where(v == NAT, NAT, v - hours) for n, v in at.items()}
        return replace(table, columns={**table.columns, **moved})

    there = Tables({n: earlier(t) for n, t in here.items()}, replace(here.meta, zone="Asia/Tokyo"))
    a, b = ramp(here, ORIGIN, (3.0, 6.0)), ramp(there, ORIGIN - hours, (3.0, 6.0))
    np.testing.assert_array_equal(a.share, b.share)
    np.testing.assert_array_equal(a.months, b.months)


def test_who_was_never_seen_new_counts_as_settled() -> None:
    found = ramp(log(), ORIGIN, (3.0,))
    assert found.people.tolist() == [0] and np.isnan(found.share).all()
    assert found.counted(np.array([1.0, 50.0, np.nan])).tolist() == [1.0, 1.0, 1.0]
    known = Ramp(
        (3.0, 6.0), np.array([0.4, 1.3]), *(np.zeros(2),) * 2, *(np.ones(2, np.int64),) * 2
    )
    assert known.counted(np.array([0.0, 2.9, 3.0, 7.0])).tolist() == [0.4, 0.4, 1.0, 1.0]


def test_settings_are_read_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "forecast.toml"
    file.write_text("[capacity]\nweeks = 26\nramp_months = [2, 4]\n", encoding="utf-8")
    assert load_capacity(file) == replace(CapacitySettings(), weeks=26, ramp_months=(2, 4))
    assert load_capacity(None) == CapacitySettings()
    for text, said in (
        ("[capacity]\nweek = 3\n", "it may set weeks"),
        ("[capacity]\nweeks = 2\n", "at least 4"),
        ("[capacity]\nweeks = 'x'\n", "wrong kind"),
        ("[capacity]\nfull_week = 2.0\n", "between 0 and 1"),
        ("[capacity]\nramp_months = [6, 3]\n", "must rise"),
    ):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=said):
            load_capacity(file)
