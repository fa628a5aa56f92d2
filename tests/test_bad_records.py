"""One bad record harms one record: every kind of value in every field of every table, no failure.

The good record beside it is scored to the same bits as alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.schema import LARGEST_NUMBER, TABLES
from features.tables import micros
from serving.scoring.contract import CHILDREN, SINGULAR, read_envelope
from serving.scoring.faults import ContractError
from serving.scoring.predictor import Predictor, ScoreRequest
from serving.scoring.scorer import Scorer
from tests.helpers.histories import META, history
from tests.helpers.scored import bundle_of

NOW = micros("2024-03-01T00:00:00+00:00")
AT = "2024-01-01T00:00:00Z"
ENTITIES = ("leads", "deals", "accounts")
KEYS = {"leads": "lead_id", "deals": "deal_id", "accounts": "account_id"}

TEXTS = ["", "inf", "-inf", "nan", "1e999", "-1e999", "\uff11\uff12", "\u0663", "1_000", "1e15",
         "1e16", "0x10", " 5 ",
         "0001-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", AT, "2024-02-30",
         "1899-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "24:00", "\x00", "\ud800", "x" * 10_001,
         "=1+1", "won", "amount", "stage", "leads"]  # fmt: skip
odd = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from([None, True, False, 0, -1, 1.5, -0.0, 10**400, LARGEST_NUMBER, 1e16, 5e-324]),
    st.sampled_from([float("inf"), float("nan"), [], {}, [[]], {"a": {"b": 1}}]),
    st.text(max_size=5),
    st.floats(),
)


@cache
def predictor(entity: str) -> Predictor:
    """A predictor with every feature of the catalogue."""
    return Predictor(Scorer(bundle_of(entity, history(3))))


def _row(table: str, entity: str) -> dict[str, Any]:
    """A plain row of a table, in a record of the entity."""
    plain = {"instant": AT, "boolean": True, "number": 2.0, "category": "a", "text": "b"}
    row: dict[str, Any] = {
        c.name: plain[c.kind] for c in TABLES[table].columns if c.kind in plain and c.required
    }
    if table == entity:
        born = predictor(entity).scorer.born_column
        row |= {KEYS[entity]: "bad", born: "2023-12-01T00:00:00Z"}
    if table == "changes":
        row |= {"field": "amount", "changed_at": AT, "value": "5", "entity": entity}
    return row


def _names(table: str) -> list[str]:
    return [c.name for c in TABLES[table].columns]


def _record(entity: str, table: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    record: dict[str, Any] = {SINGULAR[entity]: _row(entity, entity)}
    several = table in CHILDREN or (entity == "accounts" and table in ("contacts", "deals"))
    record[table if several else SINGULAR[table]] = rows if several else rows[0]
    return record


@st.composite
def bad_records(draw: st.DrawFn, entity: str) -> dict[str, Any]:
    """A record with odd values in some fields of one table."""
    tables = [entity, "accounts", "contacts", *CHILDREN]
    table = draw(st.sampled_from([*tables, *(["deals"] if entity == "accounts" else [])]))
    row = _row(table, entity)
    custom = [f.name for f in META.custom.get(table, [])]
    for _ in range(draw(st.integers(1, 3))):
        name, value = draw(st.sampled_from([*_names(table), "custom", *custom, "other"])), draw(odd)
        if name in custom or (name == "custom" and draw(st.booleans())):
            row["custom"] = {draw(st.sampled_from([*custom, "new"])): value}
        else:
            row[name] = value
    return _record(entity, table, [row, _row(table, entity)])


def _answer(entity: str, records: list[Any]) -> list[dict[str, Any]]:
    body = {"as_of": "2024-02-01T00:00:00Z", "records": records}
    (made,) = predictor(entity).answer_all([ScoreRequest(body, NOW, "r")])
    assert isinstance(made, dict)
    return made["results"]  # type: ignore[no-any-return]


def _good(entity: str) -> dict[str, Any]:
    return {
        SINGULAR[entity]: {**_row(entity, entity), KEYS[entity]: "good"},
        "activities": [{"kind": "call", "direction": "inbound", "occurred_at": AT}],
    }


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_bad_record_harms_itself_only(entity: str, data: st.DataObject) -> None:
    """No failure, alone or beside; and the good one's score is the same to the bit."""
    bad, good = data.draw(bad_records(entity)), _good(entity)
    (alone,), (mine,) = _answer(entity, [bad]), _answer(entity, [good])
    assert "error" not in mine and set(alone) >= {"index", "id"}
    beside = _answer(entity, [bad, good])
    assert {**beside[1], "index": 0} == mine
    assert ("error" in beside[0]) == ("error" in alone)


@pytest.mark.parametrize(
    "word", [w for w in TEXTS if "0001" in w or "9999" in w or "1899" in w or "2200" in w]
)
def test_instants_that_no_crm_means_are_refused_everywhere(word: str) -> None:
    with pytest.raises(ContractError):
        read_envelope({"as_of": word, "records": [{}]})
    (result,) = _answer("leads", [{"lead": {"lead_id": "x", "created_at": word}}])
    assert result["error"]["code"] in ("bad_instant", "instant_without_zone")


@pytest.mark.parametrize("word", ["inf", "1e999", "-inf", "\uff11\uff12", "nan", "1_000"])
def test_a_change_to_no_number_states_none(word: str) -> None:
    """Such a text is as one that states no number at all."""
    found = []
    for value in (word, "no number"):
        change = {"field": "amount", "changed_at": "2024-01-05T00:00:00Z", "value": value}
        record = _record("deals", "changes", [{**change, "old_value": value}])
        found.append(_answer("deals", [record])[0])
    assert found[0] == found[1] and "error" not in found[0]
