"""The contract: made from the schema, strict, and one bad record spoils no other."""

from __future__ import annotations

import math
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.schema import LARGEST_NUMBER, TABLES
from features.tables import CustomField, Meta
from serving.scoring.contract import (
    CHILDREN,
    MOST_RECORDS,
    SINGULAR,
    read_envelope,
    record_model,
    row_model,
)
from serving.scoring.faults import ContractError, RecordFault
from serving.scoring.isolation import Reader, Record, independent_rounds
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from serving.scoring.values import LONGEST_ID
from tests.helpers.histories import history
from tests.helpers.scored import bundle_of

Json = dict[str, Any]
ENTITIES = ("leads", "deals", "accounts")
AT = "2024-01-01T00:00:00Z"
META = Meta(
    as_of="2024-01-01T00:00:00+00:00",
    custom={
        "leads": [
            CustomField("fit", "number"),
            CustomField("vip", "boolean"),
            CustomField("use", "category"),
            CustomField("trial_at", "instant"),
        ]
    },
)


def _lead(**fields: Any) -> Json:
    return {"lead": {"lead_id": "x", "created_at": AT, **fields}}


def _fault(raw: Any, entity: str = "leads") -> tuple[str, str]:
    """Code and path of what is wrong with a record."""
    got = Reader(entity, META).read(0, raw)
    assert isinstance(got, RecordFault), got
    assert got.fault.message
    return got.fault.code, got.fault.path.removeprefix("records[0]").removeprefix(".")


def _read(raw: Any, entity: str = "leads") -> Record:
    got = Reader(entity, META).read(0, raw)
    assert isinstance(got, Record), got
    return got


@pytest.mark.parametrize("table", list(TABLES))
def test_every_row_has_exactly_the_schema_s_columns(table: str) -> None:
    """There is no second list of fields to forget."""
    expected = {c.name for c in TABLES[table].columns} | {"custom"}
    for scored in (True, False):
        model = row_model(table, scored)
        assert set(model.model_fields) == expected
        for column in TABLES[table].columns:
            assert column.meaning in (model.model_fields[column.name].description or "")


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_record_is_one_entity_and_what_belongs_to_it(entity: str) -> None:
    fields = record_model(entity).model_fields
    assert fields[SINGULAR[entity]].is_required()
    assert set(CHILDREN) <= set(fields)
    assert [n for n, f in fields.items() if f.is_required()] == [SINGULAR[entity]]


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (None, "wrong_type", ""),
        ([], "wrong_type", ""),
        ({}, "missing_field", "lead"),
        ({"lead": {}}, "missing_field", "lead.lead_id"),
        ({"lead": {"lead_id": ""}}, "too_short", "lead.lead_id"),
        ({"lead": {"lead_id": "x" * (LONGEST_ID + 1)}}, "too_long", "lead.lead_id"),
        ({"lead": {"lead_id": True}}, "wrong_type", "lead.lead_id"),
        ({"lead": {"lead_id": 1.5}}, "wrong_type", "lead.lead_id"),
        (_lead(creatd_at=AT), "unknown_field", "lead.creatd_at"),
        (_lead(employees="12"), "wrong_type", "lead.employees"),
        (_lead(employees=True), "wrong_type", "lead.employees"),
        (_lead(employees=2 * LARGEST_NUMBER), "number_too_large", "lead.employees"),
        (_lead(employees=10**300), "number_too_large", "lead.employees"),
        (_lead(employees=math.nan), "number_too_large", "lead.employees"),
        (_lead(employees=-math.inf), "number_too_large", "lead.employees"),
        (_lead(source=3), "wrong_type", "lead.source"),
        (_lead(created_at="yesterday"), "bad_instant", "lead.created_at"),
        (_lead(created_at="2024-02-30T00:00:00Z"), "bad_instant", "lead.created_at"),
        (_lead(created_at="2024-01-01T09:30"), "instant_without_zone", "lead.created_at"),
        (_lead(created_at=1704067200), "wrong_type", "lead.created_at"),
        (_lead(custom=[]), "wrong_type", "lead.custom"),
        (_lead(custom={"fit": {}}), "wrong_type", "lead.custom.fit"),
        (_lead(custom={"fit": "3"}), "wrong_type", "lead.custom.fit"),
        (_lead(custom={"fit": 1e16}), "number_too_large", "lead.custom.fit"),
        (_lead(custom={"vip": 1}), "wrong_type", "lead.custom.vip"),
        (_lead(custom={"use": True}), "wrong_type", "lead.custom.use"),
        (_lead(custom={"trial_at": "2024"}), "bad_instant", "lead.custom.trial_at"),
        (_lead(custom={"trial_at": 3}), "wrong_type", "lead.custom.trial_at"),
        ({**_lead(), "activities": {}}, "wrong_type", "activities"),
        ({**_lead(), "activities": [{}]}, "missing_field", "activities[0].occurred_at"),
        ({**_lead(), "activities": [3]}, "wrong_type", "activities[0]"),
        ({**_lead(), "deals": []}, "unknown_field", "deals"),
        ({**_lead(account_id="a"), "account": {"account_id": "b"}},
         "account_mismatch", "account.account_id"),
        ({**_lead(contact_id="a"), "contact": {"contact_id": "b"}},
         "contact_mismatch", "contact.contact_id"),
    ],
)  # fmt: skip
def test_what_is_refused(raw: Any, code: str, path: str) -> None:
    assert _fault(raw) == (code, path)


