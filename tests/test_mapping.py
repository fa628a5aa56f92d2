"""The mapping language: what it says, and that what is wrong in it is named exactly."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.ingest.mapping import load, presets
from features.ingest.strict import MappingError
from features.sources.words import SourceError
from tests.helpers.exports import DEALS, HEAD, ROOT, block, counts, frame, ingested

ROW = "D1,2023-01-01,2023-02-01,10,Won\n"


def refused(folder: Path, mapping: str, **files: str) -> str:
    with pytest.raises((MappingError, SourceError)) as caught:
        ingested(folder, mapping, **(files or {"deals": HEAD + ROW}))
    return str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        ("as_off =", "as_of =", "'as_of'"),
        ("[tables.deal]", "[tables.deals]", "'deals'"),
        ('clossed_at = "closed"', 'closed_at = "closed"', "'closed_at'"),
        ("fro = ", "from = ", "'from'"),
        ("valus = ", "values = ", "'values'"),
    ],
)
def test_an_unknown_word_is_answered_with_the_nearest_known(
    tmp_path: Path, wrong: str, right: str, told: str
) -> None:
    message = refused(tmp_path, DEALS.replace(right, wrong))
    assert wrong.strip("[]=").split(".")[-1].split()[0] in message and told in message


def test_an_absent_column_is_named_with_the_nearest_and_all_that_there_are(tmp_path: Path) -> None:
    message = refused(tmp_path, DEALS.replace('"amount"', '"ammount"'))
    for part in ("[tables.deals] amount", "deals.csv", "'ammount'", "'amount'", "id, created"):
        assert part in message


def test_an_absent_file_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    other = '\n[tables.owners]\nfrom = "owner.csv"\n[tables.owners.columns]\nowner_id = "id"\n'
    message = refused(tmp_path, DEALS + other, deals=HEAD + ROW, owners="id\n1\n")
    assert "'owner.csv'" in message and "'owners.csv'" in message


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        (DEALS.replace('"2024-01-01"', '"last year"'), "as_of"),
        (DEALS.replace("[tables.deals]\n", '[tables.deals]\nrequire = ["stage"]\n'), "require"),
        (DEALS.replace('closed_at = "closed"\n', ""), "closed_at is not"),
        (DEALS.replace('deal_id = "id"\n', ""), "deal_id is not mapped"),
        (DEALS + "[questions.deal_closing]\nhorizon = 90\n", "deal_close"),
        (DEALS + '[fixed]\ndeals = ["stag"]\n', "stage"),
        (DEALS.replace('"amount"\n', '{ from = "amount", const = "1" }\n'), "exactly one of"),
        (DEALS.replace('"created"\n', '{ from = "created", format = "ddmmyy" }\n'), "date format"),
        (DEALS.replace('"created"\n', '{ from = "created", zone = "Europe/Berln" }\n'), "Berlin"),
        (DEALS + '[tables.deals.custom]\nx = { from = "id", kind = "int" }\n', "no kind 'int'"),
        (DEALS + '[tables.deals.custom]\nstage = { from = "id", kind = "text" }\n', "canonical"),
        (DEALS.replace("[export]\n", '[export]\nencoding = "latin-99"\n'), "latin-99"),
        (DEALS.replace("[export]\n", '[export]\ndates = ["dd.mm.yy"]\n'), "date format"),
        (DEALS.replace("[export]\n", '[export]\ndelimiter = "::"\n'), "one character"),
        ("[export]\n", "name at least one"),
        ("nothing", "not TOML"),
        ('extends = "sales_force"\n' + DEALS, "salesforce"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(tmp_path: Path, mapping: str, told: str) -> None:
    assert told in refused(tmp_path, mapping)


def test_an_unknown_preset_names_the_presets() -> None:
    with pytest.raises(MappingError, match="hubspot, pipedrive, salesforce"):
        load("sugar")


@pytest.mark.parametrize("name", presets())
def test_presets_are_valid(name: str) -> None:
    assert load(name).name == name


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/*/mapping.toml")), ids=str)
def test_example_mappings_are_valid_and_say_what_they_cannot_answer(path: Path) -> None:
    assert load(path).name == path.parent.name
    head = path.read_text(encoding="utf-8").split("\n\n")[0].replace("\n# ", " ")
    assert head.startswith("#") and "Answers:" in head and "Cannot answer:" in head


def test_an_extension_overrides_column_by_column(tmp_path: Path) -> None:
    base = DEALS + '[tables.deals.custom]\nnote = { from = "stage", kind = "text" }\n'
    own = """
