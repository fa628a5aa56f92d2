"""Bad input: each kind gets a clear error or a stated fallback, and every row is accounted for."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.__main__ import main
from features.ingest.mapping import load
from features.ingest.run import canonical, ingest
from features.ingest.strict import MappingError
from features.sources.files import read, read_header
from features.sources.words import SourceError
from features.tables import NAT, micros
from tests.helpers.exports import DEALS, HEAD, block, counts, export, frame, ingested

WON = "D1,2023-01-01,2023-02-01,10,Won\n"
OPEN = "D2,2023-03-01,,20,Open\n"
MANY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FLAT = '[tables.accounts.columns]\naccount_id = "id"\nindustry = "a"\nemployees = "n"\n'
UNICODE = "id,a,n\n1,São Paulo,1\n2,Zürich,2\n"


def industries(folder: Path, **files: str | bytes) -> list[str | None]:
    return ingested(folder, FLAT, **files)[0]["accounts"].coded("industry").words()


# --- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "cp1252")],
)
def test_the_encoding_is_found_and_stated(tmp_path: Path, encoding: str, name: str) -> None:
    tables, report = ingested(tmp_path, FLAT, accounts=UNICODE.encode(encoding))
    assert tables["accounts"].coded("industry").words() == ["São Paulo", "Zürich"]
    assert block(report, "accounts").encoding == name


def test_one_broken_byte_does_not_change_how_the_rest_is_read(tmp_path: Path) -> None:
    good = "".join(f"{i},São Paulo,1\n" for i in range(40))
    raw = ("id,a,n\n" + good).encode() + b"x,\xff,1\n"
    tables, report = ingested(tmp_path, FLAT, accounts=raw)
    assert tables["accounts"].coded("industry").words() == ["São Paulo"] * 40 + ["\ufffd"]
    assert block(report, "accounts").undecodable == 1


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_though_cells_hold_others(tmp_path: Path, delimiter: str) -> None:
    text = f'id,a,n\n1,"x{delimiter}y",1\n2,z,2\n'.replace(",", "\0")
    rows = text.replace("\0", delimiter)
    assert industries(tmp_path, accounts=rows) == [f"x{delimiter}y", "z"]


def test_quoted_newlines_and_quotes_stay_in_their_cell(tmp_path: Path) -> None:
    rows = 'id,a,n\r\n1,"two\nlines ""so""",1\r\n2,5" pipe,2\r\n'
    assert industries(tmp_path, accounts=rows) == ['two\nlines "so"', '5" pipe']


def test_gzip_is_read_like_the_plain_file(tmp_path: Path) -> None:
    packed = gzip.compress(UNICODE.encode())
    assert industries(tmp_path, **{"accounts.csv.gz": packed}) == ["São Paulo", "Zürich"]


@pytest.mark.parametrize("broken", [gzip.compress(UNICODE.encode(), mtime=0)[:-9], b"id,a,n\n"])
def test_a_broken_gzip_file_is_named(tmp_path: Path, broken: bytes) -> None:
    with pytest.raises(SourceError, match=r"accounts.csv.gz is not a whole gzip file"):
        ingested(tmp_path, FLAT, **{"accounts.csv.gz": broken})


def test_parquet_gives_the_same_as_csv(tmp_path: Path) -> None:
    typed = pd.DataFrame(
        {
            "id": [1, 2],
            "created": pd.to_datetime(["2023-01-01T10:00", "2023-03-01T00:00"], utc=True),
            "closed": pd.DatetimeIndex(["2023-02-01", "NaT"]),
            "amount": [0.1, None],
            "stage": pd.Categorical(["Won", "Open"]),
        }
    )
    data, path = export(tmp_path, DEALS.replace("deals.csv", "deals"))
    typed.to_parquet(data / "deals.parquet")
    frames, _, report = canonical(data, load(path))
    assert report.balanced()
    (data / "deals.parquet").unlink()
    rows = "1,2023-01-01T10:00Z,2023-02-01,0.1,Won\n2,2023-03-01T00:00Z,,,Open\n"
    (data / "deals.csv").write_text(HEAD + rows)
    pd.testing.assert_frame_equal(frames["deals"], canonical(data, load(path))[0]["deals"])


