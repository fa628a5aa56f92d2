"""What became of the bundles that were offered to this process: for probes, metrics and logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from threading import Lock
from typing import Any, Literal


@dataclass(frozen=True)
class ReloadOutcome:
    """What became of the newest bundle of one question.

    code     stable word for a refusal, "" where it was loaded; reason the same for people
    version  of the bundle now in service, "" where there is none
    at       microseconds
    """

    model: str
    outcome: Literal["loaded", "refused"]
    code: str
    reason: str
    version: str
    at: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


class ReloadState:
    """The last outcome of every question, and who wants to hear of the next.

    Listeners are called in the thread that reloads, after the swap.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[ReloadOutcome], None]] = []
        self._outcomes: dict[str, ReloadOutcome] = {}
        self._note = ""
        self._offered: frozenset[str] = frozenset()
        self._lock = Lock()

    @property
    def outcomes(self) -> Mapping[str, ReloadOutcome]:
        """Question -> its last outcome."""
        return self._outcomes

    @property
    def last(self) -> ReloadOutcome | None:
        """The newest of all."""
        return max(self._outcomes.values(), key=lambda o: o.at, default=None)

    @property
    def note(self) -> str:
        """Why there is nothing to load, or what keeps newer bundles from coming; "" if nothing."""
        return self._note

    def offer(self, names: Iterable[str]) -> None:
        """Say which questions have a bundle on offer."""
        self._offered = frozenset(names)

    @property
    def waiting(self) -> list[str]:
        """The questions whose bundle is neither loaded nor refused yet."""
        return sorted(self._offered - self._outcomes.keys())

    def set_note(self, note: str) -> None:
        """Replace the note."""
        self._note = note

    def add(self, outcome: ReloadOutcome) -> None:
        """Keep an outcome and tell the listeners."""
        with self._lock:
            self._outcomes = {**self._outcomes, outcome.model: outcome}
        for tell in self.listeners:
            tell(outcome)

    @property
    def refusals(self) -> list[ReloadOutcome]:
        """The outcomes that are refusals, by question."""
        found = self._outcomes
        return [found[name] for name in sorted(found) if found[name].outcome == "refused"]
