"""The tables as an export of an earlier day would have had them, to ask what they could teach."""

from __future__ import annotations

import numpy as np

from features.asof import past
from features.schema import TABLES
from features.tables import NAT, Coded, Floats, Instants, Ints, Table, Tables


def known_before(tables: Tables, at: int) -> Tables:
    """Only the rows that were in the system before ``at`` (microseconds).

    For choosing features by what there was to see, never for values: a row that changed later
    still shows its newest value here. Values come through the point-in-time code.
    """
    return Tables({name: _rows(table, at) for name, table in tables.items()}, tables.meta)


def _rows(table: Table, at: int) -> Table:
    born = table.instant(TABLES[table.name].born)
    known = np.maximum(born, table.instant("available_at"))
    keep = (born == NAT) | past(known, np.full(table.n, at, np.int64))
    rows = np.flatnonzero(keep)
    columns = {name: _take(column, rows) for name, column in table.columns.items()}
    return Table(table.name, len(rows), columns)


def _take(column: Floats | Instants | Coded, rows: Ints) -> Floats | Instants | Coded:
    if not isinstance(column, Coded):
        return column[rows]
    codes = column.codes[rows]
    used = np.unique(codes[codes >= 0])
    lookup = np.full(len(column.values) + 1, -1, np.int32)
    lookup[used] = np.arange(len(used))
    return Coded(lookup[codes], [column.values[c] for c in used])