def test_a_file_without_a_header_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is empty: it has no header row"):
        ingested(tmp_path, FLAT, accounts="")


def test_ragged_rows_are_rejected_with_samples_never_shifted(tmp_path: Path) -> None:
    tables, report = ingested(tmp_path, FLAT, accounts="id,a,n\n1,x,1\n2,y\n3,z,3,9\n4,w,4\n")
    assert tables["accounts"].coded("account_id").words() == ["1", "4"]
    found = block(report, "accounts").rejected["not as many cells as the header"]
    assert [(s["row"], s["cells"], s["text"]) for s in found.samples] == [
        (2, 2, "2,y"),
        (3, 4, "3,z,3,9"),
    ]


def test_a_quote_that_is_never_closed_costs_one_line(tmp_path: Path) -> None:
    rows = 'id,a,n\n1,x,1\n2,"oops,2\n' + "".join(f"{i},y,{i}\n" for i in range(3, 50))
    tables, report = ingested(tmp_path, FLAT, accounts=rows)
    assert tables["accounts"].n == 48
    found = block(report, "accounts").rejected["not as many cells as the header"]
    assert [(s["row"], s["text"]) for s in found.samples] == [(2, '2,"oops,2')]


def test_two_columns_of_one_name_need_a_position(tmp_path: Path) -> None:
    rows = "id,a,n,a\n1,x,1,y\n"
    with pytest.raises(SourceError, match=r"'a' at positions 2, 4; write a#2 or a#4"):
        ingested(tmp_path, FLAT, accounts=rows)
    tables, _ = ingested(tmp_path, FLAT.replace('"a"', '"a#4"'), accounts=rows)
    assert tables["accounts"].coded("industry").words() == ["y"]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\0\r", codec="utf-8"), max_size=8),
            min_size=3,
            max_size=3,
        ).filter(any),
        min_size=1,
        max_size=12,
    )
)
def test_any_text_written_by_pandas_is_read_back(tmp_path: Path, rows: list[list[str]]) -> None:
    path = tmp_path / "any.csv"
    pd.DataFrame(rows, columns=["x", "y", "z"]).to_csv(path, index=False)
    source = read(read_header(path, delimiter=","), ["x", "y", "z"])
    found = [source.words[c].texts(np.arange(len(source.row))) for c in "xyz"]
    assert [list(r) for r in zip(*found, strict=True)] == rows


# --- shapes ------------------------------------------------------------------------------------


def test_an_empty_flat_table_is_read_and_said_to_be_empty(tmp_path: Path) -> None:
    tables, report = ingested(tmp_path, FLAT, accounts="id,a,n\n")
    assert tables["accounts"].n == 0 and report.notices == ["accounts has no rows"]


def test_an_empty_dated_table_needs_a_stated_end(tmp_path: Path) -> None:
    tables, _ = ingested(tmp_path, DEALS, deals=HEAD)
    assert tables["deals"].n == 0 and tables.meta.as_of == "2024-01-01T00:00:00Z"
    with pytest.raises(MappingError, match=r"state as_of in \[export\]"):
        ingested(tmp_path, DEALS.replace('as_of = "2024-01-01"\n', ""), deals=HEAD)


def test_a_single_row_is_read_and_said(tmp_path: Path) -> None:
    _, report = ingested(tmp_path, DEALS, deals=HEAD + WON)
    assert "deals has a single row" in report.notices


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        (("Won", "Won"), "one class only"),
        (("Lost", "Open"), "no row is 'won'"),
        (("Open", "Open"), "no row has an outcome"),
    ],
)
def test_outcomes_that_cannot_be_learned_from_are_pointed_out(
    tmp_path: Path, stages: tuple[str, str], told: str
) -> None:
    rows = "".join(f"{i},2023-01-01,2023-02-01,1,{s}\n" for i, s in enumerate(stages))
    _, report = ingested(tmp_path, DEALS, deals=HEAD + rows)
    assert any(told in notice for notice in report.notices)


