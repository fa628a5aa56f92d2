"""Tables from a few records written down in a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.schema import Kind
from features.tables import NAT, Meta, Table, Tables, code, micros, storage


def _record_column(rows: Sequence[Mapping[str, Any]], column: str, kind: Kind) -> Any:
    values = [row.get(column) for row in rows]
    if storage(kind) == "number":
        return np.array([np.nan if v is None else v for v in values], np.float64)
    if storage(kind) == "instant":
        return np.array([NAT if v is None else micros(v) for v in values], np.int64)
    return code(None if v is None else str(v) for v in values)


def from_records(records: Mapping[str, Sequence[Mapping[str, Any]]], meta: Meta) -> Tables:
    """Tables from records in canonical terms: numbers, words, and instants with a zone.

    Fields that ``meta`` does not know are left out.
    """
    tables: dict[str, Table] = {}
    for name, rows in records.items():
        names = dict.fromkeys(column for row in rows for column in row)
        kinds = {c: k for c in names if (k := meta.kind(name, c)) is not None}
        columns = {c: _record_column(rows, c, k) for c, k in kinds.items()}
        tables[name] = Table(name, len(rows), columns)
    return Tables(tables, meta)
