"""Dates without a time: whole days of the company, in whatever zone it is."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.calendar_time import zone
from features.catalog import definitions
from features.spine import Spine
from features.tables import NAT, Tables, instant_text, micros
from features.timeline import Timeline
from features.view import View
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Period
from serving.analytics.kpis.catalog import FIGURES
from serving.analytics.kpis.compute import one
from tests.helpers.exports import ingested
from training.forecast.data.periods import named
from training.forecast.data.revenue import flows
from training.task.dataset import question_of
from training.task.snapshots import snapshots

ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "America/Sao_Paulo")
FEW = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def mapping(name: str = "Europe/Berlin", more: str = "", as_of: str = "2025-08-01") -> str:
    return f"""
[export]
as_of = "{as_of}"
zone = "{name}"
dates = ["%d.%m.%Y", "iso"]
currency = "EUR"
{more}
[tables.deals]
from = "deals"
[tables.deals.columns]
deal_id = "id"
created_at = "created"
closed_at = "closed"
amount = "amount"
outcome = {{ from = "state", values = {{ won = "won", lost = "lost", open = "" }} }}
[fixed]
deals = ["amount"]
"""


HEAD = "id,created,closed,amount,state\n"
FIRSTS = HEAD + (
    "D1,10.01.2025,31.03.2025,100,won\nD2,11.01.2025,01.04.2025,1000,won\n"
    "D3,12.01.2025,30.06.2025,10,won\nD4,13.01.2025,01.07.2025,5000,won\n"
)


def bookings(tables: Tables, period: Period) -> dict[str, float]:
    found = one(AsOfFrames(tables, micros(tables.meta.as_of)), FIGURES["bookings"], period=period)
    return {p: v for p, v in zip(found["period"], found["value"], strict=True) if v > 0}


@pytest.mark.parametrize("name", ZONES)
def test_the_first_of_a_month_is_of_that_month_wherever_the_company_is(
    tmp_path: Path, name: str
) -> None:
    tables, _ = ingested(tmp_path, mapping(name), deals=FIRSTS)
    assert tables.meta.dates == {"deals": ["closed_at", "created_at"]}
    months = {"2025-03": 100, "2025-04": 1000, "2025-06": 10, "2025-07": 5000}
    assert bookings(tables, "month") == months
    assert bookings(tables, "quarter") == {"2025-Q1": 100, "2025-Q2": 1010, "2025-Q3": 5000}
    flow = flows(tables, micros(tables.meta.as_of))["bookings"]
    for month, amount in months.items():
        period = named(month, zone=name)
        assert flow.total(period.start, period.end) == amount


def test_fiscal_years_are_of_the_company_too(tmp_path: Path) -> None:
    """From April on: the year is named by its end, as the forecast names it."""
    tables, _ = ingested(tmp_path, mapping(more="fiscal_start = 4"), deals=FIRSTS)
    assert bookings(tables, "quarter") == {"FY2025-Q4": 100, "FY2026-Q1": 1010, "FY2026-Q2": 5000}
    assert bookings(tables, "year") == {"FY2025": 100, "FY2026": 6010}
    assert named("FY2026-Q1", 4, "Europe/Berlin").start == micros("2025-03-31T22:00:00+00:00")


@FEW
@given(
    st.sampled_from(ZONES),
    st.integers(1, 12),
    st.lists(st.tuples(st.integers(0, 700), st.integers(1, 999)), min_size=1, max_size=20),
)
def test_sums_by_month_are_those_of_the_dates_as_written(
    tmp_path: Path, name: str, fiscal: int, won: list[tuple[int, int]]
) -> None:
    days = [(date(2023, 8, 30) + timedelta(days=d), amount) for d, amount in won]
    rows = [f"D{i},2023-08-30,{d},{a},won\n" for i, (d, a) in enumerate(days)]
    text = mapping(name, f"fiscal_start = {fiscal}")
    tables, _ = ingested(tmp_path, text, deals=HEAD + "".join(rows))
    months: dict[str, float] = defaultdict(float)
    for day, amount in days:
        months[f"{day:%Y-%m}"] += amount
    assert bookings(tables, "month") == pytest.approx(months)
    assert sum(bookings(tables, "quarter").values()) == pytest.approx(sum(months.values()))


@pytest.mark.parametrize("name", ZONES)
def test_a_day_is_known_when_it_has_ended_there(tmp_path: Path, name: str) -> None:
    tables, _ = ingested(tmp_path, mapping(name), deals=FIRSTS)
    deals, rules = tables["deals"], zone(name)
    first = rules.day_start(np.array([(date(2025, 4, 1) - date(1970, 1, 1)).days]))[0]
    assert deals.instant("closed_at")[1] == first
    assert deals.known("closed_at")[1] == rules.day_after(np.array([first]))[0] - 1
    for at, done in ((deals.known("closed_at")[1], False), (deals.known("closed_at")[1] + 1, True)):
        asof = AsOfFrames(tables, int(at))
        assert (asof.deals.set_index("deal_id")["outcome"].get("D2") == "won") == done


def test_what_an_export_holds_was_known_when_it_was_made(tmp_path: Path) -> None:
    """At noon of the day a deal is dated, the export that holds it knows it."""
    text = mapping(as_of="2025-07-01T12:00:00+02:00")
    tables, _ = ingested(tmp_path, text, deals=FIRSTS)
    assert bookings(tables, "month")["2025-07"] == 5000


def test_looks_begin_at_the_companys_midnights(tmp_path: Path) -> None:
    """Over both clock changes; the first look is after the day the deal was made."""
    rows = HEAD + "D1,01.01.2025,,5,open\nD2,02.01.2025,30.06.2025,5,won\n"
    tables, _ = ingested(tmp_path, mapping(), deals=rows)
    spine = snapshots(tables, question_of("deal_close", tables), micros(tables.meta.as_of))
    berlin = zone("Europe/Berlin")
    assert (berlin.wall(spine.cutoffs) % 86_400_000_000 == 0).all()
    first = spine.cutoffs[next(i for i, e in enumerate(spine.ids) if e == "D1")]
    assert instant_text(int(first)) == "2025-01-01T23:00:00Z"


def test_the_calendar_month_of_a_feature_is_the_companys(tmp_path: Path) -> None:
    tables, _ = ingested(tmp_path, mapping(), deals=FIRSTS)
    at = np.array([micros("2025-03-31T22:30:00+00:00")])
    view = View(Timeline(tables), Spine("deals", ["D1"], at))
    month = definitions("deals", tables.meta)["month"].compute(view)
    assert month.words() == ["04"]  # type: ignore[union-attr]


LATE = "D1,2025-03-01T02:00:00Z,28.02.2025,100,won\nD2,2025-03-14T18:00:00Z,14.03.2025,200,won\n"


@pytest.mark.parametrize("name", ["UTC", "America/Los_Angeles"])
def test_a_close_date_of_the_sellers_evening_is_the_day_of_creation(
    tmp_path: Path, name: str
) -> None:
    """Made on 28 February at 18:00 in Los Angeles, which is March in UTC, and closed that day."""
    tables, _ = ingested(tmp_path, mapping(name), deals=HEAD + LATE)
    assert tables["deals"].n == 2
    assert sum(bookings(tables, "month").values()) == 300
    tables, _ = ingested(tmp_path, mapping(name), deals=HEAD + LATE.replace("28.02", "26.02"))
    assert tables["deals"].n == 1  # two days before is an error wherever it is


def test_a_column_with_times_is_instants_and_a_stated_date_is_a_day(tmp_path: Path) -> None:
    more = '[tables.deals.custom]\ntrial = { from = "trial", kind = "date", fixed = true }'
    text = mapping().replace("[fixed]", f"{more}\n[fixed]")
    head = HEAD.replace("state", "state,trial")
    rows = "D1,2025-01-10 09:00,,1,open,2025-02-01 15:00\nD2,2025-01-11,,1,open,\n"
    tables, _ = ingested(tmp_path, text, deals=head + rows)
    assert tables.meta.dates == {"deals": ["trial"]}
    assert tables["deals"].instant("trial").tolist() == [micros("2025-01-31T23:00:00+00:00"), NAT]


def test_days_that_a_system_keeps_as_midnights_utc_are_days_of_the_company(tmp_path: Path) -> None:
    rows = [f"D{i},2025-01-{i + 1:02d}T00:00:00Z,,1,open\n" for i in range(12)]
    tables, _ = ingested(tmp_path, mapping("America/New_York"), deals=HEAD + "".join(rows))
    assert tables.meta.dates == {"deals": ["created_at"]}
    assert instant_text(int(tables["deals"].instant("created_at")[0])) == "2025-01-01T05:00:00Z"
