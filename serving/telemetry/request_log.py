"""What is known of one request by metrics, logs and traces: names and numbers, no field's value."""

from __future__ import annotations

import time
from collections.abc import Mapping, MutableMapping
from types import TracebackType
from typing import Any

_KEY = "embudo.seen"


class RequestLog:
    """Filled in by whoever handles the request, read once when it is over.

    request_id, code (of the problem), entity, model, version, subject (the hashed id of the only
    record), key (the public id of the caller's key), scores, faults (code -> records), steps (name,
    start, end; nanoseconds of the stopwatch).
    """

    __slots__ = (
        "code",
        "entity",
        "faults",
        "key",
        "model",
        "request_id",
        "scores",
        "started",
        "steps",
        "subject",
        "version",
    )

    def __init__(self) -> None:
        self.started = time.perf_counter_ns()
        self.request_id = self.code = self.entity = self.model = self.version = ""
        self.subject = self.key = ""
        self.scores: list[float] = []
        self.faults: dict[str, int] = {}
        self.steps: list[tuple[str, int, int]] = []

    def step(self, name: str) -> TimedStep:
        """``with log.step("score"):`` times a part of the request's work."""
        return TimedStep(self.steps, name)

    def answered(self, entity: str, answer: Mapping[str, Any]) -> None:
        """Take from an answer's body what is counted of it."""
        self.entity = entity
        model = answer["model"]
        self.model, self.version = model["name"], model["version"]
        for result in answer["results"]:
            fault = result.get("error")
            if fault is None:
                self.scores.append(result["probability"])
            else:
                self.faults[fault["code"]] = self.faults.get(fault["code"], 0) + 1


class TimedStep:
    """A part of a request's work, timed."""

    __slots__ = ("_name", "_start", "_steps")

    def __init__(self, steps: list[tuple[str, int, int]], name: str) -> None:
        self._steps, self._name = steps, name

    def __enter__(self) -> None:
        self._start = time.perf_counter_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._steps.append((self._name, self._start, time.perf_counter_ns()))


def begin(scope: MutableMapping[str, Any]) -> RequestLog:
    """Put a new ``RequestLog`` into the request's ASGI scope; layers below share the object."""
    scope[_KEY] = log = RequestLog()
    return log


def log_of(scope: Mapping[str, Any]) -> RequestLog:
    """The request's ``RequestLog``; a new one that nothing reads where there is no middleware."""
    found = scope.get(_KEY)
    return found if isinstance(found, RequestLog) else RequestLog()