extends = "base.toml"
[export]
currency = "EUR"
[tables.deals.columns]
amount = { from = "amount", scale = 1000 }
created_at = false
closed_at = false
[tables.deals.custom]
note = false
"""
    (tmp_path / "base.toml").write_text(base, encoding="utf-8")
    tables, report = ingested(tmp_path, own, deals=HEAD + ROW)
    assert tables["deals"].number("amount").tolist() == [10_000.0]
    assert set(tables["deals"].columns) == {"deal_id", "amount", "outcome"}
    assert (tables.meta.currency, tables.meta.as_of) == ("EUR", "")
    assert any("flat" in notice for notice in report.notices)
    # both files lie beside the data, so that the data set says how it was made
    assert (tmp_path / "out" / "mapping.toml").read_text() == own
    assert (tmp_path / "out" / "base.toml").read_text() == base


def test_a_preset_is_lenient_and_its_extension_is_not(tmp_path: Path) -> None:
    own = 'extends = "salesforce"\n[tables.deals.custom]\nregion_c = '
    row = "Id,StageName,IsClosed,IsWon,CreatedDate,CloseDate,Region__c\n"
    row += "1,X,true,true,2020-01-01,2020-02-01,N\n"
    right = own + '{ from = "Region__c", kind = "category", fixed = true }\n'
    tables, _ = ingested(tmp_path, right, Opportunity=row)
    assert tables["deals"].coded("region_c").words() == ["N"]
    assert tables["deals"].coded("outcome").words() == ["won"]
    wrong = own + '{ from = "Region_c", kind = "category" }\n'
    assert "'Region__c'" in refused(tmp_path, wrong, Opportunity=row)


def test_missing_words_and_words_that_only_look_missing(tmp_path: Path) -> None:
    mapping = """
[export]
missing = ["Select", "nan"]
[tables.accounts.columns]
account_id = "id"
industry = "a"
country = { from = "a", missing = [] }
"""
    tables, _ = ingested(tmp_path, mapping, accounts="id,a\n1,select\n2,None\n3, \n4,NaN\n5,NA\n")
    accounts = tables["accounts"]
    assert accounts.coded("industry").words() == [None, "None", None, None, "NA"]
    assert accounts.coded("country").words() == ["select", "None", None, "NaN", "NA"]


def test_value_maps_patterns_defaults_and_unknown_words(tmp_path: Path) -> None:
    mapping = """
[tables.activities]
from = "touches.csv"
[tables.activities.columns]
kind = { from = "what", values = { "e-mail*" = "email", Phone = "call" } }
direction = { from = "way", values = { in = "inbound", out = "outbound" }, default = "" }
outcome = { from = "what", values = { phone = "rang" } }
occurred_at = "at"
"""
    rows = "what,way,at\nE-mail 3,IN,2020-01-01\nphone,out,2020-01-02\nfax,sideways,2020-01-03\n"
    tables, report = ingested(tmp_path, mapping, touches=rows)
    activities = tables["activities"]
    assert activities.coded("kind").words() == ["email", "call", "other"]
    assert activities.coded("direction").words() == ["inbound", "outbound", None]
    assert activities.coded("outcome").words() == ["E-mail 3", "rang", "fax"]
    assert activities.coded("activity_id").words() == [f"activities.touches-{i}" for i in (1, 2, 3)]
    unknown = block(report, "activities").unknown
    assert unknown == {"kind": {"fax": 1}, "direction": {"sideways": 1}}


def test_two_columns_may_tell_one_thing_and_the_first_with_a_value_counts(tmp_path: Path) -> None:
    mapping = """
