"""The mapping of a sync: the connection's own, with the instant of the sync and fields found."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.connectors.contract import Connector, Field
from features.ingest.mapping import PRESETS, Mapping, load, presets
from features.ingest.table import TableSpec
from features.schema import TABLES
from features.sync.connection import Connection, ConnectionFileError
from features.tables import storage

Parts = dict[str, dict[str, dict[str, Any]]]
"""Part of a block (columns, custom, fields) -> column -> its specification."""

REFERENCES = ("key", "ref")


def extended(connection: Connection, link: Connector, now: datetime, folder: Path) -> Path:
    """A mapping that extends the connection's: as of ``now``, and with every custom field.

    A custom field of a raw table goes to each canonical table whose block reads that table: to the
    canonical column of its name, where that is free and of its kind, else to a custom field with
    the CRM's label. A field that the mapping names already stays as it is there.
    """
    base = _base(connection)
    mapping = load(base)
    found = {
        table: [f for f in fields if f.custom]
        for stream in link.streams()
        for table, fields in stream.tables.items()
    }
    parts = {block.name: _parts(mapping, block, found) for block in mapping.tables.values()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "mapping.toml"
    text = "\n".join(_lines(connection, base, now, parts)) + "\n"
    path.write_text(text, encoding="utf-8")
    return path


def _base(connection: Connection) -> Path:
    name = connection.text("mapping", connection.kind)
    path = PRESETS / f"{name}.toml" if name in presets() else connection.path.parent / name
    if not path.is_file():
        raise ConnectionFileError(
            f"{connection.path}: mapping: no preset and no file {name!r}; "
            f"presets: {', '.join(presets())}"
        )
    return path


def _parts(mapping: Mapping, block: TableSpec, found: dict[str, list[Field]]) -> Parts:
    """What the custom fields of a block's raw table add to the block."""
    here = next((found[s] for s in block.source if s in found), [])
    if block.to != "changes":
        return _new_columns(block, here)
    # a history has the fields of the entity, under the names that they have there
    of = [b for b in mapping.tables.values() if b.to == block.of]
    named: dict[str, str] = {}
    for other in of:
        fields = next((found[s] for s in other.source if s in found), [])
        for part in _new_columns(other, fields).values():
            named |= {spec["from"]: column for column, spec in part.items()}
    if "field" in block.columns:  # a row for every change
        kept = {f.name for other in of for s in other.source for f in found.get(s, []) if f.history}
        return {"fields": {c: {"is": [f]} for f, c in named.items() if f in kept}}
    there = {f.name for f in here}
    return {"fields": {c: {"from": f, "optional": True} for f, c in named.items() if f in there}}


def _new_columns(block: TableSpec, fields: list[Field]) -> Parts:
    named = {
        name
        for specs in (*block.columns.values(), *block.custom.values())
        for spec in specs
        for names in spec.names()
        for name in names
    }
    parts: Parts = {"columns": {}, "custom": {}}
    for field in (f for f in fields if f.name not in named):
        column = _column(field, {*parts["columns"], *parts["custom"]})
        canonical = TABLES[block.to].column(column)
        if canonical is None or column in block.columns:
            own = column if canonical is None else f"{column}_custom"
            kind = "category" if field.kind in REFERENCES else field.kind
            spec = {"from": field.name, "kind": kind, "label": field.label, "optional": True}
            parts["custom"][own] = spec
        elif canonical.kind not in ("key", "ref") and storage(canonical.kind) == storage(
            field.kind
        ):
            parts["columns"][column] = {"from": field.name, "optional": True}
    return parts


def _column(field: Field, taken: set[str]) -> str:
    """What a field is called here: by its label where its name is a hash, as Pipedrive's are."""
    hashed = re.fullmatch("[0-9a-f]{40}", field.name) and field.label
    name = _name(field.label if hashed else field.name.removesuffix("__c"))
    return f"{name}_{_name(field.name)[:10]}" if name in taken else name


def _name(source: str) -> str:
    """A source column's name as a mapping's custom field has it."""
    name = re.sub(r"\W+", "_", source.lower()).strip("_")
    return name if name[:1].isalpha() else f"field_{name}"


def _lines(
    connection: Connection, base: Path, now: datetime, parts: dict[str, Parts]
) -> Iterator[str]:
    extends = base.stem if base.parent == PRESETS else str(base.resolve())
    yield f"extends = {json.dumps(extends)}"
    yield "\n[export]"
    yield f"name = {json.dumps(connection.name)}"
    for key in ("currency", "zone"):
        if stated := connection.text(key, ""):
            yield f"{key} = {json.dumps(stated)}"
    yield f"as_of = {json.dumps(now.astimezone(UTC).isoformat(timespec='microseconds'))}"
    for block, by_part in parts.items():
        if any(by_part.values()):
            yield f"\n[tables.{block}]\noptional = true"
        for part, columns in by_part.items():
            if columns:
                yield f"\n[tables.{block}.{part}]"
            for column, spec in columns.items():
                inner = ", ".join(f"{k} = {json.dumps(v)}" for k, v in spec.items())
                yield f"{column} = {{ {inner} }}"
