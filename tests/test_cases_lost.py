"""Consequences, not counts: what reading lost is judged by what it does, and goes with the data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.__main__ import main
from features.tables import Consequence, Tables
from serving.analytics.quality.lost import lost_row
from serving.i18n.languages import translations
from serving.i18n.lazy_text import translated
from tests.helpers.exports import DEALS, HEAD, export, ingested
from training.leaks import LeakError, audit, refuse
from training.task.dataset import question_of

DOCS = Path(__file__).parents[1] / "docs" / "mapping.md"
SOME = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def deal(i: int, stage: str, closed: bool = True, amount: str = "10") -> str:
    day = f"2023-{i % 12 + 1:02d}-{i % 27 + 1:02d}"
    return f"D{i},{day},{'2023-12-30' if closed and stage != 'Open' else ''},{amount},{stage}\n"


def deals(won: int, lost: int, undated: int) -> str:
    """``won`` and ``lost`` deals; the first ``undated`` of the lost ones have no closing date."""
    rows = [deal(i, "Won") for i in range(won)]
    rows += [deal(won + i, "Lost", closed=i >= undated) for i in range(lost)]
    return HEAD + "".join(rows) + deal(900, "Open")


def found(tables: Tables) -> dict[str, Consequence]:
    return {c.code: c for c in tables.meta.consequences}


def test_lost_deals_without_a_date_make_every_rate_wrong(tmp_path: Path) -> None:
    tables, report = ingested(tmp_path, DEALS, deals=deals(10, 20, 20))
    one = found(tables)["outcome_lost:deals.lost"]
    assert one.wrong and (one.rows, one.of) == (20, 20)
    assert one.text == "all 20 lost deals are rejected (an outcome without closed_at)"
    assert "of what is left 0% are lost, of all that was read 67%" in one.effect
    assert report.consequences == tables.meta.consequences
    assert "## What was lost, and what it does" in report.markdown()
    assert tables.meta.consequences_of(["deals.outcome"])[0] == one


def test_the_terminal_says_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, mapping = export(tmp_path, DEALS, deals=deals(10, 20, 20))
    arguments = ["--data", str(data), "--mapping", str(mapping), "--out", str(tmp_path / "out")]
    assert main(["ingest", *arguments, "--quiet"]) == 0
    assert "wrong: all 20 lost deals are rejected" in capsys.readouterr().out


def test_nothing_is_trained_on_it_unless_it_is_accepted_by_name(tmp_path: Path) -> None:
    tables, _ = ingested(tmp_path, DEALS, deals=deals(30, 60, 60))
    findings = audit(tables, question_of("deal_close", tables))
    with pytest.raises(LeakError, match="All 60 lost deals are rejected"):
        refuse(findings, tables.meta.acknowledged)
    refuse(findings, ["outcome_lost:deals.lost"])
    accepted = DEALS.replace("[export]", '[export]\nacknowledged = ["outcome_lost:deals.lost"]')
    again, _ = ingested(tmp_path, accepted, deals=deals(30, 60, 60))
    assert not any(c.wrong for c in again.meta.consequences_of(["deals.outcome"]))


@SOME
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_it_is_wrong_just_where_the_rate_changes_by_a_tenth(
    tmp_path: Path, won: int, lost: int, data: st.DataObject
) -> None:
    undated = data.draw(st.integers(0, lost))
    tables, _ = ingested(tmp_path, DEALS, deals=deals(won, lost, undated))
    read, left = lost / (won + lost), (lost - undated) / (won + lost - undated)
    tilted = undated >= 3 and undated / lost >= 0.2 and abs(left - read) >= 0.1 * read - 1e-12
    assert ("outcome_lost:deals.lost" in found(tables)) == tilted


@SOME
@given(st.lists(st.sampled_from(["Won", "Lost", "Open"]), min_size=40, max_size=60))
def test_a_loss_that_is_like_the_rest_is_no_wrong_rate(tmp_path: Path, stages: list[str]) -> None:
    """Every tenth row is broken, whatever its outcome is: counted, and nothing is called wrong."""
    rows = [deal(i, s) if i % 10 else "broken\n" for i, s in enumerate(stages)]
    tables, _ = ingested(tmp_path, DEALS, deals=HEAD + "".join(rows))
    assert not any(c.wrong for c in tables.meta.consequences)


INVOICES = """
[export]
as_of = "2024-01-01"
currency = "EUR"
[tables.invoices]
from = "invoices"
columns = { invoice_id = "id", account_id = "acc", issued_at = "at", amount = "amount" }
"""


def invoices(*amounts: str) -> str:
    rows = (f"I{i},A{i % 3},2023-0{i % 8 + 1}-05,{a}\n" for i, a in enumerate(amounts))
    return "id,acc,at,amount\n" + "".join(rows)


def test_unreadable_values_that_are_all_negative_make_sums_wrong(tmp_path: Path) -> None:
    rows = invoices("100", "100", "x -70 y", "(1250.5 less", "2000")
    tables, _ = ingested(tmp_path, INVOICES, invoices=rows)
    one = found(tables)["unreadable:invoices.amount"]
    assert one.wrong and one.rows == 2 and "all of these are negative" in one.text


def test_unreadable_values_of_both_signs_are_a_warning_from_a_fifth_on(tmp_path: Path) -> None:
    tables, _ = ingested(tmp_path, INVOICES, invoices=invoices("1", "2", "many", "few"))
    assert not found(tables)["unreadable:invoices.amount"].wrong
    tables, _ = ingested(tmp_path, INVOICES, invoices=invoices(*["1"] * 9, "many"))
    assert "unreadable:invoices.amount" not in found(tables)


def test_rounded_ids_fold_records_into_one(tmp_path: Path) -> None:
    rows = HEAD + "".join(deal(i, "Won").replace(f"D{i},", "1.23457E+11,") for i in range(9))
    tables, _ = ingested(tmp_path, DEALS, deals=rows)
    one = found(tables)["folded:deals"]
    assert one.wrong and one.rows == 8 and "scientific notation (1.23457E+11)" in one.text


def test_a_file_of_which_nothing_is_read_is_named(tmp_path: Path) -> None:
    tables, _ = ingested(tmp_path, DEALS, deals=HEAD + "D1,2023-01-01\n" * 6)
    one = found(tables)["rows_lost:deals.csv"]
    assert one.wrong and one.text.startswith("all 6 rows of deals.csv are rejected (not as many")


def test_rejected_rows_say_how_much_money_goes_with_them(tmp_path: Path) -> None:
    rows = invoices("100", "50", "5", "600").replace("I1,", ",").replace("I2,", ",")
    lost = 'require = ["invoice_id"]\nfrom = "invoices"'
    tables, _ = ingested(tmp_path, INVOICES.replace('from = "invoices"', lost), invoices=rows)
    assert "amounts of 55.00 of 755.00 are lost" in found(tables)["rows_lost:invoices.csv"].effect


ACCOUNTS = """
[tables.accounts]
from = "accounts"
columns = { account_id = "id" }
"""


def test_references_that_all_point_nowhere_and_a_word_for_none(tmp_path: Path) -> None:
    mapping, accounts = INVOICES + ACCOUNTS, "id\n71\n72\n"
    rows = invoices("1", "2", "3", "4").replace("A", "C-71.")
    tables, _ = ingested(tmp_path, mapping, invoices=rows, accounts=accounts)
    one = found(tables)["unlinked:invoices.account_id"]
    assert one.rows == one.of == 4 and "are the ids written alike?" in one.effect
    rows = "id,acc,at,amount\n" + "".join(f"I{i},71,2023-01-01,5\n" for i in range(20))
    rows += "".join(f"X{i},nobody,2023-01-01,5\n" for i in range(2))
    tables, _ = ingested(tmp_path, mapping, invoices=rows, accounts=accounts)
    one = found(tables)["unlinked:invoices.account_id"]
    assert one.rows == 2 and "all of them to 'nobody'" in one.text


def test_a_currency_without_a_rate_is_named_with_what_is_left_out(tmp_path: Path) -> None:
    mapping = DEALS.replace('amount = "amount"', 'amount = "amount"\ncurrency = "cur"')
    mapping = mapping.replace("[export]", '[export]\ncurrency = "EUR"')
    head = HEAD.replace("stage", "stage,cur")
    rows = [deal(i, "Won").strip() + f",{c}\n" for i, c in enumerate(["EUR", "GBP", "EUR"])]
    tables, _ = ingested(tmp_path, mapping, deals=head + "".join(rows))
    one = found(tables)["no_rate:deals"]
    assert one.rows == 1 and one.effect == "their amounts are in no sum: 10.00 GBP are left out"
    assert one.touches("deals.amount")


def test_a_month_that_is_lost_whole_is_named(tmp_path: Path) -> None:
    rows = "".join(f"M{i},2023-05-{i + 1:02d},2023-04-01,10,Won\n" for i in range(8))
    rest = "".join(deal(i, "Won") for i in range(40) if i % 12 != 4)
    tables, _ = ingested(tmp_path, DEALS, deals=HEAD + rows + rest)
    assert "all 8 deals of 2023-05 are rejected" in found(tables)["period_lost:deals"].text


def test_open_deals_with_a_closing_date_are_said(tmp_path: Path) -> None:
    rows = HEAD + deal(1, "Won") + "D2,2023-02-01,2023-03-01,10,Open\n" + deal(3, "Open")
    tables, _ = ingested(tmp_path, DEALS, deals=rows)
    assert found(tables)["open_with_close_date:deals"].text == (
        "1 of 2 open deals carry a closing date"
    )


@pytest.mark.parametrize("lang", ["es", "it"])
def test_every_finding_is_said_in_the_languages_of_the_pages(lang: str) -> None:
    table = re.findall(r"^\| (`\w+:.*?) \|", DOCS.read_text(), re.MULTILINE)
    codes = [code for row in table for code in re.findall(r"`(\w+:[^`]+)`", row)]
    assert len(codes) >= 14
    for code in codes:
        row = lost_row(Consequence(code, ("deals.amount",), 7, 19, "said", "does"))
        for part in ("says", "does"):
            text = translated(row[part], lang, translations(lang).gettext)
            assert text and text != translated(row[part], "en", str)
            assert "{" not in text
    one = lost_row(Consequence("outcome_lost:deals.lost", (), 7, 19, "", ""))
    said = translated(one["says"], lang, translations(lang).gettext)
    assert "7" in said and "19" in said
