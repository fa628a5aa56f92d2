"""Staged records become raw Parquet tables: the same records give the same bytes, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from features.connectors.contract import Body, Connector, Field
from features.sync.staging import Staging

ROWS = 10_000
"""Records held in memory at a time."""


def project(staging: Staging, connector: Connector, out: Path) -> dict[str, int]:
    """Write every raw table to ``out``/<table>.parquet and say how many records each has."""
    out.mkdir(parents=True, exist_ok=True)
    written = {}
    for stream in connector.streams():
        for table, fields in stream.tables.items():
            if table not in stream.hidden:
                rows = (_shown(body, fields) for _, body in staging.bodies(table))
                written[table] = _write(out / f"{table}.parquet", [f.name for f in fields], rows)
    for table, bodies in connector.derived(staging).items():
        rows_of = iter(bodies)
        first = next(rows_of, None)
        if first is not None:
            written[table] = _write(out / f"{table}.parquet", list(first), _before(first, rows_of))
    return written


def _shown(body: Body, fields: Sequence[Field]) -> Body:
    return {f.name: f.shown(body.get(f.name)) for f in fields}


def _before(first: Body, others: Iterator[Body]) -> Iterator[Body]:
    yield first
    yield from others


def _write(path: Path, columns: list[str], rows: Iterable[Mapping[str, Any]]) -> int:
    schema = pa.schema([(name, pa.string()) for name in columns])
    n = 0
    with pq.ParquetWriter(path, schema) as writer:
        source = iter(rows)
        while some := list(islice(source, ROWS)):
            data = {c: [text(row.get(c)) for row in some] for c in columns}
            writer.write_table(pa.table(data, schema=schema))
            n += len(some)
    return n


def text(value: Any) -> str | None:
    """A value as the raw table holds it: what a mapping reads back unchanged; None if missing."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    return orjson.dumps(value).decode()
