"""One entity of a canonical data set as a CRM would send it: for trying out, and for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.schema import TABLES
from features.tables import NAT, Bools, Coded, Table, Tables
from serving.scoring.contract import SINGULAR


def record_of(tables: Tables, entity: str, entity_id: str) -> dict[str, Any]:
    """The JSON record of one entity: its row, its account and contact, and what happened.

    KeyError where the entity's table has no such id.
    """
    own = _where(tables[entity], TABLES[entity].key, entity_id)
    if not own.any():
        raise KeyError(f"{entity} holds no row with key {entity_id!r}")
    record: dict[str, Any] = {SINGULAR[entity]: _rows(tables, entity, own)[0]}
    row = record[SINGULAR[entity]]
    account = entity_id if entity == "accounts" else row.get("account_id", "")
    if entity != "accounts":
        for table, ref in (("accounts", account), ("contacts", row.get("contact_id", ""))):
            found = _rows(tables, table, _where(tables[table], TABLES[table].key, ref))
            record |= {SINGULAR[table]: found[0]} if found else {}
    for table, keep in _lists(tables, entity, entity_id, account).items():
        if found := _rows(tables, table, keep):
            record[table] = found
    return record


def _lists(tables: Tables, entity: str, entity_id: str, account: str) -> dict[str, Bools]:
    changes = tables["changes"]
    keep = {
        "activities": _where(tables["activities"], TABLES[entity].key, entity_id)
        | _where(tables["activities"], "account_id", account),
        "changes": _where(changes, "entity", entity) & _where(changes, "entity_id", entity_id),
    }
    billed = ("subscriptions", "invoices", "contacts", "deals") if entity == "accounts" else ()
    return keep | {t: _where(tables[t], "account_id", account) for t in billed}


def _where(table: Table, column: str, word: str) -> Bools:
    coded = table.coded(column)
    place = coded.values.index(word) if word in coded.values else -2
    here: Bools = coded.codes == place
    return here


def _rows(tables: Tables, name: str, keep: Bools) -> list[dict[str, Any]]:
    table, places = tables[name], np.flatnonzero(keep)
    rows: list[dict[str, Any]] = [{} for _ in places]
    for column, values in table.columns.items():
        custom = TABLES[name].column(column) is None
        boolean = tables.meta.kind(name, column) == "boolean"
        for row, place in zip(rows, places.tolist(), strict=True):
            if (fact := _fact(values, place, boolean)) is not None:
                (row.setdefault("custom", {}) if custom else row)[column] = fact
    return rows


def _fact(values: Any, place: int, boolean: bool) -> str | float | bool | None:
    if isinstance(values, Coded):
        code = int(values.codes[place])
        return values.values[code] if code >= 0 else None
    value = values[place]
    if values.dtype == np.int64:
        return None if value == NAT else f"{np.datetime64(int(value), 'us')}Z"
    if np.isnan(value):
        return None
    return bool(value) if boolean else float(value)
