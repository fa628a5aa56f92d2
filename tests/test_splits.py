"""Laws of the splits: no label looks past its origin, and the newest period stays unseen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import DAY, NAT, Instants
from training.task.splits import Fold, Split, TooLittleDataError, rolling_origins, stratified

START = 1_600_000_000_000_000


def _days(days: list[float]) -> Instants:
    return START + np.array([round(d * DAY) for d in days], np.int64)


spines = st.lists(st.floats(0, 700, allow_nan=False), min_size=5, max_size=300)


@settings(max_examples=60, deadline=None)
@given(spines, st.floats(1, 200), st.integers(1, 6), st.floats(0.05, 0.6))
def test_origins_divide_time(days: list[float], horizon: float, folds: int, share: float) -> None:
    cutoffs, data_end = _days(days), START + 720 * DAY
    try:
        split = rolling_origins(cutoffs, data_end, horizon, folds, newest_share=share, min_rows=1)
    except TooLittleDataError:
        return
    newest = split.newest
    assert split.timed and len(split.folds) <= folds
    assert (cutoffs[newest.valid_rows] + round(horizon * DAY) <= data_end).all()
    for fold in [*split.folds, newest]:
        assert (cutoffs[fold.train_rows] < fold.origin).all()
        assert (cutoffs[fold.valid_rows] >= fold.origin).all()
        assert fold.train_end == fold.origin
    for fold in split.folds:
        assert fold.valid_end == newest.origin, "labels of the folds stop where the newest begins"
        assert (cutoffs[fold.valid_rows] < newest.origin).all()
    tested = np.concatenate([f.valid_rows for f in split.folds] or [np.empty(0, np.int64)])
    assert len(tested) == len(set(tested.tolist())), "a row is validated once"


def _steady(n: int = 600, days: int = 600) -> Instants:
    return _days(np.linspace(0, days, n).tolist())


def test_every_fold_has_matured_rows_and_grows() -> None:
    cutoffs, horizon = _steady(), 60
    split = rolling_origins(cutoffs, START + 600 * DAY, horizon, folds=4)
    assert len(split.folds) == 4 and split.notes == []
    sizes = [len(f.train_rows) for f in split.folds]
    assert sizes == sorted(sizes) and len(split.newest.train_rows) > sizes[-1]
    for fold in split.folds:
        assert (cutoffs[fold.valid_rows] + horizon * DAY <= fold.valid_end).any()


def test_the_newest_period_is_a_share_or_a_length() -> None:
    cutoffs, end = _steady(), START + 600 * DAY
    matured = (cutoffs + 60 * DAY <= end).sum()
    by_share = rolling_origins(cutoffs, end, 60, newest_share=0.25).newest
    assert abs(len(by_share.valid_rows) / matured - 0.25) < 0.01
    by_days = rolling_origins(cutoffs, end, 60, newest_days=90).newest
    assert by_days.origin == end - 150 * DAY


def test_a_fold_without_outcomes_is_dropped_and_says_why() -> None:
    cutoffs = _steady()
    hit_at = np.full(len(cutoffs), NAT, np.int64)
    hit_at[350:] = cutoffs[350:] + DAY  # the company recorded outcomes only later
    split = rolling_origins(cutoffs, START + 600 * DAY, 30, folds=4, hit_at=hit_at)
    assert 0 < len(split.folds) < 4
    assert any("outcomes to learn from" in n for n in split.notes)
    assert any("folds asked for" in n for n in split.notes)


def test_an_outcome_after_the_origin_does_not_count_as_taught() -> None:
    cutoffs = _steady(100, 100)
    hit_at = np.full(100, NAT, np.int64)
    hit_at[:20] = START + 99 * DAY  # known only at the very end
    split = rolling_origins(cutoffs, START + 100 * DAY, 10, hit_at=hit_at, min_rows=1)
    assert split.folds == []
    assert any("default settings" in n for n in split.notes)


def test_a_long_horizon_is_told() -> None:
    split = rolling_origins(_steady(), START + 600 * DAY, 280, folds=3)
    assert split.folds and any("horizon is long" in n for n in split.notes)


@pytest.mark.parametrize(
    ("days", "horizon", "says"),
    [
        ([], 30.0, "no rows"),
        ([10.0, 20.0], 90.0, "shorter horizon"),
        ([10.0] * 50, 30.0, "no row lies before"),
    ],
)
def test_too_little_is_a_clear_error(days: list[float], horizon: float, says: str) -> None:
    with pytest.raises(TooLittleDataError, match=says):
        rolling_origins(_days(days), START + 60 * DAY, horizon)


def test_a_bad_share_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        rolling_origins(_steady(), START + 600 * DAY, 30, newest_share=1.5)


def _parts(split: Split) -> list[set[int]]:
    folds: list[Fold] = [*split.folds, split.newest]
    return [set(f.valid_rows.tolist()) for f in folds]


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 60), st.integers(3, 200), st.integers(0, 9), st.integers(2, 8))
def test_stratified_parts_are_a_partition(yes: int, no: int, seed: int, folds: int) -> None:
    hit = np.arange(yes + no) < yes
    split = stratified(hit, seed, folds)
    parts = _parts(split)
    assert sum(len(p) for p in parts) == yes + no == len(set().union(*parts))
    for fold in [*split.folds, split.newest]:
        assert not set(fold.train_rows.tolist()) & set(fold.valid_rows.tolist())
        for rows in (fold.train_rows, fold.valid_rows):
            assert hit[rows].any() and not hit[rows].all()
    shares = [hit[f.valid_rows].sum() for f in split.folds]
    assert max(shares) - min(shares) <= 1, "outcomes are dealt evenly"


def test_stratified_is_seeded_and_says_that_time_was_not_checked() -> None:
    hit = np.arange(200) % 4 == 0
    assert _parts(stratified(hit, 1)) == _parts(stratified(hit, 1)) != _parts(stratified(hit, 2))
    split = stratified(hit, 1)
    assert not split.timed and "could not be checked" in split.notes[0]
    assert len(split.newest.valid_rows) == 40 and split.newest.origin == NAT


@pytest.mark.parametrize("hits", [0, 2, 50])
def test_one_kind_only_is_refused(hits: int) -> None:
    with pytest.raises(TooLittleDataError, match="at least 3 with and 3 without"):
        stratified(np.arange(50) < hits, 0)


def test_no_rows_is_refused() -> None:
    with pytest.raises(TooLittleDataError, match="no rows"):
        stratified(np.zeros(0, bool), 0)


def test_the_table_shows_each_fold() -> None:
    table = rolling_origins(_steady(), START + 600 * DAY, 60, folds=2).table()
    assert list(table["fold"]) == ["1", "2", "newest"]
    assert (table["origin"] == table["train_end"]).all()
    assert (stratified(np.arange(30) % 2 == 0, 0).table()["origin"] == "").all()
