"""The reader reads what the published contract describes, and refuses it in the same words."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from features.schema import LARGEST_NUMBER, TABLES
from features.tables import CustomField, Meta, micros
from serving.scoring.contract import CHILDREN, SINGULAR, id_of, record_model
from serving.scoring.faults import Fault, RecordFault, fault_of
from serving.scoring.isolation import Reader, Record

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
    st.sampled_from([1e300, LARGEST_NUMBER * 2, -0.0, 1.5]),
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


def _published(raw: Any) -> Fault | None:
    """What the model that OpenAPI publishes says of a record."""
    model = record_model("leads")
    try:
        model.model_validate(raw)
    except ValidationError as error:
        return fault_of(error, model, "records[3]")
    return None


@settings(max_examples=300, deadline=None)
@given(records)
def test_what_is_read_is_what_is_published(raw: dict[str, Any]) -> None:
    """The same first fault in the same words; or none, but for what the mapping alone can know."""
    got, published = READER.read(3, raw), _published(raw)
    if published is not None:
        assert got == RecordFault(3, id_of("leads", raw), published)
    elif isinstance(got, RecordFault):
        declared = got.fault.path.startswith("records[3].") and ".custom." in got.fault.path
        assert declared or got.fault.code in {"account_mismatch", "contact_mismatch", "too_short"}


def test_every_column_of_every_table_is_read() -> None:
    plain = {"instant": AT, "boolean": True, "number": 2, "category": "a", "text": "b"}
    raw: dict[str, Any] = {}
    for name, table in (("lead", "leads"), ("account", "accounts"), ("contact", "contacts")):
        assert SINGULAR[table] == name
        raw[name] = {c.name: plain.get(c.kind, "x") for c in TABLES[table].columns}
    for table in CHILDREN:
        raw[table] = [{c.name: plain.get(c.kind, "x") for c in TABLES[table].columns}]
    raw["lead"]["custom"] = {"fit": 1, "vip": False, "use": "a", "trial_at": AT, "new": "?"}
    raw["account"]["outcome"] = "churned"  # an unknown one would leave the account out
    got = READER.read(0, raw)
    assert isinstance(got, Record)
    rows = got.rows
    assert set(rows) == {"leads", "accounts", "contacts", *CHILDREN}
    assert rows["leads"][0]["fit"] == 1.0 and rows["leads"][0]["trial_at"] == micros(AT)
    assert "lead.custom.new is not known to the model and was not used" in got.warnings


def test_an_account_whose_outcome_nobody_knows_is_left_out() -> None:
    """And the lead is scored without it."""
    lead = {"lead_id": "x", "created_at": AT}
    got = READER.read(0, {"lead": lead, "account": {"account_id": "a", "outcome": "perhaps"}})
    assert isinstance(got, Record) and "accounts" not in got.rows
