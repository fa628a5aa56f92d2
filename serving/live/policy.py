"""Which scores are worth a write: what moved enough, and nothing over a person's own word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from features.sync.connection import ConnectionFileError
from serving.live.ledger import Entry
from serving.store.scores import ScoreRow


@dataclass(frozen=True)
class Policy:
    """The ``[write]`` table of a connection.

    threshold   a probability that moved by less is not written again
    hysteresis  a grade that changed is written where the probability moved by at least this much
    untouched   values of the field that are nobody's: only they are written over the first time
    reasons     how many stand in the note
    entities    whose scores are written: deals, leads, accounts
    fields      part of a score -> the CRM's field of the company's choosing; "" leaves it out
    calls_per_run  calls after which the rest waits for the next run; 0: no limit
    """

    threshold: float = 0.03
    hysteresis: float = 0.01
    untouched: tuple[float, ...] = (0.5, 0.0)
    reasons: int = 3
    calls_per_run: int = 0
    entities: tuple[str, ...] = ("deals",)
    fields: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(stated: Mapping[str, Any]) -> Policy:
        """The policy a connection states; an unknown key is an error."""
        known = {f.name for f in fields(Policy)}
        unknown = sorted(set(stated) - known)
        if unknown:
            raise ConnectionFileError(
                f"[write]: no key {unknown[0]!r}; there are {', '.join(sorted(known))}"
            )
        given = {**stated}
        if "untouched" in given:
            given["untouched"] = tuple(float(v) for v in given["untouched"])
        given["entities"] = tuple(given.get("entities", Policy.entities))
        return Policy(**given)

    def fields_of(self, usual: Mapping[str, str]) -> dict[str, str]:
        """Part -> field: the usual names, but for those the company chose."""
        unknown = sorted(set(self.fields) - set(usual))
        if unknown:
            raise ConnectionFileError(
                f"[write.fields]: no part {unknown[0]!r}; there are {', '.join(usual)}"
            )
        if self.fields.get("probability") == "":
            raise ConnectionFileError("[write.fields]: probability cannot be left out")
        return {part: name for part, name in {**usual, **self.fields}.items() if name}

    def worth_writing(self, row: ScoreRow, entry: Entry | None) -> bool:
        """Whether a score differs enough from what was written last."""
        if entry is None or entry.state in ("intended", "failed", "undone"):
            return True
        moved = abs(row.probability - entry.value)
        return moved >= self.threshold or (row.grade != entry.grade and moved >= self.hysteresis)

    def overridden(self, there: float | None, entry: Entry | None) -> bool:
        """Whether a person's own value stands in the field."""
        if there is None or _any_near(there, self.untouched):
            return False
        if entry is None or entry.state == "undone":
            return True
        return not _any_near(there, (entry.value,)) and there != entry.before


def _any_near(value: float, others: tuple[float, ...]) -> bool:
    return any(abs(value - other) < 5e-5 for other in others)