[export]
as_of = "2021-01-01"
[tables.deals.columns]
deal_id = { together = ["region", "no"] }
created_at = "made"
lead_id = { from = "who", starts = "00Q" }
contact_id = { from = "who", starts = "003" }
closed_at = [
    { from = "day", when = { closed = "true" } },
    { from = "seen", when = { closed = ["true"] } },
]
[tables.deals.columns.outcome]
together = ["closed", "won"]
values = { "true/true" = "won", "true/*" = "lost", "false/*" = "" }
"""
    rows = (
        "region,no,made,closed,won,day,seen,who\n"
        "N,1,2020-01-01,TRUE,true,2020-02-01,2020-03-01,00Q1\n"
        "N,2,2020-01-01,true,false,,2020-03-01,0031\n"
        "S,1,2020-01-01,false,,2020-09-01,2020-03-01,\n"
    )
    ingested(tmp_path, mapping, deals=rows)
    deals = frame(tmp_path, "deals")
    assert deals.deal_id.tolist() == ["N/1", "N/2", "S/1"]
    assert deals.outcome.fillna("").tolist() == ["won", "lost", ""]
    assert deals.closed_at.dt.month.fillna(0).tolist() == [2, 3, 0]
    assert deals.lead_id.fillna("").tolist() == ["00Q1", "", ""]
    assert deals.contact_id.fillna("").tolist() == ["", "0031", ""]


def test_a_filter_is_counted_as_left_out(tmp_path: Path) -> None:
    mapping = DEALS.replace(
        "[tables.deals]\n", '[tables.deals]\nwhere = [{ from = "stage", not = ["lost"] }]\n'
    )
    rows = ROW + ROW.replace("D1", "D2").replace("Won", "Lost")
    _, report = ingested(tmp_path, mapping, deals=HEAD + rows)
    assert counts(block(report, "deals").left_out) == {"by the mapping's where: stage": 1}


def test_several_sources_feed_one_table_and_one_source_several(tmp_path: Path) -> None:
    mapping = """
[tables.accounts]
from = "people.csv"
[tables.accounts.columns]
account_id = "firm"
[tables.contacts]
from = "people.csv"
[tables.contacts.columns]
contact_id = "id"
account_id = "firm"
[tables.calls]
to = "activities"
from = "calls_*"
[tables.calls.columns]
contact_id = "who"
kind = { const = "call" }
occurred_at = "at"
[tables.mails]
to = "activities"
[tables.mails.columns]
contact_id = "who"
kind = { const = "email" }
direction = "way"
occurred_at = "at"
"""
    tables, report = ingested(
        tmp_path,
        mapping,
        people="id,firm\n1,A\n2,A\n3,B\n",
        calls_2019="who,at\n1,2019-05-01\n",
        calls_2020="at,who\n2020-05-01,2\n",
        mails="who,at,way\n9,2020-06-01,inbound\n",
    )
    assert tables["accounts"].coded("account_id").words() == ["A", "B"]
    assert counts(block(report, "accounts").collapsed) == {"identical rows": 1}
    activities = tables["activities"]
    assert activities.coded("contact_id").words() == ["1", "2", "9"]
    assert activities.coded("kind").words() == ["call", "call", "email"]
    assert activities.coded("direction").words() == [None, None, "inbound"]
    assert activities.coded("activity_id").words() == [
        "calls.calls_2019-1",
        "calls.calls_2020-1",
        "mails-1",
    ]
    assert report.tables["activities"].orphans["contact_id"].n == 1
    assert tables.meta.as_of == "2020-06-02T00:00:00Z"


def test_a_join_keeps_every_row_and_says_how_it_went(tmp_path: Path) -> None:
    mapping = DEALS.replace(
        "[tables.deals]\n",
        '[tables.deals]\njoin = [{ from = "list", on = { amount = "price" }, prefix = "p" }]\n',
    )
    mapping += '[tables.deals.custom]\nsort = { from = "p.sort", kind = "category" }\n'
    rows = ROW + ROW.replace("D1", "D2").replace(",10,", ",11,")
    tables, report = ingested(
        tmp_path, mapping, deals=HEAD + rows, list="price,sort\n10,old\n10,new\n12,other\n"
    )
    assert tables["deals"].coded("sort").words() == ["new", None]
    assert list(block(report, "deals").joins["p"].values()) == [1, 1, 1]


WIDE = """
[export]
as_of = "2024-01-01"
[tables.deals.columns]
deal_id = "id"
created_at = "made"
[tables.history]
to = "changes"
of = "deals"
[tables.history.columns]
entity_id = "deal"
changed_at = "at"
[tables.history.fields]
stage = { from = "stage", values = { "1" = "First" } }
amount = { from = "amount", scale = 1000 }
expected_close_at = { from = "close", format = "%d.%m.%y" }
"""


def test_a_wide_history_becomes_changes_and_repetitions_are_left_out(tmp_path: Path) -> None:
    rows = (
        "deal,at,stage,amount,close\n"
        "1,2020-03-01,Second,5,03.04.20\n"
        "1,2020-01-01,1,,03.04.20\n"
        "1,2020-02-01,Second,5.5,03.04.20\n"
    )
    tables, report = ingested(tmp_path, WIDE, deals="id,made\n1,2020-01-01\n", history=rows)
    assert tables["changes"].n == 5
    written = frame(tmp_path, "changes").sort_values(["field", "changed_at"]).fillna("")
    assert written[["field", "old_value", "value"]].to_numpy().tolist() == [
        ["amount", "", "5500"],
        ["amount", "5500", "5000"],
        ["expected_close_at", "", "2020-04-03T00:00:00.000000Z"],
        ["stage", "", "First"],
        ["stage", "First", "Second"],
    ]
    told = block(report, "history")
    assert (told.rows, told.read, told.kept) == (3, 9, 5)
    assert counts(told.left_out) == {"the field already had this value": 4}


def test_a_long_history_takes_the_named_fields_and_counts_the_others(tmp_path: Path) -> None:
    mapping = (
        WIDE.split("[tables.history.columns]")[0]
        + """
