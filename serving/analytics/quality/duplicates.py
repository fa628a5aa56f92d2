"""Rows of one table that look like the same lead or account entered twice, with the evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.asof import past
from features.schema import TABLES
from features.tables import NAT, Coded, Ints, Meta, Table, Tables
from serving.analytics.quality.evidence import Linked, MatchField, field, independent, link
from serving.analytics.quality.names import alike, normalise

LIKELY = 0.5
"""Probability from which a pair is listed."""
NEVER = ("outcome", "owner_id", "currency", "account_id", "contact_id")
"""Columns that say what became of a row or who has it, not what it is about."""
COLUMNS = ["entity", "keep", "copy", "keep_name", "copy_name", "probability", "bits", "evidence"]


def duplicates(tables: Tables, entity: str, cutoff: int = NAT) -> pd.DataFrame:
    """Likely duplicates of a table as known just before ``cutoff`` (NAT: all), likeliest first.

    entity  "leads", "accounts" or "contacts". Columns: keep (the key entered first) and copy, their
    names, probability, bits (its evidence in all) and evidence (a list of {field, keep, copy,
    bits}, strongest first). Nothing is merged: a person decides.
    """
    table = tables[entity]
    rows = _rows(table, cutoff)
    names = [normalise(w) if w else "" for w in table.coded("name").take(rows).words()]
    a, b, cosine = alike(names)
    codes = {c: _codes(table, c)[rows] for c in _compared(tables.meta, table)}
    fields = [field(column, codes[column], a, b) for column in independent(codes)]
    linked = link(fields, cosine, len(rows))
    first = table.instant("created_at")[rows]
    later = first[a] > first[b]
    old, new = np.where(later, b, a), np.where(later, a, b)
    listed = np.flatnonzero(linked.probability >= LIKELY)
    order = listed[np.argsort(-linked.bits.sum(axis=1)[listed], kind="stable")]
    said = [_row(table, rows, old, new, fields, linked, i) for i in order.tolist()]
    return pd.DataFrame([{"entity": entity, **one} for one in said], columns=COLUMNS)


def _rows(table: Table, cutoff: int) -> Ints:
    """Rows that are in the system before the cutoff."""
    if cutoff == NAT:
        return np.arange(table.n)
    born = np.maximum(table.instant("created_at"), table.instant("available_at"))
    return np.flatnonzero(past(born, np.full(table.n, cutoff, np.int64)))


def _compared(meta: Meta, table: Table) -> list[str]:
    """Columns that describe a row and keep their value: words and numbers, canonical or custom."""
    schema = TABLES[table.name]
    found = []
    for column in table.columns:
        known = schema.column(column)
        kind = meta.kind(table.name, column)
        if kind not in ("category", "number", "boolean") or column in NEVER:
            continue
        if known is None or not known.mutable:
            found.append(column)
    if table.has("email"):
        found.append("email")
    return found


def _codes(table: Table, column: str) -> Ints:
    """A column as integer codes, equal where its values are; -1 missing."""
    values = table.columns[column]
    if isinstance(values, Coded):
        return values.codes.astype(np.int64)
    number = table.number(column)
    known = ~np.isnan(number)
    codes = np.full(table.n, -1, np.int64)
    codes[known] = np.unique(number[known], return_inverse=True)[1]
    return codes


def _row(
    table: Table, rows: Ints, old: Ints, new: Ints, fields: list[MatchField], linked: Linked, i: int
) -> dict[str, Any]:
    keep, copy = int(rows[old[i]]), int(rows[new[i]])
    bits = linked.bits[i]
    names = ["name", *(f.name for f in fields)]
    order = [j for j in np.argsort(-np.abs(bits), kind="stable").tolist() if bits[j]]
    return {
        "keep": _shown(table, TABLES[table.name].key, keep),
        "copy": _shown(table, TABLES[table.name].key, copy),
        "keep_name": _shown(table, "name", keep),
        "copy_name": _shown(table, "name", copy),
        "probability": float(linked.probability[i]),
        "bits": float(bits.sum()),
        "evidence": [
            {
                "field": names[j],
                "keep": _shown(table, names[j], keep),
                "copy": _shown(table, names[j], copy),
                "bits": float(bits[j]),
            }
            for j in order
        ],
    }


def _shown(table: Table, column: str, row: int) -> Any:
    values = table.columns[column]
    if isinstance(values, Coded):
        code = int(values.codes[row])
        return values.values[code] if code >= 0 else None
    number = float(table.number(column)[row])
    return None if np.isnan(number) else number
