"""What an ingest did to every row: kept, rejected, collapsed, left out, repaired; with samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from features.tables import Consequence

SAMPLES = 5
"""How many examples of each finding the report shows."""

UNKNOWN_SHOWN = 20
"""How many distinct unknown words of a column the report shows, the most frequent first."""


@dataclass
class SampledCount:
    """How often something was found, and the first few times it was."""

    n: int = 0
    samples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, n: int, samples: list[dict[str, Any]]) -> None:
        """Count ``n`` more."""
        self.n += n
        self.samples += samples[: SAMPLES - len(self.samples)]


Tallies = dict[str, SampledCount]


def tally(into: Tallies, reason: str, n: int, samples: list[dict[str, Any]]) -> None:
    """Count under ``reason``; nothing found leaves no trace."""
    if n:
        into.setdefault(reason, SampledCount()).add(n, samples)


def _sum(tallies: Tallies) -> int:
    return sum(t.n for t in tallies.values())


@dataclass
class BlockReport:
    """One source into one table.

    rows      records in the file; ``per_row`` rows of the table come of each (a wide history)
    listed    how many of ``rows`` are further values of a list in one cell
    kept … left_out   what became of them: ``read == kept + rejected + collapsed + left_out``
    repaired  "column: reason" -> values made missing or put right in rows that may be kept
    unknown   column -> words the mapping does not know -> how often
    """

    block: str
    table: str
    file: str
    encoding: str = ""
    delimiter: str = ""
    undecodable: int = 0
    rows: int = 0
    per_row: int = 1
    listed: int = 0
    kept: int = 0
    rejected: Tallies = field(default_factory=dict)
    collapsed: Tallies = field(default_factory=dict)
    left_out: Tallies = field(default_factory=dict)
    repaired: Tallies = field(default_factory=dict)
    unknown: dict[str, dict[str, int]] = field(default_factory=dict)
    joins: dict[str, dict[str, int]] = field(default_factory=dict)
    out_of_order: int = 0
    absent: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Rows of the table that the file could have given."""
        return self.rows * self.per_row

    def balanced(self) -> bool:
        """The law: every row read is accounted for once."""
        gone = _sum(self.rejected) + _sum(self.collapsed) + _sum(self.left_out)
        return self.read == self.kept + gone


@dataclass
class TableReport:
    """One canonical table as written.

    columns   column -> {"missing": share of rows, "distinct": number of values}
    outcomes  outcome word ("" open) -> rows
    orphans   column -> references to rows that are not there; the rows are kept
    without_birth  rows whose first instant is unknown: kept, never scored nor taught from
    """

    rows: int = 0
    columns: dict[str, dict[str, float]] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    orphans: Tallies = field(default_factory=dict)
    without_birth: int = 0


@dataclass
class IngestReport:
    """A whole ingest; ``to_json`` for machines, ``markdown`` for people."""

    mapping: str
    data: str
    as_of: str = ""
    as_of_from: str = ""
    currency: str = ""
    blocks: list[BlockReport] = field(default_factory=list)
    tables: dict[str, TableReport] = field(default_factory=dict)
    not_found: list[str] = field(default_factory=list)
    not_read: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    no_feature: list[str] = field(default_factory=list)
    consequences: list[Consequence] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        state = asdict(self)
        for block, plain in zip(self.blocks, state["blocks"], strict=True):
            plain["read"] = block.read
        return state

    def balanced(self) -> bool:
        """Whether the law holds in every block."""
        return all(b.balanced() for b in self.blocks)

    def markdown(self) -> str:
        """The report to be read."""
        as_of = f"{self.as_of} ({self.as_of_from})" if self.as_of else "none: the data are flat"
        lines = [
            f"# Ingest of {self.data} with the mapping {self.mapping}",
            "",
            f"Complete up to {as_of}. Currency: {self.currency or 'not stated'}.",
            "",
            *_found(self.consequences),
            *_bullets(self.notices),
            "| source | table | rows read | kept | rejected | collapsed | left out | repairs |",
            "|---|---|--:|--:|--:|--:|--:|--:|",
            *(_block_row(b) for b in self.blocks),
            "",
        ]
        for block in self.blocks:
            lines += _block_section(block)
        for name, table in self.tables.items():
            lines += _table_section(name, table)
        if self.no_feature:
            lines += ["## Mapped, and no feature", "", *_bullets(self.no_feature)]
        if self.not_found:
            lines += ["## Tables of the mapping without a source", "", *_bullets(self.not_found)]
        if self.not_read:
            lines += ["## Files that the mapping does not read", "", *_bullets(self.not_read)]
        return "\n".join(lines).rstrip() + "\n"


