"""The loop: what is due runs, in order, whatever happened before and whatever fails."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.sync.run import SyncError, alone
from serving.live.loop import SECOND, Last, due, metrics, once, page, wait_of
from serving.live.schedule import STEPS, LoopStep, ScheduleError, load, parse

MINUTE = 60 * SECOND
START = 1_700_000_000 * SECOND


class World:
    """A clock, and a runner that notes what was run and fails where it is told to."""

    def __init__(self, *failing: str) -> None:
        self.now, self.ran, self.failing = START, list[str](), set(failing)

    def clock(self) -> int:
        return self.now

    def run(self, arguments: Sequence[str], _root: Path) -> tuple[int, str]:
        name = next(a for a in arguments if a in NAMES)
        self.ran.append(NAMES[name])
        self.now += SECOND
        failed = NAMES[name] in self.failing
        return (1, "error: <it> failed") if failed else (0, "fine")

    def once(self, root: Path, **steps: object) -> list[str]:
        self.ran = []
        once(parse({"connection": "crm", "steps": steps}, "t"), root, self.clock, self.run)
        return self.ran


NAMES = {
    "sync": "sync",
    "score": "score",
    "writeback": "write",
    "events": "events",
    "train": "retrain",
    "forecast": "forecast",
    "desk": "desk",
}


def test_the_first_time_everything_is_due_in_order(tmp_path: Path) -> None:
    assert World().once(tmp_path) == list(STEPS)


def test_scores_follow_each_sync_and_nothing_else_is_due(tmp_path: Path) -> None:
    world = World()
    world.once(tmp_path)
    assert world.once(tmp_path) == []
    world.now += 15 * MINUTE
    assert world.once(tmp_path) == ["sync", "score", "write", "events"]


def test_after_an_outage_a_step_runs_once(tmp_path: Path) -> None:
    world = World()
    world.once(tmp_path)
    world.now += 30 * 24 * 60 * MINUTE
    assert world.once(tmp_path) == list(STEPS)
    assert world.once(tmp_path) == []


def test_a_failure_stops_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    world = World("sync", "retrain")
    assert world.once(tmp_path) == ["sync", "retrain", "forecast", "desk"]
    state = json.loads((tmp_path / "data" / "loop" / "state.json").read_text())
    assert (state["sync"]["code"], state["sync"]["failures"]) == (1, 1)
    assert state["desk"]["code"] == 0
    world.failing = set()
    world.now += 15 * MINUTE
    assert world.once(tmp_path) == ["sync", "score", "write", "events"]


def test_two_loops_do_not_run_at_once(tmp_path: Path) -> None:
    (tmp_path / "data" / "loop").mkdir(parents=True)
    with (
        alone(tmp_path / "data" / "loop" / "lock", "a loop"),
        pytest.raises(SyncError, match="running already"),
    ):
        World().once(tmp_path)


def test_enough_outcomes_make_a_retrain_due() -> None:
    step, last = LoopStep("retrain", every=7 * 86_400, outcomes=50), Last(began=START, outcomes=100)
    assert not due(step, last, set(), 149, START + MINUTE)
    assert due(step, last, set(), 150, START + MINUTE)


@given(st.integers(0, 10**6), st.integers(1, 10**5))
def test_it_wakes_no_later_than_the_next_step_is_due(passed: int, every: int) -> None:
    schedule = parse({"connection": "crm", "steps": dict.fromkeys(STEPS[1:], False)}, "t")
    step = LoopStep("sync", every=float(every))
    now = START + passed * SECOND
    wait = wait_of(type(schedule)("crm", (step,)), {"sync": Last(began=START)}, now)
    assert 1 <= wait <= 60
    assert wait == 1 or passed + wait <= every or wait < 60


def test_the_page_and_the_metrics_say_what_failed() -> None:
    state = {"sync": Last(START, START + 3 * SECOND, 1, "error: <it> failed", 4, 2)}
    assert "failed (1)" in page(state)
    assert "&lt;it&gt;" in page(state)
    assert 'embudo_loop_failures_total{step="sync"} 2' in metrics(state)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs connection"),
        ('connection = "crm"\n[steps]\nsink = false', "no 'sink'"),
        ('connection = "crm"\n[steps]\nsync = { every = "15" }', "every is written"),
        ('connection = "crm"\n[steps]\nsync = { after = "score" }', "an earlier step"),
        ('connection = "crm"\n[steps]\nsync = {}', "needs every, after or outcomes"),
        ("connection = ", "is not TOML"),
    ],
)
def test_a_wrong_schedule_says_what_to_write(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "loop.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ScheduleError, match=said):
        load(path)
