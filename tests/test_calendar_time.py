"""Calendar arithmetic against the standard library and pandas, over zones, days and steps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.calendar_time import Step, day_in_month, days_in_month, later, month_of_day, zone
from features.tables import DAY, NAT, micros

ZONES = (
    *("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Kiritimati"),
    *("America/Sao_Paulo", "America/Havana", "Africa/Casablanca", "Australia/Lord_Howe"),
    *("Pacific/Apia", "Asia/Tehran", "America/St_Johns"),
)
AT = st.integers(-631_152_000, 5_680_281_600).map(lambda s: datetime.fromtimestamp(s, UTC))
EPOCH = date(1970, 1, 1)


def number(day: date) -> int:
    return (day - EPOCH).days


@given(AT, st.sampled_from(ZONES))
def test_the_day_and_month_of_an_instant_are_those_of_the_clock_there(
    at: datetime, name: str
) -> None:
    there = at.astimezone(ZoneInfo(name))
    here = np.array([micros(at)])
    assert zone(name).day(here)[0] == number(there.date())
    assert zone(name).month(here)[0] == there.year * 12 + there.month - 1


@given(AT, st.sampled_from(ZONES))
def test_a_day_begins_at_its_first_instant_and_ends_where_the_next_begins(
    at: datetime, name: str
) -> None:
    rules, here = zone(name), np.array([micros(at)])
    day = rules.day(here)
    start, end = rules.day_start(day), rules.day_after(here)
    assert start[0] <= here[0] < end[0]
    assert rules.day(start)[0] == day[0] == rules.day(end - 1)[0]
    assert rules.day(start - 1)[0] < day[0] < rules.day(end)[0]


@given(AT, st.sampled_from(ZONES))
def test_a_clock_time_and_back_is_the_same_time_or_the_first_of_two(
    at: datetime, name: str
) -> None:
    rules, here = zone(name), np.array([micros(at)])
    back = rules.instant(rules.wall(here))
    assert back[0] <= here[0] and rules.wall(back)[0] == rules.wall(here)[0]


def test_midnights_that_the_clock_change_skips_or_repeats() -> None:
    sao, havana = zone("America/Sao_Paulo"), zone("America/Havana")
    skipped = sao.day_start(np.array([number(date(2017, 10, 15))]))
    assert skipped[0] == micros("2017-10-15T03:00:00+00:00")  # clocks showed 01:00
    twice = havana.day_start(np.array([number(date(2024, 11, 3))]))
    assert twice[0] == micros("2024-11-03T04:00:00+00:00")  # the first midnight of the two


def test_a_missing_instant_stays_missing_and_an_unknown_zone_is_named() -> None:
    nothing = np.array([NAT])
    assert zone("Europe/Berlin").wall(nothing)[0] == NAT
    assert zone("Europe/Berlin").day_after(nothing)[0] == NAT
    with pytest.raises(ValueError, match="no time zone 'Mars/Base'"):
        zone("Mars/Base")


@given(
    st.dates(date(1970, 1, 1), date(2100, 12, 31)),
    st.integers(0, 60),
    st.sampled_from([1, 3, 6, 12]),
)
def test_months_step_to_the_same_day_or_the_months_last(
    start: date, times: int, months: int
) -> None:
    day = np.array([number(start)])
    found = Step(months, "month").later(day, np.array([times]), day_in_month(day))
    assert found[0] == number((pd.Timestamp(start) + pd.DateOffset(months=months * times)).date())


@given(st.dates(date(1970, 1, 31), date(2100, 12, 31)), st.integers(1, 31), st.integers(1, 40))
def test_one_step_after_the_other_is_all_steps_at_once(
    start: date, anchor: int, times: int
) -> None:
    """A chain on the 31st comes back to the 31st after February: the anchor is kept."""
    day, aim = np.array([number(start)]), np.array([anchor])
    one = day
    for _ in range(times):
        one = later(one, np.array([1]), True, aim)
    assert one[0] == later(day, np.array([times]), True, aim)[0]
    assert day_in_month(one)[0] == min(anchor, days_in_month(month_of_day(one))[0])


@given(st.dates(), st.integers(0, 100), st.sampled_from([1, 7, 14, 28, 30]))
def test_days_and_weeks_step_by_days(start: date, times: int, days: int) -> None:
    day = np.array([number(start)])
    found = Step(days, "day").later(day, np.array([times]), np.array([1]))
    assert found[0] == number(start) + times * days


def test_a_leap_day_charged_yearly_is_the_28th_until_the_next_one() -> None:
    day, anchor = np.array([number(date(2024, 2, 29))]), np.array([29])
    years = [Step(12, "month").later(day, np.array([n]), anchor)[0] for n in range(1, 5)]
    assert [EPOCH + timedelta(days=int(d)) for d in years] == [
        *(date(2025, 2, 28), date(2026, 2, 28), date(2027, 2, 28), date(2028, 2, 29))
    ]
    assert DAY == 86_400_000_000
