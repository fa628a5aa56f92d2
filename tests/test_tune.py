"""Tuning repeats exactly, survives being killed, gives up hopeless trials, and needs folds."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.interrupted import CONFIG, folds, tuned
from training.fit.parts import Recipe, TreeParams
from training.fit.tune import HALF_LIVES, RIDGES, Tuned, tune

ROOT = Path(__file__).parents[1]


@cache
def whole() -> Tuned:
    """The tuning that nothing interrupted."""
    return tuned(None)


def _kill(folder: Path, fit: int) -> None:
    """Tune in another process, which dies before the fit-th fit and cannot tidy up."""
    command = [sys.executable, "-m", "tests.helpers.interrupted", str(folder), str(fit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def test_equal_seeds_give_equal_trials() -> None:
    assert tuned(None) == whole()


def test_another_seed_gives_other_trials() -> None:
    other, one = tuned(None, replace(CONFIG, seed=8, trials=2)).trials, whole().trials
    assert other[0]["learning_rate"] == one[0]["learning_rate"], "the defaults come first"
    assert other[1]["learning_rate"] != one[1]["learning_rate"]


def test_the_first_trial_is_the_defaults() -> None:
    """So that tuning can only improve on them, as far as the folds can tell."""
    first, given = whole().trials[0], TreeParams()
    assert first["state"] == "complete" and first["half_life_days"] == 0.0
    assert (first["learning_rate"], first["num_leaves"]) == (given.learning_rate, given.num_leaves)


def test_the_best_trial_is_chosen() -> None:
    found = whole()
    best = min((t for t in found.trials if t["state"] == "complete"), key=lambda t: t["loss"])
    recipe = found.recipe
    assert recipe.trees.learning_rate == best["learning_rate"]
    assert recipe.trees.rounds == best["rounds"]
    assert (recipe.half_life_days or 0.0) == best["half_life_days"]
    assert best["half_life_days"] in HALF_LIVES and recipe.l2 in RIDGES


def test_hopeless_trials_are_pruned() -> None:
    states = [t["state"] for t in whole().trials]
    assert set(states) == {"complete", "pruned"}
    assert states.index("pruned") >= 4, "four trials say what is usual before any is given up"
    assert all((t["loss"] is None) == (t["state"] == "pruned") for t in whole().trials)


def test_a_killed_tuning_resumes_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """Killed in the third trial, after its first fold."""
    _kill(tmp_path, 6)
    assert (tmp_path / "studies.log").is_file()
    assert tuned(tmp_path) == whole()


def test_killed_twice_and_in_the_middle_of_a_line(tmp_path: Path) -> None:
    """First in the very first trial: the defaults must come again."""
    _kill(tmp_path, 1)
    _kill(tmp_path, 4)
    with (tmp_path / "studies.log").open("ab") as journal:
        journal.write(b'{"op_code":6,"worker_')
    assert tuned(tmp_path) == whole()


def test_more_trials_continue_and_fewer_are_the_first_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is chosen depends on what is asked, never on what the journal held before."""
    asked = replace(CONFIG, trials=5)
    few = tuned(tmp_path, asked)
    assert few.trials == whole().trials[:5]
    assert tuned(tmp_path) == whole()

    def fit_trees(*_: Any, **__: Any) -> None:
        raise AssertionError("a trial that the journal holds was made again")

    monkeypatch.setattr("training.fit.tune.fit_trees", fit_trees)
    assert tuned(tmp_path, asked) == few


def test_no_trial_begins_after_the_minutes_and_the_first_is_always_made(tmp_path: Path) -> None:
    short = tuned(tmp_path, replace(CONFIG, minutes=1e-9))
    assert short.trials == whole().trials[:1]
    assert tuned(tmp_path) == whole(), "asked for more, it goes on as if nothing had ended it"


def test_minutes_must_be_above_zero() -> None:
    with pytest.raises(ValueError, match="minutes must be above 0, got 0"):
        replace(CONFIG, minutes=0)


def test_without_folds_the_defaults_stand() -> None:
    _, encoding = folds()
    assert tune([], encoding, CONFIG, timed=True) == Tuned(Recipe(seed=CONFIG.seed), [])


def test_a_flat_table_has_no_half_life() -> None:
    given, encoding = folds()
    found = tune(given, encoding, replace(CONFIG, trials=2), timed=False)
    assert found.recipe.half_life_days is None
    assert all("half_life_days" not in t for t in found.trials)
