"""A file and a record say the same: one vocabulary, whichever way rows arrive.

Every row is written into an export and read with a mapping, and sent to the endpoint as a record;
words, trimming, canonical words, currencies and what is left out must agree.
"""

from __future__ import annotations

import csv
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.frames import from_frames
from features.ingest.mapping import parse
from features.ingest.merge import normal
from features.ingest.run import canonical
from features.spine import Features, FeatureSpec, Spine
from features.tables import Coded, CustomField, Meta, Tables, code
from serving.scoring.faults import RecordFault
from serving.scoring.isolation import Reader, Record
from training.models.encoding import Encoding

AT = "2025-01-02T03:04:05Z"
CUSTOM = {"accounts": [CustomField("plan", "category", fixed=True)]}
RATES = ("USD",)
COLUMNS: dict[str, tuple[str, ...]] = {
    "accounts": ("account_id", "created_at", "industry", "country", "currency", "plan"),
    "deals": ("deal_id", "account_id", "created_at", "closed_at", "stage", "currency", "outcome"),
    "activities": ("account_id", "occurred_at", "kind", "direction", "outcome", "channel"),
    "contacts": ("contact_id", "account_id", "created_at", "title"),
    "subscriptions": ("account_id", "started_at", "product", "currency"),
}
EXTRA = {"fx_rates": [{"currency": "USD", "rate_at": AT, "rate": "0.9"}]}


def _mapping() -> Any:
    tables: dict[str, Any] = {t: {"columns": {c: c for c in cs}} for t, cs in COLUMNS.items()}
    del tables["accounts"]["columns"]["plan"]
    tables["accounts"]["custom"] = {"plan": {"from": "plan", "kind": "category", "fixed": True}}
    tables["fx_rates"] = {"columns": {c: c for c in ("currency", "rate_at", "rate")}}
    return parse(normal({"export": {"currency": "EUR"}, "tables": tables}, "test"), "test")


MAPPING = _mapping()
READER = Reader("accounts", Meta(currency="EUR", custom=CUSTOM), RATES)