def test_many_categories_a_constant_and_an_empty_column_are_pointed_out(tmp_path: Path) -> None:
    rows = "".join(f"{i},c{i},\n" for i in range(10_000))
    tables, report = ingested(tmp_path, FLAT, accounts="id,a,n\n" + rows)
    assert len(tables["accounts"].coded("industry").values) == 10_000
    assert "accounts.industry is a category of 10,000 values" in report.notices
    assert "accounts.employees is missing in every row" in report.notices
    _, report = ingested(tmp_path, FLAT, accounts="id,a,n\n1,x,1\n2,x,2\n")
    assert report.notices == ["accounts.industry has one value only"]


def test_infinite_enormous_and_unreadable_numbers_are_missing_and_counted(tmp_path: Path) -> None:
    rows = "".join(f"{i},x,{n}\n" for i, n in enumerate(["inf", "nan", "1e300", "12 oz", "7"]))
    tables, report = ingested(tmp_path, FLAT, accounts="id,a,n\n" + rows)
    assert np.isnan(tables["accounts"].number("employees")).tolist() == [True] * 4 + [False]
    repaired = block(report, "accounts").repaired
    assert counts(repaired) == {
        "employees: infinite or not a number": 2,
        "employees: beyond 1e15": 1,
        "employees: not a number": 1,
    }
    assert repaired["employees: not a number"].samples == [{"row": 4, "key": "3", "value": "12 oz"}]


# --- times -------------------------------------------------------------------------------------


def test_mixed_offsets_and_the_exports_zone(tmp_path: Path) -> None:
    mapping = DEALS.replace("[export]\n", '[export]\nzone = "America/New_York"\n')
    rows = "1,2023-01-01T10:00:00+02:00,2023-02-01T12:00:00Z,1,Won\n2,2023-01-01 10:00,,1,Open\n"
    tables, _ = ingested(tmp_path, mapping, deals=HEAD + rows)
    assert tables["deals"].instant("created_at").tolist() == [
        micros("2023-01-01T08:00:00+00:00"),
        micros("2023-01-01T15:00:00+00:00"),
    ]


def test_dates_before_1900_are_impossible(tmp_path: Path) -> None:
    tables, report = ingested(tmp_path, DEALS, deals=HEAD + "1,1066-10-14,,1,Open\n" + WON)
    assert tables["deals"].instant("created_at")[0] == NAT
    assert counts(block(report, "deals").repaired) == {"created_at: before 1900": 1}
    assert report.tables["deals"].without_birth == 1


def test_what_lies_after_the_end_of_the_export_cannot_have_happened(tmp_path: Path) -> None:
    mapping = DEALS + (
        '[tables.invoices]\n[tables.invoices.columns]\ninvoice_id = "id"\naccount_id = "who"\n'
        'issued_at = "issued"\npaid_at = "paid"\ndue_at = "due"\n'
    )
    rows = WON + "D3,2024-01-01,,1,Open\n" + "D4,2023-01-01,2024-06-01,1,Won\n"
    invoices = "id,who,issued,paid,due\n1,A,2023-12-01,2024-02-01,2024-03-01\n"
    tables, report = ingested(tmp_path, mapping, deals=HEAD + rows, invoices=invoices)
    assert tables["deals"].coded("deal_id").words() == ["D1"]
    assert counts(block(report, "deals").rejected) == {
        "created_at lies after the end of the export": 1,
        "closed_at lies after the end of the export": 1,
    }
    # a payment to come has not happened, but the invoice has; a due date may lie ahead
    assert tables["invoices"].instant("paid_at").tolist() == [NAT]
    assert tables["invoices"].instant("due_at")[0] == micros("2024-03-01T00:00:00+00:00")


