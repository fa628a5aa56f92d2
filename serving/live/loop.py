"""The loop: every step that is due, in a process of its own, not stopped by another's failure.

What is due follows from the schedule and from when each step last began, which stands in
``data/loop/state.json``: after an outage of a week everything is due once, not a hundred times.
"""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.sync.run import alone, canonical_of
from features.tables import instant_text
from serving.live.schedule import LoopStep, Schedule

SECOND = 1_000_000
HERE = Path(__file__).parents[2]
SHOWN = 400
"""Characters of a step's last words that the status keeps."""

Clock = Callable[[], int]
Run = Callable[[Sequence[str], Path], tuple[int, str]]
"""Runs ``python -m`` with arguments in a folder: its exit code, the end of what it said."""


@dataclass(frozen=True)
class Last:
    """How a step's last run went: instants in microseconds; ``outcomes``: closed deals then."""

    began: int = 0
    ended: int = 0
    code: int = 0
    said: str = ""
    runs: int = 0
    failures: int = 0
    outcomes: int = 0


def commands(step: str, connection: str) -> list[str]:
    """What ``python -m`` is given for a step, in the folder of connections and data."""
    data = str(canonical_of(Path(), connection))
    return {
        "sync": ["features", "sync", connection, "--quiet"],
        "score": ["serving", "score", "--data", data],
        "write": ["serving", "writeback", connection],
        "events": ["serving", "events", "--data", data],
        "retrain": ["training", "train", "--data", data, "--promote", "--quiet"],
        "forecast": ["training", "forecast", "--data", data, "--out", "reports"],
        "desk": ["serving", "desk", "--data", data],
    }[step]


def run_module(arguments: Sequence[str], root: Path) -> tuple[int, str]:
    """Run ``python -m`` in a child process in ``root`` until it ends."""
    command = [sys.executable, "-m", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(HERE), "EMBUDO_ROOT": str(root.resolve())}
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()[-SHOWN:]


def once(schedule: Schedule, root: Path, clock: Clock, run: Run = run_module) -> dict[str, Last]:
    """Run every step that is due now, in order, and say how each step's last run went.

    SyncError where another loop is running.
    """
    home = root / "data" / "loop"
    home.mkdir(parents=True, exist_ok=True)
    with alone(home / "lock", "a loop"):
        state, ran = read_state(home), set[str]()
        for step in schedule.steps:
            outcomes = closed_deals(canonical_of(root, schedule.connection))
            last = state.get(step.name, Last())
            if not due(step, last, ran, outcomes, clock()):
                continue
            began = clock()
            code, said = run(commands(step.name, schedule.connection), root)
            runs, failures = last.runs + 1, last.failures + (code != 0)
            state[step.name] = Last(began, clock(), code, said, runs, failures, outcomes)
            if code == 0:
                ran.add(step.name)
            write_state(home, state)
        return state


def due(step: LoopStep, last: Last, ran: set[str], outcomes: int, now: int) -> bool:
    """Whether a step is to run: its time has come, the step before it ran, or enough has closed."""
    timely = step.every > 0 and now - last.began >= step.every * SECOND
    learned = step.outcomes > 0 and outcomes - last.outcomes >= step.outcomes
    return timely or step.after in ran or learned


def wait_of(schedule: Schedule, state: Mapping[str, Last], now: int) -> float:
    """Seconds until the next step is due by the clock, between 1 and 60."""
    timed = [(s.every, state.get(s.name, Last()).began) for s in schedule.steps if s.every]
    times = [every - (now - began) / SECOND for every, began in timed]
    return min(60.0, max(1.0, min(times, default=60.0)))


def closed_deals(canonical: Path) -> int:
    """How many deals have an outcome; 0 where there is no data set yet."""
    path = canonical / "deals.parquet"
    if not path.is_file() or "outcome" not in pq.read_schema(path).names:
        return 0
    outcome = pq.read_table(path, columns=["outcome"]).column("outcome")
    return int(pc.count(outcome, mode="only_valid").as_py())


def read_state(home: Path) -> dict[str, Last]:
    """How each step's last run went; nothing before the first."""
    path = home / "state.json"
    if not path.is_file():
        return {}
    return {n: Last(**s) for n, s in json.loads(path.read_text(encoding="utf-8")).items()}


def write_state(home: Path, state: Mapping[str, Last]) -> None:
    """Write the state, the page about it and the metrics, each whole or not at all."""
    texts = {
        "state.json": json.dumps({n: asdict(s) for n, s in state.items()}, indent=2) + "\n",
        "status.html": page(state),
        "metrics.prom": metrics(state),
    }
    for name, text in texts.items():
        beside = home / f"{name}.new"
        beside.write_text(text, encoding="utf-8")
        beside.replace(home / name)


def page(state: Mapping[str, Last]) -> str:
    """The status as one HTML page that refreshes itself."""
    head = ("Step", "Last began", "Took", "Result", "Runs", "Failures", "Last words")
    rows = [
        (
            name,
            instant_text(s.began),
            f"{(s.ended - s.began) / SECOND:.0f} s",
            "done" if s.code == 0 else f"failed ({s.code})",
            f"{s.runs:,}",
            f"{s.failures:,}",
            s.said,
        )
        for name, s in state.items()
    ]
    cells = "".join(
        "<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in row) + "</tr>\n" for row in rows
    )
    top = "".join(f"<th scope=col>{h}</th>" for h in head)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" '
        'content="60"><title>Embudo: the loop</title><h1>The loop</h1>'
        f"<table><thead><tr>{top}</tr></thead><tbody>\n{cells}</tbody></table></html>\n"
    )


def metrics(state: Mapping[str, Last]) -> str:
    """The same for Prometheus' textfile collector."""
    lines = []
    for what, value in (
        ("last_start_seconds", lambda s: s.began / SECOND),
        ("last_success", lambda s: int(s.code == 0)),
        ("runs_total", lambda s: s.runs),
        ("failures_total", lambda s: s.failures),
    ):
        kind = "counter" if what.endswith("_total") else "gauge"
        lines.append(f"# TYPE embudo_loop_{what} {kind}")
        lines += [f'embudo_loop_{what}{{step="{n}"}} {value(s)}' for n, s in state.items()]
    return "\n".join(lines) + "\n"


__all__ = ["Last", "commands", "due", "metrics", "once", "page", "wait_of"]
