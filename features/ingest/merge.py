"""A mapping over the one it extends: every block and column in one shape, then key by key."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any

from features.ingest.strict import MappingError, TomlTable

BY_NAME = ("columns", "custom", "fields")
"""Keys of a table block whose entries are replaced one by one; all others are replaced whole."""


def normal(raw: Dict[str, Any], where: str) -> dict[str, Any]:
    """The file's tables with every column as a list of tables; ``lenient`` made explicit.

    In a lenient file (a preset) sources and columns may be absent from an export.
    """
    export = dict(TomlTable(raw, where).table("export"))
    lenient = export.pop("lenient", False)
    tables = TomlTable(raw, where).table("tables")
    plain = {
        name: _block(block, bool(lenient), f"{where} {name}") for name, block in tables.items()
    }
    return {**raw, "export": export, "tables": plain}


def _block(block: Any, lenient: bool, where: str) -> Any:
    if block is False:
        return False
    result = dict(TomlTable(block, where).raw)
    if lenient:
        result = {"optional": True, **result}
        for part in ("join", "merged"):
            result[part] = [{"optional": True, **one} for one in result.get(part, [])]
    for part in BY_NAME:
        if part in result:
            columns = TomlTable(result[part], f"{where} {part}").raw
            result[part] = {
                c: _column(spec, lenient, f"{where} {c}") for c, spec in columns.items()
            }
    return {k: v for k, v in result.items() if v != [] or k not in ("join", "merged")}


def _column(spec: Any, lenient: bool, where: str) -> Any:
    if spec is False:
        return False
    listed = spec if isinstance(spec, list) and spec and isinstance(spec[0], Dict) else [spec]
    return [{**({"optional": True} if lenient else {}), **_one(s, where)} for s in listed]


def _one(spec: Any, where: str) -> dict[str, Any]:
    if isinstance(spec, str | list):
        return {"from": spec}
    if not isinstance(spec, Dict):
        raise MappingError(
            f"{where}: expected a source column, a list of them or a table, got {spec!r}"
        )
    return dict(spec)


def merged(base: Dict[str, Any], own: Dict[str, Any]) -> dict[str, Any]:
    """``own`` over ``base``; ``false`` in place of a block or a column removes it."""
    result = {**base, **own, "export": {**base["export"], **own["export"]}}
    for part in ("fixed", "left_out", "questions"):
        result[part] = {**base.get(part, {}), **own.get(part, {})}
    tables = dict(base["tables"])
    for name, block in own["tables"].items():
        tables[name] = _merged_block(tables.get(name), block)
    result["tables"] = {n: _without_removed(b) for n, b in tables.items() if b is not False}
    return result


def _merged_block(base: Any, own: Any) -> Any:
    if own is False or not isinstance(base, Dict):
        return own
    by_name = {p: {**base.get(p, {}), **own.get(p, {})} for p in BY_NAME if p in base or p in own}
    # a block the user writes about is meant to be there
    return {**base, "optional": False, **own, **by_name}


def _without_removed(block: Dict[str, Any]) -> dict[str, Any]:
    return {
        k: {n: c for n, c in v.items() if c is not False} if k in BY_NAME else v
        for k, v in block.items()
    }
