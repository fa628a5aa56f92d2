"""Time alone: what was known then, looked at from later."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalog import build_features, definitions
from features.frozen import frozen
from features.schema import TABLES
from features.spine import Features, Spine
from features.tables import DAY, Coded, Tables, micros
from features.timeline import Timeline
from tests.helpers.histories import META, START, history, seeds
from tests.helpers.recorded import from_records

ENTITIES = ("leads", "deals", "accounts")
days = st.integers(1, 70)


def built(tables: Tables, entity: str, at: int) -> Features:
    ids = list(tables[entity].coded(TABLES[entity].key).values)
    spine = Spine(entity, ids, np.full(len(ids), at, np.int64))
    specs = [d.spec for d in definitions(entity, META).values()]
    return build_features(Timeline(tables), spine, specs)


def assert_same(mine: Features, theirs: Features) -> None:
    for name, column in mine.columns.items():
        other = theirs.columns[name]
        if isinstance(column, Coded):
            assert isinstance(other, Coded) and column.words() == other.words(), name
        else:
            np.testing.assert_array_equal(column, other, err_msg=name)


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, day=days, before=st.integers(0, 30))
def test_up_to_the_instant_nothing_is_different(
    entity: str, seed: int, day: int, before: int
) -> None:
    tables, at = history(seed), START + day * DAY
    assert_same(
        built(frozen(tables, at), entity, at - before * DAY),
        built(tables, entity, at - before * DAY),
    )


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, later=st.integers(0, 40))
def test_where_nothing_happened_since_nothing_is_different(
    entity: str, seed: int, later: int
) -> None:
    tables, end = history(seed), START + 200 * DAY  # every fact of these histories is earlier
    assert_same(
        built(frozen(tables, end), entity, end + later * DAY),
        built(tables, entity, end + later * DAY),
    )


@settings(max_examples=15, deadline=None)
@given(seed=seeds, day=days, later=st.integers(1, 40))
def test_freezing_later_too_changes_nothing(seed: int, day: int, later: int) -> None:
    """The earlier of two instants decides, in whichever order they are applied."""
    tables, at = history(seed), START + day * DAY
    once, cutoff = frozen(tables, at), at + later * DAY
    assert_same(
        built(frozen(once, at + later * DAY), "deals", cutoff), built(once, "deals", cutoff)
    )


def _at(day: float) -> str:
    return f"2024-01-{int(day):02d}T{int(day % 1 * 24):02d}:00:00+00:00"


def _one(table: str, features: list[str], rows: dict[str, list[dict[str, Any]]]) -> list[object]:
    """Values at 20 January of what was known on 10 January."""
    tables = frozen(from_records(rows, META), micros(_at(10)))
    found = built(tables, table, micros(_at(20)))
    values: list[object] = []
    for name in features:
        column = found.columns[name]
        values.append(column.words()[0] if isinstance(column, Coded) else float(column[0]))
    return values


def test_a_field_changed_later_keeps_its_old_value() -> None:
    deal = {"deal_id": "d", "created_at": _at(1), "stage": "signed", "outcome": "won",
            "closed_at": _at(15)}  # fmt: skip
    change = {"entity": "deals", "entity_id": "d", "field": "stage"}
    changes = [
        {
            **change,
            "change_id": "2",
            "value": "signed",
            "old_value": "offer",
            "changed_at": _at(14),
        },
        {**change, "change_id": "1", "value": "offer", "old_value": "first", "changed_at": _at(12)},
    ]
    assert _one("deals", ["stage", "age"], {"deals": [deal], "changes": changes}) == ["first", 19.0]


def test_calls_age_and_an_invoice_falls_due_but_no_call_comes() -> None:
    lead = {"lead_id": "x", "created_at": _at(1)}
    calls = [{"lead_id": "x", "kind": "call", "occurred_at": _at(d)} for d in (5, 12)]
    late = {**calls[0], "available_at": _at(13)}
    rows = {"leads": [lead], "activities": [*calls, late]}
    assert _one("leads", ["call_total", "days_since_call"], rows) == [1.0, 15.0]
    account = {"account_id": "a", "created_at": _at(1)}
    bill = {"invoice_id": "i", "account_id": "a", "issued_at": _at(3), "due_at": _at(12),
            "paid_at": _at(16)}  # fmt: skip
    assert _one("accounts", ["overdue_invoices"], {"accounts": [account], "invoices": [bill]}) == [
        1.0
    ]
