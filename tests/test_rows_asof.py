"""What is known and open at an instant, beside the sentence that says so, row by row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.frames import from_frames
from features.rows_asof import RowsAsOf, born_column
from features.tables import DAY, NAT, Dates, Meta, Table, micros
from features.timeline import Timeline

START = micros("2024-03-01T00:00:00Z")
maybe = st.none() | st.integers(START, START + 5 * DAY)
lives = st.lists(st.tuples(maybe, maybe, maybe, st.booleans()), min_size=1, max_size=6)


def _table(some: list[tuple[int | None, int | None, int | None, bool]]) -> Table:
    frame = pd.DataFrame(some, columns=["created_at", "closed_at", "available_at", "ended"])
    stamps = {
        c: pd.to_datetime(frame[c].astype("Int64"), unit="us", utc=True)
        for c in ("created_at", "closed_at", "available_at")
    }
    outcome = frame["ended"].map({True: "won", False: None})
    ids = [f"D{i}" for i in range(len(frame))]
    deals = pd.DataFrame({"deal_id": ids, "outcome": outcome, **stamps})
    return from_frames({"deals": deals}, Meta("2024-04-01T00:00:00Z"))["deals"]


@given(lives, st.integers(START, START + 5 * DAY))
def test_known_and_open_are_what_the_words_say(
    some: list[tuple[int | None, int | None, int | None, bool]], at: int
) -> None:
    rows = RowsAsOf.of(_table(some))
    known, is_open = rows.known(at).tolist(), rows.open(at).tolist()
    for (born, closed, available, ended), k, o in zip(some, known, is_open, strict=True):
        since = available or 0
        assert k == (born is not None and max(born, since) < at)
        gone = closed is not None and max(closed, since) < at
        assert o == (k and not gone and not (ended and closed is None))


def test_a_day_is_known_when_it_ends_where_the_company_is() -> None:
    """Created on 3 March in Madrid: known from midnight there, which is 23:00 of 3 March UTC."""
    day = micros("2024-03-02T23:00:00Z")
    dates = Dates(frozenset({"created_at"}), "Europe/Madrid")
    rows = RowsAsOf.of(Table("deals", 2, {"created_at": np.array([day, NAT])}, dates))
    midnight = micros("2024-03-03T23:00:00Z")
    assert rows.open(midnight - 1).tolist() == [False, False]
    assert rows.open(midnight).tolist() == [True, False]
    assert rows.in_crm(midnight).tolist() == [True, True], "without any date it was always there"


def test_an_account_is_born_when_it_became_a_customer_where_that_is_known() -> None:
    assert born_column("accounts", True) == "customer_at"
    assert born_column("accounts", False) == born_column("leads", True) == "created_at"


@pytest.mark.parametrize(
    ("column", "fixed", "then", "at_the_end"),
    [
        ("stage", [], True, True),  # `changes` keeps its history
        ("amount", [], False, True),  # edited, no history: only today's is known
        ("amount", ["amount"], True, True),  # the mapping's word
        ("created_at", [], True, True),  # the schema's word
    ],
)
def test_when_the_past_of_a_field_is_known(
    column: str, fixed: list[str], then: bool, at_the_end: bool
) -> None:
    end = "2024-04-01T00:00:00Z"
    changes = pd.DataFrame(
        {
            "entity": ["deals"],
            "entity_id": ["D0"],
            "field": ["stage"],
            "changed_at": pd.to_datetime(["2024-03-05"], utc=True),
            "value": ["offer"],
            "old_value": ["call"],
        }
    )
    deals = pd.DataFrame({"deal_id": ["D0"], "stage": ["offer"], "amount": [5.0]})
    meta = Meta(end, fixed={"deals": fixed})
    timeline = Timeline(from_frames({"deals": deals, "changes": changes}, meta))
    assert timeline.knows("deals", column) is then
    assert timeline.knows("deals", column, START) is then
    assert timeline.knows("deals", column, micros(end)) is at_the_end
