"""A column is written in one way: its words together tell which, and a tie is a question."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.ingest.mapping import parse
from features.ingest.merge import normal
from features.ingest.run import canonical
from features.ingest.strict import MappingError
from features.ingest.values.clean import instants, numbers
from features.ingest.values.formats import day_order, decimal_mark, durations, in_order
from features.tables import micros

SOME = settings(max_examples=30, deadline=None)
DAYS = st.dates(date.fromisoformat("1990-01-01"), date.fromisoformat("2099-12-31"))


def read(
    tmp_path: Path, csv: str, table: str, columns: dict[str, object], **export: object
) -> pd.DataFrame:
    (tmp_path / f"{table}.csv").write_text(csv, encoding="utf-8")
    raw = {"export": {"as_of": "2030-01-01", **export}, "tables": {table: {"columns": columns}}}
    return canonical(tmp_path, parse(normal(raw, "test"), "test"))[0][table]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.000,00-", -1000.0), ("(63,12)", -63.12), ("R$ 1.234,56", 1234.56), ("12,50 €", 12.5),
     ("12,50 euros", 12.5), ("'-70,5", -70.5), ("kr 1.000,5", 1000.5), ("1.234,5 zł", 1234.5)],
)  # fmt: skip
def test_amounts_with_a_decimal_comma_need_no_statement(text: str, expected: float) -> None:
    assert decimal_mark([text]) == ","
    assert numbers([text], decimal=",").values[0] == pytest.approx(expected)


@SOME
@given(st.lists(st.decimals(0, 10**9, places=2), min_size=1), st.sampled_from([",", "."]))
def test_the_decimal_mark_is_found_whichever_it_is(held: list[object], mark: str) -> None:
    turned = str.maketrans(",.", ".,") if mark == "," else {}
    words = [f"{x:,}".translate(turned) for x in held]
    assert decimal_mark(words) == mark
    assert numbers(words, mark).values.tolist() == [float(str(x)) for x in held]


def test_words_that_both_marks_explain_leave_the_point() -> None:
    assert decimal_mark(["1,234", "2"]) == "."
    assert decimal_mark(["1,5", "2.25"]) == "."  # mixed: the comma is said to be no number


def test_a_per_cent_sign_and_a_scale_act_once() -> None:
    assert numbers(["12%", "12"], scale=0.01).values.tolist() == pytest.approx([0.12, 0.12])


@SOME
@given(st.lists(DAYS, min_size=1), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]))
def test_a_column_with_days_above_12_is_read_in_its_own_order(held: list[date], way: str) -> None:
    held = [*held, date.fromisoformat("2025-05-26")]
    words = [d.strftime(way) for d in held]
    formats = in_order(["%m/%d/%Y"], day_order(words))
    assert formats == (way,)
    assert instants(words, formats).values.tolist() == [micros(f"{d}T00:00:00+00:00") for d in held]


CSV = "id,created,closed,outcome\n1,01/02/2025,{closed},won\n2,03/04/2025,05/06/2025,lost\n"
COLUMNS: dict[str, object] = {
    "deal_id": "id", "created_at": "created", "closed_at": "closed", "outcome": "outcome",
}  # fmt: skip


def test_a_column_without_evidence_follows_the_file(tmp_path: Path) -> None:
    made = read(tmp_path, CSV.format(closed="26/06/2025"), "deals", COLUMNS, dates=["%m/%d/%Y"])
    assert [str(t.date()) for t in made["created_at"]] == ["2025-02-01", "2025-04-03"]


def test_a_tie_between_two_stated_orders_is_a_question(tmp_path: Path) -> None:
    both = ["%m/%d/%Y", "%d/%m/%Y"]
    with pytest.raises(MappingError, match="no value shows which is meant; state one `format`"):
        read(tmp_path, CSV.format(closed="07/06/2025"), "deals", COLUMNS, dates=both)


@SOME
@given(DAYS, st.integers(0, 86_399), st.sampled_from(["epoch_ms", "iso", "%d/%m/%Y"]))
def test_serial_days_of_a_spreadsheet_are_dates(day: date, second: int, stated: str) -> None:
    serial = (day - date.fromisoformat("1899-12-30")).days + second / 86_400
    made = instants([repr(serial)], (stated,))
    expected = micros(f"{day}T00:00:00+00:00") + second * 1_000_000
    assert made.values[0] == expected
    assert made.repairs["a spreadsheet's serial day"][0]


def test_a_count_in_another_unit_is_found_and_a_moment_of_1970_is_none() -> None:
    at = micros("2025-01-15T10:30:00+00:00")
    assert instants(["1736937000"], ("epoch_ms",)).values[0] == at
    assert instants(["4567"], ("epoch_ms",)).faults["not a date in the stated formats"][0]


@SOME
@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_durations_are_seconds_however_they_are_written(h: int, m: int, s: int) -> None:
    words = [f"{h:02d}:{m:02d}:{s:02d}", f"PT{h}H{m}M{s}S", f"{h} h {m} min {s} s", f"{h}h{m:02d}"]
    exact = timedelta(hours=h, minutes=m, seconds=s).total_seconds()
    assert durations(words).tolist() == [exact, exact, exact, exact - s]


def test_a_clock_of_two_parts_is_no_duration() -> None:
    assert np.isnan(durations(["12:30", "abc", "", "1:75:00"])).all()


def test_minutes_in_any_unit_and_codes_in_any_case(tmp_path: Path) -> None:
    csv = "id,at,kind,took\na,2025-01-01,call,00:15:30\nb,2025-01-02,call,120\n"
    columns: dict[str, object] = {"activity_id": "id", "occurred_at": "at", "kind": "kind"}
    took = {"from": "took", "unit": "seconds"}
    made = read(tmp_path, csv, "activities", {**columns, "duration": took})
    assert made["duration"].tolist() == [15.5, 2.0]
    with pytest.raises(MappingError, match="no unit of time 'fortnights'"):
        read(tmp_path, csv, "activities", {**columns, "duration": {**took, "unit": "fortnights"}})


def test_a_rate_may_stand_the_other_way_round(tmp_path: Path) -> None:
    columns: dict[str, object] = {
        "rate_id": "id", "currency": "code", "rate_at": "at",
        "rate": {"from": "rate", "inverse": True},
    }  # fmt: skip
    made = read(tmp_path, "id,code,at,rate\n1,usd,2025-01-01,1.08\n", "fx_rates", columns)
    assert made["rate"].tolist() == pytest.approx([1 / 1.08])
    assert made["currency"].tolist() == ["USD"]