def test_without_a_stated_end_now_bounds_what_can_have_happened(tmp_path: Path) -> None:
    mapping = DEALS.replace('as_of = "2024-01-01"\n', "")
    data, path = export(tmp_path, mapping, deals=HEAD + WON + "D9,2150-01-01,,1,Open\n")
    frames, meta, report = canonical(data, load(path), now=datetime(2025, 1, 1, tzinfo=UTC))
    assert frames["deals"].deal_id.tolist() == ["D1"]
    assert meta.as_of == "2023-02-02T00:00:00Z" and "deals.closed_at" in report.as_of_from


def test_a_row_closed_before_it_was_created_is_rejected(tmp_path: Path) -> None:
    # making closed_at missing would turn a closed deal into an open one
    rows = WON + "D3,2023-03-01,2023-02-01,1,Lost\n"
    tables, report = ingested(tmp_path, DEALS, deals=HEAD + rows)
    assert tables["deals"].n == 1
    found = block(report, "deals").rejected["closed before created"]
    assert found.samples[0]["created_at"] == "2023-03-01T00:00:00Z"


def test_a_date_without_a_time_may_be_the_day_of_creation(tmp_path: Path) -> None:
    rows = "D1,2023-01-01 15:00,2023-01-01,10,Won\n"
    tables, report = ingested(tmp_path, DEALS, deals=HEAD + rows)
    deals = tables["deals"]
    assert deals.instant("closed_at").tolist() == deals.instant("created_at").tolist()
    assert list(counts(block(report, "deals").repaired).values()) == [1]


def test_rows_out_of_order_are_counted(tmp_path: Path) -> None:
    _, report = ingested(tmp_path, DEALS, deals=HEAD + OPEN + WON)
    assert block(report, "deals").out_of_order == 1


# --- outcomes, keys, references ----------------------------------------------------------------


def test_outcomes_unknown_without_a_time_or_times_without_an_outcome(tmp_path: Path) -> None:
    rows = WON + "D3,2023-01-01,2023-02-01,1,Paused\nD4,2023-01-01,,1,Lost\n"
    rows += "D5,2023-01-01,2023-02-01,1,Open\n"
    tables, report = ingested(tmp_path, DEALS, deals=HEAD + rows)
    told = block(report, "deals")
    assert counts(told.rejected) == {"unknown outcome": 1, "an outcome without closed_at": 1}
    assert told.unknown == {"outcome": {"Paused": 1}}
    assert counts(told.repaired) == {"closed_at: set without an outcome, missing": 1}
    assert tables["deals"].instant("closed_at")[1] == NAT


def test_keys_missing_repeated_and_contradicted(tmp_path: Path) -> None:
    rows = WON + WON + WON.replace(",10,", ",11,") + WON.replace("D1", " ")
    tables, report = ingested(tmp_path, DEALS, deals=HEAD + rows)
    assert tables["deals"].number("amount").tolist() == [11.0]
    told = block(report, "deals")
    assert counts(told.rejected) == {"no deal_id": 1}
    assert counts(told.collapsed) == {"same key, other values: the last read is kept": 2}
    _, report = ingested(tmp_path, DEALS, deals=HEAD + WON + WON)
    assert counts(block(report, "deals").collapsed) == {"identical rows": 1}


def test_of_rows_with_one_key_the_newest_may_be_kept(tmp_path: Path) -> None:
    mapping = DEALS.replace("[tables.deals]\n", '[tables.deals]\nnewest = "seen"\n')
    head = HEAD.replace("\n", ",seen\n")
    rows = WON.replace("\n", ",2023-03-01\n") + WON.replace(",10,", ",11,").replace(
        "\n", ",2023-02-01\n"
    )
    tables, report = ingested(tmp_path, mapping, deals=head + rows)
    assert tables["deals"].number("amount").tolist() == [10.0]
    assert "the newest is kept" in next(iter(block(report, "deals").collapsed))


