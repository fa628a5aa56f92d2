"""Receipts: how scores like this one turned out, and whether the base rate still holds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from features.tables import DAY, Bools, Floats, instant_text
from tests.helpers.learning import world
from tests.helpers.trained import once
from training.evaluation.matured_predictions import (
    FEWEST,
    MOST,
    MaturedPredictions,
    base_rate,
    effective,
    track_record,
)
from training.models.curves import base_curve
from training.models.track_record import TrackRecord
from training.stats.intervals import wilson
from training.task.questions import Labels


def past(scores: Floats, hit: Bools, entities: list[str] | None = None) -> MaturedPredictions:
    names = [str(i) for i in range(len(scores))] if entities is None else entities
    return MaturedPredictions(
        scores, np.asarray(hit, bool), names, np.arange(len(scores), dtype=np.int64) * DAY
    )


def made(n: int = 3000, seed: int = 0, tilt: float = 1.0) -> MaturedPredictions:
    """Calibrated predictions when tilt is 1: what happens is drawn from them."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 4, n)
    return past(scores, rng.random(n) < scores * tilt)


sizes = st.integers(1, 400)
score = st.floats(0, 1)


@settings(deadline=None)
@given(sizes.flatmap(lambda n: arrays(np.float64, n, elements=score)), st.integers(0, 2**31))
def test_every_past_score_stands_in_exactly_the_band_that_looks_it_up(
    scores: Floats, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    entities = [str(e) for e in rng.integers(0, 80, len(scores))]
    told = track_record(past(scores, rng.random(len(scores)) < 0.3, entities), None, False)
    assert sum(band.n for band in told.bands) == len(scores)
    for left, right in pairwise(told.bands):
        assert left.high_score < right.low_score  # equal scores are never apart
    counts = np.bincount(told.places(scores), minlength=len(told.bands))
    assert counts.tolist() == [band.n for band in told.bands]
    for band in told.bands:
        assert band.low <= band.share <= band.high and band.share == band.happened / band.n
        assert band.low_score <= band.predicted <= band.high_score


@given(st.lists(score, min_size=2, max_size=50))
def test_a_higher_score_never_falls_into_a_lower_band(asked: list[float]) -> None:
    places = track_record(made(), None, False).places(np.sort(np.array(asked)))
    assert (np.diff(places) >= 0).all() and places.min() >= 0 and places.max() < MOST


def test_bands_are_about_equal_and_as_many_as_the_data_bear() -> None:
    assert [band.n for band in track_record(made(3000), None, False).bands] == [300] * MOST
    few = track_record(made(5 * FEWEST), None, False).bands
    assert len(few) == 5 and min(band.entities for band in few) >= FEWEST
    (one,) = track_record(made(7), None, False).bands
    assert one.n == 7


def test_without_a_past_there_is_no_receipt() -> None:
    nothing = track_record(MaturedPredictions.join([]), None, False)
    assert nothing.bands == [] and nothing.of(np.array([0.5])) == [None]


def test_the_interval_counts_entities_not_snapshots() -> None:
    """Each of 50 entities seen ten times is worth 50 rows, not 500."""
    rng = np.random.default_rng(1)
    hit = np.repeat(rng.random(50) < 0.4, 10)
    (band,) = track_record(past(np.full(500, 0.4), hit, [str(i // 10) for i in range(500)]), None,
                       False).bands  # fmt: skip
    low, high = wilson(band.share * 50, 50)
    assert (band.n, band.entities, band.low, band.high) == (500, 50, float(low), float(high))


def test_bands_are_marked_where_the_model_was_not_calibrated() -> None:
    honest = track_record(made(20_000, tilt=1.0), None, False).bands
    assert sum(band.calibrated for band in honest) >= MOST - 2  # one in twenty errs by chance
    boastful = track_record(made(20_000, tilt=0.5), None, False).bands
    assert not any(band.calibrated for band in boastful[2:])


def test_a_receipt_survives_json_and_says_when_it_was_earned() -> None:
    told = track_record(made(300), base_rate(*_rates(0.2, 0.4)), False)
    assert TrackRecord.from_json(orjson.loads(orjson.dumps(told.to_json()))) == told
    assert told.since == "1970-01-01T00:00:00Z" and told.until == "1970-10-27T00:00:00Z"
    assert track_record(made(300), None, True).since == ""


def _known(hit: Bools) -> Labels:
    """Outcomes of one bin, all observed."""
    happened = hit.astype(np.int64)
    return Labels(happened, 1 - happened, np.ones(len(hit), np.int64), 1, 1)


def _rates(
    before: float, lately: float, n: int = 1000, each: int = 1, seed: int = 2
) -> tuple[Labels, list[str], Bools, list[str], Floats]:
    """Outcomes of n // each entities on either side, each entity ``each`` times with one fate;
    the model expects 30 %."""
    rng = np.random.default_rng(seed)
    sides: list[tuple[Bools, list[str]]] = []
    for rate, name in ((before, "a"), (lately, "b")):
        fate = rng.random(n // each) < rate
        sides.append((np.repeat(fate, each), [f"{name}{i // each}" for i in range(n)]))
    return _known(sides[0][0]), sides[0][1], *sides[1], np.full(n, 0.3)


def test_the_rate_in_training_is_the_one_the_model_learned() -> None:
    """Cases still open count as far as they were seen: the Aalen-Johansen estimate."""
    labels = world(4000, 4, 2, seed=3).labels
    entities = [str(i) for i in range(len(labels))]
    found = base_rate(labels, entities, np.array([True, False]), ["x", "y"], np.ones(2))
    assert found is not None
    assert found.training == pytest.approx(base_curve(labels)[-1, 0], abs=1e-12)
    matured = labels.hit[labels.matured].mean()
    assert found.training == pytest.approx(matured, abs=0.03)


def test_a_shift_is_told_and_a_level_rate_is_not() -> None:
    shifted, level = base_rate(*_rates(0.2, 0.4)), base_rate(*_rates(0.2, 0.2))
    assert shifted is not None and level is not None
    assert shifted.differs and "has shifted" in shifted.sentence
    assert not level.differs and "holds" in level.sentence
    assert shifted.to_answer() == {
        "training": shifted.training,
        "newest": shifted.newest,
        "expected": pytest.approx(0.3),
        "differs": True,
    }


def test_the_false_alarm_is_one_in_twenty_whether_entities_repeat_or_not() -> None:
    """By rows the repeated entities would raise an alarm in every second set."""
    for each in (1, 8):
        alarms = [
            found.differs
            for seed in range(200)
            if (found := base_rate(*_rates(0.2, 0.2, 800, each, seed))) is not None
        ]
        assert 0.01 <= np.mean(alarms) <= 0.09


def test_what_repeated_rows_are_worth() -> None:
    *_, hit, entities, _ = _rates(0.3, 0.3, 4000, 4)
    assert effective(hit, entities) == pytest.approx(1000, rel=0.01)  # one fate an entity
    rng = np.random.default_rng(5)
    free = rng.random(4000) < 0.3
    assert effective(free, entities) > 3500  # rows of an entity that have nothing in common
    assert effective(np.ones(40, bool), ["a"] * 20 + ["b"] * 20) == 2.0


def test_an_empty_side_has_no_base_rate() -> None:
    none, some = np.empty(0, bool), np.ones(3, bool)
    assert base_rate(_known(none), [], some, ["a", "b", "c"], np.ones(3)) is None
    assert base_rate(_known(some), ["a", "b", "c"], none, [], np.ones(0)) is None


def test_no_outcome_at_all_is_a_rate_too() -> None:
    found = base_rate(*_rates(0.0, 0.3))
    assert found is not None and found.training == 0.0 and found.differs


def test_a_training_keeps_what_became_of_every_unseen_score() -> None:
    """Of the folds' rows that matured by the data's end, and of the newest period's."""
    trained = once()
    teaching, told = trained.teaching, trained.bundle.track_record
    end = teaching.split.newest.valid_end
    rows = np.concatenate([f.valid_rows for f in teaching.split.folds])
    known = teaching.labels(rows, end)
    newest = teaching.labels(trained.judgement.rows, end)
    assert sum(band.n for band in told.bands) == known.matured.sum() + len(newest)
    assert sum(band.happened for band in told.bands) == (
        known.hit[known.matured].sum() + newest.hit.sum()
    )
    cutoffs = teaching.cutoffs(np.concatenate([rows[known.matured], trained.judgement.rows]))
    assert told.since == instant_text(int(cutoffs.min()))
    assert told.until == instant_text(int(cutoffs.max()))


def test_a_training_says_whether_the_base_rate_holds() -> None:
    trained = once()
    rate = trained.bundle.track_record.base_rate
    assert rate is not None and rate.newest == trained.judgement.hit.mean()
    assert rate.expected == trained.judgement.scores.mean()
    assert rate.sentence in trained.run.notes
    assert len(trained.run.tables["receipts"]) == len(trained.bundle.track_record.bands)
