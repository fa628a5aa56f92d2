"""The quick reader reads what the library reads, and leaves it whatever is not plainly right."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.schema import LARGEST_NUMBER, TABLES
from features.tables import CustomField, Meta, micros
from serving.scoring.contract import CHILDREN, SINGULAR
from serving.scoring.faults import RecordFault
from serving.scoring.isolation import Reader, Record
from serving.scoring.reader import Unusual, read_rows

AT = "2024-01-01T00:00:00Z"
META = Meta(
    as_of="2024-01-01T00:00:00+00:00",
    custom={
        "leads": [
            CustomField("fit", "number"),
            CustomField("vip", "boolean"),
            CustomField("use", "category"),
            CustomField("trial_at", "instant"),
        ],
        "activities": [CustomField("pages", "number")],
    },
)
READER = Reader("leads", META)

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**6),
    st.sampled_from([10**400, LARGEST_NUMBER * 2, -0.0, 1.5]),
    st.text(max_size=4),
    st.sampled_from([AT, "2024-01-01", "2024-01-01T00:00:00+02:00", "x" * 201, "x" * 10_001]),
    st.lists(st.integers(), max_size=1),
)
customs = st.dictionaries(st.sampled_from(["fit", "vip", "use", "trial_at", "new", ""]), odd)


def _plain(kind: str) -> st.SearchStrategy[Any]:
    if kind == "instant":
        return st.sampled_from([AT, "2023-12-31T23:59:59.123456+01:00"])
    if kind == "boolean":
        return st.booleans()
    if kind == "number":
        return st.one_of(st.integers(-10, 10), st.floats(-1e6, 1e6))
    return st.sampled_from(["a", "b", "leads", "x"])


def _rows_of(table: str) -> st.SearchStrategy[dict[str, Any]]:
    plain = {c.name: _plain(c.kind) for c in TABLES[table].columns}
    some = st.fixed_dictionaries({}, optional={**plain, "custom": customs})
    spoiled = st.builds(lambda row, name, value: {**row, name: value}, some,
                        st.sampled_from([*plain, "custom", "other"]), odd)  # fmt: skip
    return st.one_of(some, some, spoiled)


lead = st.builds(lambda row: {"lead_id": "x", "created_at": AT, **row}, _rows_of("leads"))
records = st.fixed_dictionaries(
    {"lead": st.one_of(lead, lead, odd)},
    optional={
        **{name: st.lists(_rows_of(name), max_size=2) for name in CHILDREN},
        "account": st.one_of(st.none(), _rows_of("accounts")),
        "contact": _rows_of("contacts"),
        "other": odd,
    },
)


def _in_micros(value: Any) -> Any:
    return micros(value) if isinstance(value, datetime) else value


def _told(got: Record | RecordFault) -> Any:
    """A record with its instants as microseconds; a fault as it is."""
    if isinstance(got, RecordFault):
        return got
    rows = {
        table: [{k: _in_micros(v) for k, v in row.items()} for row in own]
        for table, own in got.rows.items()
    }
    return got.id, rows, got.keys, got.brought, sorted(got.warnings)


@settings(max_examples=300, deadline=None)
@given(records)
def test_both_readers_agree(raw: dict[str, Any]) -> None:
    """Same rows, or the same fault: what is unusual is read again by the library."""
    assert _told(READER.read(3, raw)) == _told(READER._read_closely(3, raw, 3))


def test_the_usual_record_needs_no_library() -> None:
    """Every column of every table in its plain form: else the reader would be quick for nobody."""
    plain = {"instant": AT, "boolean": True, "number": 2, "category": "a", "text": "b"}
    raw: dict[str, Any] = {}
    for name, table in (("lead", "leads"), ("account", "accounts"), ("contact", "contacts")):
        assert SINGULAR[table] == name
        raw[name] = {c.name: plain.get(c.kind, "x") for c in TABLES[table].columns}
    for table in CHILDREN:
        raw[table] = [{c.name: plain.get(c.kind, "x") for c in TABLES[table].columns}]
    raw["lead"]["custom"] = {"fit": 1, "vip": False, "use": "a", "trial_at": AT, "new": "?"}
    warnings: dict[str, None] = {}
    rows = read_rows(READER._plan, raw, warnings)
    assert set(rows) == {"leads", "accounts", "contacts", *CHILDREN}
    assert rows["leads"][0]["fit"] == 1.0 and rows["leads"][0]["trial_at"] == micros(AT)
    assert list(warnings) == ["lead.custom.new is not known to the model and was not used"]


def test_what_is_not_a_record_is_left_to_the_library() -> None:
    unread: tuple[Any, ...] = (
        None,
        [],
        {},
        {"lead": None},
        {"lead": {}},
        {"lead": {"lead_id": "x"}, "x": 1},
        {"lead": {"lead_id": "x", "created_at": AT}, "x": None},
    )
    for raw in unread:
        with pytest.raises(Unusual):
            read_rows(READER._plan, raw, {})
