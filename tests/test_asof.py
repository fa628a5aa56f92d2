"""The window kernel against DuckDB's SQL, and the laws of point-in-time."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.asof import EventIndex, days_since, days_until, past
from features.tables import DAY, NAT

GROUPS = 4
DB = duckdb.connect(config={"threads": 1})
WINDOWS = (1.0, 7.0, 30.0)

# instants on a coarse grid, so that ties and events exactly at a cutoff or a window edge are common
_instants = st.integers(0, 40).map(lambda d: d * DAY // 2)
_event = st.tuples(
    st.integers(-1, GROUPS - 1),
    _instants,
    st.one_of(st.none(), st.integers(0, 40)),
    st.integers(-1, 3),
    st.one_of(st.none(), st.integers(-50, 50).map(float)),
)
_rows = st.lists(st.tuples(st.integers(-1, GROUPS - 1), _instants), min_size=1, max_size=12)


def _frame(history: list[tuple[int, int, int | None, int, float | None]]) -> pd.DataFrame:
    frame = pd.DataFrame(history, columns=["grp", "occurred", "delay", "code", "value"])
    frame["delay"] = pd.to_numeric(frame["delay"])
    available = frame["occurred"] + frame["delay"].fillna(0).astype("int64") * (DAY // 2)
    frame["known"] = available.astype("int64")
    frame["value"] = pd.to_numeric(frame["value"]).astype("float64")
    frame["pos"] = np.arange(len(frame))
    return frame.astype({"occurred": "int64", "grp": "int64", "code": "int64"})


def _oracle(frame: pd.DataFrame, spine: pd.DataFrame, days: float | None) -> pd.DataFrame:
    window = "" if days is None else f"AND e.occurred >= s.cutoff - {round(days * DAY)}"
    query = f"""
        SELECT s.i, count(e.pos) AS n, coalesce(sum(e.value), 0) AS total, avg(e.value) AS mean,
               count(DISTINCT CASE WHEN e.code >= 0 THEN e.code END) AS kinds,
               (max(s.cutoff) - max(e.occurred)) / {DAY} AS since_last,
               (max(s.cutoff) - min(e.occurred)) / {DAY} AS since_first
        FROM spine s LEFT JOIN frame e
          ON e.grp = s.grp AND e.grp >= 0 AND e.known < s.cutoff {window}
        GROUP BY s.i ORDER BY s.i"""
    DB.register("frame", frame)
    DB.register("spine", spine)
    return DB.execute(query).df()


@settings(max_examples=80, deadline=None)
@given(st.lists(_event, max_size=40), _rows)
def test_every_window_feature_agrees_with_sql(
    history: list[tuple[int, int, int | None, int, float | None]], rows: list[tuple[int, int]]
) -> None:
    frame = _frame(history)
    spine = pd.DataFrame(rows, columns=["grp", "cutoff"]).astype("int64")
    spine["i"] = np.arange(len(spine))
    events = EventIndex.of(
        frame["grp"].to_numpy(), GROUPS, frame["occurred"].to_numpy(), frame["known"].to_numpy()
    )
    seen = events.at(spine["grp"].to_numpy(), spine["cutoff"].to_numpy())
    values, codes = frame["value"].to_numpy(), frame["code"].to_numpy()
    for days in (None, *WINDOWS):
        want = _oracle(frame, spine, days)
        np.testing.assert_array_equal(seen.count(days), want["n"])
        np.testing.assert_allclose(seen.total(values, days), want["total"], atol=1e-9)
        np.testing.assert_allclose(seen.mean(values, days), want["mean"].astype(float), atol=1e-9)
        np.testing.assert_array_equal(seen.distinct(codes, days), want["kinds"])
    want = _oracle(frame, spine, None)
    np.testing.assert_allclose(seen.since_last(), want["since_last"].astype(float))
    np.testing.assert_allclose(seen.since_first(), want["since_first"].astype(float))


@settings(max_examples=100, deadline=None)
@given(st.lists(_event, min_size=1, max_size=40), _rows)
def test_last_is_the_latest_occurrence_in_sight(
    history: list[tuple[int, int, int | None, int, float | None]], rows: list[tuple[int, int]]
) -> None:
    frame = _frame(history)
    groups, cutoffs = (np.array(c, np.int64) for c in zip(*rows, strict=True))
    occurred, known = frame["occurred"].to_numpy(), frame["known"].to_numpy()
    seen = EventIndex.of(frame["grp"].to_numpy(), GROUPS, occurred, known).at(groups, cutoffs)
    for g, c, row in zip(groups, cutoffs, seen.last(), strict=True):
        in_sight = frame[(frame.grp == g) & (frame.grp >= 0) & (frame.known < c)]
        if in_sight.empty:
            assert row == -1
        else:
            assert occurred[row] == in_sight.occurred.max()
            assert known[row] < c and frame.grp[row] == g


@settings(max_examples=100, deadline=None)
@given(st.lists(_event, max_size=30), st.lists(_event, max_size=30), _rows)
def test_future_rows_change_nothing(
    history: list[tuple[int, int, int | None, int, float | None]],
    future: list[tuple[int, int, int | None, int, float | None]],
    rows: list[tuple[int, int]],
) -> None:
    """Rows that became known at or after a cutoff leave every answer as it was, to the bit."""
    groups, cutoffs = (np.array(c, np.int64) for c in zip(*rows, strict=True))
    end = int(cutoffs.max())
    before = _frame(history)
    after = _frame([*history, *future])
    late = np.arange(len(after)) >= len(before)
    after.loc[late, "known"] = np.maximum(after.loc[late, "known"], end)

    def answers(frame: pd.DataFrame) -> list[np.ndarray]:
        events = EventIndex.of(
            frame["grp"].to_numpy(), GROUPS, frame["occurred"].to_numpy(), frame["known"].to_numpy()
        )
        seen = events.at(groups, cutoffs)
        value, kind = frame["value"].to_numpy(), frame["code"].to_numpy()
        windows = [(seen.count(d), seen.total(value, d), seen.distinct(kind, d)) for d in WINDOWS]
        return [a for w in windows for a in w] + [seen.since_last(), seen.last(), seen.total(value)]

    for a, b in zip(answers(before), answers(after), strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=60, deadline=None)
@given(st.lists(_event, min_size=1, max_size=60), _rows)
def test_an_entity_alone_gives_the_same_bits_as_in_the_crowd(
    history: list[tuple[int, int, int | None, int, float | None]], rows: list[tuple[int, int]]
) -> None:
    frame = _frame(history)
    frame["value"] = frame["value"] / 3.0  # sums that round
    groups, cutoffs = (np.array(c, np.int64) for c in zip(*rows, strict=True))

    def totals(part: pd.DataFrame, g: np.ndarray, c: np.ndarray) -> list[np.ndarray]:
        events = EventIndex.of(
            part["grp"].to_numpy(), GROUPS, part["occurred"].to_numpy(), part["known"].to_numpy()
        )
        seen = events.at(g, c)
        return [seen.total(part["value"].to_numpy(), d) for d in (None, *WINDOWS)]

    crowd = totals(frame, groups, cutoffs)
    for i in range(len(groups)):
        own = frame[frame.grp == groups[i]].reset_index(drop=True)
        alone = totals(own, groups[i : i + 1], cutoffs[i : i + 1])
        for a, b in zip(crowd, alone, strict=True):
            assert a[i] == b[0]


def test_windows_are_half_open() -> None:
    """An event exactly at the cutoff is the future; one exactly at the window's start is in."""
    at = np.array([10 * DAY], np.int64)
    events = EventIndex.of(np.zeros(1, np.int64), 1, at)
    group = np.zeros(1, np.int64)
    assert events.at(group, at).count() == 0
    assert events.at(group, at + 7 * DAY).count(7) == 1
    assert events.at(group, at + 7 * DAY + 1).count(7) == 0