def _found(found: list[Consequence]) -> list[str]:
    """What reading lost, and what that does: before everything else."""
    if not found:
        return []
    lines = [f"**{f.grade}**: {f.to_text()} (`{f.code}`)" for f in found]
    return ["## What was lost, and what it does", "", *_bullets(lines)]


def _bullets(items: list[str]) -> list[str]:
    return [*(f"* {item}" for item in items), ""] if items else []


def _block_row(b: BlockReport) -> str:
    gone = (_sum(b.rejected), _sum(b.collapsed), _sum(b.left_out), _sum(b.repaired))
    return (
        f"| {b.file} | {b.table} | {b.read:,} | {b.kept:,} | "
        + " | ".join(f"{n:,}" for n in gone)
        + " |"
    )


def _sample(sample: dict[str, Any]) -> str:
    return " ".join(f"{k} {str(v)!r}" if k != "row" else f"row {v}" for k, v in sample.items())


def _tally_lines(title: str, tallies: Tallies) -> list[str]:
    lines = []
    for reason, found in tallies.items():
        shown = "; ".join(_sample(s) for s in found.samples)
        lines.append(f"{title}: {reason}: {found.n:,}" + (f" ({shown})" if shown else ""))
    return lines


def _block_section(b: BlockReport) -> list[str]:
    lines = [
        *_tally_lines("rejected", b.rejected),
        *_tally_lines("collapsed", b.collapsed),
        *_tally_lines("left out", b.left_out),
        *_tally_lines("repaired", b.repaired),
    ]
    for column, words in b.unknown.items():
        shown = ", ".join(f"{w!r} {n:,}" for w, n in words.items())
        lines.append(f"unknown values of {column}: {shown}")
    for prefix, found in b.joins.items():
        lines.append(f"joined {prefix}: " + ", ".join(f"{n:,} {k}" for k, n in found.items()))
    if b.per_row > 1:
        lines.append(f"each of {b.rows:,} records gives {b.per_row} rows")
    if b.listed:
        lines.append(f"{b.listed:,} rows more than records: further values of lists in a cell")
    if b.undecodable:
        lines.append(f"{b.undecodable:,} characters are not {b.encoding}; read as \ufffd")
    if b.out_of_order:
        lines.append(f"{b.out_of_order:,} rows are earlier than the row before them")
    if b.absent:
        lines.append("columns that the export does not have: " + ", ".join(b.absent))
    if b.unused:
        lines.append("source columns that the mapping does not use: " + ", ".join(b.unused))
    read_as = f" ({b.encoding}, delimiter {b.delimiter!r})" if b.encoding else ""
    return [f"## {b.file} into {b.table}{read_as}", "", *_bullets(lines)]


def _table_section(name: str, table: TableReport) -> list[str]:
    lines = _tally_lines("orphans", table.orphans)
    if table.outcomes:
        lines.append(
            "outcomes: " + ", ".join(f"{w or 'open'} {n:,}" for w, n in table.outcomes.items())
        )
    if table.without_birth:
        lines.append(f"{table.without_birth:,} rows have no first instant: kept, never scored")
    rows = [
        f"| {c} | {d['missing']:.1%} | {d['distinct']:,.0f} |" for c, d in table.columns.items()
    ]
    head = ["| column | missing | distinct values |", "|---|--:|--:|"]
    return [f"## {name}: {table.rows:,} rows", "", *_bullets(lines), *head, *rows, ""]
