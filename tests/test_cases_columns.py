"""Columns as wholes: marks, currencies, ids and clocks as spreadsheets and people write them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.ingest.values.currencies import beside
from features.ingest.values.formats import durations, two_parts
from features.sources.packed import readable
from features.sources.words import SourceError
from features.tables import Tables, instant_text
from tests.helpers.exports import block, export, ingested

EXPORT = '[export]\nas_of = "2025-07-01"\ncurrency = "EUR"\n'
DEALS = (
    '[tables.deals]\n[tables.deals.columns]\ndeal_id = "id"\ncreated_at = "created"\n'
    'closed_at = "closed"\namount = "amount"\n'
    'outcome = { from = "state", values = { won = "won", lost = "lost", open = "" } }\n'
)


def days(tables: Tables, table: str, column: str) -> list[str]:
    """Instants to the minute, "" where missing."""
    at = tables[table].instant(column).tolist()
    return ["" if t == np.iinfo(np.int64).min else instant_text(t)[:16] for t in at]


def codes(report: object) -> list[str]:
    return [f.code for f in report.consequences]  # type: ignore[attr-defined]


def test_a_hint_for_spreadsheets_is_no_header(tmp_path: Path) -> None:
    deals = (
        "sep=;\nid;created;closed;amount;state\nD1;2025-01-03;2025-02-01;1200;won\n"
        "D2;2025-01-10;2025-03-01;800;lost\nD3;2025-02-01;;500;open\n"
    )
    tables, _ = ingested(tmp_path, EXPORT + DEALS, deals=deals)
    assert tables["deals"].number("amount").tolist() == [1200.0, 800.0, 500.0]
    assert tables["deals"].coded("outcome").words() == ["won", "lost", None]


def test_a_quote_that_is_not_doubled_costs_its_own_line(tmp_path: Path) -> None:
    """A backslash at the end of a text and a line break inside quotes are what they are."""
    deals = (
        "id,name,created,closed,amount,state\n"
        'D1,"Deal "big" one, 2025",2025-01-03,2025-02-01,1200,won\n'
        "D2,plain,2025-01-10,2025-03-01,800,lost\n"
        'D3,"the "other", one",2025-01-11,2025-03-02,700,won\n'
        'D4,"C:\\files\\",2025-01-12,2025-03-03,600,lost\n'
        'D5,"two\nlines",2025-01-13,,500,open\n'
    )
    tables, report = ingested(tmp_path, EXPORT + DEALS, deals=deals)
    read = dict(
        zip(tables["deals"].coded("deal_id").words(), tables["deals"].number("amount"), strict=True)
    )
    assert {"D2": 800.0, "D4": 600.0, "D5": 500.0}.items() <= read.items()
    told = block(report, "deals")
    assert told.read == 5 == told.kept + sum(t.n for t in told.rejected.values())


def test_every_file_that_cannot_be_unpacked_is_named_at_once(tmp_path: Path) -> None:
    data, _ = export(tmp_path, EXPORT + DEALS)
    (data / "companies.xlsx").write_bytes(b"no workbook")
    (data / "deals.zip").write_bytes(b"no archive")
    with pytest.raises(SourceError) as caught, readable(data):
        pass
    said = str(caught.value)
    assert "companies.xlsx" in said and "save it as CSV" in said
    assert "deals.zip" in said and "unpack it yourself" in said


def test_cells_that_a_spreadsheet_may_not_compute_are_numbers(tmp_path: Path) -> None:
    rows = (
        "id,account,at,amount\nI1,A,2025-01-05,100\nI2,A,2025-02-05,'-70.00\nI3,A,2025-02-06,'+5\n"
    )
    mapping = EXPORT + (
        '[tables.invoices]\n[tables.invoices.columns]\ninvoice_id = "id"\naccount_id = "account"\n'
        'issued_at = "at"\namount = "amount"\n'
    )
    tables, report = ingested(tmp_path, mapping, invoices=rows)
    assert tables["invoices"].number("amount").tolist() == [100.0, -70.0, 5.0]
    assert not report.consequences


AMOUNTS = {
    "R$ 1.767,34": (1767.34, "BRL"),
    "-9,13 €": (-9.13, "EUR"),
    "€(63,12)": (-63.12, "EUR"),
    "1 200,50 zł": (1200.5, "PLN"),
    "kr 1 250": (1250.0, None),
    "CHF 1'200,50": (1200.5, "CHF"),
    "£123": (123.0, "GBP"),
    "1.000,00-": (-1000.0, None),
    "US$ 500": (500.0, "USD"),
    "EUR1.500,00": (1500.0, "EUR"),
    "1.200 EUR": (1200.0, "EUR"),
}


def test_amounts_as_people_write_them_with_the_currency_beside(tmp_path: Path) -> None:
    """What is in a currency without a rate is said, and in no sum."""
    rows = "id;created;closed;amount;state\n" + "".join(
        f"D{i};2025-01-03;2025-02-01;{text};won\n" for i, text in enumerate(AMOUNTS)
    )
    mapping = EXPORT + 'decimal = ","\n' + DEALS
    tables, report = ingested(tmp_path, mapping, deals=rows)
    assert tables["deals"].number("amount").tolist() == [a for a, _ in AMOUNTS.values()]
    assert tables["deals"].coded("currency").words() == [c for _, c in AMOUNTS.values()]
    (found,) = report.consequences
    assert found.code == "no_rate:deals" and found.rows == 5


@pytest.mark.parametrize(
    "heading", ["Currency", "deal_currency_code", "CurrencyIsoCode", "Währung"]
)
def test_a_column_of_currencies_beside_the_amounts_is_found(tmp_path: Path, heading: str) -> None:
    rows = f"id,created,closed,amount,state,{heading}\n" + (
        "1,2025-01-03,2025-02-01,100,won,EUR\n2,2025-01-03,2025-02-01,900,won,usd\n"
    )
    tables, report = ingested(tmp_path, EXPORT + DEALS, deals=rows)
    assert tables["deals"].coded("currency").words() == ["EUR", "USD"]
    assert codes(report) == ["no_rate:deals"]


@pytest.mark.parametrize(
    ("heading", "words"), [("Currency", "EUR EUR"), ("Currency", "EUR big"), ("Current", "EUR USD")]
)
def test_what_says_nothing_of_currencies_is_left_alone(
    tmp_path: Path, heading: str, words: str
) -> None:
    a, b = words.split()
    rows = f"id,created,closed,amount,state,{heading}\n" + (
        f"1,2025-01-03,2025-02-01,100,won,{a}\n2,2025-01-03,2025-02-01,900,won,{b}\n"
    )
    tables, report = ingested(tmp_path, EXPORT + DEALS, deals=rows)
    assert not tables["deals"].has("currency") and not report.consequences


SIGNS = st.sampled_from(["€", "£", "R$", "USD", "CHF", "zł", "US$", "euros"])


@given(st.integers(0, 10**9), SIGNS, st.booleans(), st.booleans(), st.sampled_from(["", " "]))
def test_a_sign_means_its_currency_on_either_side(
    cents: int, sign: str, behind: bool, negative: bool, space: str
) -> None:
    number = f"{'-' if negative else ''}{cents / 100:,.2f}"
    text = f"{number}{space}{sign}" if behind else f"{sign}{space}{number}"
    known = {"€": "EUR", "£": "GBP", "R$": "BRL", "zł": "PLN", "US$": "USD", "euros": "EUR"}
    assert beside([text], "EUR").to_pylist() == [known.get(sign, sign)]


@pytest.mark.parametrize(
    ("words", "amounts"),
    [
        (["R$ 3.000", "R$ 250"], [3000.0, 250.0]),
        (["1.200 EUR", "1.200.000 EUR"], [1200.0, 1_200_000.0]),
        (["1,200 EUR", "900 EUR"], [1200.0, 900.0]),
        (["1.200 EUR", "0.5 EUR"], [1.2, 0.5]),
        (["1.250", "3.5"], [1.25, 3.5]),
    ],
)
def test_three_digits_behind_a_point_beside_a_currency_are_thousands(
    tmp_path: Path, words: list[str], amounts: list[float]
) -> None:
    """Nobody writes money with three decimals; another word of the column may show otherwise."""
    rows = "id;created;closed;amount;state\n" + "".join(
        f"{i};2025-01-03;2025-02-01;{w};won\n" for i, w in enumerate(words)
    )
    tables, _ = ingested(tmp_path, EXPORT + DEALS, deals=rows)
    assert tables["deals"].number("amount").tolist() == amounts


def test_a_shared_sign_is_the_reporting_currency_where_it_can_be() -> None:
    assert beside(["$5", "kr 7", "¥9"], "CAD").to_pylist() == ["CAD", None, "JPY"]
    assert beside(["$5", "kr 7", "¥9"], "SEK").to_pylist() == ["USD", "SEK", "JPY"]


RATES = (
    'extends = "salesforce"\n'
    + EXPORT
    + '[tables.fx_rates]\nfrom = "rates"\n[tables.fx_rates.columns]\nrate_id = "Id"\n'
    'currency = "IsoCode"\nrate_at = "StartDate"\nrate = {rate}\n'
)
SF_DEALS = (
    "Id,StageName,Amount,CurrencyIsoCode,CloseDate,CreatedDate,IsClosed,IsWon\n"
    "006A,Closed Won,10800,USD,2025-03-14,2025-01-15T10:00:00.000Z,true,true\n"
)


def test_rates_that_look_the_other_way_round_are_said(tmp_path: Path) -> None:
    """Salesforce states dollars per euro; the preset's own block knows."""
    name = "Id,IsoCode,StartDate,ConversionRate\n1,USD,2025-01-01,1.08\n2,EUR,2025-01-01,1\n"
    plain = RATES.format(rate='"ConversionRate"')
    _, report = ingested(tmp_path, plain, Opportunity=SF_DEALS, rates=name)
    assert codes(report) == ["rates_inverted:fx_rates"]
    stated = RATES.format(rate='{ from = "ConversionRate", inverse = true }')
    tables, report = ingested(tmp_path, stated, Opportunity=SF_DEALS, rates=name)
    assert tables["fx_rates"].number("rate").tolist() == [pytest.approx(1 / 1.08), 1.0]
    assert not report.consequences
    preset = 'extends = "salesforce"\n' + EXPORT
    tables, _ = ingested(tmp_path, preset, Opportunity=SF_DEALS, DatedConversionRate=name)
    assert tables["fx_rates"].number("rate").tolist() == [pytest.approx(1 / 1.08), 1.0]


