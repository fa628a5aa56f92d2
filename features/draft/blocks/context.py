"""What is known of the whole export while its blocks are drafted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.draft.links import Key, Reference, references
from features.draft.model import DraftedBlock, DraftedLine, MappingDraft, Spec, Sureness
from features.draft.outcomes import OutcomeFound
from features.draft.recognise import fit
from features.draft.specs import spec_of
from features.draft.values.profile import ColumnProfile, FileProfile
from features.schema import TABLES


@dataclass
class Export:
    """The export so far.

    keys   table -> the key of its (largest) file
    dates  the format that most dates are written in
    ends   block name -> the outcome of its rows
    beside files in which no table was seen: catalogues, lists of stages
    """

    draft: MappingDraft
    dates: tuple[str, ...]
    keys: dict[str, Key] = field(default_factory=dict)
    ends: dict[str, OutcomeFound] = field(default_factory=dict)
    beside: list[FileProfile] = field(default_factory=list)


@dataclass
class Building:
    """One block while it is drafted: what of its file is still free."""

    export: Export
    file: FileProfile
    block: DraftedBlock
    free: dict[str, ColumnProfile]

    @staticmethod
    def of(export: Export, file: FileProfile, table: str, evidence: str) -> Building:
        """A block for a file, under a name that is free."""
        names = {b.name for b in export.draft.blocks}
        name = table
        if name in names:
            name = next(n for i in range(2, 1_000) if (n := f"{table}_{i}") not in names)
        block = DraftedBlock(name, table, file.path.name, evidence)
        return Building(export, file, block, dict(file.columns))

    @property
    def table(self) -> str:
        """The canonical table."""
        return self.block.to

    def map(
        self,
        name: str,
        column: ColumnProfile,
        sure: Sureness,
        evidence: str,
        spec: Spec | None = None,
        keep: bool = False,
    ) -> None:
        """A line for a canonical column; the source column is then taken unless ``keep``."""
        written = spec_of(column, self.export.dates) if spec is None else spec
        self.block.columns.append(DraftedLine(name, written, sure, evidence))
        if not keep:
            self.free.pop(column.heading, None)
        self._tied(name, column)

    def _tied(self, name: str, column: ColumnProfile) -> None:
        about = f"{self.block.name}.{name}"
        if column.held == "instant" and column.dates is not None and column.dates.tie:
            shown = next(iter(column.counts))
            first, second = column.dates.patterns[:2]
            self.export.draft.ask(
                100,
                f"“{column.heading}” of {self.file.path.name} holds days such as {shown}, and none "
                f"shows whether the day or the month comes first: keep one format, {first} or "
                f"{second}",
                about,
                stops=True,
            )
        if column.held == "number" and column.ambiguous_thousands:
            shown = next(w for w in column.counts if "." in w)
            self.export.draft.ask(
                80,
                f"“{column.heading}” of {self.file.path.name} holds numbers such as {shown}: is "
                "the "
                'point a mark of thousands? Then write decimal = "," beside it; it is read as a '
                "decimal point now",
                about,
            )

    def references(self, own_key: tuple[str, ...]) -> dict[str, Reference]:
        """Map every reference that a free column is."""
        free = FileProfile(self.file.path, self.file.delimiter, self.free)
        found = references(free, self.table, self.export.keys, own_key)
        for canonical, made in found.items():
            self._refer(canonical, made)
        return found

    def _refer(self, canonical: str, made: Reference) -> None:
        column = self.file.columns[made.column]
        if made.share is None:
            evidence = f"by its name; the export has no file of {made.table}"
            self.map(canonical, column, "likely", evidence)
            return
        key = self.export.keys[made.table]
        there = f"{made.share:.0%} of its values are in {key.file.path.name}"
        if made.via:
            prefix = made.table
            join = {"from": key.file.path.name, "on": {made.column: made.via}, "prefix": prefix}
            self.join(join, f"{there}, under “{made.via}”")
            assert key.column is not None
            self.map(canonical, column, "sure", there, f"{prefix}.{key.column.heading}")
            return
        sure: Sureness = "sure" if made.share > 0.9 and made.named else "likely"
        if made.share < 0.5:
            sure = "unsure"
            self.export.draft.ask(
                30,
                f"Only {made.share:.0%} of the values of “{made.column}” "
                f"({self.file.path.name}) are "
                f"records of {key.file.path.name}: is it the {made.table[:-1]}?",
                f"{self.block.name}.{canonical}",
            )
        self.map(canonical, column, sure, there)

    def join(self, join: Mapping[str, object], evidence: str) -> None:
        """One more join of the block."""
        lines = [h for h in self.block.head if h.name == "join"]
        listed = list(lines[0].spec) if lines and isinstance(lines[0].spec, list) else []
        if any(j["prefix"] == join["prefix"] for j in listed):
            return
        said = f"{lines[0].evidence}; {evidence}" if lines else evidence
        self.block.head = [h for h in self.block.head if h.name != "join"]
        self.block.head.append(DraftedLine("join", [*listed, join], "sure", said))

    def assign(self, names: list[str], least: float = 0.5) -> None:
        """Map each canonical column to the free column whose heading fits it best."""
        tried = sorted(
            (
                (score, -i, name, heading)
                for i, (heading, column) in enumerate(self.free.items())
                for name in names
                if self.block.column(name) is None
                and (score := fit(column, self.table, name)) >= self._least(name, least)
            ),
            reverse=True,
        )
        for score, _, name, heading in tried:
            if heading in self.free and self.block.column(name) is None:
                sure: Sureness = "sure" if score >= 0.9 else "likely"
                self.map(name, self.free[heading], sure, "by its name" + self._held(heading))

    def _least(self, name: str, least: float) -> float:
        """A word or a name must fit better than a number or a day, of which there are few."""
        declared = TABLES[self.table].column(name)
        assert declared is not None, name
        return least if declared.kind in ("number", "instant") else max(least, 0.55)

    def _held(self, heading: str) -> str:
        column = self.free[heading]
        if column.held == "instant" and column.dates is not None:
            return f", written {' or '.join(column.dates.patterns)}"
        if column.held == "category":
            return f", {len(column.counts)} word{'s' * (len(column.counts) > 1)}"
        return f", {column.held}s" if column.held == "number" else ""

    def rest(self, kinds: tuple[str, ...]) -> list[str]:
        """Canonical columns of these kinds that are not mapped yet."""
        return [
            c.name
            for c in TABLES[self.table].columns
            if c.kind in kinds and self.block.column(c.name) is None
        ]