LINES = """[tables.invoices]
from = "lines"
add_up = ["amount"]
[tables.invoices.columns]
invoice_id = "no"
account_id = "who"
issued_at = "at"
amount = { from = "quantity", times = "price" }
"""
ITEMS = st.lists(
    st.tuples(st.integers(0, 4), st.integers(-9, 9), st.integers(0, 999)), min_size=1, max_size=30
)


@MANY
@given(ITEMS)
def test_an_invoice_is_the_sum_of_its_lines(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[int, int, int]]
) -> None:
    """Quantity times price, added up by invoice in any order; every line is accounted for."""
    text = "no,who,at,quantity,price\n" + "".join(
        f"I{no},C,2023-01-0{no + 1},{quantity},{price / 4}\n" for no, quantity, price in items
    )
    tables, report = ingested(tmp_path_factory.mktemp("lines"), LINES, lines=text)
    want: dict[str, float] = {}
    for no, quantity, price in items:
        want[f"I{no}"] = want.get(f"I{no}", 0.0) + quantity * price / 4
    invoices = tables["invoices"]
    keys = [str(k) for k in invoices.coded("invoice_id").words()]
    assert dict(zip(keys, invoices.number("amount").tolist(), strict=True)) == want
    told = block(report, "invoices")
    assert told.balanced() and told.kept == len(want)
    assert sum(counts(told.collapsed).values()) == len(items) - len(want)


def test_a_line_without_a_price_adds_nothing_and_is_told(tmp_path: Path) -> None:
    """An invoice none of whose lines has an amount has none; one bad price is counted."""
    head = "no,who,at,quantity,price\n"
    rows = "I1,C,2023-01-01,2,3\nI1,C,2023-01-01,5,\nI2,C,2023-01-01,1,cheap\n"
    tables, report = ingested(tmp_path, LINES, lines=head + rows)
    invoices = tables["invoices"]
    assert invoices.number("amount")[0] == 6.0 and np.isnan(invoices.number("amount")[1])
    assert sum(counts(block(report, "invoices").repaired).values()) == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('add_up = ["amount"]', 'add_up = ["account_id"]', "add_up is for numbers"),
        ('account_id = "who"', 'account_id = { from = "who", times = "price" }', "for numbers"),
        ('times = "price"', 'times = "prize"', "nearest is 'price'"),
    ],
)
def test_what_cannot_be_added_or_multiplied_is_an_error(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    """The message says what is wrong, before a row is read."""
    with pytest.raises(MappingError, match=told):
        ingested(tmp_path, LINES.replace(old, new), lines="no,who,at,quantity,price\n")


def test_orphans_are_kept_and_counted_only_where_the_table_is_there(tmp_path: Path) -> None:
    mapping = DEALS.replace(
        'deal_id = "id"\n', 'deal_id = "id"\naccount_id = "id"\nowner_id = "id"\n'
    )
    mapping += '[tables.accounts]\n[tables.accounts.columns]\naccount_id = "id"\n'
    tables, report = ingested(tmp_path, mapping, deals=HEAD + WON + OPEN, accounts="id\nD1\n")
    assert tables["deals"].n == 2
    assert counts(report.tables["deals"].orphans) == {"account_id": 1}


def test_required_columns_reject_the_row(tmp_path: Path) -> None:
    mapping = DEALS.replace("[tables.deals]\n", '[tables.deals]\nrequire = ["amount"]\n')
    _, report = ingested(tmp_path, mapping, deals=HEAD + WON + OPEN.replace("20", "?"))
    assert counts(block(report, "deals").rejected) == {"no amount, which the mapping requires": 1}


def test_amounts_without_a_rate_are_pointed_out(tmp_path: Path) -> None:
    mapping = FLAT.replace('industry = "a"', 'currency = "a"') + (
        '[tables.fx_rates]\n[tables.fx_rates.columns]\ncurrency = "c"\nrate_at = "at"\nrate = "r"\n'
    )
    rows, rates = "id,a,n\n1,EUR,1\n2,JPY,2\n3,,3\n", "c,at,r\nEUR,2020-01-01,1.1\n"
    _, report = ingested(tmp_path, mapping, accounts=rows, fx_rates=rates)
    (lost,) = report.consequences
    assert lost.text == "1 of 3 accounts are in a currency without a rate in fx_rates (JPY)"


# --- the whole ---------------------------------------------------------------------------------


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["D1", "D2", "D3", "", "D4"]),
            st.sampled_from(["2023-01-01", "", "2024-05-01", "1200-01-01", "soon", "2023-06-01"]),
            st.sampled_from(["2023-02-01", "", "2023-01-01T09:00", "2030-01-01", "9999-12-31"]),
            st.sampled_from(["1", "x", "inf", "", '"1,5']),
            st.sampled_from(["Won", "Lost", "Open", "", "Paused", "won,extra"]),
        ),
        max_size=25,
    )
)
def test_every_row_of_any_export_is_accounted_for(tmp_path: Path, rows: list[tuple[str]]) -> None:
    text = HEAD + "".join(",".join(row) + "\n" for row in rows)
    tables, report = ingested(tmp_path, DEALS, deals=text)
    deals = tables["deals"]
    ids = deals.coded("deal_id").words()
    closed, born = deals.instant("closed_at"), deals.instant("created_at")
    assert len(set(ids)) == len(ids) == report.tables["deals"].rows
    assert None not in ids
    assert ((closed != NAT) == (deals.coded("outcome").codes >= 0)).all()
    assert (closed[(closed != NAT) & (born != NAT)] >= born[(closed != NAT) & (born != NAT)]).all()