@pytest.mark.parametrize(("rate", "said"), [(160.0, True), (0.006, False)])
def test_a_yen_is_not_worth_more_than_a_euro(tmp_path: Path, rate: float, said: bool) -> None:
    name = f"Id,IsoCode,StartDate,worth\n1,JPY,2025-01-01,{rate}\n"
    mapping = RATES.format(rate='"worth"')
    _, report = ingested(tmp_path, mapping, Opportunity=SF_DEALS, rates=name)
    assert ("rates_inverted:fx_rates" in codes(report)) == said


def test_codes_in_any_case_and_a_currency_without_a_rate(tmp_path: Path) -> None:
    """`eur` is EUR; of GBP and "Euro" nobody knows the worth, and it is said."""
    rows = "id,created,closed,amount,cur,state\n" + "".join(
        f"{i},2025-01-03,2025-02-01,{amount},{cur},won\n"
        for i, (amount, cur) in enumerate([(1000, "EUR"), (200, "eur"), (300, "GBP"), (5, "Euro")])
    )
    mapping = EXPORT + DEALS + 'currency = "cur"\n'
    tables, report = ingested(tmp_path, mapping, deals=rows)
    assert tables["deals"].coded("currency").words() == ["EUR", "EUR", "GBP", "Euro"]
    (found,) = report.consequences
    assert "GBP" in found.text and "'Euro' is no ISO 4217 code" in found.effect


