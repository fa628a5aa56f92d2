"""The columns an audit looks at, one value an entity, and whether a feature reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.catalog import columns_read
from features.definitions.fields import RELATIVES
from features.schema import TABLES, Kind
from features.tables import NAT, Bools, Coded, Floats, Instants, Ints, Tables, storage
from features.timeline import Timeline
from features.view import at_rows, instants_at

LABELS = ("outcome", "closed_at", "closed_amount")
"""Columns that say what happened: they are what is asked, never what it is answered from."""

LIFE = ("created_at", "customer_at", "available_at", "currency")
"""Instants at which a life begins, and the unit of the amounts: no field of its own."""

Status = Literal["read", "left out", "no history", "not read"]


@dataclass(frozen=True)
class Candidate:
    """One column as each entity has it now; values (n,), judged (n,) the rows that can have it.

    table, column   where it stands: the entity's own table, or its account's or contact's
    words           whether its values are compared, or only (a reference) whether it is filled
    tracked         whether ``changes`` keeps its history
    """

    table: str
    column: str
    kind: Kind
    values: Coded | Floats | Instants
    judged: Bools
    status: Status
    words: bool
    tracked: bool
    unit: str = ""

    @property
    def name(self) -> str:
        """As findings and the mapping's ``acknowledged`` name it."""
        return f"{self.table}.{self.column}"


def candidates(tables: Tables, entity: str) -> list[Candidate]:
    """The entity's own columns and its relatives', where they hold at least one fact."""
    everyone = np.arange(tables[entity].n, dtype=np.int64)
    read = columns_read(entity, tables)
    timeline = Timeline(tables)
    found = list(_of_table(timeline, entity, everyone, read))
    for ref, table in RELATIVES.items():
        column = TABLES[entity].column(ref)
        if column is None or column.kind != "ref" or not tables[entity].has(ref):
            continue
        rows = timeline.rows(table, tables[entity].coded(ref).words())
        found += [c for c in _of_table(timeline, table, rows, read) if c.words]
    return found


def _of_table(timeline: Timeline, table: str, rows: Ints, read: set[str]) -> Iterator[Candidate]:
    tables = timeline.tables
    for column, kind, unit in _columns(tables, table):
        replayed = f"{table}.{column}" in read and timeline.keeps_history(table, column)
        if not tables[table].has(column) and not replayed:
            continue
        yield Candidate(
            table,
            column,
            kind,
            _values(tables, table, column, kind, rows),
            rows >= 0,
            _status(timeline, table, column, read),
            kind != "ref" or column == "owner_id",  # who works it is a feature by name
            timeline.keeps_history(table, column),
            unit,
        )


def _columns(tables: Tables, table: str) -> Iterator[tuple[str, Kind, str]]:
    for column in TABLES[table].columns:
        if column.kind in ("key", "text") or column.name in (*LABELS, *LIFE):
            continue
        yield column.name, column.kind, column.unit
    for custom in tables.meta.custom.get(table, []):
        if custom.kind != "text":
            yield custom.name, custom.kind, custom.unit


def _values(
    tables: Tables, table: str, column: str, kind: Kind, rows: Ints
) -> Coded | Floats | Instants:
    """(n,) values at ``rows``; an instant becomes days since the row was born, where that is
    known, because dates of one calendar cannot be compared between years."""
    source = tables[table]
    if storage(kind) == "coded":
        return source.coded(column).take(rows)
    if storage(kind) == "number":
        return at_rows(source.number(column), rows)
    return instants_at(_since_birth(tables, table, column), rows)


def _since_birth(tables: Tables, table: str, column: str) -> Instants:
    instants, born = tables[table].instant(column), tables[table].instant(TABLES[table].born)
    return np.where((instants == NAT) | (born == NAT), instants, instants - born)


def _status(timeline: Timeline, table: str, column: str, read: set[str]) -> Status:
    if column in timeline.tables.meta.left_out.get(table, []):
        return "left out"
    if f"{table}.{column}" in read:
        return "read"
    return "not read" if timeline.knows(table, column) else "no history"
