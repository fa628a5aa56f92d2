"""Words become values: what is written reads back, and what is no value is missing and named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.ingest.values.clean import EPOCHS, NEAREST, Cleaned, booleans, instants, numbers
from features.tables import NAT, micros

DATES = st.datetimes(  # wall-clock times: the zone is what the tests choose
    datetime.fromisoformat("1900-01-02"), datetime.fromisoformat("2199-12-30")
)
SOME = settings(max_examples=60, deadline=None)


def value(cleaned: Cleaned) -> float:
    return float(cleaned.values[0])


def fault(cleaned: Cleaned) -> list[str]:
    return [reason for reason, words in cleaned.faults.items() if words[0]]


@SOME
@given(st.lists(st.floats(-1e15, 1e15), min_size=1))
def test_a_number_reads_back_as_the_very_same_float(held: list[float]) -> None:
    read = numbers([repr(x) for x in held])
    assert read.values.tolist() == held


@SOME
@given(st.decimals(-(10**12), 10**12, places=2), st.sampled_from([(".", ","), (",", ".")]))
def test_thousands_and_decimals_read_back_in_both_manners(
    x: object, marks: tuple[str, str]
) -> None:
    decimal, thousands = marks
    text = f"{x:,}".replace(",", "_").replace(".", decimal).replace("_", thousands)
    assert value(numbers([text], decimal=decimal)) == float(str(x))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$1,234.50", 1234.5),
        ("€ 3", 3.0),
        ("3 €", 3.0),
        ("USD 1 200", 1200.0),
        ("-$5", -5.0),
        ("(1,200)", -1200.0),
        ("\u22124", -4.0),
        ("12%", 0.12),
        ("1'000", 1000.0),
        ("12,34,567", 1234567.0),
        ("+.5", 0.5),
        ("1e3", 1000.0),
    ],
)
def test_numbers_as_people_write_them(text: str, expected: float) -> None:
    assert value(numbers([text])) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("abc", "not a number"),
        ("1,5", "not a number"),  # neither fifteen nor, with a decimal point, one and a half
        ("1_000", "not a number"),
        ("\u0663", "not a number"),  # a digit of another script
        ("NaN", "infinite or not a number"),
        ("-inf", "infinite or not a number"),
        ("1e400", "beyond 1e15"),
        ("2e15", "beyond 1e15"),
    ],
)
def test_what_is_no_number_is_missing_and_says_why(text: str, reason: str) -> None:
    read = numbers([text])
    assert np.isnan(value(read))
    assert fault(read) == [reason]


def test_a_point_is_no_decimal_where_the_comma_is() -> None:
    assert fault(numbers(["1.5"], decimal=",")) == ["not a number"]


@SOME
@given(st.text(max_size=12))
def test_no_text_at_all_stops_a_parser(text: str) -> None:
    for read in (numbers([text]), booleans([text]), instants([text], ("iso", "%d.%m.%Y"))):
        missing = np.isnan(read.values[0]) or read.values[0] == NAT
        assert bool(missing) == bool(fault(read))


def test_booleans_know_their_words() -> None:
    read = booleans(["Yes", "no", "TRUE", "0", "maybe"])
    assert read.values[:4].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert np.isnan(read.values[4]) and read.faults["neither true nor false"][4]


@SOME
@given(DATES, st.integers(-14 * 60, 14 * 60))
def test_an_iso_instant_keeps_its_offset(wall: datetime, minutes: int) -> None:
    at = wall.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert instants([at.isoformat()], ("iso",), "Asia/Tokyo").values[0] == micros(at)


@SOME
@given(DATES, st.sampled_from(["%d-%m-%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p", "%Y%m%dT%H%M%S"]))
def test_a_stated_format_reads_back(wall: datetime, pattern: str) -> None:
    wall = wall.replace(microsecond=0)
    read = instants([wall.strftime(pattern)], (pattern,))
    assert read.values[0] == micros(wall.replace(tzinfo=UTC))


@SOME
@given(DATES, st.sampled_from(sorted(EPOCHS)))
def test_counts_since_1970_read_back(wall: datetime, unit: str) -> None:
    """Beside one of our time, which settles the unit; what is too near to 1970 is no date."""
    at = micros(wall.replace(tzinfo=UTC)) // EPOCHS[unit] * EPOCHS[unit]
    ours = micros("2025-01-15T10:30:00Z")
    words = [str(instant // EPOCHS[unit]) for instant in (at, ours, ours)]
    expected = NAT if 0 < abs(at) <= NEAREST else at
    assert instants(words, (unit,)).values.tolist() == [expected, ours, ours]


@SOME
@given(DATES)
def test_local_time_agrees_with_the_standard_library(wall: datetime) -> None:
    read = instants([wall.isoformat()], ("iso",), "Europe/Berlin")
    there = wall.replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=1)
    if not any(words[0] for words in read.repairs.values()):
        assert read.values[0] == micros(there)


def test_the_clock_change_follows_its_rule() -> None:
    read = instants(["2021-03-28T02:30", "2021-10-31T02:30"], ("iso",), "Europe/Berlin")
    # the hour that was skipped ends at 01:00 UTC; of the hour lived twice it is the later
    assert read.values[0] == micros("2021-03-28T01:00:00+00:00")
    assert read.values[1] == micros("2021-10-31T01:30:00+00:00")
    assert read.repairs["touched by a clock change"].all()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1899-12-31", "before 1900"),
        ("9999-12-31 23:59:59", "after 2199"),
        ("2020-02-30", "not a date in the stated formats"),
        ("yesterday", "not a date in the stated formats"),
        ("2020", "not a date in the stated formats"),
    ],
)
def test_impossible_instants_are_missing_and_say_why(text: str, reason: str) -> None:
    read = instants([text, "2020-01-01"], ("iso",))
    assert read.values[0] == NAT and fault(read) == [reason]
    assert read.values[1] == micros("2020-01-01T00:00:00+00:00")


def test_the_first_format_that_fits_is_taken() -> None:
    read = instants(["03-04-20", "03/04/20"], ("%d-%m-%y", "%m/%d/%y"))
    assert read.values.tolist() == [
        micros("2020-04-03T00:00:00+00:00"),
        micros("2020-03-04T00:00:00+00:00"),
    ]