def test_rounded_ids_are_said_wherever_they_stand(tmp_path: Path) -> None:
    """Nothing is folded here: the key is whole, and the reference has lost its digits."""
    mapping = EXPORT + DEALS + 'account_id = "company"\n'
    rows = "id,company,created,closed,amount,state\n" + "".join(
        f"{i},1.23E+15,2025-01-03,2025-02-01,1,won\n" for i in range(3)
    )
    tables, report = ingested(tmp_path, mapping, deals=rows)
    assert tables["deals"].n == 3
    (found,) = report.consequences
    assert found.code == "rounded:deals.account_id" and "1.23E+15" in found.text


REPORTS = 'extends = "salesforce"\n[export]\nas_of = "2025-12-01"\n'
REPORT_HEAD = "Opportunity ID,Stage,Amount,Close Date,Created Date\n"


def test_a_tie_of_day_and_month_in_a_preset_is_asked(tmp_path: Path) -> None:
    """Every day is below 13: read as the preset says, and said; a statement ends the question."""
    tie = REPORT_HEAD + "006A,Closed Won,1000,05/06/2025,03/02/2025\n"
    tables, report = ingested(tmp_path, REPORTS, Opportunities=tie)
    assert days(tables, "deals", "created_at") == ["2025-03-02T00:00"]
    assert codes(report) == ["day_order:deals"]
    stated = REPORTS + 'dates = ["%d/%m/%Y"]\n'
    tables, report = ingested(tmp_path, stated, Opportunities=tie)
    assert days(tables, "deals", "created_at") == ["2025-02-03T00:00"] and not codes(report)


