"""Labels against a row-by-row oracle: half-open time, competing outcomes, censoring, no future."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.frames import from_frames
from features.spine import Spine
from features.tables import DAY, NAT, Meta, Tables
from training.task.questions import QUESTIONS, Labels, Question, label, rows_of

START = 1_700_000_000_000_000 // DAY * DAY
HALF = DAY // 2
RISING = "edges must be positive and rising"
LEAD = replace(QUESTIONS["lead_conversion"], edges=(1.0, 2.5, 4.0))
FLAT = replace(LEAD, flat=True, edges=(1.0,), snapshots="created")
WORDS = (None, "converted", "disqualified")


@dataclass(frozen=True)
class Case:
    """Leads with their fates, looked at some instants, in a data set that ends."""

    outcomes: list[str | None]
    closed: list[int | None]
    looks: list[tuple[int, int]]
    end: int

    def tables(self) -> Tables:
        closed = np.array([NAT if c is None else c for c in self.closed], "datetime64[us]")
        frame = pd.DataFrame(
            {
                "lead_id": [f"L{i}" for i in range(len(self.outcomes))],
                "outcome": pd.Series(self.outcomes, dtype="string"),
                "closed_at": pd.Series(closed).dt.tz_localize("UTC"),
            }
        )
        return from_frames({"leads": frame}, Meta("2024-01-01T00:00:00Z"))

    def spine(self) -> Spine:
        cutoffs = np.array([at for _, at in self.looks], np.int64)
        return Spine("leads", [f"L{i}" for i, _ in self.looks], cutoffs)

    def labels(self) -> Labels:
        return label(self.tables(), LEAD, self.spine(), self.end)


# a grid of half days, so that closing exactly at a cutoff, a bin's end or the data's end is common
instants = st.integers(0, 16).map(lambda half_days: START + half_days * HALF)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    n = draw(st.integers(1, 4))
    outcomes = draw(st.lists(st.sampled_from(WORDS), min_size=n, max_size=n))
    closed = draw(st.lists(st.none() | instants, min_size=n, max_size=n))
    looks = draw(st.lists(st.tuples(st.integers(0, n - 1), instants), min_size=1, max_size=6))
    return Case(outcomes, closed, looks, draw(instants))


def _fate(case: Case, lead: int, cutoff: int) -> tuple[int, int, int]:
    """(event, bin, observed) as the words of docs/architecture.md say it, one bin at a time."""
    starts = [cutoff + round(e * DAY) for e in (0.0, *LEAD.edges)]
    observed = 0
    while observed < LEAD.bins and starts[observed + 1] <= case.end:
        observed += 1
    word, closed = case.outcomes[lead], case.closed[lead]
    if word is None or closed is None or closed >= case.end:
        return 0, LEAD.bins, observed
    for k in range(LEAD.bins):
        if starts[k] <= closed < starts[k + 1]:
            return LEAD.outcomes.index(word) + 1, k, observed
    return 0, LEAD.bins, observed


@given(cases())
def test_labels_agree_with_the_oracle(case: Case) -> None:
    found = case.labels()
    wanted = [_fate(case, lead, cutoff) for lead, cutoff in case.looks]
    got = zip(found.event.tolist(), found.event_bin.tolist(), found.observed.tolist(), strict=True)
    assert list(got) == wanted


@given(cases())
def test_person_periods_are_the_bins_entered_and_wholly_observed(case: Case) -> None:
    found = case.labels()
    wanted = [
        (i, k, event if k == event_bin else 0)
        for i, (event, event_bin, observed) in enumerate(_fate(case, *look) for look in case.looks)
        for k in range(LEAD.bins)
        if k < observed and k <= event_bin
    ]
    rows, bins, y = found.person_periods()
    assert list(zip(rows.tolist(), bins.tolist(), y.tolist(), strict=True)) == wanted


@given(cases())
def test_nothing_after_the_end_is_looked_at(case: Case) -> None:
    """Whatever happens from the end of the data on, the labels are those known there."""
    late = [c is not None and c >= case.end for c in case.closed]
    unknown = replace(
        case,
        outcomes=[None if later else w for w, later in zip(case.outcomes, late, strict=True)],
        closed=[None if later else c for c, later in zip(case.closed, late, strict=True)],
    )
    other = replace(
        case,
        outcomes=[
            "converted" if later else w for w, later in zip(case.outcomes, late, strict=True)
        ],
    )
    for changed in (unknown, other):
        _equal(changed.labels(), case.labels())


def _equal(a: Labels, b: Labels) -> None:
    np.testing.assert_array_equal(a.event, b.event)
    np.testing.assert_array_equal(a.event_bin, b.event_bin)
    np.testing.assert_array_equal(a.observed, b.observed)


@given(cases(), st.integers(0, 8))
def test_a_later_end_only_adds_knowledge(case: Case, more: int) -> None:
    """What was fully observed stays as it was: no label is ever taken back."""
    before, after = case.labels(), replace(case, end=case.end + more * HALF).labels()
    assert (after.observed >= before.observed).all()
    for i in range(len(before)):
        if before.event[i]:
            same = (before.event[i], before.event_bin[i]) == (after.event[i], after.event_bin[i])
            assert same
        elif after.event[i]:
            assert after.event_bin[i] >= before.observed[i]


@given(cases())
def test_matured_and_hit_need_the_horizon_observed(case: Case) -> None:
    found = case.labels()
    for i, (lead, cutoff) in enumerate(case.looks):
        event, event_bin, observed = _fate(case, lead, cutoff)
        assert found.matured[i] == (cutoff + round(LEAD.horizon * DAY) <= case.end)
        assert found.hit[i] == (event == 1 and event_bin < observed)


def test_the_cutoff_is_inside_and_the_horizon_outside() -> None:
    """Half-open: [cutoff, cutoff + 1), [+1, +2.5), [+2.5, +4); the other outcome competes."""
    looks = [(i, START) for i in range(5)]
    closed: list[int | None] = [START, START + DAY, START + 4 * DAY - 1, START + 4 * DAY, START - 1]
    words: list[str | None] = ["converted", "disqualified", *["converted"] * 3]
    found = Case(words, closed, looks, START + 9 * DAY).labels()
    assert found.event.tolist() == [1, 2, 1, 0, 0]
    assert found.event_bin.tolist() == [0, 1, 2, 3, 3]
    assert found.hit.tolist() == [True, False, True, False, False]


def test_open_is_never_lost() -> None:
    """A lead still open when the data end teaches the bins it survived, and no more."""
    found = Case([None], [None], [(0, START)], START + 3 * DAY).labels()
    assert found.event.tolist() == [0] and not found.matured.any()
    assert found.person_periods()[2].tolist() == [0, 0]


def test_a_flat_table_happened_or_not() -> None:
    words: list[str | None] = ["converted", None, "disqualified"]
    case = Case(words, [None] * 3, [(0, NAT), (1, NAT), (2, NAT)], NAT)
    found = label(case.tables(), FLAT, case.spine(), NAT)
    assert (found.bins, found.outcomes) == (1, 1) and found.matured.all()
    assert found.hit.tolist() == [True, False, False]
    assert found.person_periods()[2].tolist() == [1, 0, 0]


@given(cases(), cases())
def test_taking_and_joining_labels_keeps_their_rows(a: Case, b: Case) -> None:
    first, second = a.labels(), b.labels()
    joined = Labels.join([first, second])
    here = np.arange(len(first), dtype=np.int64)
    _equal(joined.take(here), first)
    _equal(joined.take(np.arange(len(first), len(joined), dtype=np.int64)), second)


def test_an_unknown_entity_is_an_error() -> None:
    tables = Case([None], [None], [(0, START)], START).tables()
    with pytest.raises(KeyError, match="leads holds no row with key 'L7'"):
        rows_of(tables, Spine("leads", ["L7"], np.array([START])))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"horizon": 30}, "unknown settings horizon; there are edges, every_days, "),
        ({"entity": "deals"}, "unknown settings entity"),
        ({"edges": []}, RISING),
        ({"edges": [0, 7]}, RISING),
        ({"edges": [7, 7]}, RISING),
        ({"edges": [14, 7]}, RISING),
        ({"edges": [7, float("nan")]}, RISING),
        ({"edges": [7, float("inf")]}, RISING),
        ({"edges": ["7"]}, RISING),
        ({"edges": 7}, RISING),
        ({"snapshots": "daily"}, 'snapshots must be "created" or "regular", got \'daily\''),
        ({"every_days": 0}, "every_days must be a positive number of days, got 0"),
        ({"every_days": -3}, "every_days must be a positive number of days, got -3"),
        ({"every_days": "7"}, "every_days must be a positive number of days, got '7'"),
    ],
)
def test_a_wrong_setting_is_told(overrides: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        LEAD.with_overrides(overrides)


def test_settings_override_the_defaults() -> None:
    changed = LEAD.with_overrides({"edges": [10, 20], "snapshots": "created", "every_days": 7})
    assert changed == Question("lead_conversion", "leads", (10, 20), "created", 7)
    assert (changed.horizon, changed.bins, changed.target) == (20, 2, "converted")
    assert np.isnan(FLAT.horizon) and FLAT.outcomes == ("converted",)