def test_a_misspelt_field_is_told_its_name() -> None:
    got = Reader("leads", META).read(
        7, {"lead": {"lead_id": "x"}, "activities": [{"occured_at": AT}]}
    )
    assert isinstance(got, RecordFault)
    assert (got.index, got.id) == (7, "x")
    assert "did you mean 'occurred_at'" in got.fault.message


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "x",
        {},
        {"records": []},
        {"records": {}},
        {"records": [{}] * (MOST_RECORDS + 1)},
        {"records": [{}], "as_of": "2024-01-01"},
        {"records": [{}], "as_of": 0},
        {"records": [{}], "top": 3},
    ],
)
def test_what_is_no_request_at_all(body: Any) -> None:
    with pytest.raises(ContractError):
        read_envelope(body)


def test_missing_is_said_by_null_or_by_nothing() -> None:
    nothing = _read({"lead": {"lead_id": "x"}})
    null = _read({"lead": {"lead_id": "x", "source": None, "custom": None}, "activities": None})
    assert nothing == null


def test_keys_may_be_whole_numbers() -> None:
    assert _read({"lead": {"lead_id": 5}}) == _read({"lead": {"lead_id": "5"}})


def test_a_change_may_state_a_number() -> None:
    change = {"field": "employees", "value": 12.5, "old_value": 10, "changed_at": AT}
    (row,) = _read({**_lead(), "changes": [change]}).rows["changes"]
    assert (row["value"], row["old_value"], row["entity_id"]) == ("12.5", "10", "x")


def test_belonging_is_said_by_the_record() -> None:
    """Rows without keys are the entity's, rows of the account its account's, others nobody's."""
    when = {"occurred_at": AT}
    rows = [when, {**when, "account_id": "a"}, {**when, "lead_id": "y", "account_id": "a"},
            {**when, "lead_id": "y"}, {**when, "deal_id": "d"}]  # fmt: skip
    got = _read({**_lead(account_id="a"), "activities": rows, "account": {"industry": "i"}})
    kept = [(r.get("lead_id"), r.get("account_id")) for r in got.rows["activities"]]
    assert kept == [("x", None), (None, "a"), (None, "a")]
    assert got.rows["accounts"] == [{"account_id": "a", "industry": "i"}]
    assert got.warnings == ["2 of 5 activities belong elsewhere and were not used"]


def test_unknown_custom_fields_are_named_and_not_used() -> None:
    got = _read(_lead(custom={"fit": 3, "fitt": 4, "none": None}))
    assert got.rows["leads"][0]["fit"] == 3 and "fitt" not in got.rows["leads"][0]
    assert [w.split(" ")[0] for w in got.warnings] == ["lead.custom.fitt", "lead.custom.none"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.booleans()), max_size=30))
def test_no_round_holds_two_records_that_could_see_each_other(
    made: list[tuple[int, int, bool]],
) -> None:
    """Every record stands in one round; a key for which facts were brought is there only once."""
    records = []
    for index, (lead, account, brings) in enumerate(made):
        raw = {"lead": {"lead_id": str(lead), "account_id": str(account)}}
        got = Reader("leads", META).read(index, raw | ({"account": {}} if brings else {}))
        assert isinstance(got, Record)
        records.append(got)
    found = [[records[place] for place in turn] for turn in independent_rounds(records)]
    assert sorted(r.index for turn in found for r in turn) == list(range(len(made)))
    brought = {key for r in records for key in r.brought}
    for turn in found:
        keys = [key for r in turn for key in r.keys & brought]
        assert len(keys) == len(set(keys))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from([c.name for c in TABLES["leads"].columns] + ["custom", "other"])
parts = st.sampled_from(["lead", "account", "contact", *CHILDREN, "deals", "x"])
rows = st.dictionaries(names, json_values, max_size=4)
anything = json_values | st.dictionaries(parts, rows | st.lists(rows, max_size=2), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.lists(anything, min_size=1, max_size=6))
def test_whatever_is_sent_every_record_gets_its_answer(records: list[Any]) -> None:
    """A result or an error for each, in order, as JSON; and the good record is scored as alone."""
    desk = Predictor(Scorer(bundle_of("leads", history(3))))
    good = {"lead": {"lead_id": "good", "created_at": "2023-12-01T00:00:00Z"}}
    body = {"as_of": AT, "records": [*records, good]}
    results = orjson.loads(orjson.dumps(desk.answer(body, 0, "r")))["results"]
    assert [r["index"] for r in results] == list(range(len(body["records"])))
    assert all(("error" in r) != ("probability" in r) for r in results)
    (alone,) = desk.answer({"as_of": AT, "records": [good]}, 0, "r")["results"]
    assert results[-1] == {**alone, "index": len(records)}
