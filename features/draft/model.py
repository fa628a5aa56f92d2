"""A drafted mapping: lines with their evidence, blocks, and the questions for a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Sureness = Literal["sure", "likely", "unsure"]
Spec = str | bool | list[Any] | dict[str, Any]


@dataclass(frozen=True)
class DraftedLine:
    """One line of the mapping: ``name = spec``, how sure it is, and what it was told from.

    left_out  the line is written as a comment: a person decides
    """

    name: str
    spec: Spec
    sure: Sureness
    evidence: str
    left_out: bool = False


@dataclass
class DraftedBlock:
    """One ``[tables.<name>]`` of the mapping; ``head`` are its own keys, such as ``join``."""

    name: str
    to: str
    source: str
    evidence: str
    head: list[DraftedLine] = field(default_factory=list)
    columns: list[DraftedLine] = field(default_factory=list)
    custom: list[DraftedLine] = field(default_factory=list)
    fields: list[DraftedLine] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def column(self, name: str) -> DraftedLine | None:
        """The line of a canonical column."""
        return next((c for c in self.columns if c.name == name), None)

    def lines(self) -> list[DraftedLine]:
        """Every line of the block."""
        return [*self.head, *self.columns, *self.custom, *self.fields]


@dataclass(frozen=True)
class OpenQuestion:
    """What only a person can answer.

    weight  the greater, the more hangs on the answer
    about   the lines in question, as ``block.name`` or ``export.key``
    stops   nothing can be read before it is answered
    """

    weight: int
    text: str
    about: tuple[str, ...]
    stops: bool = False


@dataclass
class MappingDraft:
    """The whole mapping as drafted; ``settings`` are lines of ``[questions.<name>]``."""

    name: str
    extends: str = ""
    export: list[DraftedLine] = field(default_factory=list)
    blocks: list[DraftedBlock] = field(default_factory=list)
    fixed: dict[str, DraftedLine] = field(default_factory=dict)
    left_out: dict[str, DraftedLine] = field(default_factory=dict)
    questions: list[OpenQuestion] = field(default_factory=list)
    settings: dict[str, DraftedLine] = field(default_factory=dict)
    not_read: dict[str, str] = field(default_factory=dict)

    def ask(self, weight: int, text: str, *about: str, stops: bool = False) -> None:
        """One more question."""
        self.questions.append(OpenQuestion(weight, text, about, stops))

    def ranked(self) -> list[OpenQuestion]:
        """The questions, those on which most hangs first."""
        return sorted(self.questions, key=lambda q: (-q.stops, -q.weight))