def test_a_second_ingest_writes_the_same_bytes(tmp_path: Path) -> None:
    data, path = export(tmp_path, DEALS, deals=HEAD + WON + OPEN)
    for out in ("one", "two"):
        ingest(data, path, tmp_path / out)
    names = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert names == [
        "dataset.json",
        "deals.parquet",
        "ingest_report.json",
        "ingest_report.md",
        "mapping.toml",
    ]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_tables_of_an_earlier_ingest_do_not_stay(tmp_path: Path) -> None:
    ingested(tmp_path, FLAT, accounts="id,a,n\n1,x,1\n")
    tables, _ = ingested(tmp_path, DEALS, deals=HEAD + WON)
    assert list(tables) == ["deals"]


def test_the_report_is_plain_json_and_readable_text(tmp_path: Path) -> None:
    ingested(tmp_path, DEALS, deals=HEAD + WON + OPEN + "x\n", notes="a\n1\n")
    out = tmp_path / "out"
    state = json.loads((out / "ingest_report.json").read_text())
    assert state["blocks"][0]["read"] == 3 and state["blocks"][0]["kept"] == 2
    text = (out / "ingest_report.md").read_text()
    for part in ("| deals.csv | deals | 3 | 2 | 1 |", "stated by the mapping", "notes.csv"):
        assert part in text
    assert frame(tmp_path, "deals").dtypes.astype(str)["created_at"] == "datetime64[us, UTC]"


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, path = export(tmp_path, DEALS, deals=HEAD + WON + OPEN)
    given_ = ["--data", str(data / "deals.csv"), "--mapping", str(path), "--quiet"]
    assert main(["check", *given_]) == 0
    assert "# Ingest of deals.csv" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert main(["ingest", *given_, "--out", str(tmp_path / "out")]) == 0
    assert "deals.csv -> deals: 2 of 2 rows" in capsys.readouterr().out
    assert main(["check", "--data", str(data), "--mapping", "salesforce", "--quiet"]) == 2
    assert "error: none of the mapping's sources" in capsys.readouterr().err
