"""Checked records become rows of the canonical tables, and never see one another.

Keys that belonging says (an activity in a lead's record is the lead's) are filled in. Rows that
state another entity are nobody's here and are left out, with a warning. Records of one request that
share a key for which one of them brought facts are scored in different rounds: else one record's
activities at an account would count in another's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from features.schema import TABLES
from features.tables import Meta, Tables
from serving.scoring.contract import SINGULAR, id_of
from serving.scoring.faults import Fault, RecordFault
from serving.scoring.reader import RecordReader
from serving.scoring.rows import storage_of, table_of

Row = dict[str, Any]

OWNERS_OF_ACTIVITIES = ("lead_id", "deal_id", "account_id")


@dataclass(frozen=True)
class Record:
    """One record as rows of canonical tables; ``keys`` are what it could share with another's.

    own      its key in the rows: ``id``, unless another record that is scored with it has that
    brought  those of ``keys`` for which it brings facts
    """

    index: int
    id: str
    own: str
    rows: dict[str, list[Row]]
    keys: frozenset[tuple[str, str]]
    brought: frozenset[tuple[str, str]]
    warnings: list[str] = field(default_factory=list)


class _FaultError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Reader:
    """Reads the records of one entity under the custom fields of one data set.

    rates: the currencies that amounts can be converted from
    """

    def __init__(self, entity: str, meta: Meta, rates: Collection[str] = ()) -> None:
        self.entity, self.meta = entity, meta
        self.key = TABLES[entity].key
        unused = {t: _unused(t, entity) for t in TABLES}
        self._reader = RecordReader(entity, meta, unused, rates)
        self._storage = {t: storage_of(t, meta) for t in TABLES}

    def read(self, index: int, raw: Any, place: int | None = None) -> Record | RecordFault:
        """The rows of one record, or what is wrong with it.

        place: its number among all that are scored together; its index where they are one request
        """
        warnings = dict[str, None]()
        rows = self._reader.rows(index, raw, warnings)
        if isinstance(rows, RecordFault):
            return rows
        try:
            return self._record(index, index if place is None else place, rows, warnings)
        except _FaultError as wrong:
            return RecordFault(index, id_of(self.entity, raw), wrong.fault)

    def _record(
        self, index: int, number: int, rows: dict[str, list[Row]], warnings: dict[str, None]
    ) -> Record:
        """A record of its rows; ``number`` is another for each that is scored with it."""
        place, entity = f"records[{index}]", rows[self.entity][0]
        if self.key not in entity:
            where = f"{place}.{SINGULAR[self.entity]}.{self.key}"
            raise _FaultError(Fault("too_short", where, "an id of spaces is none"))
        entity_id = entity[self.key]
        account = self._account(number, entity_id, entity, rows, place)
        contact = _same_contact(entity, rows, place, number)
        self._belong(entity_id, account, rows, warnings)
        keys = {(self.entity, entity_id), ("accounts", account), ("contacts", contact)}
        brought = {(self.entity, entity_id)}
        if any(rows.get(t) for t in _OF_ACCOUNT) or self._at(account, rows):
            brought.add(("accounts", account))
        if rows.get("contacts"):
            brought.add(("contacts", contact))
        return Record(
            index, entity_id, entity_id, rows, frozenset(keys), frozenset(brought), list(warnings)
        )

    def apart(self, records: Sequence[Record]) -> list[Record]:
        """The records, of which no two have one key of their own: who asks twice gets two rows."""
        seen: set[str] = set()
        found = []
        for place, record in enumerate(records):
            found.append(
                self._renamed(record, _second_key(place)) if record.own in seen else record
            )
            seen.add(record.own)
        return found

    def _renamed(self, record: Record, own: str) -> Record:
        """The record under another key of its own; nothing is computed from what a key says."""
        columns = (self.key, "entity_id")
        rows = {
            table: [
                {**row, **{c: own for c in columns if row.get(c) == record.own}} for row in some
            ]
            for table, some in record.rows.items()
        }
        old, new = (self.entity, record.own), (self.entity, own)
        keys = frozenset(new if key == old else key for key in record.keys)
        brought = frozenset(new if key == old else key for key in record.brought)
        return replace(record, own=own, rows=rows, keys=keys, brought=brought)

    def _account(
        self, number: int, entity_id: str, entity: Row, rows: Mapping[str, list[Row]], place: str
    ) -> str:
        """The record's account; a stand-in where facts are brought of an account without an id."""
        if self.entity == "accounts":
            return entity_id
        brought = rows.get("accounts", [])
        stated = brought[0].get("account_id") if brought else None
        known: str | None = entity.get("account_id")
        if stated is not None and known is not None and stated != known:
            said = f"the {SINGULAR[self.entity]} names another account_id than its account"
            raise _FaultError(Fault("account_mismatch", f"{place}.account.account_id", said))
        account = known or stated
        if account is None:
            account = _made_up_key(number)
        if brought:
            entity["account_id"] = brought[0]["account_id"] = account
        elif stated is not None:
            entity["account_id"] = account
        return account

    def _belong(
        self, entity_id: str, account: str, rows: dict[str, list[Row]], warnings: dict[str, None]
    ) -> None:
        """Fill in what belonging says; leave out, with a warning, what belongs elsewhere."""
        kept: dict[str, list[Row]] = {}
        if "activities" in rows:
            kept["activities"] = [
                r for r in rows["activities"] if self._own_activity(r, entity_id, account)
            ]
        for row in rows.get("changes", []):
            row.setdefault("entity", self.entity)
            row.setdefault("entity_id", entity_id)
        own = (self.entity, entity_id)
        if "changes" in rows:
            kept["changes"] = [r for r in rows["changes"] if (r["entity"], r["entity_id"]) == own]
        for table in _OF_ACCOUNT_LISTS if self.entity == "accounts" else _OF_ACCOUNT_LISTS[:2]:
            if table in rows:
                for row in rows[table]:
                    row.setdefault("account_id", account)
                kept[table] = [r for r in rows[table] if r["account_id"] == account]
        for table, left in kept.items():
            if lost := len(rows[table]) - len(left):
                warnings[
                    f"{lost} of {len(rows[table])} {table} belong elsewhere and were not used"
                ] = None
            rows[table] = left

    def _own_activity(self, row: Row, entity_id: str, account: str) -> bool:
        """Whether an activity is the entity's or its account's; foreign keys are taken off it."""
        stated = {k: row.pop(k) for k in OWNERS_OF_ACTIVITIES if k in row}
        if not stated:
            stated = {self.key: entity_id}
        if stated.get("account_id") == account:
            row["account_id"] = account
        if stated.get(self.key) == entity_id:
            row[self.key] = entity_id
        return "account_id" in row or self.key in row

    def _at(self, account: str, rows: Mapping[str, list[Row]]) -> bool:
        return any(r.get("account_id") == account for r in rows.get("activities", []))

    def tables(self, records: Sequence[Record]) -> Tables:
        """The rows of some records as tables."""
        if len(records) == 1:
            rows: Mapping[str, list[Row]] = records[0].rows
        else:
            joined: dict[str, list[Row]] = {}
            for record in records:
                for table, own in record.rows.items():
                    joined.setdefault(table, []).extend(own)
            rows = joined
        known = self._storage
        return Tables({t: table_of(t, own, known[t]) for t, own in rows.items()}, self.meta)


