"""Parquet: typed columns as words that read back unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from features.sources.words import Advance, Header, Source, SourceError, WordColumn, unique_names


def parquet_header(path: Path) -> Header:
    """The columns of one Parquet file; its instants are ISO 8601 whatever the mapping's formats."""
    names, duplicates = unique_names(_file(path).schema_arrow.names)
    return Header(path, names, duplicates)


def read_parquet(header: Header, columns: Sequence[str], advance: Advance) -> Source:
    """The ``columns`` of one Parquet file, nulls as missing words."""
    file = _file(header.path)
    table = file.read()
    advance(header.path.stat().st_size)
    words = {
        name: _words(_as_text(name, table.column(header.names.index(name)), header.path))
        for name in columns
    }
    n = file.metadata.num_rows
    return Source(header, words, np.arange(1, n + 1))


def _file(path: Path) -> Any:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise SourceError(f"{path.name} is not a Parquet file: {problem}") from problem


def _as_text(name: str, column: Any, path: Path) -> Any:
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(name, column.cast(kind.value_type), path)
    if pa.types.is_timestamp(kind):
        utc = column.cast(pa.timestamp("us", "UTC" if kind.tz else None))
        text = pc.strftime(utc, "%Y-%m-%dT%H:%M:%S")
        return pc.binary_join_element_wise(text, "Z", "") if kind.tz else text
    if pa.types.is_nested(kind):
        raise SourceError(
            f"{path.name}: column {name!r} holds {kind}, not single values; "
            f"flatten it before the export"
        )
    return column.cast(pa.string())


def _words(text: Any) -> WordColumn:
    encoded = pa.concat_arrays(text.chunks) if text.num_chunks else pa.array([], pa.string())
    encoded = encoded.cast(pa.string()).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return WordColumn(np.asarray(codes, np.int32), encoded.dictionary)
