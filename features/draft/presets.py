"""A known CRM's export is recognised by its headings, and the draft extends that preset."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from features.draft.blocks.context import Export
from features.draft.blocks.custom import custom_lines
from features.draft.links import Key
from features.draft.model import DraftedBlock, DraftedLine
from features.draft.outcome_words import means
from features.draft.outcomes import outcome_of
from features.draft.recognise import recognise
from features.draft.values.names import concepts, tokens
from features.draft.values.profile import FileProfile
from features.ingest.mapping import Mapping, load, presets
from features.ingest.spec import ColumnSpec
from features.ingest.table import TableSpec
from features.ingest.values.formats import in_order, order_of
from features.schema import OUTCOMES, TABLES
from features.sources.files import find

STANDARD = "closed - not converted"
"""The one word of Salesforce itself for a lead that was given up."""

SYNCED = ("tryton", "pipedrive")
"""Presets of connectors: nobody exports such files by hand, and their headings are anybody's."""

ALIKE, NEARLY_ALL = 0.3, 0.8
"""Share of a block's columns that a file called otherwise must have: one that was recognised as the
block's table, and any other."""

ENTITIES = ("accounts", "contacts", "leads", "deals")
_HUMPS = re.compile(r"[A-Z][a-z]+[A-Z][a-z]*")


@dataclass(frozen=True)
class PresetFound:
    """A preset that fits, and which file each of its blocks reads."""

    name: str
    mapping: Mapping
    files: dict[str, FileProfile]
    renamed: frozenset[str]
    """Blocks whose file is called otherwise than the preset expects."""


def preset_of(files: list[FileProfile]) -> PresetFound | None:
    """The preset whose own headings an export has, None where it has none's."""
    known = {name: load(name) for name in presets() if name not in SYNCED}
    every = Counter(n for m in known.values() for n in _all_names(m))
    best: tuple[int, PresetFound] | None = None
    for name, mapping in known.items():
        own = {n for n in _all_names(mapping) if every[n] == 1}
        if not any(_speaks(f, own) for f in files):
            continue
        by_block, renamed = _by_block(mapping, files)
        hits = sum(len(own & set(f.columns)) for f in by_block.values())
        if by_block and (best is None or hits > best[0]):
            best = hits, PresetFound(name, mapping, by_block, renamed)
    return best[1] if best else None


def _all_names(mapping: Mapping) -> set[str]:
    return {n for block in mapping.tables.values() for n in _names(block)}


def _names(block: TableSpec) -> set[str]:
    """Every source column that a block may read from its own file."""
    specs = [s for listed in (block.columns, block.custom, block.fields) for s in listed.values()]
    names = {n for listed in specs for spec in listed for n in _of_spec(spec)}
    return {n for n in names if "." not in n}


def _of_spec(spec: ColumnSpec) -> set[str]:
    weighed = {n for _, listed in spec.weigh for n in listed}
    tested = {n for c in spec.when for n in c.column if n != "@outcome"}
    return {n for names in spec.names() for n in names} | weighed | tested


def _speaks(file: FileProfile, own: set[str]) -> bool:
    """Whether a file has headings that are the CRM's own, and not anybody's words for the thing."""
    there = own & set(file.columns)
    peculiar = [n for n in there if _peculiar(n)]
    return len(peculiar) >= 3 or (len(there) >= 4 and "Record ID" in there) or len(there) >= 10


def _peculiar(name: str) -> bool:
    """``StageName``, ``property_createdate``, ``hs_timestamp``, ``dealstage``: nobody's words."""
    glued = len(tokens(name)) == 1 and len(concepts(name)) > 1
    return (
        bool(_HUMPS.fullmatch(name)) or name.startswith(("property_", "hs_", "hubspot_")) or glued
    )


def _by_block(
    mapping: Mapping, files: list[FileProfile]
) -> tuple[dict[str, FileProfile], frozenset[str]]:
    """Which file each block reads: by its name, else the one that has most of its columns."""
    by_path = {f.path: f for f in files}
    found: dict[str, FileProfile] = {}
    for name, block in mapping.tables.items():
        there = find(list(by_path), block.source)
        if there:
            found[name] = by_path[there[0]]
    taken = {f.path for f in found.values()}
    left = [f for f in files if f.path not in taken and not _joined(mapping, f.path)]
    tables = {f.path: r.table for f in left if (r := recognise(f, alone=True)) is not None}
    scored = sorted(
        (
            (share, name, file.path)
            for file in left
            for name, block in mapping.tables.items()
            if name not in found
            and (share := _share(block, file))
            >= (ALIKE if tables.get(file.path) == block.to else NEARLY_ALL)
        ),
        key=lambda s: -s[0],
    )
    renamed: set[str] = set()
    for _, name, path in scored:
        if name not in found and path not in taken:
            taken.add(path)
            both = [n for n, b in mapping.tables.items() if b.source == mapping.tables[name].source]
            found |= dict.fromkeys(both, by_path[path])
            renamed |= set(both)
    return found, frozenset(renamed)


