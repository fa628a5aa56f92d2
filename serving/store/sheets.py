"""Sheets: lists for the pages, written whole; found, filtered and sorted in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from serving.store.engine import Database, delete_in_turns, hold_gate
from serving.store.schema import BODIES, ERASED, ITEMS, SHEETS

Sort = Literal["position", "label", "owner", "word", "first", "second", "third"]

_SORTS: dict[str, ColumnElement[Any]] = {
    "position": ITEMS.c.position,
    "label": ITEMS.c.label,
    "owner": ITEMS.c.owner_id,
    "word": ITEMS.c.word,
    "first": ITEMS.c.first,
    "second": ITEMS.c.second,
    "third": ITEMS.c.third,
}

BLOCK = 2_000
"""Rows written in one transaction, or read in one part of a download."""
MOST = 500
"""Rows of one page at most."""


NUMBERS: dict[str, tuple[str, ...]] = {
    "calls": ("expected_value", "probability", "at_stake"),
    "scores": ("probability",),
    "pipeline": ("amount", "days_in_stage", "probability"),
    "moves": ("amount", "before", "after"),
    "accounts": ("value", "risk", "mrr"),
    "quality": (),
    "figures": ("value", "n"),
    "territories": ("value",),
}
"""Kind of sheet -> the numbers of a row's body that the store can sort by, at most three."""


@dataclass(frozen=True)
class ItemRow:
    """One row to be written; ``body`` in JSON types. A sheet's kind says what the numbers are."""

    id: str
    label: str
    entity: str
    entity_id: str
    owner_id: str | None
    word: str | None
    first: float | None
    second: float | None
    third: float | None
    body: Mapping[str, Any]


@dataclass(frozen=True)
class SheetHead:
    """A finished sheet; instants in microseconds."""

    id: int
    kind: str
    as_of: int
    made_at: int
    total: int
    head: dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which rows of a sheet, and in which order; what is left empty does not filter."""

    search: str = ""
    owner_id: str | None = None
    words: tuple[str, ...] = ()
    sort: Sort = "position"
    falling: bool = False
    limit: int = 50
    skip: int = 0

    def where(self, sheet_id: int) -> ColumnElement[bool]:
        """The condition on ``ITEMS``."""
        found: list[ColumnElement[bool]] = [ITEMS.c.sheet_id == sheet_id]
        if self.owner_id is not None:
            found.append(ITEMS.c.owner_id == self.owner_id)
        if self.words:
            found.append(ITEMS.c.word.in_(self.words))
        if self.search:
            found.append(ITEMS.c.sought.contains(self.search.casefold(), autoescape=True))
        return and_(*found)


@dataclass(frozen=True)
class SheetPage:
    """Some rows' bodies, in order, and the number of all that fit."""

    sheet: SheetHead | None
    bodies: list[dict[str, Any]]
    total: int


