"""The laws of the features: the future changes nothing, and one record equals the batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from features.catalog import build_features, definitions
from features.reference import reference, tables_of
from features.schema import TABLES
from features.spine import Features, Spine
from features.tables import DAY, NAT, Coded, Table, Tables
from features.timeline import Timeline
from tests.helpers.histories import META, START, history, part_of, seeds

# before its first change a field had the change's old value; where that was not kept it is missing,
# while a data set of that day would still have held it
REPLAYED = ("status", "stage", "amount", "amount_growth", "days_to_expected_close", "owner_load")
ENTITIES = ("leads", "deals", "accounts")


def _spine(entity: str, tables: Tables, days: tuple[int, ...] = (20, 45, 61)) -> Spine:
    ids = tables[entity].coded(TABLES[entity].key).values
    cutoffs = np.repeat([START + d * DAY for d in days], len(ids)).astype(np.int64)
    return Spine(entity, list(ids) * len(days), cutoffs)


def _same(a: Features, b: Features, rows: np.ndarray | slice = slice(None)) -> None:
    for spec in a.specs:
        left, right = a.columns[spec.name], b.columns[spec.name]
        if isinstance(left, Coded):
            assert isinstance(right, Coded)
            assert np.array(left.words(), object)[rows].tolist() == right.words(), spec.name
        else:
            np.testing.assert_array_equal(left[rows], right, err_msg=spec.name)


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_one_record_equals_the_batch_bit_for_bit(entity: str, seed: int) -> None:
    """The endpoint sees one entity and the bundle's reference, the batch sees everything."""
    tables = history(seed)
    specs = [d.spec for d in definitions(entity, META).values()]
    spine = _spine(entity, tables)
    batch = build_features(Timeline(tables), spine, specs)
    carried = tables_of(reference(tables, entity), META)
    for row in range(0, len(spine), 4):
        own = part_of(tables, entity, spine.ids[row])
        small = {t: carried[t] for t in ("owners", "fx_rates")}
        request = Tables({**own.tables, **small}, META)
        one = build_features(
            Timeline(request), spine.take(np.array([row])), specs, Timeline(carried)
        )
        _same(batch, one, np.array([row]))


def _until(tables: Tables, cutoff: int) -> Tables:
    """The data set as it stood at the cutoff: later rows gone, later facts not yet filled in."""
    kept: dict[str, Table] = {}
    for name in tables:
        table, born = tables[name], TABLES[name].born
        at, available = table.instant(born), table.instant("available_at")
        known = (at == NAT) | (np.maximum(at, available) < cutoff)
        if name in ("accounts", "contacts"):  # a lead may point at an account of tomorrow
            known = at < cutoff
        rows = np.flatnonzero(known | np.isin(name, ENTITIES))
        columns = {}
        for c, column in table.columns.items():
            taken = column.take(rows) if isinstance(column, Coded) else column[rows]
            if c in ("closed_at", "ended_at", "paid_at"):
                assert not isinstance(taken, Coded)
                taken = np.where(taken < cutoff, taken, np.int64(NAT))
            columns[c] = taken
        kept[name] = Table(name, len(rows), columns)
    return Tables(kept, tables.meta)


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=25, deadline=None)
@given(seed=seeds)
def test_what_happens_later_changes_no_feature(entity: str, seed: int) -> None:
    """A cutoff in the past sees the same data set as one built on that day would have been."""
    tables = history(seed)
    specs = [
        d.spec
        for d in definitions(entity, META).values()
        if d.spec.name not in REPLAYED and d.spec.group != "owner"
    ]
    cutoff = START + 30 * DAY
    spine = _spine(entity, tables, (30,))
    now = build_features(Timeline(tables), spine, specs)
    then = build_features(Timeline(_until(tables, cutoff)), spine, specs)
    _same(now, then)