[tables.history.columns]
entity_id = "deal"
changed_at = "at"
field = "name"
value = "new"
old_value = "old"
[tables.history.fields]
amount = { is = ["Amount", "amt"], thousands = "," }
expected_close_at = { is = ["closedate"], format = "epoch_ms" }
"""
    )
    rows = (
        "deal,at,name,old,new\n"
        '1,2020-01-01,amount,"1,000","2,000"\n'
        "1,2020-01-02,closedate,,1577836800000\n"
        "1,2020-01-03,hs_note,a,b\n"
        "1,2020-01-04,AMT,2000,lots\n"
    )
    _, report = ingested(tmp_path, mapping, deals="id,made\n1,2020-01-01\n", history=rows)
    assert frame(tmp_path, "changes")[["field", "old_value", "value"]].fillna(
        ""
    ).to_numpy().tolist() == [
        ["amount", "1000", "2000"],
        ["amount", "2000", ""],
        ["expected_close_at", "", "2020-01-01T00:00:00.000000Z"],
    ]
    told = block(report, "history")
    assert counts(told.left_out) == {"a field that the mapping does not name": 1}
    assert told.unknown["field"] == {"hs_note": 1}
    assert counts(told.repaired) == {"amount: not a number": 1}


def test_meta_carries_what_the_mapping_says(tmp_path: Path) -> None:
    mapping = DEALS.replace(
        "[export]\n", '[export]\nacknowledged = ["deals.x"]\ncurrency = "USD"\n'
    )
    mapping += """
[tables.deals.custom]
x = { from = "amount", kind = "number", unit = "USD", label = "An x" }
[fixed]
deals = ["amount"]
[questions.deal_close]
snapshots = "created"
horizon = 90
"""
    tables, _ = ingested(tmp_path, mapping, deals=HEAD + ROW)
    meta = tables.meta
    assert (meta.mapping, meta.currency, meta.as_of) == ("test", "USD", "2024-01-01T00:00:00Z")
    assert meta.questions == {"deal_close": {"snapshots": "created", "horizon": 90}}
    assert (meta.fixed, meta.acknowledged) == ({"deals": ["amount"]}, ["deals.x"])
    (custom,) = meta.custom["deals"]
    assert (custom.kind, custom.fixed, custom.unit, custom.label) == (
        "number",
        False,
        "USD",
        "An x",
    )


def fenced(language: str) -> list[str]:
    """The blocks of one language in docs/mapping.md."""
    text = (ROOT / "docs" / "mapping.md").read_text(encoding="utf-8")
    return [b.split("```")[0] for b in text.split(f"```{language}\n")[1:]]


def test_the_worked_example_of_the_documentation_does_what_it_says(tmp_path: Path) -> None:
    tables, report = ingested(tmp_path, fenced("toml")[0], deals=fenced("csv")[0])
    assert tables["deals"].coded("deal_id").words() == ["D1", "D2", "D4"]
    assert tables["deals"].coded("sales_region").words() == ["Nord", None, "Süd"]
    assert tables["deals"].number("amount")[:2].tolist() == [1200.5, 800.0]
    told = block(report, "deals")
    assert counts(told.rejected) == {
        "not as many cells as the header": 1,
        "unknown outcome": 1,
        "closed before created": 1,
    }
    assert counts(told.repaired) == {"amount: not a number": 1}


@pytest.mark.parametrize("text", fenced("toml"))
def test_every_mapping_in_the_documentation_is_valid(tmp_path: Path, text: str) -> None:
    path = tmp_path / "doc.toml"
    path.write_text(text, encoding="utf-8")
    assert load(path).tables