def test_days_above_12_turn_a_presets_order_round(tmp_path: Path) -> None:
    rows = REPORT_HEAD + (
        "006A,Closed Lost,1000,26/06/2025,03/02/2025\n006B,Proposal,2000,05/04/2025,10/01/2025\n"
        "006C,Closed Won,3000,28/05/2025,07/03/2025\n"
    )
    tables, report = ingested(tmp_path, REPORTS, Opportunities=rows)
    assert [d[:10] for d in days(tables, "deals", "created_at")] == [
        "2025-02-03",
        "2025-01-10",
        "2025-03-07",
    ]
    assert days(tables, "deals", "closed_at")[::2] == ["2025-06-26T00:00", "2025-05-28T00:00"]
    assert not codes(report)


def test_a_narrow_space_before_pm_and_years_of_two_digits(tmp_path: Path) -> None:
    rows = REPORT_HEAD + (
        "006A,Closed Won,1000,3/14/25,1/15/2025 3:27\u202fPM\n"
        "006B,Closed Lost,2000,4/14/25,2/15/2025 12:05\u202fAM\n"
    )
    tables, _ = ingested(tmp_path, REPORTS, Opportunities=rows)
    assert days(tables, "deals", "created_at") == ["2025-01-15T15:27", "2025-02-15T00:05"]
    assert days(tables, "deals", "closed_at") == ["2025-03-14T00:00", "2025-04-14T00:00"]


def test_serial_days_of_a_spreadsheet_are_no_moments_of_1970(tmp_path: Path) -> None:
    rows = (
        "Record ID,Deal Stage,Amount,Create Date,Close Date\n"
        "1001,Closed won,1000,45672.4375,45730\n1002,Closed lost,2000,45680,45750\n"
    )
    tables, _ = ingested(tmp_path, 'extends = "hubspot"\n' + EXPORT, deals=rows)
    assert days(tables, "deals", "created_at") == ["2025-01-15T10:30", "2025-01-23T00:00"]
    assert days(tables, "deals", "closed_at") == ["2025-03-14T00:00", "2025-04-03T00:00"]


def test_millionths_beyond_the_limit_are_read_after_their_scale(tmp_path: Path) -> None:
    rows = "id,created,amount\n1,15-01-2025,2500000000000\n2,16-01-2025,3000000000000000\n"
    mapping = EXPORT + (
        'dates = ["%d-%m-%Y"]\n[tables.deals]\n[tables.deals.columns]\ndeal_id = "id"\n'
        'created_at = "created"\namount = { from = "amount", scale = 0.000001 }\n'
    )
    tables, _ = ingested(tmp_path, mapping, deals=rows)
    assert tables["deals"].number("amount").tolist() == [2_500_000.0, 3_000_000_000.0]


CALLS = EXPORT + (
    '[tables.activities]\nfrom = "calls"\n[tables.activities.columns]\nlead_id = "lead"\n'
    'occurred_at = "at"\nkind = {{ const = "call" }}\nduration = {duration}\n'
)


@pytest.mark.parametrize(
    ("words", "duration", "minutes"),
    [
        (["00:15:30", "1:02:00", "45", "1h30", "PT45M"], '"dur"', [15.5, 62.0, 45.0, 90.0, 45.0]),
        (["45:30", "12:30"], '"dur"', [45.5, 12.5]),
        (["12:30"], '{ from = "dur", format = "%H:%M" }', [750.0]),
        (["12:30"], '{ from = "dur", format = "%M:%S" }', [12.5]),
        (["12:30", "45"], '"dur"', [math.nan, 45.0]),
    ],
)
def test_durations_are_minutes_and_a_tie_is_asked(
    tmp_path: Path, words: list[str], duration: str, minutes: list[float]
) -> None:
    rows = "lead,at,dur\n" + "".join(
        f"L1,2025-02-0{i + 1} 10:00,{w}\n" for i, w in enumerate(words)
    )
    tables, report = ingested(tmp_path, CALLS.format(duration=duration), calls=rows)
    assert tables["activities"].number("duration").tolist() == pytest.approx(minutes, nan_ok=True)
    tie = any(math.isnan(m) for m in minutes)
    assert any("hours or minutes" in f.text for f in report.consequences) == tie


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5_999), min_size=1, max_size=8))
def test_calls_of_more_than_a_day_are_minutes(seconds: list[int]) -> None:
    words = [f"{s // 60}:{s % 60:02d}" for s in seconds]
    read = durations(words)
    if max(seconds) // 60 > 24:
        assert two_parts(words) == "%M:%S" and read.tolist() == [float(s) for s in seconds]
    else:
        assert np.isnan(read).all()
