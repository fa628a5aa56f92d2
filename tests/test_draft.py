"""A mapping drafts itself: whatever the language and format, the same company is read."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.__main__ import main
from features.draft.model import DraftedBlock, DraftedLine, MappingDraft
from features.draft.run import drafted
from features.draft.values.dates import date_format
from features.draft.values.names import concepts, slug
from features.draft.write import text, to_toml
from features.ingest.mapping import load
from features.ingest.run import ingest
from features.ingest.strict import MappingError
from features.sources.words import SourceError
from features.tables import NAT, Tables
from tests.drafts import STYLES, Deal, company, draft_text, read_back, save, written


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
