"""The spine against an oracle that walks midnight by midnight, and its laws."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from features.frames import from_frames
from features.tables import DAY, NAT, Meta, Tables
from training.task.questions import QUESTIONS, Question, label
from training.task.snapshots import rows_of, snapshots

START = 1_700_000_000_000_000 // DAY * DAY
HALF = DAY // 2
DEALS = replace(QUESTIONS["deal_close"], edges=(2.0, 5.0), every_days=3.0)
ACCOUNTS = replace(QUESTIONS["churn"], edges=(2.0, 5.0), every_days=3.0)


@dataclass(frozen=True)
class Life:
    """One deal: entered, became available, closed; microseconds, None where unknown."""

    created: int | None
    available: int | None = None
    closed: int | None = None


# a grid of half days, so that born and closed exactly at a midnight are common
instants = st.integers(0, 30).map(lambda half_days: START + half_days * HALF)
lives = st.builds(Life, st.none() | instants, st.none() | instants, st.none() | instants)
many = st.lists(lives, min_size=1, max_size=5)
ends = st.integers(0, 40).map(lambda half_days: START + half_days * HALF)
steps = st.sampled_from([0.5, 1.0, 3.0, 30.0])


def _instants(values: list[int | None]) -> pd.Series:
    at = np.array([NAT if v is None else v for v in values], "datetime64[us]")
    return pd.Series(at).dt.tz_localize("UTC")


def _deals(some: list[Life]) -> Tables:
    frame = pd.DataFrame(
        {
            "deal_id": [f"D{i}" for i in range(len(some))],
            "created_at": _instants([x.created for x in some]),
            "available_at": _instants([x.available for x in some]),
            "closed_at": _instants([x.closed for x in some]),
            "outcome": pd.Series([None if x.closed is None else "won" for x in some], dtype=object),
        }
    )
    return from_frames({"deals": frame}, Meta("2024-01-01T00:00:00Z"))


def _rows(tables: Tables, question: Question, end: int) -> list[tuple[str, int]]:
    spine = snapshots(tables, question, end)
    return list(zip(spine.ids, spine.cutoffs.tolist(), strict=True))


def _walk(life: Life, question: Question, end: int) -> list[int]:
    """Its cutoffs: from the first midnight after it was known, while open and before the end."""
    if life.created is None:
        return []
    cutoff = START - 2 * DAY
    while not (cutoff > life.created and (life.available is None or cutoff > life.available)):
        cutoff += DAY
    found = []
    while cutoff < end and (life.closed is None or life.closed >= cutoff):
        found.append(cutoff)
        cutoff += round(question.every_days * DAY)
    return found[:1] if question.snapshots == "created" else found


@given(many, ends, steps, st.sampled_from(["created", "regular"]))
def test_the_spine_agrees_with_the_oracle(
    some: list[Life], end: int, every: float, when: str
) -> None:
    question = DEALS.with_overrides({"every_days": every, "snapshots": when})
    wanted = [(f"D{i}", at) for i, life in enumerate(some) for at in _walk(life, question, end)]
    found = _rows(_deals(some), question, end)
    assert sorted(found) == sorted(wanted)
    assert [at for _, at in found] == sorted(at for _, at in found)


@given(many, ends)
def test_first_looks_are_midnights_and_later_ones_whole_steps(some: list[Life], end: int) -> None:
    seen: dict[str, list[int]] = {}
    for entity, at in _rows(_deals(some), DEALS, end):
        seen.setdefault(entity, []).append(at)
    for looks in seen.values():
        assert looks[0] % DAY == 0 and set(np.diff(looks)) <= {3 * DAY}


@given(many, ends)
def test_only_what_is_open_and_known_is_asked_about(some: list[Life], end: int) -> None:
    tables = _deals(some)
    for entity, at in _rows(tables, DEALS, end):
        assert at < end
        assert rows_of(tables, DEALS).open(at)[int(entity[1:])]


@given(many, ends)
def test_at_birth_is_the_first_of_the_regular_looks(some: list[Life], end: int) -> None:
    tables = _deals(some)
    first: dict[str, int] = {}
    for entity, at in _rows(tables, DEALS, end):
        first.setdefault(entity, at)
    assert dict(_rows(tables, replace(DEALS, snapshots="created"), end)) == first


@given(many, ends, st.integers(0, 10))
def test_a_later_end_only_adds_looks(some: list[Life], end: int, more: int) -> None:
    tables = _deals(some)
    assert set(_rows(tables, DEALS, end)) <= set(_rows(tables, DEALS, end + more * HALF))


@given(many, ends)
def test_what_happens_from_the_end_on_changes_no_look(some: list[Life], end: int) -> None:
    def unless_late(at: int | None) -> int | None:
        return None if at is not None and at >= end else at

    hidden = [replace(x, closed=unless_late(x.closed)) for x in some]
    assert _rows(_deals(some), DEALS, end) == _rows(_deals(hidden), DEALS, end)


@given(many, ends)
def test_every_look_has_its_outcome_still_ahead(some: list[Life], end: int) -> None:
    """A row of the spine is never already decided: its entity closes at the cutoff or later."""
    tables = _deals(some)
    spine = snapshots(tables, DEALS, end)
    closed = [some[int(i[1:])].closed for i in spine.ids]
    assert all(c is None or c >= at for c, at in zip(closed, spine.cutoffs, strict=True))
    labels = label(tables, DEALS, spine, end)
    for row, (c, at) in enumerate(zip(closed, spine.cutoffs.tolist(), strict=True)):
        inside = c is not None and c < min(end, at + 5 * DAY)
        assert labels.event[row] == int(inside)


def test_known_at_midnight_is_asked_about_the_next_day() -> None:
    """Facts are known before the cutoff, not at it: a birth at 00:00 is first seen a day later."""
    assert _rows(_deals([Life(START)]), DEALS, START + 2 * DAY) == [("D0", START + DAY)]
    assert _rows(_deals([Life(START - 1)]), DEALS, START + 2 * DAY) == [("D0", START)]


def test_closed_exactly_at_a_cutoff_is_still_asked_about() -> None:
    """Half-open time: the closing lies in [cutoff, …), so it is the future there."""
    closing = START + 4 * DAY
    looks = _rows(_deals([Life(START, closed=closing)]), DEALS, START + 20 * DAY)
    assert looks == [("D0", START + DAY), ("D0", closing)]
    looks = _rows(_deals([Life(START, closed=closing - 1)]), DEALS, START + 20 * DAY)
    assert looks == [("D0", START + DAY)]


def test_closed_before_the_first_midnight_is_never_asked_about() -> None:
    assert _rows(_deals([Life(START + 1, closed=START + HALF)]), DEALS, START + 9 * DAY) == []


def test_a_row_that_arrives_late_is_asked_about_once_it_is_there() -> None:
    late = Life(START, available=START + 5 * DAY)
    assert _rows(_deals([late]), DEALS, START + 7 * DAY) == [("D0", START + 6 * DAY)]


def test_nothing_is_asked_of_an_empty_table() -> None:
    assert len(snapshots(Tables({}, Meta("2024-01-01T00:00:00Z")), DEALS, START)) == 0


def _accounts(**columns: list[int | None]) -> Tables:
    n = len(next(iter(columns.values())))
    frame = pd.DataFrame(
        {"account_id": [f"A{i}" for i in range(n)]} | {k: _instants(v) for k, v in columns.items()}
    )
    return from_frames({"accounts": frame}, Meta("2024-01-01T00:00:00Z"))


def test_accounts_are_asked_about_from_the_day_they_became_customers() -> None:
    """A prospect cannot leave: the second account, no customer yet, is not asked about."""
    created: list[int | None] = [START, START]
    customers = _accounts(created_at=created, customer_at=[START + 6 * DAY, None])
    assert _rows(customers, ACCOUNTS, START + 8 * DAY) == [("A0", START + 7 * DAY)]
    assert rows_of(customers, ACCOUNTS).open(START + 7 * DAY).tolist() == [True, False]
    assert rows_of(customers, ACCOUNTS).open(START + 5 * DAY).tolist() == [False, False]


def test_without_that_day_accounts_are_asked_about_from_their_entry() -> None:
    without: list[dict[str, list[int | None]]] = [{}, {"customer_at": [None]}]
    for more in without:
        tables = _accounts(created_at=[START], **more)
        assert _rows(tables, ACCOUNTS, START + 2 * DAY) == [("A0", START + DAY)]


def test_a_flat_table_is_looked_at_once_without_a_date() -> None:
    flat = replace(DEALS, flat=True, edges=(1.0,), snapshots="created")
    tables = _deals([Life(None), Life(START, closed=START + DAY)])
    assert _rows(tables, flat, NAT) == [("D0", NAT), ("D1", NAT)]
