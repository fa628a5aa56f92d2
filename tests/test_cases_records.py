"""One thing, one record: further lines, lists, merges, placeholders, joins that take the newest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.ingest.strict import MappingError
from features.tables import Tables, instant_text
from tests.helpers.exports import block, ingested

FEW = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
EXPORT = '[export]\nas_of = "2025-07-01"\ncurrency = "EUR"\n'
CLOSES = (
    EXPORT
    + """
[tables.deals]
from = "opportunities"
join = [{{ from = "closes", on = {{ id = "deal" }}, prefix = "close"{more} }}]
[tables.deals.columns]
deal_id = "id"
created_at = "made"
closed_at = "close.at"
outcome = {{ from = "state", values = {{ Won = "won", Lost = "lost", Open = "" }} }}
"""
)
DEALS = (
    "id,made,state\nO1,2025-01-05T10:00Z,Won\n"
    "O2,2025-01-06T10:00Z,Lost\nO3,2025-01-07T10:00Z,Open\n"
)
RECORDS = [
    ("O1", "2025-05-20T10:00:00Z", "Won"),
    ("O1", "2025-02-10T10:00:00Z", "Lost"),
    ("O2", "2025-04-01T10:00:00Z", "Lost"),
    ("O2", "2025-02-01T10:00:00Z", "Won"),
    ("O3", "2025-03-01T10:00:00Z", "Lost"),
]


def closed(tables: Tables) -> list[str]:
    """The days the deals were closed on, "" where open."""
    at = tables["deals"].instant("closed_at").tolist()
    return ["" if t < 0 else instant_text(t)[:10] for t in at]


@FEW
@given(st.permutations(RECORDS), st.booleans())
def test_a_join_takes_the_newest_in_whatever_order_it_stands(
    tmp_path: Path, records: list[tuple[str, str, str]], stated: bool
) -> None:
    """Closed, set back, closed again: the one date that is read from the joined file orders it."""
    closes = "deal,at,state\n" + "".join(",".join(r) + "\n" for r in records)
    mapping = CLOSES.format(more=', newest = "at"' if stated else "")
    tables, report = ingested(tmp_path, mapping, opportunities=DEALS, closes=closes)
    assert closed(tables) == ["2025-05-20", "2025-04-01", ""]
    assert tables["deals"].coded("outcome").words() == ["won", "lost", None]
    assert block(report, "deals").joins["close"]["repeated keys (the newest is taken)"] == 2


def test_the_newest_may_be_a_number_and_must_be_there(tmp_path: Path) -> None:
    mapping = EXPORT + (
        '[tables.accounts]\njoin = [{ from = "sizes", on = { id = "id" }, newest = "version" }]\n'
        '[tables.accounts.columns]\naccount_id = "id"\nemployees = "sizes.people"\n'
    )
    sizes = "id,version,people\nA,10,100\nA,9,90\nA,,5\n"
    made = "2025-01-01"
    accounts = f"id,made\nA,{made}\n"
    mapping += 'created_at = "made"\n'
    tables, _ = ingested(tmp_path, mapping, accounts=accounts, sizes=sizes)
    assert tables["accounts"].number("employees").tolist() == [100.0]
    with pytest.raises(MappingError, match=r"join newest.*no column 'revision'"):
        ingested(tmp_path, mapping.replace("version", "revision"), accounts=accounts, sizes=sizes)


LINES = (
    EXPORT
    + """
