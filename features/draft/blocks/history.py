"""Blocks of changes: a row for each changed field, or a whole record at every save."""

from __future__ import annotations

import numpy as np

from features.draft.blocks.context import Building, Export
from features.draft.links import Key
from features.draft.model import DraftedBlock, DraftedLine, Spec
from features.draft.recognise import fit
from features.draft.specs import spec_of, with_keys
from features.draft.values.names import concepts
from features.draft.values.profile import (
    ColumnProfile,
    FileProfile,
    column_profile,
    rows_of,
)
from features.schema import OUTCOMES, TABLES
from features.sources.words import WordColumn


def history_blocks(export: Export, file: FileProfile, evidence: str) -> list[DraftedBlock]:
    """The blocks of a history, one for each table whose records it is about."""
    columns = {name: _best(file, name) for name in ("changed_at", "field", "value", "old_value")}
    targets = _targets(export, file)
    if columns["changed_at"] is None or not targets:
        lacking = (
            "a day of the change"
            if columns["changed_at"] is None
            else "ids of leads, deals or accounts"
        )
        export.draft.not_read[file.path.name] = f"looks like a history, but lacks {lacking}"
        return []
    long = columns["field"] is not None and columns["value"] is not None
    made = []
    for table, (entity, where) in targets.items():
        block = (
            _long(export, file, table, entity, where, columns, evidence)
            if long
            else _wide(export, file, table, entity, evidence)
        )
        if block is not None:
            made.append(block)
            export.draft.blocks.append(block)
    if not made:
        export.draft.not_read[file.path.name] = "a history of no field that is mapped"
    return made


def _best(file: FileProfile, name: str) -> ColumnProfile | None:
    scored = [(fit(c, "changes", name), c.heading) for c in file.columns.values()]
    score, heading = max(scored, default=(0.0, ""))
    if score >= 0.5:
        return file.columns[heading]
    dates = [c for c in file.columns.values() if c.held == "instant"]
    return dates[0] if name == "changed_at" and len(dates) == 1 else None


def _targets(
    export: Export, file: FileProfile
) -> dict[str, tuple[ColumnProfile, DraftedLine | None]]:
    """Table -> the column of its ids, and the rows that are about it where others are not."""
    found: dict[str, tuple[ColumnProfile, DraftedLine | None]] = {}
    for table in OUTCOMES:
        key = export.keys.get(table)
        if key is None or key.column is None:
            continue
        scored = [
            (key.share(c), c.heading)
            for c in file.columns.values()
            if c.held in ("number", "category", "text")
        ]
        share, heading = max(scored, default=(0.0, ""))
        entity = file.columns.get(heading)
        if entity is None or share < 0.02:
            continue
        if share > 0.9:
            found[table] = (entity, None)
        elif (where := _about(file, entity, key)) is not None:
            found[table] = (entity, where)
    return found


def _about(file: FileProfile, entity: ColumnProfile, key: Key) -> DraftedLine | None:
    """The words of a column ("Object") whose rows are about the table, and no others."""
    assert key.column is not None
    mine = rows_of(entity, sorted(key.words))
    for column in file.columns.values():
        if column.held != "category" or column is entity or len(column.counts) > 20:
            continue
        words = [w for w in column.counts if mine[rows_of(column, [w])].mean() > 0.9]
        rows = rows_of(column, words)
        if words and mine[~rows].mean() < 0.05 if (~rows).any() else False:
            said = f"its rows have ids of {key.file.path.name}"
            return DraftedLine(
                "where", {column.heading: words[0] if len(words) == 1 else words}, "sure", said
            )
    return None


def _started(
    export: Export, file: FileProfile, table: str, entity: ColumnProfile, evidence: str
) -> Building:
    building = Building.of(export, file, "changes", evidence)
    names = {b.name for b in export.draft.blocks}
    name = f"{table[:-1]}_history"
    building.block.name = name if name not in names else f"{name}_{len(names)}"
    building.block.head.append(
        DraftedLine("of", table, "sure", f"“{entity.heading}” holds its ids")
    )
    building.map("entity_id", entity, "sure", f"ids of {table}", entity.heading)
    building.assign(["changed_at"])
    dates = [c for c in building.free.values() if c.held == "instant"]
    if building.block.column("changed_at") is None and len(dates) == 1:
        building.map("changed_at", dates[0], "likely", "the only day")
    return building


def _mapped(export: Export, table: str) -> dict[str, tuple[str, Spec]]:
    """Source heading of the table's own file -> canonical or custom column, and how it is read."""
    found: dict[str, tuple[str, Spec]] = {}
    for block in (b for b in export.draft.blocks if b.to == table):
        for line in (*block.columns, *block.custom):
            source = line.spec.get("from") if isinstance(line.spec, dict) else line.spec
            declared = TABLES[table].column(line.name)
            lives = declared is None or declared.kind not in ("key",)
            if (
                isinstance(source, str)
                and lives
                and not line.left_out
                and line.name not in ("outcome", "closed_at", "created_at")
            ):
                found.setdefault(source, (line.name, line.spec))
    return found


def _long(
    export: Export,
    file: FileProfile,
    table: str,
    entity: ColumnProfile,
    where: DraftedLine | None,
    columns: dict[str, ColumnProfile | None],
    evidence: str,
) -> DraftedBlock | None:
    named, values = columns["field"], columns["value"]
    assert named is not None and values is not None
    building = _started(export, file, table, entity, evidence)
    if where is not None:
        building.block.head.append(where)
    for name in ("field", "value", "old_value"):
        if (column := columns[name]) is not None and column.heading in building.free:
            building.map(name, column, "sure", "by its name", column.heading)
    building.assign(["change_id"])
    for heading, (name, _) in _mapped(export, table).items():
        words = [w for w in named.counts if _same(w, heading)]
        if words and not any(f.name == name for f in building.block.fields):
            spec = _format(export, name, table, values, rows_of(named, words), words)
            n = sum(named.counts[w] for w in words)
            building.block.fields.append(DraftedLine(name, spec, "sure", f"{n:,} rows call it so"))
    return building.block if building.block.fields else None


def _same(word: str, heading: str) -> bool:
    return (
        word.casefold() == heading.casefold()
        or concepts(word) == concepts(heading)
        or word.casefold() in (heading.casefold().removeprefix("property_"),)
    )


def _format(
    export: Export,
    name: str,
    table: str,
    values: ColumnProfile,
    rows: np.ndarray,
    words: list[str],
) -> Spec:
    """How the field's values are written in the history, which need not be as in its own file."""
    spec: Spec = {"is": words[0] if len(words) == 1 else words}
    declared = TABLES[table].column(name)
    if declared is None or declared.kind != "instant":
        return spec
    held = WordColumn(np.where(rows, values.words.codes, np.int32(-1)), values.words.values)
    looked = column_profile(f"{name} date", held)
    if looked.dates is not None and looked.dates.patterns != export.dates:
        listed = looked.dates.patterns
        return with_keys(spec, format=listed[0] if len(listed) == 1 else list(listed))
    return spec


def _wide(
    export: Export, file: FileProfile, table: str, entity: ColumnProfile, evidence: str
) -> DraftedBlock | None:
    building = _started(export, file, table, entity, evidence)
    if building.block.column("changed_at") is None:
        return None
    for heading, (name, _) in _mapped(export, table).items():
        column = next((c for h, c in building.free.items() if _same(h, heading)), None)
        if column is not None and not any(f.name == name for f in building.block.fields):
            spec = spec_of(column, export.dates)
            building.block.fields.append(
                DraftedLine(name, spec, "sure", "the same heading as in its own file")
            )
    return building.block if building.block.fields else None
