"""Where scores are written: an entity of a CRM, and the fields that hold the parts of a score."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Parts = Mapping[str, Any]
"""Part of a score -> value: ``probability`` (None: nothing), and of PARTS what the CRM has."""

PARTS = ("probability", "grade", "expected", "reasons", "scored_at", "model")
"""What is written: share, word, date, lines, instant, text; a ``note`` where a CRM has notes."""


class ScoreTarget(Protocol):
    """Where the scores of one entity are written; ``batch`` records at a time."""

    entity: str
    batch: int

    def round(self, probability: float) -> float:
        """A probability as the CRM keeps it."""
        ...

    def read(self, ids: Sequence[str]) -> dict[str, Parts]:
        """What stands in the fields of those that are there and may be written."""
        ...

    def write(self, values: Mapping[str, Parts]) -> dict[str, str]:
        """Write the parts of each record that has been read; id -> why not. Safe to repeat."""
        ...


class FieldTarget(ABC):
    """Scores in fields of records, one field a part; ``fields``: part -> the CRM's name of it."""

    entity = "deals"
    batch = 100

    def __init__(self, fields: Mapping[str, str]) -> None:
        self.fields = dict(fields)
        self._there: dict[str, Parts] = {}

    def round(self, probability: float) -> float:
        """Four digits."""
        return round(probability, 4)

    @abstractmethod
    def look(self, ids: Sequence[str]) -> dict[str, Parts]:
        """The parts that stand in the CRM, of records that may be written."""

    @abstractmethod
    def send(self, values: Mapping[str, Parts]) -> dict[str, str]:
        """Set the parts of each record; id -> why not."""

    def read(self, ids: Sequence[str]) -> dict[str, Parts]:
        """What stands in the fields of those that are there and may be written."""
        self._there = self.look(ids)
        return dict(self._there)

    def write(self, values: Mapping[str, Parts]) -> dict[str, str]:
        """Write what does not stand there already."""
        mine = {i: self._held_here(given) for i, given in values.items()}
        return self.send({i: given for i, given in mine.items() if self._differs(i, given)})

    def _held_here(self, given: Parts) -> Parts:
        return {part: value for part, value in given.items() if part in self.fields}

    def _differs(self, key: str, given: Parts) -> bool:
        """Whether more than the time of the score would change."""
        there = self._there.get(key, {})
        return any(v != there.get(p) for p, v in given.items() if p != "scored_at")


def number(value: Any) -> float | None:
    """A number that a CRM holds, as text or number; None where it is empty or no number."""
    try:
        return None if value in (None, "") else float(value)
    except (TypeError, ValueError):
        return None
