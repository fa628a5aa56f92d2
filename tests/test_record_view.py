"""A record's features by plain numbers are those of a data set by columns, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.asof import EventIndex
from features.calendar_time import zone
from features.catalog import chosen, compute, compute_record, supported
from features.demo import generate
from features.frames import from_frames
from features.record import RecordView, RecordWindow
from features.spine import FeatureRows, Spine
from features.tables import DAY, NAT, Coded, Tables, micros
from features.timeline import Timeline
from features.view import View
from training.models.encoding import Encoding

ENTITIES = ("leads", "deals", "accounts")


@pytest.fixture(scope="module")
def company() -> Tables:
    demo = generate()
    return from_frames(demo.frames, demo.meta)


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_record_has_the_features_of_its_row_among_many(company: Tables, entity: str) -> None:
    """At instants all over their lives: before birth, at a fact's own instant, long after."""
    timeline, draw = Timeline(company), np.random.default_rng(3)
    keys = company[entity].coded({"leads": "lead_id", "deals": "deal_id"}.get(entity, "account_id"))
    ids = [keys.values[i] for i in draw.integers(0, len(keys.values), 40)] + ["unknown"]
    ends = micros(company.meta.as_of)
    cutoffs = draw.integers(ends - 700 * DAY, ends, len(ids))
    cutoffs[:5] = company[entity].instant("created_at")[[keys.values.index(i) for i in ids[:5]]]
    wanted = chosen(entity, company.meta, supported(entity, company))
    columns = compute(View(timeline, Spine(entity, ids, cutoffs)), wanted)
    rows = [
        compute_record(RecordView(timeline, entity, key, int(at)), wanted)
        for key, at in zip(ids, cutoffs, strict=True)
    ]
    for name, column in columns.columns.items():
        mine = [row[name] for row in rows]
        if isinstance(column, Coded):
            assert mine == column.words(), name
        else:
            assert np.array(mine, np.float64).tobytes() == _plain(column).tobytes(), name
    encoding = Encoding.fit(columns, min_count=1)
    few = encoding.matrix(FeatureRows(columns.specs, rows))
    np.testing.assert_array_equal(few, encoding.matrix(columns))


def _plain(column: np.ndarray) -> np.ndarray:
    """NaN has many bit patterns, and which one is no fact."""
    return np.where(np.isnan(column), np.nan, column)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 5)), max_size=12),
    st.integers(0, 12),
    st.sampled_from([1, 3, 30]),
    st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_a_window_of_one_place_is_a_row_of_the_window_of_all(
    drawn: list[tuple[int, int, int]], at: int, days: int, late: bool
) -> None:
    groups, occurred, delay = (np.array([d[i] for d in drawn], np.int64) for i in range(3))
    available = (occurred + delay) * DAY if late else None
    events = EventIndex.of(groups, 3, occurred * DAY, available)
    values, codes = np.sqrt(occurred + 0.1), delay - 1
    every = events.at(np.array([-1, 0, 1, 2]), np.full(4, at * DAY))
    for row, place in enumerate([-1, 0, 1, 2]):
        one = RecordWindow.of(events, place, at * DAY)
        for width in (None, days):
            assert one.count(width) == every.count(width)[row]
            assert one.total(values, width) == every.total(values, width)[row]
            assert one.distinct(codes, width) == every.distinct(codes, width)[row]
            np.testing.assert_equal(one.mean(values, width), every.mean(values, width)[row])
        assert (one.last(), one.first_known()) == (every.last()[row], every.first_known()[row])
        np.testing.assert_equal(one.since_last(), every.since_last()[row])
        np.testing.assert_equal(one.since_first(), every.since_first()[row])
        assert one.select(codes > 0).count() == every.select(codes > 0).count()[row]


@given(
    st.integers(micros("1901-01-01T00:00:00+00:00"), micros("2199-01-01T00:00:00+00:00")),
    st.sampled_from(["UTC", "Europe/Madrid", "America/Sao_Paulo", "Asia/Beirut"]),
)
@settings(max_examples=200, deadline=None)
def test_months_of_one_instant_are_those_of_many(at: int, name: str) -> None:
    rules = zone(name)
    month = rules.month(at)  # type: ignore[arg-type]
    assert month == rules.month(np.array([at]))[0]
    assert rules.month_start(month) == rules.month_start(np.array([month]))[0]
    assert rules.month(NAT) == 0  # type: ignore[arg-type]
