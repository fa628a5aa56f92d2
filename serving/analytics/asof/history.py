"""What happened to one entity, as far as it was known at the cutoff."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from features.asof import past
from features.schema import TABLES
from features.tables import NAT, Bools, Ints, Table, Tables
from serving.i18n.display_zone import shown_day


@dataclass(frozen=True)
class Happened:
    """One thing that happened: when (microseconds), of which kind, and what in words."""

    at: int
    kind: str
    said: str


class Index:
    """The rows of each word in columns of some tables: sorted once, for many keys."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self._sorted: dict[tuple[str, str], tuple[dict[str, int], Ints, Ints]] = {}

    def rows(self, table: str, column: str, key: str) -> Ints:
        """Rows of ``table`` whose ``column`` is ``key``, in the table's order."""
        place = (table, column)
        if place not in self._sorted:
            words = self.tables[table].coded(column)
            order = np.argsort(words.codes, kind="stable")
            starts = np.searchsorted(words.codes[order], np.arange(len(words.values) + 1))
            self._sorted[place] = {w: i for i, w in enumerate(words.values)}, order, starts
        codes, order, starts = self._sorted[place]
        code = codes.get(key)
        return order[:0] if code is None else order[starts[code] : starts[code + 1]]


def history(
    tables: Tables, entity: str, key: str, cutoff: int, index: Index | None = None
) -> list[Happened]:
    """Activities, changes, contracts and invoices of the entity before ``cutoff``, oldest first.

    A row that the system could only know later (``available_at``) has not happened yet. Without a
    date (cutoff NAT) there is no history. index: of the tables, where many histories are asked for.
    """
    if cutoff == NAT:
        return []
    index = index or Index(tables)
    found = [
        *_activities(index, entity, key, cutoff),
        *_changes(index, entity, key, cutoff),
        *_contracts(index, entity, key, cutoff),
    ]
    return sorted(found, key=lambda h: (h.at, h.kind, h.said))


def date(at: int) -> str:
    """The day of an instant where the company is: "2024-03-01"."""
    return shown_day(at).isoformat()


def born(tables: Tables, entity: str, column: str, key: str) -> int:
    """When the entity began to be one that can be asked about; NAT where unknown."""
    rows = _rows(tables[entity], TABLES[entity].key, key)
    return int(tables[entity].instant(column)[rows[0]]) if len(rows) else NAT


def title(tables: Tables, entity: str, key: str) -> str:
    """The entity's name, "" where it has none."""
    rows = _rows(tables[entity], TABLES[entity].key, key)
    return (tables[entity].coded("name").take(rows[:1]).words() or [None])[0] or ""


def _rows(table: Table, column: str, key: str) -> Ints:
    words = table.coded(column)
    if key not in words.values:
        return np.empty(0, np.int64)
    return np.flatnonzero(words.codes == words.values.index(key))


def _seen(table: Table, born_column: str, rows: Ints, cutoff: int) -> Bools:
    at = table.instant(born_column)[rows]
    known = np.maximum(at, table.instant("available_at")[rows])
    seen: Bools = (at != NAT) & past(known, np.full(len(rows), cutoff, np.int64))
    return seen


def _activities(index: Index, entity: str, key: str, cutoff: int) -> list[Happened]:
    table = index.tables["activities"]
    rows = index.rows("activities", TABLES[entity].key, key)
    rows = rows[_seen(table, "occurred_at", rows, cutoff)]
    columns = [table.coded(c).take(rows).words() for c in ("kind", "direction", "outcome")]
    at = table.instant("occurred_at")[rows].tolist()
    return [
        Happened(when, kind or "other", ", ".join(w for w in (direction, outcome) if w))
        for when, kind, direction, outcome in zip(at, *columns, strict=True)
    ]


def _changes(index: Index, entity: str, key: str, cutoff: int) -> list[Happened]:
    table = index.tables["changes"]
    rows = index.rows("changes", "entity_id", key)
    entities = table.coded("entity").take(rows).words()
    rows = rows[np.array([e == entity for e in entities], np.bool_)]
    rows = rows[_seen(table, "changed_at", rows, cutoff)]
    fields, old, new = (table.coded(c).take(rows).words() for c in ("field", "old_value", "value"))
    at = table.instant("changed_at")[rows].tolist()
    return [
        Happened(when, "change", f"{_words(field)}: {_stated(before)} → {_stated(after)}")
        for when, field, before, after in zip(at, fields, old, new, strict=True)
    ]


def _words(field: str | None) -> str:
    return (field or "a field").replace("_", " ")


def _stated(value: str | None) -> str:
    """What a change states; an instant as its day."""
    if not value:
        return "empty"
    return value[:10] if _INSTANT.match(value) else value


_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")


def _contracts(index: Index, entity: str, key: str, cutoff: int) -> list[Happened]:
    """Contracts and invoices, which only accounts have."""
    if entity != "accounts":
        return []
    found = []
    for name, column, kind, words in (
        ("subscriptions", "started_at", "contract", "plan"),
        ("invoices", "issued_at", "invoice", "invoice_id"),
    ):
        table = index.tables[name]
        rows = index.rows(name, "account_id", key)
        rows = rows[_seen(table, column, rows, cutoff)]
        said = table.coded(words).take(rows).words()
        at = table.instant(column)[rows].tolist()
        found += [Happened(when, kind, word or "") for when, word in zip(at, said, strict=True)]
    return found
