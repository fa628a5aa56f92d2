"""Rows of checked records become columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from features.schema import TABLES
from features.tables import (
    NAT,
    Coded,
    Floats,
    Instants,
    Meta,
    Storage,
    Table,
    code,
    storage,
)

Row = dict[str, Any]


def storage_of(table: str, meta: Meta) -> dict[str, Storage]:
    """How each column that the model can know is kept; a canonical name is not a custom one's."""
    custom = {f.name: storage(f.kind) for f in meta.custom.get(table, [])}
    return custom | {c.name: storage(c.kind) for c in TABLES[table].columns}


def table_of(name: str, rows: Sequence[Row], known: Mapping[str, Storage]) -> Table:
    """Rows as columns; what the model does not know is left out.

    Numbers are within ``LARGEST_NUMBER`` and instants in microseconds: the reader has seen to it.
    """
    columns: dict[str, Floats | Instants | Coded] = {}
    for column in dict.fromkeys(chain.from_iterable(rows)):
        kind = known.get(column)
        if kind is not None:
            columns[column] = _COLUMNS[kind]([row.get(column) for row in rows])
    return Table(name, len(rows), columns)


def _numbers(values: list[Any]) -> Floats:
    return np.array([np.nan if v is None else v for v in values], np.float64)


def _instants(values: list[Any]) -> Instants:
    return np.array([NAT if v is None else v for v in values], np.int64)


_COLUMNS: dict[str, Callable[[list[Any]], Floats | Instants | Coded]] = {
    "number": _numbers,
    "instant": _instants,
    "coded": code,
}
