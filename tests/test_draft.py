"""A mapping drafts itself: whatever the language and format, the same company is read."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.__main__ import main
from features.demo import generate, write_export
from features.draft.model import DraftedBlock, DraftedLine, MappingDraft
from features.draft.run import drafted
from features.draft.values.dates import date_format
from features.draft.values.names import concepts, slug
from features.draft.write import text, to_toml
from features.ingest.mapping import load
from features.ingest.run import ingest
from features.ingest.strict import MappingError
from features.schema import TABLES
from features.sources.packed import readable
from features.sources.words import SourceError
from features.tables import NAT, Tables, read
from tests.helpers.drafts import STYLES, Deal, company, draft_text, read_back, save, written


def _micros(day: date) -> int:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(at.timestamp()) * 1_000_000


def _texts(tables: Tables, table: str, column: str) -> list[str]:
    coded = tables[table].coded(column)
    return [str(coded.values[c]) if c >= 0 else "" for c in coded.codes]


def _expected(deals: list[Deal]) -> dict[str, tuple[str, str, str, float]]:
    return {
        d.deal_id: (d.account_id, d.owner_id, "" if d.outcome == "open" else d.outcome, d.amount)
        for d in deals
    }


@pytest.mark.parametrize("style", sorted(STYLES))
def test_the_same_company_is_read_from_every_spelling(style: str, tmp_path: Path) -> None:
    """Law: headings, languages, dates and decimal marks are no part of what a company is."""
    deals = written(STYLES[style], tmp_path / "export")
    tables = read_back(tmp_path / "export", tmp_path)
    keys = _texts(tables, "deals", "deal_id")
    read = zip(
        _texts(tables, "deals", "account_id"),
        _texts(tables, "deals", "owner_id"),
        _texts(tables, "deals", "outcome"),
        tables["deals"].number("amount").round(2).tolist(),
        strict=True,
    )
    assert dict(zip(keys, read, strict=True)) == _expected(deals)
    day = 86_400_000_000
    by_key = {d.deal_id: d for d in deals}
    created, closed = (tables["deals"].instant(c) for c in ("created_at", "closed_at"))
    assert [int(c) // day * day for c in created] == [_micros(by_key[k].created) for k in keys]
    for key, at in zip(keys, closed.tolist(), strict=True):
        deal = by_key[key]
        assert (at == NAT) == (deal.outcome == "open")
        assert at == NAT or at // day * day == _micros(deal.close)
    assert set(_texts(tables, "accounts", "account_id")) >= {d.account_id for d in deals}


def test_a_tie_of_day_and_month_asks_and_is_never_guessed(tmp_path: Path) -> None:
    """No day above 12: both orders are written, and reading stops with the question."""
    rows = [
        {"Deal ID": f"D{i}", "Stage": "Won" if i % 2 else "Lost", "Amount": "100",
         "Created": f"0{1 + i % 9}/0{1 + i % 8}/2024", "Closed": f"0{1 + i % 8}/1{i % 3}/2024"}
        for i in range(40)
    ]  # fmt: skip
    save(tmp_path / "deals.csv", rows)
    draft = drafted(tmp_path / "deals.csv")
    asked = draft.ranked()[0]
    assert asked.stops
    assert "%d/%m/%Y or %m/%d/%Y" in asked.text
    path = tmp_path / "d.toml"
    path.write_text(to_toml(draft), encoding="utf-8")
    with pytest.raises(MappingError, match="both orders of day and month"):
        ingest(tmp_path / "deals.csv", path, tmp_path / "out")
    answered = to_toml(draft).replace('["%d/%m/%Y", "%m/%d/%Y"]', '"%d/%m/%Y"')
    path.write_text(answered, encoding="utf-8")
    ingest(tmp_path / "deals.csv", path, tmp_path / "out")


def test_one_sheet_with_yes_and_no_is_a_flat_table(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [
        {"Kundennummer": f"K{i}", "Tarif": str(rng.choice(["S", "M", "L"])),
         "Alter": str(20 + i % 50), "Monatsbetrag": f"{10 + i % 30},50",
         "Gekündigt": str(rng.choice(["ja", "nein"]))}
        for i in range(200)
    ]  # fmt: skip
    save(tmp_path / "Kunden.csv", rows, ";")
    tables = read_back(tmp_path / "Kunden.csv", tmp_path)
    left = [r["Gekündigt"] == "ja" for r in rows]
    outcomes = dict(
        zip(
            _texts(tables, "accounts", "account_id"),
            _texts(tables, "accounts", "outcome"),
            strict=True,
        )
    )
    assert [outcomes[r["Kundennummer"]] == "churned" for r in rows] == left
    custom = {c.name: c for c in tables.meta.custom["accounts"]}
    assert custom["tarif"].fixed and custom["monatsbetrag"].kind == "number"
    assert tables["accounts"].number("monatsbetrag").max() == 39.5


def test_what_only_the_end_knows_is_left_out_and_asked(tmp_path: Path) -> None:
    """A column that is filled for winners alone would tell the outcome."""
    deals, _ = company(deals=200)
    rows = [
        {"Opportunity ID": d.deal_id, "Stage": d.outcome, "Created": str(d.created),
         "Close Date": str(d.close), "Amount": str(d.amount), "Region": d.source,
         "Contract type": "A" if d.outcome == "won" else ""}
        for d in deals
    ]  # fmt: skip
    rows[0]["Contract type"] = "B" if deals[0].outcome == "won" else ""
    save(tmp_path / "opportunities.csv", rows)
    draft = drafted(tmp_path)
    line = next(c for c in draft.blocks[0].custom if c.name == "contract_type")
    assert line.left_out and "won" in line.evidence
    assert any("contract_type" in q.text for q in draft.questions)
    assert "# contract_type = " in to_toml(draft)


def test_contradicting_outcomes_are_a_question(tmp_path: Path) -> None:
    rows = [
        {"Deal ID": f"D{i}", "Stage": "Closed Won" if i % 2 else "Closed Lost",
         "Result": "Won" if i % 3 else "Lost", "Created": "2024-01-20",
         "Close Date": "2024-02-20", "Amount": "10"}
        for i in range(60)
    ]  # fmt: skip
    save(tmp_path / "deals.csv", rows)
    asked = drafted(tmp_path).ranked()[0].text
    assert "contradict each other in 30 rows" in asked


def test_nothing_to_draft_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n2,3\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"none of a\.csv looks like"):
        drafted(tmp_path)


def test_the_command_writes_what_ingest_reads_and_keeps_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(STYLES["german"], tmp_path / "export")
    out = tmp_path / "my.toml"
    assert main(["draft", "--data", str(tmp_path / "export"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Verkaufschancen.csv -> deals" in said and "question 1:" in said
    kept = out.read_text(encoding="utf-8")
    assert main(["draft", "--data", str(tmp_path / "export"), "--out", str(out)]) == 2
    assert "--force" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == kept


@pytest.mark.parametrize(
    ("heading", "meaning"),
    [
        ("Abschlussdatum", {"close", "date"}),
        ("CloseDate", {"close", "date"}),
        ("property_closedate", {"close", "date"}),
        ("Fecha de cierre", {"close", "date"}),
        ("Kunden-Nr.", {"account", "number"}),
        ("Währung", {"currency"}),
        ("Waehrung", {"currency"}),
        ("Est. Revenue", {"expected", "revenue"}),
    ],
)
def test_headings_of_one_meaning_are_one(heading: str, meaning: set[str]) -> None:
    assert concepts(heading) - {"field"} == meaning


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_every_word_is_written_as_toml_reads_it(word: str) -> None:
    """Law: what an export calls a column survives the TOML file, quotes and controls included."""
    if any(0xD800 <= ord(c) <= 0xDFFF for c in word):
        return
    assert tomllib.loads(f"a = {text(word)}")["a"] == word
    block = DraftedBlock("deals", "deals", "d.csv", word)
    block.columns.append(
        DraftedLine("deal_id", {"from": word, "values": {word: "x"}}, "sure", word)
    )
    draft = MappingDraft("x", blocks=[block])
    draft.ask(1, word)
    read = tomllib.loads(to_toml(draft))["tables"]["deals"]["columns"]["deal_id"]
    assert read == {"from": word, "values": {word: "x"}}
    assert slug(word) == "" or slug(word).isidentifier()


@given(
    st.lists(st.dates(date(1990, 1, 1), date(2049, 1, 1)), min_size=30, max_size=60),
    st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%Y-%m-%d", "%Y/%m/%d", "%d-%b-%Y"]),
    st.sampled_from(["", " %H:%M"]),
)
@settings(max_examples=60, deadline=None)
def test_a_format_is_found_or_both_orders_are_kept(days: list[date], day: str, clock: str) -> None:
    """Law: the format of a column of dates reads every one of them back, or the tie is said."""
    times = [datetime(d.year, d.month, d.day, 13, 30, tzinfo=UTC) for d in days]
    found = date_format([t.strftime(day + clock) for t in times], named_date=True)
    assert found is not None
    assert found.share == 1.0
    if found.tie:
        assert all(t.day <= 12 for t in times)
        assert any(p.startswith(day) for p in found.patterns)
    elif day != "%Y-%m-%d" and any(t.day > 12 for t in times) and "%y" not in day:
        assert found.patterns == (day + clock,)


def test_every_draft_is_valid_whatever_the_headings(tmp_path: Path) -> None:
    """Headings that are empty, double or not ASCII neither stop the draft nor the mapping."""
    lines = ["Opportunity ID;Stage;;Größe €;Größe €;a.b;class;名前;Amount"]
    lines += [
        f"D{i};{'Won' if i % 2 else 'Lost'};{i % 3};{i % 5};{i % 4};{i % 7};{i % 6};n{i % 2};{i}"
        for i in range(60)
    ]
    (tmp_path / "opps.csv").write_text("\n".join(lines), encoding="utf-8")
    path = tmp_path / "d.toml"
    path.write_text(draft_text(tmp_path / "opps.csv"), encoding="utf-8")
    assert "deals" in load(path).tables
    ingest(tmp_path / "opps.csv", path, tmp_path / "out")


def test_json_of_an_api_is_a_table_a_list(tmp_path: Path) -> None:
    """Records wrapped in ``data`` and named by ``item``: deals and people are two tables."""
    deal = {"id": 1, "title": "A", "org": {"name": "Org"}, "tags": ["x", "y"], "won": True}
    person = {"id": 2, "name": "P", "email": [{"value": "a@x.io", "primary": True}], "org": None}
    records = [{"item": "deal", "data": deal}, {"item": "person", "data": person}]
    (tmp_path / "recents.json").write_text(
        json.dumps({"data": [*records, {"item": "person", "id": 3, "data": None}]}), "utf-8"
    )
    with readable(tmp_path) as files:
        held = {p.name: p.read_text(encoding="utf-8").splitlines() for p in files}
    assert held["recents deal.csv"] == ["item,id,title,org.name,tags,won", "deal,1,A,Org,x;y,true"]
    assert held["recents person.csv"][1:] == ["person,2,P,a@x.io,", "person,3,,,"]


def test_a_known_crm_extends_its_preset_under_any_file_name(tmp_path: Path) -> None:
    rows = [
        {
            **{"Id": f"006{i:012d}", "AccountId": f"001{i % 9:012d}", "Name": f"Deal {i}"},
            **{"StageName": "Closed Won" if i % 2 else "Prospecting", "Amount": "100"},
            **{"CloseDate": "2024-05-20", "CreatedDate": "2024-01-13", "OwnerId": "005A"},
            **{"IsClosed": str(bool(i % 2)), "IsWon": str(bool(i % 2)), "Probability": "50"},
            **{"Region__c": "North" if i % 3 else "South"},
        }
        for i in range(40)
    ]
    save(tmp_path / "pipeline_dump.csv", rows)
    written_text = draft_text(tmp_path)
    read = tomllib.loads(written_text)
    assert read["extends"] == "salesforce"
    assert read["tables"]["deals"]["from"] == "pipeline_dump.csv"
    assert read["tables"]["deals"]["custom"]["region_c"]["kind"] == "category"
    tables = read_back(tmp_path, tmp_path)
    assert _texts(tables, "deals", "outcome").count("won") == 20


def test_a_tie_is_settled_by_the_other_dates_of_the_export(tmp_path: Path) -> None:
    """A file whose days are all below 13 follows one that shows the order."""
    deals = [
        {
            **{"Deal ID": f"D{i}", "Account ID": f"A{i % 7}", "Amount": "5"},
            **{"Stage": "Won" if i % 2 else "Lost", "Created": f"{1 + i % 28:02d}/03/2024"},
            **{"Close Date": f"{1 + i % 28:02d}/05/2024"},
        }
        for i in range(60)
    ]
    accounts = [
        {"Account ID": f"A{i}", "Industry": "xy"[i % 2], "Created": f"0{i + 1}/02/2023"}
        for i in range(7)
    ]
    save(tmp_path / "deals.csv", deals)
    save(tmp_path / "accounts.csv", accounts)
    assert not any(q.stops for q in drafted(tmp_path).questions)
    (tmp_path / "out").mkdir()
    tables = read_back(tmp_path, tmp_path / "out")
    created = tables["accounts"].instant("created_at").tolist()
    months = {datetime.fromtimestamp(t / 1e6, UTC).month for t in created}
    assert months == {2}


def test_winners_of_a_funnel_are_joined_as_the_outcome(tmp_path: Path) -> None:
    leads = [
        {"lead_id": f"L{i}", "created": f"2024-01-{1 + i % 28:02d}", "origin": "ab"[i % 2]}
        for i in range(90)
    ]
    won = [{"lead_id": f"L{3 * i}", "won_date": "2024-03-01", "revenue": "7"} for i in range(30)]
    save(tmp_path / "leads.csv", leads)
    save(tmp_path / "closed_deals.csv", won)
    (tmp_path / "out").mkdir()
    tables = read_back(tmp_path, tmp_path / "out")
    assert _texts(tables, "leads", "outcome").count("converted") == 30
    assert "revenue" not in {c.name for c in tables.meta.custom.get("leads", [])}


def test_the_demo_reads_back_from_its_draft(tmp_path: Path) -> None:
    """The draft of a whole CRM finds every table of the mapping that was written by hand."""
    made = generate(3, "tiny")
    write_export(made, tmp_path / "export")
    (tmp_path / "export" / "mapping.toml").rename(tmp_path / "hand.toml")
    for name in ("touches", "web_visits", "product_usage"):  # a sample is as telling, and quicker
        path = tmp_path / "export" / f"{name}.csv"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[:2_000]), encoding="utf-8")
    tables = read_back(tmp_path / "export", tmp_path)
    ingest(tmp_path / "export", tmp_path / "hand.toml", tmp_path / "hand")
    hand = read(tmp_path / "hand")
    assert set(tables.tables) == set(hand.tables)
    for table in ("leads", "deals", "accounts", "subscriptions", "invoices", "changes"):
        assert tables[table].n == hand[table].n, table
    for table in ("leads", "deals", "accounts"):
        keys = TABLES[table].key
        mine, theirs = (
            dict(zip(_texts(t, table, keys), _texts(t, table, "outcome"), strict=True))
            for t in (tables, hand)
        )
        assert mine == theirs
    assert not any(c.name == "contract_reference" for c in tables.meta.custom["leads"])


def test_a_list_of_stages_tells_the_outcome(tmp_path: Path) -> None:
    """Deals with numbers of stages, and the file that says which of them are won."""
    stages = [
        {"stage_id": str(i), "label": name, "probability": str(p)}
        for i, (name, p) in enumerate([("Lead", 10), ("Offer", 70), ("Signed", 100), ("Dead", 0)])
    ]
    deals = [
        {
            **{
                "deal_id": f"D{i}",
                "stage_id": str(i % 4),
                "value": "10",
                "created_at": "2024-01-20",
            },
            **{"closed_at": "2024-03-20" if i % 4 > 1 else ""},
        }
        for i in range(80)
    ]
    save(tmp_path / "stages.csv", stages)
    save(tmp_path / "deals.csv", deals)
    (tmp_path / "out").mkdir()
    tables = read_back(tmp_path, tmp_path / "out")
    outcomes = _texts(tables, "deals", "outcome")
    assert [outcomes.count(w) for w in ("won", "lost", "")] == [20, 20, 40]


def test_not_won_and_not_closed_is_open_and_not_lost(tmp_path: Path) -> None:
    deals = [
        {
            **{"Deal ID": f"D{i}", "Won": "yes" if i % 3 == 0 else "no", "Opened": "2024-01-20"},
            **{"Closed": "" if i % 3 == 1 else "2024-02-20", "Amount": f"{i}.5"},
        }
        for i in range(60)
    ]
    save(tmp_path / "deals.csv", deals)
    (tmp_path / "out").mkdir()
    outcomes = _texts(read_back(tmp_path, tmp_path / "out"), "deals", "outcome")
    assert [outcomes.count(w) for w in ("won", "lost", "")] == [20, 20, 20]


def test_a_point_before_three_digits_is_asked_about(tmp_path: Path) -> None:
    """1.500 is fifteen hundred or one and a half."""
    rows = [
        {"Deal ID": f"D{i}", "Stage": "Won" if i % 2 else "Lost", "Amount": f"{1 + i}.{100 + i}"}
        for i in range(50)
    ]
    save(tmp_path / "deals.csv", rows)
    assert "mark of thousands" in drafted(tmp_path).ranked()[0].text