def test_no_events_is_zero_and_no_recency() -> None:
    empty = np.array([], np.int64)
    seen = EventIndex.of(empty, 2, empty).at(np.array([0, -1]), np.array([DAY, DAY]))
    assert seen.count(7).tolist() == [0, 0]
    assert seen.total(np.array([])).tolist() == [0, 0]
    assert np.isnan(seen.since_last()).all()
    assert seen.last().tolist() == [-1, -1]


def test_long_groups_take_the_same_path_as_short_ones() -> None:
    rng = np.random.default_rng(5)
    occurred = rng.integers(0, 100, 500) * DAY
    known = occurred + rng.integers(0, 3, 500) * DAY
    cutoffs = np.arange(0, 110, 7) * DAY
    seen = EventIndex.of(np.zeros(500, np.int64), 1, occurred, known).at(
        np.zeros(len(cutoffs), np.int64), cutoffs
    )
    inside = (known[None, :] < cutoffs[:, None]) & (
        occurred[None, :] >= cutoffs[:, None] - 14 * DAY
    )
    np.testing.assert_array_equal(seen.count(14), inside.sum(axis=1))


@pytest.mark.parametrize("function", [days_since, days_until])
def test_a_missing_instant_stays_missing(function: object) -> None:
    missing = np.array([NAT], np.int64)
    assert np.isnan(function(missing, np.array([DAY])))  # type: ignore[operator]


def test_a_fact_of_the_future_is_not_known_yet_but_a_plan_is() -> None:
    future, now = np.array([3 * DAY]), np.array([2 * DAY])
    assert not past(future, now)[0]
    assert np.isnan(days_since(future, now)[0])
    assert days_until(future, now)[0] == 1.0
