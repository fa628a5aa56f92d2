"""Few outcomes: a score for everyone, an interval beside it, and less said the less is known."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest

from features.demo import Demo, generate
from features.frames import from_frames
from features.tables import Tables
from training.config import Config
from training.fit.pipeline import Trained, train

AT = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def demo() -> Demo:
    return generate(seed=7, size="tiny", as_of=AT)


def _with(outcomes: int) -> Tables:
    """The tiny demo with about this many converted leads."""
    leads = demo().frames["leads"]
    share = outcomes / int((leads["outcome"] == "converted").sum())
    kept = leads[np.random.default_rng(outcomes).random(len(leads)) < share]
    return from_frames({**demo().frames, "leads": kept}, demo().meta)


def _trained(outcomes: int) -> Trained:
    return train(_with(outcomes), "lead_conversion", Config(trials=1, threads=1), AT)


@pytest.mark.parametrize("outcomes", [15, 40, 120])
def test_few_outcomes_still_give_a_score_and_its_interval(outcomes: int) -> None:
    trained = _trained(outcomes)
    scores = trained.learned.model.score(trained.teaching.X)
    assert np.isfinite(scores).all() and (scores > 0).all() and (scores < 1).all()
    receipts = trained.bundle.track_record.of(scores)
    assert all(r is not None and 0 <= r.low <= r.share <= r.high <= 1 for r in receipts)


def test_with_a_handful_everyone_gets_the_base_rate_and_it_may_not_be_promoted() -> None:
    trained = _trained(15)
    scores = trained.learned.model.score(trained.teaching.X)
    assert np.ptp(scores) < 0.02
    assert trained.judgement.verdict.word == "too little data"
    assert not trained.bundle.promotable
    assert trained.judgement.verdict.more_outcomes


def test_receipts_widen_as_outcomes_grow_few() -> None:
    widths = []
    for outcomes in (15, 120):
        bands = _trained(outcomes).bundle.track_record.bands
        widths.append(float(np.mean([b.high - b.low for b in bands])))
    assert widths[0] > widths[1]