class Sheets:
    """The sheets of a store. subject: (entity, id) -> keyed hash."""

    def __init__(self, database: Database, subject: Any) -> None:
        self.database, self.subject = database, subject
        self._choices: dict[str, tuple[int, dict[str, int], dict[str, int]]] = {}

    def write(
        self, kind: str, as_of: int, rows: Sequence[ItemRow], head: Mapping[str, Any], at: int
    ) -> int:
        """Write a sheet block by block and let it be read once it is whole; its id.

        Earlier sheets of the kind go then. A writer that dies leaves one that nobody reads and the
        next writer deletes. An entity that was erased is left out.
        """
        row = {"kind": kind, "as_of": as_of, "made_at": at, "total": len(rows)}
        with self.database.writing() as connection:
            message = orjson.dumps(dict(head)).decode()
            made = insert(SHEETS).values(**row, head=message).returning(SHEETS.c.id)
            sheet_id = int(connection.execute(made).scalar_one())
        for start in range(0, len(rows), BLOCK):
            block = list(enumerate(rows[start : start + BLOCK], start))
            self._write_block(sheet_id, block)
        with self.database.writing() as connection:
            mine = SHEETS.c.id == sheet_id
            connection.execute(update(SHEETS).where(mine).values(finished_at=at))
        self._drop((SHEETS.c.kind == kind) & (SHEETS.c.id < sheet_id))
        return sheet_id

    def _write_block(self, sheet_id: int, block: Sequence[tuple[int, ItemRow]]) -> None:
        with self.database.writing() as connection:
            hold_gate(connection)
            gone = set(connection.scalars(select(ERASED.c.subject)).all())
            kept = [
                (place, row)
                for place, row in block
                if not (gone and row.entity and self.subject(row.entity, row.entity_id) in gone)
            ]
            if kept:
                connection.execute(insert(ITEMS), [_item(sheet_id, p, r) for p, r in kept])
                connection.execute(insert(BODIES), [_body(sheet_id, r) for _, r in kept])

    def newest(self, kind: str) -> SheetHead | None:
        """The newest finished sheet of a kind."""
        with self.database.reading() as connection:
            return _newest(connection, kind)

    def page(self, kind: str, wanted: Wanted) -> SheetPage:
        """Some rows of the newest sheet; what is not known comes last. KeyError: no such sort."""
        column = _SORTS[wanted.sort]
        with self.database.reading() as connection:
            sheet = _newest(connection, kind)
            if sheet is None:
                return SheetPage(None, [], 0)
            fits = wanted.where(sheet.id)
            total = connection.scalar(select(func.count()).select_from(ITEMS).where(fits)) or 0
            first = column.desc() if wanted.falling else column.asc()
            keys = select(ITEMS.c.item_id).where(fits)
            keys = keys.order_by(first.nulls_last(), ITEMS.c.position)
            limit = min(max(wanted.limit, 1), MOST)
            some = connection.scalars(keys.limit(limit).offset(max(wanted.skip, 0))).all()
            found = _bodies(connection, sheet.id, some)
        return SheetPage(sheet, [found[key] for key in some], int(total))

    def rows(self, sheet_id: int, wanted: Wanted) -> list[dict[str, Any]]:
        """At most ``BLOCK`` rows of one sheet from ``wanted.skip`` on, for a download in parts."""
        column = _SORTS[wanted.sort]
        joined = ITEMS.join(
            BODIES,
            (ITEMS.c.sheet_id == BODIES.c.sheet_id) & (ITEMS.c.item_id == BODIES.c.item_id),
        )
        first = column.desc() if wanted.falling else column.asc()
        found = select(BODIES.c.body).select_from(joined).where(wanted.where(sheet_id))
        found = found.order_by(first.nulls_last(), ITEMS.c.position)
        with self.database.reading() as connection:
            part = found.limit(BLOCK).offset(wanted.skip)
            return [orjson.loads(body) for body in connection.scalars(part)]

    def one(self, kind: str, item_id: str) -> dict[str, Any] | None:
        """One row of the newest sheet of a kind."""
        with self.database.reading() as connection:
            sheet = _newest(connection, kind)
            if sheet is None:
                return None
            return _bodies(connection, sheet.id, [item_id]).get(item_id)

    def choices(self, kind: str) -> tuple[dict[str, int], dict[str, int]]:
        """(owners, words) of the newest sheet with how many rows have each.

        Counted once a sheet: it does not change, but for what is erased.
        """
        with self.database.reading() as connection:
            sheet = _newest(connection, kind)
            if sheet is None:
                return {}, {}
            known = self._choices.get(kind)
            if known is None or known[0] != sheet.id:
                columns = (ITEMS.c.owner_id, ITEMS.c.word)
                owners, words = (_counts(connection, sheet.id, c) for c in columns)
                known = self._choices[kind] = (sheet.id, owners, words)
        return known[1], known[2]

    def erase(self, entity: str, entity_id: str, within: Connection | None = None) -> int:
        """Delete every row about an entity."""
        about = (ITEMS.c.entity == entity) & (ITEMS.c.entity_id == entity_id)
        with self.database.writing(within) as connection:
            return connection.execute(delete(ITEMS).where(about)).rowcount

    def _drop(self, which: ColumnElement[bool]) -> None:
        with self.database.reading() as connection:
            old = connection.scalars(select(SHEETS.c.id).where(which)).all()
        for sheet_id in old:
            delete_in_turns(self.database, ITEMS, ITEMS.c.sheet_id == sheet_id)
            with self.database.writing() as connection:
                connection.execute(delete(SHEETS).where(SHEETS.c.id == sheet_id))


def _newest(connection: Connection, kind: str) -> SheetHead | None:
    columns = [SHEETS.c[n] for n in ("id", "kind", "as_of", "made_at", "total", "head")]
    finished = (SHEETS.c.kind == kind) & SHEETS.c.finished_at.is_not(None)
    order = (SHEETS.c.as_of.desc(), SHEETS.c.finished_at.desc(), SHEETS.c.id.desc())
    row = connection.execute(select(*columns).where(finished).order_by(*order).limit(1)).first()
    if row is None:
        return None
    return SheetHead(**{**row._mapping, "head": orjson.loads(row.head)})


def _bodies(connection: Connection, sheet_id: int, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    here = (BODIES.c.sheet_id == sheet_id) & BODIES.c.item_id.in_(ids)
    rows = connection.execute(select(BODIES.c.item_id, BODIES.c.body).where(here))
    return {row.item_id: orjson.loads(row.body) for row in rows}


def _counts(connection: Connection, sheet_id: int, column: ColumnElement[Any]) -> dict[str, int]:
    known = (ITEMS.c.sheet_id == sheet_id) & column.is_not(None)
    counted = select(column, func.count()).where(known).group_by(column).order_by(column)
    return {str(row[0]): int(row[1]) for row in connection.execute(counted)}


def _item(sheet_id: int, place: int, row: ItemRow) -> dict[str, Any]:
    labels = {n: getattr(row, n) for n in ("label", "entity", "entity_id", "owner_id", "word")}
    numbers = {n: getattr(row, n) for n in ("first", "second", "third")}
    sought = f"{row.id} {row.entity_id} {row.label}".casefold()
    return {
        "sheet_id": sheet_id,
        "item_id": row.id,
        "position": place,
        **labels,
        **numbers,
        "sought": sought,
    }


def _body(sheet_id: int, row: ItemRow) -> dict[str, Any]:
    body = orjson.dumps(dict(row.body)).decode()
    return {"sheet_id": sheet_id, "item_id": row.id, "body": body}