def _joined(mapping: Mapping, path: Path) -> bool:
    return any(find([path], j.source) for block in mapping.tables.values() for j in block.join)


def _share(block: TableSpec, file: FileProfile) -> float:
    """The share of a block's columns that a file has."""
    there = [
        any(n in file.columns for spec in specs for n in _of_spec(spec))
        for specs in (block.columns | block.fields).values()
        if any("." not in n for spec in specs for n in _of_spec(spec))
    ]
    key = block.columns.get(TABLES[block.to].key, block.columns.get("entity_id", ()))
    if not any(n in file.columns for spec in key for n in _of_spec(spec)):
        return 0.0
    return sum(there) / max(len(there), 1) if sum(there) > 2 else 0.0


def preset_blocks(export: Export, found: PresetFound) -> None:
    """The blocks that say more than the preset: files called otherwise, custom fields."""
    draft = export.draft
    draft.extends = found.name
    for name, file in found.files.items():
        spec = found.mapping.tables[name]
        if spec.to in TABLES and spec.to not in export.keys and (key := _key(spec, file)):
            export.keys[spec.to] = key
        source = file.path.name if name in found.renamed else ""
        read = sorted(n for n in _names(spec) if n in file.columns)
        said = (
            f"{file.path.name}, {file.n:,} rows: {name} of the preset, which reads {len(read)} of "
            "its columns."
        )
        block = DraftedBlock(name, spec.to, source, said)
        if spec.to in ENTITIES and not (name == "contacts" and "leads" in found.files):
            _add_custom(export, block, spec, file, set(read))
        if source or block.custom:
            draft.blocks.append(block)
        _ask_outcome(export, spec, file)


def _key(spec: TableSpec, file: FileProfile) -> Key | None:
    for column in spec.columns.get(TABLES[spec.to].key, ()):
        for name in (n for names in column.names() for n in names):
            if name in file.columns:
                return Key(file, (name,), len(file.columns[name].counts), True)
    return None


def _add_custom(
    export: Export, block: DraftedBlock, spec: TableSpec, file: FileProfile, read: set[str]
) -> None:
    ended = outcome_of(file, spec.to) if spec.to in OUTCOMES else None
    used = read | {n for c in spec.where for n in c.column}
    used |= {left for j in spec.join for pairs in j.on for left, _ in pairs}
    free = [c for n, c in file.columns.items() if n not in used]
    lines, notes = custom_lines(free, spec.to, ended, export.dates, taken=spec.custom)
    block.custom += lines
    block.notes += [n for n in notes if n.startswith(("free text", "one value"))] if lines else []


def _ask_outcome(export: Export, spec: TableSpec, file: FileProfile) -> None:
    """A lead's status is worded by each company: words for given up that the preset cannot know."""
    if spec.to != "leads":
        return
    status = next((c for n, c in file.columns.items() if n in ("Status", "status")), None)
    if status is None or status.held != "category":
        return
    words = [
        w for w in status.counts if means(w, "leads") == "disqualified" and w.lower() != STANDARD
    ]
    if words:
        export.draft.ask(
            58,
            f"Which words of “{status.heading}” mean that a lead was given up "
            f"({', '.join(words[:6])})? "
            "The preset knows “Closed - Not Converted” only",
            "leads.outcome",
        )


def date_line(found: PresetFound) -> tuple[DraftedLine | None, list[str]]:
    """The formats where the preset's are not those of the export; headings that leave a tie."""
    columns = [
        c
        for name, f in found.files.items()
        for n, c in f.columns.items()
        if c.dates is not None and c.held == "instant" and n in _names(found.mapping.tables[name])
    ]
    shown = {p for c in columns if c.dates and not c.dates.tie for p in c.dates.patterns}
    ties = [c for c in columns if c.dates is not None and c.dates.tie]
    orders = {order_of(p) for p in shown} - {"none"}
    order = orders.pop() if len(orders) == 1 else "none"
    patterns = list(in_order((*found.mapping.dates, *sorted(shown)), order))
    patterns += [p for c in ties if c.dates for p in c.dates.patterns]
    patterns = list(dict.fromkeys(patterns))
    if set(patterns) <= set(found.mapping.dates):
        return None, []
    said = "the preset's formats, in the order of day and month of this export"
    return DraftedLine("dates", patterns, "unsure" if ties else "sure", said), [
        c.heading for c in ties
    ]
