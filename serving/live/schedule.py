"""When each step of the loop is due: a TOML file, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.files import read_toml

STEPS = ("sync", "score", "write", "events", "retrain", "forecast", "desk")
"""Every step there is, in the order in which due ones are run."""

UNITS = {"m": 60, "h": 3_600, "d": 86_400}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "sync": {"every": "15m"},
    "score": {"after": "sync"},
    "write": {"after": "score"},
    "events": {"after": "score"},
    "retrain": {"every": "7d"},
    "forecast": {"every": "7d"},
    "desk": {"every": "1d"},
}


class ScheduleError(ValueError):
    """A schedule says what it may not; the message says where and what to write."""


@dataclass(frozen=True)
class LoopStep:
    """One step: due ``every`` so many seconds, or whenever the step ``after`` which it comes ran.

    outcomes  also due once so many deals more have closed than when it last ran; 0: not
    """

    name: str
    every: float = 0.0
    after: str = ""
    outcomes: int = 0


@dataclass(frozen=True)
class Schedule:
    """The connection and its steps, in their order."""

    connection: str
    steps: tuple[LoopStep, ...]


def load(path: Path) -> Schedule:
    """The schedule of a TOML file."""
    return parse(read_toml(path, ScheduleError), str(path))


def parse(raw: Mapping[str, Any], where: str) -> Schedule:
    """The schedule of a file's contents; a step that is not named has its default."""
    connection, stated = raw.get("connection"), raw.get("steps", {})
    if not isinstance(connection, str) or not connection:
        raise ScheduleError(f'{where}: needs connection = "…", the name of a connection')
    unknown = sorted((set(raw) - {"connection", "steps"}) | (set(stated) - set(STEPS)))
    if unknown:
        raise ScheduleError(f"{where}: no {unknown[0]!r}; steps are {', '.join(STEPS)}")
    steps = [_step(n, stated.get(n, DEFAULTS[n]), f"{where} {n}") for n in STEPS]
    return Schedule(connection, tuple(s for s in steps if s is not None))


def _step(name: str, raw: Any, where: str) -> LoopStep | None:
    """One step; ``false`` in its place leaves it out."""
    if raw is False:
        return None
    if not isinstance(raw, Mapping) or set(raw) - {"every", "after", "outcomes"}:
        raise ScheduleError(f"{where}: write false, or every, after and outcomes; got {raw!r}")
    after, outcomes = raw.get("after", ""), raw.get("outcomes", 0)
    if after and after not in STEPS[: STEPS.index(name)]:
        raise ScheduleError(f"{where}: after must name an earlier step, got {after!r}")
    if not isinstance(outcomes, int) or outcomes < 0:
        raise ScheduleError(f"{where}: outcomes must be a whole number, got {outcomes!r}")
    every = _seconds(raw["every"], where) if "every" in raw else 0.0
    if not (every or after or outcomes):
        raise ScheduleError(f"{where}: needs every, after or outcomes")
    return LoopStep(name, every, after, outcomes)


def _seconds(said: Any, where: str) -> float:
    found = re.fullmatch(r"(\d+)([mhd])", said) if isinstance(said, str) else None
    if found is None or int(found[1]) == 0:
        raise ScheduleError(f'{where}: every is written "15m", "6h" or "7d", got {said!r}')
    return float(int(found[1]) * UNITS[found[2]])
