"""JSON answers of an API: every list of objects in them is a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from features.sources.words import SourceError

OBJECTS = (".json", ".jsonl", ".ndjson")
"""Files of objects that are read."""

WRAPPERS = ("properties", "data", "attributes", "fields", "record")
"""An object inside the record that holds its own fields: they lose this prefix."""

_LISTS = ("data", "results", "items", "records", "value", "values", "rows", "result")
_KINDS = ("item", "type", "object", "entity", "resource")

Rows = list[dict[str, str]]


def tables_in(path: Path) -> dict[str, Rows]:
    """Name ("" for a bare list) -> the rows of every list of objects, nested names with dots.

    Records that say what they are beside their ``data`` (Pipedrive's ``item``) are told apart. A
    null is an empty cell; of a list of objects with a ``value`` the first counts, of plain values
    all, joined by ``;``.
    """
    found: dict[str, Rows] = {}
    for name, records in _lists(_read(path), ()):
        for kind, mine in _by_kind(records).items():
            rows = [_flat(record) for record in mine]
            found.setdefault(" ".join(p for p in (name, kind) if p), []).extend(rows)
    return found


def _read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8-sig")
    try:
        if path.suffix.lower() != ".json":
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as problem:
        raise SourceError(f"{path.name} is not JSON: {problem}; export it again") from problem


def _lists(value: Any, at: tuple[str, ...]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Lists of objects and what they are called by the keys above them."""
    if isinstance(value, list):
        records = [v for v in value if isinstance(v, dict)]
        if records and len(records) == len(value):
            yield " ".join(p for p in at if p not in _LISTS), records
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _lists(inner, (*at, key))


def _by_kind(records: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Records by what they call themselves, where that stands beside a wrapped record."""
    wrapped = all(
        "data" in r and (r["data"] is None or isinstance(r["data"], dict)) for r in records
    )
    kind = next((k for k in _KINDS if all(isinstance(r.get(k), str) for r in records)), "")
    if not wrapped or not kind:
        return {"": records}
    found: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        found.setdefault(record[kind], []).append(record)
    return found


def _flat(record: dict[str, Any]) -> dict[str, str]:
    row: dict[str, str] = {}
    for key, value in record.items():
        if isinstance(value, dict) and key in WRAPPERS:
            row |= _flat(value)
        elif value is None and key in WRAPPERS:
            continue
        elif isinstance(value, dict):
            row |= {f"{key}.{inner}": word for inner, word in _flat(value).items()}
        else:
            row.setdefault(key, _word(value))
    return row


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return _listed(value)
    return str(value)


def _listed(values: list[Any]) -> str:
    if values and all(isinstance(v, dict) and "value" in v for v in values):
        first = next((v for v in values if v.get("primary")), values[0])
        return _word(first["value"])
    if all(not isinstance(v, dict | list) for v in values):
        return ";".join(_word(v) for v in values)
    return json.dumps(values, ensure_ascii=False)