def _unused(table: str, entity: str) -> frozenset[str]:
    """Columns of a record that no feature reads: texts for people, and keys of what happened."""
    kept = {TABLES[t].key for t in (entity, "accounts", "contacts")}
    return frozenset(
        column.name
        for column in TABLES[table].columns
        if (column.kind == "text" and table != "changes")
        or (column.kind == "key" and column.name not in kept)
    )


_OF_ACCOUNT_LISTS = ("subscriptions", "invoices", "contacts", "deals")
_OF_ACCOUNT = ("accounts", "subscriptions", "invoices")


def _made_up_key(number: int) -> str:
    """A key no CRM can have sent: keys are checked, and this one is longer than allowed."""
    return f"{number}".rjust(201, " ")


def _second_key(number: int) -> str:
    """Another such key, for a record that is there twice."""
    return f"{number}".rjust(202, " ")


def _same_contact(entity: Row, rows: Mapping[str, list[Row]], place: str, number: int) -> str:
    """The record's contact, or a stand-in; an account's people are a list and no one's contact."""
    brought = rows.get("contacts", [])
    if "accounts" in rows and rows["accounts"][0] is entity:
        return _made_up_key(number)
    stated = brought[0].get("contact_id") if brought else None
    known: str | None = entity.get("contact_id")
    if stated is not None and known is not None and stated != known:
        said = "the record names another contact_id than its contact"
        raise _FaultError(Fault("contact_mismatch", f"{place}.contact.contact_id", said))
    contact = known or stated or _made_up_key(number)
    if brought:
        entity["contact_id"] = brought[0]["contact_id"] = contact
    return contact


def independent_rounds(records: Sequence[Record]) -> list[list[int]]:
    """Places of records that can share one set of tables without seeing one another's rows."""
    brought = frozenset[tuple[str, str]]().union(*(r.brought for r in records))
    free: dict[tuple[str, str], int] = {}
    found: list[list[int]] = []
    for place, record in enumerate(records):
        shared = record.keys & brought
        turn = max((free.get(key, 0) for key in shared), default=0)
        free.update(dict.fromkeys(shared, turn + 1))
        while len(found) <= turn:
            found.append([])
        found[turn].append(place)
    return found