def from_file(rows: dict[str, list[dict[str, str]]]) -> tuple[Tables, list[str]]:
    """The rows as an export: the tables, and the codes of what reading said."""
    with tempfile.TemporaryDirectory() as folder:
        for table, own in {**rows, **EXTRA}.items():
            columns = list(COLUMNS.get(table) or own[0])
            with (Path(folder) / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
                out = csv.DictWriter(file, columns, restval="")
                out.writeheader()
                out.writerows(own)
        frames, meta, report = canonical(Path(folder), MAPPING)
    assert report.balanced()
    return from_frames(frames, meta), [found.code for found in report.consequences]


def from_record(rows: dict[str, list[dict[str, str]]]) -> tuple[Tables, list[str]]:
    """The rows as a record of the endpoint: the tables, and the warnings."""
    (account,) = (dict(row) for row in rows["accounts"])
    plan = account.pop("plan", None)
    record: dict[str, Any] = {"account": account | ({"custom": {"plan": plan}} if plan else {})}
    record |= {table: own for table, own in rows.items() if table != "accounts"}
    read = READER.read(0, record)
    assert isinstance(read, Record), read
    return READER.tables([read]), read.warnings


def words_of(tables: Tables, table: str, column: str) -> list[str | None]:
    """A column's words, or None where missing."""
    found = tables[table].coded(column)
    assert isinstance(found, Coded)
    return found.words()


OUTER = st.sampled_from(["", " ", "  ", "\u00a0", "\u202f", "\t", " \u00a0"])


def spaced(words: list[str]) -> st.SearchStrategy[str]:
    """A word in any case, between spaces of any kind."""
    case = st.sampled_from([str, str.upper, str.lower, str.title])
    return st.builds(lambda a, w, f, b: a + f(w) + b, OUTER, st.sampled_from(words), case, OUTER)


free = st.one_of(
    spaced(["referral", "web form", "straße", "İstanbul", "Åland"]),
    st.text("abc \u00a0", max_size=4),
)
money = spaced(["eur", "usd", "gbp", "Euro"])


def _row(key: str, **columns: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    fixed = {key: st.just(AT)}
    return st.fixed_dictionaries(fixed, optional=columns)


def _keyed(column: str, rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{column: f"{column[0]}{i}", "account_id": " A1", **r} for i, r in enumerate(rows)]


lists = {
    "deals": st.lists(_row("created_at", stage=free, currency=money), max_size=3).map(
        lambda rows: _keyed("deal_id", rows)
    ),
    "contacts": st.lists(_row("created_at", title=free), max_size=2).map(
        lambda rows: _keyed("contact_id", rows)
    ),
    "activities": st.lists(
        _row(
            "occurred_at",
            kind=spaced(["call", "email", "fax", "other"]),
            direction=spaced(["inbound", "outbound", "sideways"]),
            outcome=free,
            channel=free,
        ),
        max_size=4,
    ).map(lambda rows: [{"account_id": "A1 ", **row} for row in rows]),
    "subscriptions": st.lists(_row("started_at", product=free, currency=money), max_size=2).map(
        lambda rows: [{"account_id": "A1", **row} for row in rows]
    ),
}
accounts = _row("created_at", industry=free, country=free, currency=money, plan=free).map(
    lambda row: {"account_id": "A1 ", **row}
)
exports = st.fixed_dictionaries({"accounts": accounts.map(lambda row: [row]), **lists})


@settings(max_examples=40, deadline=None)
@given(exports)
def test_a_row_means_the_same_whichever_way_it_arrives(
    rows: dict[str, list[dict[str, str]]],
) -> None:
    (file, codes), (record, warnings) = from_file(rows), from_record(rows)
    for table, own in rows.items():
        sent = {c for row in own for c in row} & set(record[table].columns)
        for column in sent:
            if isinstance(record[table].columns[column], Coded):
                assert words_of(file, table, column) == words_of(record, table, column), column
            else:
                assert np.array_equal(file[table].instant(column), record[table].instant(column))
    spoken = {"accounts": "account", "deals": "deals[]", "subscriptions": "subscriptions[]"}
    for table, name in spoken.items():
        said = [w for w in warnings if w.startswith(f"{name}.currency") and "in no sum" in w]
        assert (f"no_rate:{table}" in codes) == bool(said), (codes, warnings)


def _deal(**changes: str) -> dict[str, str]:
    return {"deal_id": "D1", "account_id": "A1", "created_at": AT, **changes}


@pytest.mark.parametrize("word", ["Won", " lost ", "LOST\u00a0", "pending"])
def test_an_outcome_is_read_in_any_case_and_an_unknown_one_takes_its_row_out(word: str) -> None:
    sure = _deal(deal_id="D2", outcome="won", closed_at=AT)
    rows = {
        "accounts": [{"account_id": "A1", "created_at": AT}],
        "deals": [_deal(outcome=word, closed_at=AT), sure],
    }
    (file, _), (record, warnings) = (from_file({**_none(), **rows}), from_record(rows))
    assert words_of(file, "deals", "outcome") == words_of(record, "deals", "outcome")
    assert bool(warnings) == (word == "pending")


def _none() -> dict[str, list[dict[str, str]]]:
    return {table: [] for table in COLUMNS}


def test_an_id_of_spaces_is_none() -> None:
    read = READER.read(4, {"account": {"account_id": " \u00a0"}})
    assert isinstance(read, RecordFault)
    assert (read.fault.code, read.fault.path) == ("too_short", "records[4].account.account_id")


def _sources(words: list[str]) -> Features:
    """One category feature of as many leads as there are words."""
    spec = FeatureSpec("source", "leads", "category", "where it came from", "", "leads", "source")
    spine = Spine("leads", [str(i) for i in range(len(words))], np.zeros(len(words), np.int64))
    return Features(spine, [spec], {"source": code(words)})


def test_a_model_takes_a_word_in_another_case_for_the_same_word() -> None:
    """Trained on "referral", asked about "REFERRAL": no unknown word."""
    encoding = Encoding.fit(_sources(["referral"] * 12 + ["Referral"] * 3 + ["web"] * 10))
    assert encoding.levels["source"] == ["referral", "web"]
    asked = _sources(["referral", "REFERRAL", "Web", "new", "newer"])
    assert encoding.matrix(asked)[:, 0].tolist() == [1.0, 1.0, 2.0, 0.0, 0.0]


def _in_zone(zone: str, days: list[str]) -> tuple[list[int], list[int]]:
    """The instants of days of a zone: as a file's column of dates, and as a record's."""
    listed = [{"account_id": f"A{i}", "created_at": day} for i, day in enumerate(days)]
    tables = {"accounts": {"columns": {c: c for c in ("account_id", "created_at")}}}
    mapping = parse(normal({"export": {"zone": zone}, "tables": tables}, "test"), "test")
    with tempfile.TemporaryDirectory() as folder:
        with (Path(folder) / "accounts.csv").open("w", newline="") as file:
            out = csv.DictWriter(file, ["account_id", "created_at"])
            out.writeheader()
            out.writerows(listed)
        frames, meta, _ = canonical(Path(folder), mapping)
    read = from_frames(frames, meta)["accounts"]
    reader = Reader("accounts", meta)
    sent = [reader.tables([reader.read(0, {"account": row})]) for row in listed]  # type: ignore[list-item]
    order = np.argsort([w or "" for w in read.coded("account_id").words()], kind="stable")
    ids = sorted(range(len(days)), key=lambda i: f"A{i}")
    return (
        read.instant("created_at")[order].tolist(),
        [int(sent[i]["accounts"].instant("created_at")[0]) for i in ids],
    )


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Asia/Kolkata"]
    ),
    st.lists(st.dates(date(2010, 1, 1), date(2025, 12, 31)), min_size=1, max_size=9),
)
@example("America/Sao_Paulo", [date(2017, 10, 15)])  # midnight was skipped
@example("America/Havana", [date(2025, 11, 2)])  # and came twice
def test_a_date_is_a_day_of_the_company_both_ways(zone: str, days: list[date]) -> None:
    file, record = _in_zone(zone, [d.isoformat() for d in days])
    assert file == record


def test_a_key_counts_once_both_ways() -> None:
    deals = [
        {"deal_id": "D1", "account_id": "A1", "created_at": AT, "stage": stage}
        for stage in ("first", "first", "last")
    ]
    own = [{"account_id": "A1", "created_at": AT}]
    rows = {**{t: [] for t in COLUMNS}, "accounts": own, "deals": deals}
    (file, codes), (record, warnings) = from_file(rows), from_record(rows)
    assert words_of(file, "deals", "stage") == words_of(record, "deals", "stage") == ["last"]
    assert codes == ["folded:deals"]
    assert warnings == [
        "deals: 2 rows have the deal_id of a later one and other values; the last of each counts"
    ]
    same = {"accounts": own, "deals": deals[:2]}
    assert from_record(same)[1] == []
    assert from_record(same)[0]["deals"].n == 1
