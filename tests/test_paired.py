"""Paired gains by part: the parts add up to the whole, and a score gains nothing over itself."""

from __future__ import annotations

import numpy as np
import pytest

from training.evaluation.paired import paired_gains
from training.evaluation.scoreboard import compare

N = 600
RNG = np.random.default_rng(3)
TRUE = RNG.uniform(0.05, 0.8, N)
HIT = RNG.random(N) < TRUE
ENTITIES = [f"e{i % 300}" for i in range(N)]
HALVES = ["first" if i < 300 else None if i == 599 else "second" for i in range(N)]


def test_one_part_of_everything_is_the_comparison_itself() -> None:
    flat = np.full(N, HIT.mean())
    whole = paired_gains(HIT, TRUE, {"base": flat}, ENTITIES, [("all", ["all"] * N)])
    want = compare(HIT, TRUE, flat, ENTITIES)
    assert whole["gain"].item() == pytest.approx(want.log_loss.value)
    assert whole["low"].item() == pytest.approx(want.log_loss.low, abs=0.02)
    assert whole["entities"].item() == 300 and whole["n"].item() == N


def test_parts_weighted_by_rows_add_up_and_the_unknown_is_left_out() -> None:
    flat = np.full(N, 0.3)
    parts = paired_gains(HIT, TRUE, {"base": flat}, ENTITIES, [("half", HALVES)])
    assert parts["part"].tolist() == ["first", "second"]
    known = np.array([h is not None for h in HALVES])
    whole = compare(HIT[known], TRUE[known], flat[known], np.array(ENTITIES)[known].tolist())
    assert np.average(parts["gain"], weights=parts["n"]) == pytest.approx(whole.log_loss.value)


def test_a_score_gains_nothing_over_itself() -> None:
    own = paired_gains(HIT, TRUE, {"itself": TRUE}, ENTITIES, [("half", HALVES)])
    assert (own[["gain", "low", "high"]] == 0).all().all()


def test_a_part_of_a_handful_is_not_judged() -> None:
    few = ["few" if i < 20 else "many" for i in range(N)]
    parts = paired_gains(HIT, TRUE, {"base": np.full(N, 0.3)}, ENTITIES, [("size", few)])
    assert parts["part"].tolist() == ["many"]