[tables.invoices]
from = "orders"
{more}
[tables.invoices.columns]
invoice_id = "id"
account_id = "partner"
issued_at = "date"
amount = "lines/subtotal"
"""
)
ORDERS = (
    "id,partner,date,lines/product,lines/subtotal\n"
    "SO1,A1,2025-01-05 10:00:00,Basic,100\n,,,Support,50\n,,,Setup,25\n"
    "SO2,A2,2025-02-05 10:00:00,Pro,400\n,,,Support,80\nSO3,A1,2025-03-05 10:00:00,Basic,100\n"
)


@pytest.mark.parametrize(
    "more", ['add_up = ["amount"]', 'add_up = ["amount"]\nfill_down = ["id", "partner", "date"]']
)
def test_lines_that_leave_their_orders_cells_empty_belong_to_the_order_above(
    tmp_path: Path, more: str
) -> None:
    tables, report = ingested(tmp_path, LINES.format(more=more), orders=ORDERS)
    assert tables["invoices"].number("amount").tolist() == [175.0, 480.0, 100.0]
    assert tables["invoices"].coded("account_id").words() == ["A1", "A2", "A1"]
    told = block(report, "invoices")
    assert (told.read, told.kept) == (6, 3) and not told.rejected
    assert sum(t.n for t in told.repaired.values()) == 3 and not report.consequences


def test_a_line_that_nothing_says_goes_on_is_rejected_and_said(tmp_path: Path) -> None:
    """Without `add_up` an empty id may be anything."""
    tables, report = ingested(tmp_path, LINES.format(more=""), orders=ORDERS)
    assert tables["invoices"].n == 3
    assert [f.code for f in report.consequences] == ["rows_lost:orders.csv"]


@FEW
@given(st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=4), min_size=1, max_size=6))
def test_sums_over_lines_are_those_of_the_orders(tmp_path: Path, orders: list[list[int]]) -> None:
    rows = [
        f"SO{i},A1,2025-01-05 10:00:00,x,{amount}" if not j else f",,,x,{amount}"
        for i, lines in enumerate(orders)
        for j, amount in enumerate(lines)
    ]
    text = "\n".join([ORDERS.splitlines()[0], *rows]) + "\n"
    tables, _ = ingested(tmp_path, LINES.format(more='add_up = ["amount"]'), orders=text)
    assert tables["invoices"].number("amount").tolist() == [float(sum(o)) for o in orders]


def test_merged_cells_of_a_sheet_repeat_the_row_above(tmp_path: Path) -> None:
    mapping = EXPORT + (
        '[tables.accounts]\nfill_down = ["Region"]\n'
        '[tables.accounts.columns]\naccount_id = "id"\nregion = "Region"\ncreated_at = "made"\n'
    )
    accounts = "Region,id,made\nNord,1,2025-01-01\n,2,2025-01-01\nSüd,3,2025-01-01\n,4,2025-01-01\n"
    tables, _ = ingested(tmp_path, mapping, accounts=accounts)
    assert tables["accounts"].coded("region").words() == ["Nord", "Nord", "Süd", "Süd"]


CALLS = EXPORT + (
    '[tables.deals]\ncolumns = { deal_id = "id", created_at = "made" }\n'
    '[tables.activities]\nfrom = "calls"\neach = "deals"\n'
    '[tables.activities.columns]\nactivity_id = "call"\ndeal_id = "deals"\n'
    'occurred_at = "at"\nkind = { const = "call" }\n'
)


@FEW
@given(st.lists(st.lists(st.sampled_from("123"), max_size=3, unique=True), min_size=1, max_size=5))
def test_every_value_of_a_list_in_a_cell_is_a_row(tmp_path: Path, calls: list[list[str]]) -> None:
    """A call with three deals is a call at each of them, under a key of its own."""
    deals = "id,made\n" + "".join(f"{i},2025-01-01T00:00Z\n" for i in "123")
    rows = [f"c{i},{'; '.join(ids)},2025-02-01T10:00Z" for i, ids in enumerate(calls)]
    text = "call,deals,at\n" + "\n".join(rows) + "\n"
    tables, report = ingested(tmp_path, CALLS, deals=deals, calls=text)
    wanted = [i for ids in calls for i in (ids or (None,))]
    assert tables["activities"].coded("deal_id").words() == wanted
    keys = tables["activities"].coded("activity_id").words()
    assert len(set(keys)) == len(keys) == block(report, "activities").read
    assert block(report, "activities").listed == len(wanted) - len(calls)


def test_of_several_ids_in_a_cell_the_first_is_meant(tmp_path: Path) -> None:
    """Companies are there and tell; contacts are not, and the cell itself does."""
    companies = "Record ID,Company name,Create Date\n71,a,2024-01-01 10:00\n72,b,2024-01-02 10:00\n"
    deals = (
        "Record ID,Deal Stage,Create Date,Close Date,"
        "Associated Company IDs,Associated Contact IDs\n"
        "1001,Closed won,2025-01-15 10:30,2025-03-14 09:00,71;72,81;82\n"
        "1002,Closed lost,2025-01-16 10:30,2025-03-15 09:00,72,82\n"
    )
    mapping = 'extends = "hubspot"\n' + EXPORT
    tables, report = ingested(tmp_path, mapping, companies=companies, deals=deals)
    assert tables["deals"].coded("account_id").words() == ["71", "72"]
    assert tables["deals"].coded("contact_id").words() == ["81", "82"]
    assert not report.tables["deals"].orphans


MERGED = EXPORT + (
    '[tables.accounts]\nmerged = [{ from = "merges", gone = "loser", into = "winner" }]\n'
    'columns = { account_id = "id", created_at = "made" }\n'
    '[tables.deals]\ncolumns = { deal_id = "id", account_id = "company", created_at = "made" }\n'
)


def merged(folder: Path, pairs: list[tuple[str, str]], held: str) -> tuple[Tables, int]:
    """Deals at the companies 0 to 5, of which ``held`` are there, and the rows left out."""
    at = "2025-01-01T00:00Z"
    files = {
        "accounts": "id,made\n" + "".join(f"{i},{at}\n" for i in held),
        "deals": "id,company,made\n" + "".join(f"d{i},{i}.0,{at}\n" for i in "012345"),
        "merges": "loser,winner\n" + "".join(f"{a},{b}\n" for a, b in pairs),
    }
    tables, report = ingested(folder, MERGED, **files)
    gone = block(report, "accounts").left_out.get("merged into another record")
    return tables, gone.n if gone else 0


def test_deals_of_a_company_that_was_merged_are_the_survivors(tmp_path: Path) -> None:
    """1 went into 2 and 2 into 3; 4 went into 5, of which the export knows nothing."""
    tables, gone = merged(tmp_path, [("1", "2"), ("2", "3"), ("4", "5")], "01234")
    assert tables["deals"].coded("account_id").words() == ["0", "3", "3", "3", "4", "5.0"]
    assert tables["accounts"].coded("account_id").words() == ["0", "3", "4"] and gone == 2


@FEW
@given(st.dictionaries(st.sampled_from("012345"), st.sampled_from("012345"), max_size=6))
def test_any_merges_end_at_a_record_that_was_not_merged_and_lose_no_deal(
    tmp_path: Path, into: dict[str, str]
) -> None:
    """But a circle, of records merged into each other, tells nothing and is left as it is."""
    pairs = {a: b for a, b in into.items() if a != b}
    tables, gone = merged(tmp_path, list(pairs.items()), "012345")
    ends = {start: _end(start, pairs) for start in "012345"}
    assert tables["deals"].coded("account_id").words() == list(ends.values())
    assert tables["accounts"].coded("account_id").words() == [i for i in ends if ends[i] == i]
    assert gone == sum(i != end for i, end in ends.items())


def _end(start: str, pairs: dict[str, str]) -> str:
    at = start
    for _ in range(len(pairs) + 1):
        if at not in pairs:
            return at
        at = pairs[at]
    return start


def test_survivors_name_those_they_took_in_and_gone_ones_their_master(tmp_path: Path) -> None:
    """HubSpot keeps a list on the survivor, Salesforce the master's id on the deleted record."""
    contacts = (
        "id,property_createdate,property_hs_merged_object_ids\n"
        "1,2025-01-01 10:00:00,7;8\n2,2025-01-02 10:00:00,\n8,2025-01-03 10:00:00,\n"
    )
    tables, _ = ingested(tmp_path, 'extends = "hubspot"\n' + EXPORT, contact_data=contacts)
    assert tables["leads"].coded("lead_id").words() == ["1", "2"]
    accounts = (
        "Id,CreatedDate,Name,MasterRecordId,IsDeleted\n"
        "001A,2025-01-01T10:00:00Z,a,,false\n001B,2025-01-01T10:00:00Z,b,001A,true\n"
    )
    deals = (
        "Id,AccountId,CreatedDate,StageName,IsClosed,IsWon\n"
        "006A,001B,2025-01-01T10:00:00Z,x,false,false\n"
    )
    folder = tmp_path / "sf"
    folder.mkdir()
    mapping = 'extends = "salesforce"\n' + EXPORT
    tables, _ = ingested(folder, mapping, Account=accounts, Opportunity=deals)
    assert tables["deals"].coded("account_id").words() == ["001A"]


