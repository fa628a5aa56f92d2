"""What a single record cannot bring along: the company's closed cases, its sellers, its rates.

A bundle carries it as JSON, so that the endpoint knows a seller's record without a data set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from features.definitions.owners import rated_columns
from features.schema import TABLES
from features.tables import NAT, Coded, Floats, Instants, Meta, Table, Tables

CARRIED = ("owners", "fx_rates")
"""Small tables carried whole, but for names."""


def reference(tables: Tables, entity: str) -> dict[str, Any]:
    """The reference of one entity as JSON types; keys, names and amounts stay at home."""
    schema = TABLES[entity]
    refs = [c for c in ("owner_id", "account_id") if schema.column(c) is not None]
    needed = [
        *refs,
        schema.born,
        "available_at",
        "closed_at",
        "outcome",
        *rated_columns(entity, tables.meta),
    ]
    state = {entity: _table_state(tables[entity], needed)}
    for name in CARRIED:
        columns = [c.name for c in TABLES[name].columns if c.kind != "text"]
        state[name] = _table_state(tables[name], columns)
    return state


def _table_state(table: Table, names: list[str]) -> dict[str, Any]:
    kept = {n: table.columns[n] for n in names if table.has(n)}
    return {"n": table.n, "columns": {n: _column_state(c) for n, c in kept.items()}}


def _column_state(column: Floats | Instants | Coded) -> dict[str, Any]:
    if isinstance(column, Coded):
        return {"codes": column.codes.tolist(), "values": column.values}
    if column.dtype == np.int64:
        return {"instants": [None if v == NAT else v for v in column.tolist()]}
    return {"numbers": [None if np.isnan(v) else v for v in column.tolist()]}


def tables_of(state: Mapping[str, Any], meta: Meta) -> Tables:
    """The inverse of ``reference``."""
    return Tables(
        {
            name: Table(name, s["n"], {c: _column(v) for c, v in s["columns"].items()})
            for name, s in state.items()
        },
        meta,
    )


def _column(state: Mapping[str, Any]) -> Floats | Instants | Coded:
    if "codes" in state:
        return Coded(np.array(state["codes"], np.int32), list(state["values"]))
    if "instants" in state:
        return np.array([NAT if v is None else v for v in state["instants"]], np.int64)
    return np.array([np.nan if v is None else v for v in state["numbers"]], np.float64)
