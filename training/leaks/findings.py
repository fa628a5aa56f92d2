"""What the leak audit says of one column: a colour, the reason in words, and the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

Colour = Literal["red", "amber", "grey", "green"]

ORDER: tuple[Colour, ...] = ("red", "amber", "grey", "green")
"""From what stops a training to what is fine."""

COLUMNS = ("column", "colour", "check", "sentence", "what_to_do", "n")
"""The columns of ``table`` that every finding fills; the numbers of evidence follow."""


@dataclass(frozen=True)
class Finding:
    """One column or table and what the audit found of it.

    column      "leads.tags", or a table ("activities")
    colour      red: a feature reads it and it tells the outcome; amber: a person should look;
                grey: no feature reads it, or it cannot be told; green: nothing found
    check       which check decided, in a few words
    evidence    numbers by name: shares 0 to 1 unless the name says otherwise
    n           rows behind the numbers
    """

    column: str
    colour: Colour
    check: str
    sentence: str
    what_to_do: str = ""
    evidence: Mapping[str, float] = field(default_factory=dict)
    n: int = 0


class LeakError(ValueError):
    """A red finding that nobody acknowledged: nothing is trained on it."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = list(findings)
        listing = "\n".join(f"  {f.column}: {f.sentence}{_why(f)}" for f in findings)
        names = ", ".join(f'"{f.column}"' for f in findings)
        lost = sum(":" in f.column for f in findings)  # a code of ``leaks.lost``, no column
        what = "column(s) that tell the outcome" if not lost else "reason(s) not to train"
        super().__init__(
            f"the leak audit found {len(findings)} {what}:\n{listing}\n"
            f"  leave them out of the mapping, or, if each was truly known in time, write "
            f"acknowledged = [{names}] under its [export] and ingest again"
        )


def _why(finding: Finding) -> str:
    """What a loss at reading does; a column's own sentence says enough."""
    return f" {finding.what_to_do}" if ":" in finding.column else ""


def unacknowledged(findings: Iterable[Finding], acknowledged: Iterable[str]) -> list[Finding]:
    """The red findings that the mapping does not name."""
    accepted = set(acknowledged)
    return [f for f in findings if f.colour == "red" and f.column not in accepted]


def refuse(findings: Iterable[Finding], acknowledged: Iterable[str]) -> None:
    """Raise LeakError where a red finding is not acknowledged by name."""
    refused = unacknowledged(findings, acknowledged)
    if refused:
        raise LeakError(refused)


def table(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row a finding, the worst first: ``COLUMNS``, then one column a number of evidence."""
    rows = [
        {name: getattr(f, name) for name in COLUMNS} | dict(f.evidence)
        for f in sorted(findings, key=lambda f: ORDER.index(f.colour))
    ]
    frame = pd.DataFrame(rows)
    return frame if len(frame) else pd.DataFrame(columns=list(COLUMNS))


def to_text(findings: Iterable[Finding], acknowledged: Iterable[str]) -> str:
    """The findings as text for a terminal: the worst first, what is fine by name only."""
    listed, accepted = list(findings), set(acknowledged)
    lines = []
    for colour in ORDER[:-1]:
        for f in (f for f in listed if f.colour == colour):
            word = "acknowledged" if colour == "red" and f.column in accepted else colour
            lines.append(f"  {word}: {f.column} ({f.check})\n    {f.sentence}")
            if f.what_to_do and word != "acknowledged":
                lines.append(f"    -> {f.what_to_do}")
    fine = [f.column for f in listed if f.colour == "green"]
    lines.append(f"  green: {', '.join(fine) or 'nothing'}")
    return "\n".join(lines)