PLACEHOLDERS = EXPORT + (
    '[tables.deals]\n[tables.deals.columns]\ndeal_id = "id"\ncreated_at = "made"\n'
    'closed_at = [{ from = "won" }, { from = "lost" }]\namount = "amount"\nregion = "region"\n'
    'outcome = { from = "state", values = { won = "won", lost = "lost", open = "" } }\n'
)


def test_zero_dates_and_words_for_none_are_missing_and_no_fault(tmp_path: Path) -> None:
    rows = (
        "id,made,won,lost,amount,region,state\n"
        "1,2025-01-03 10:00:00,2025-02-01 09:00:00,0000-00-00 00:00:00,1767.34,Nord,won\n"
        "2,2025-01-10 10:00:00,0000-00-00 00:00:00,2025-03-01 12:00:00,N/A,False,lost\n"
        "3,2025-02-01 10:00:00,0000-00-00,False,500,N/A,open\n"
        "4,2025-02-02 10:00:00,,-,600,,open\n"
    )
    tables, report = ingested(tmp_path, PLACEHOLDERS, deals=rows)
    assert closed(tables) == ["2025-02-01", "2025-03-01", "", ""]
    assert tables["deals"].coded("region").words() == ["Nord", None, None, None]
    assert np.isnan(tables["deals"].number("amount")).tolist() == [False, True, False, False]
    assert not report.consequences


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        (["True", "False"], ["True", "False"]),
        (["Nord", "False"], ["Nord", None]),
        (["False", "False"], ["False", "False"]),
        (["None", "NA"], ["None", "NA"]),
        (["null", "#N/A"], [None, None]),
    ],
)
def test_a_word_is_none_only_where_the_column_shows_it(
    tmp_path: Path, held: list[str], kept: list[str | None]
) -> None:
    """`missing = []` makes every word a value."""
    mapping = EXPORT + '[tables.accounts]\n[tables.accounts.columns]\naccount_id = "id"\n'
    rows = "id,region\n" + "".join(f"{i},{word}\n" for i, word in enumerate(held))
    made, _ = ingested(tmp_path, mapping + 'region = "region"\n', accounts=rows)
    assert made["accounts"].coded("region").words() == kept
    stated = mapping + 'region = { from = "region", missing = [] }\n'
    assert ingested(tmp_path, stated, accounts=rows)[0]["accounts"].coded("region").words() == held


def test_customers_called_false_are_nobody(tmp_path: Path) -> None:
    """Odoo writes an empty relation as False: deals of no company are not of one company."""
    mapping = EXPORT + (
        '[tables.accounts]\ncolumns = { account_id = "id", created_at = "made" }\n'
        '[tables.deals]\ncolumns = { deal_id = "id", account_id = "partner", '
        'created_at = "made" }\n'
    )
    at = "2025-01-01T00:00Z"
    partners = "".join(f"L{i},{p},{at}\n" for i, p in enumerate(("P1", "False", "False", "P2")))
    tables, report = ingested(
        tmp_path,
        mapping,
        accounts=f"id,made\nP1,{at}\nP2,{at}\n",
        deals="id,partner,made\n" + partners,
    )
    assert tables["deals"].coded("account_id").words() == ["P1", None, None, "P2"]
    assert not report.tables["deals"].orphans
