"""Any database that SQLAlchemy reads: tables or views, by key and by the column of last change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from features.connectors.contract import (
    Body,
    Budget,
    ConnectorError,
    Field,
    Position,
    RawRecord,
    RecordPage,
    Staged,
    Stream,
)
from features.schema import Kind


@dataclass(frozen=True)
class SqlTable:
    """One table or view; ``changed``: its column of last change, "" where all is read each time.

    ``changed`` must be an instant, or a number that grows with every change.
    """

    table: str
    key: str
    changed: str = ""


class SqlDatabase:
    """A connected database: every query counts as one call."""

    sweep_every = timedelta(0)

    def __init__(
        self,
        url: str,
        sources: Mapping[str, SqlTable],
        budget: Budget | None = None,
        page: int = 5_000,
        overlap: timedelta = timedelta(minutes=10),
    ) -> None:
        self.engine, self.sources = sa.create_engine(url), sources
        self.budget, self.page, self.overlap = budget or Budget(), page, overlap
        self._tables: dict[str, sa.Table] = {}

    def _rows(self, query: Any) -> list[Mapping[str, Any]]:
        self.budget.spend()
        try:
            with self.engine.connect() as connection:
                return [dict(row) for row in connection.execute(query).mappings()]
        except SQLAlchemyError as wrong:
            raise ConnectorError(f"the database refused a query: {wrong}") from wrong

    def _table(self, name: str) -> sa.Table:
        if name not in self._tables:
            source = self.sources[name]
            schema, _, table = source.table.rpartition(".")
            try:
                found = sa.Table(
                    table, sa.MetaData(), schema=schema or None, autoload_with=self.engine
                )
            except SQLAlchemyError as wrong:
                raise ConnectorError(f"no table or view {source.table!r}: {wrong}") from wrong
            for column in filter(None, (source.key, source.changed)):
                if column not in found.c:
                    there = ", ".join(c.name for c in found.c)
                    raise ConnectorError(f"{source.table} has no column {column!r}; it has {there}")
            self._tables[name] = found
        return self._tables[name]

    def streams(self) -> Sequence[Stream]:
        """The declared tables, in their order."""
        return [
            Stream(name, {name: [_field(c, s.key) for c in self._table(name).c]})
            for name, s in self.sources.items()
        ]

    def pages(self, stream: Stream, position: Position, staged: Staged) -> Iterator[RecordPage]:  # noqa: ARG002
        """A full load by key, then what was changed since, by the column of last change."""
        source, table = self.sources[stream.name], self._table(stream.name)
        key = table.c[source.key]
        if "since" not in position or not source.changed:
            since = self._latest(table, source)
            position = {"since": since, "loading": True, "after": position.get("after")}
        while position.get("loading"):
            query = sa.select(table).order_by(key).limit(self.page)
            if position["after"] is not None:
                query = query.where(key > position["after"])
            found = self._rows(query)
            if len(found) < self.page:
                position = {"since": position["since"]} if source.changed else {}
            else:
                position = {**position, "after": found[-1][source.key]}
            yield _page(stream.name, source, found, position)
        if source.changed:
            yield from self._changes(stream.name, table, source, position["since"])

    def _changes(
        self, name: str, table: sa.Table, source: SqlTable, since: Any
    ) -> Iterator[RecordPage]:
        key, changed = table.c[source.key], table.c[source.changed]
        at, last = _before(since, self.overlap), None
        while True:
            query = sa.select(table).order_by(changed, key).limit(self.page)
            if at is not None and last is None:
                query = query.where(changed >= at)
            elif at is not None:
                query = query.where((changed > at) | ((changed == at) & (key > last)))
            found = self._rows(query)
            if not found:
                return
            at, last = found[-1][source.changed], found[-1][source.key]
            yield _page(name, source, found, {"since": _stored(at)})

    def _latest(self, table: sa.Table, source: SqlTable) -> Any:
        if not source.changed:
            return None
        (row,) = self._rows(sa.select(sa.func.max(table.c[source.changed]).label("latest")))
        return _stored(row["latest"])

    def living(self, stream: Stream) -> Mapping[str, Iterable[str]]:
        """Every key that exists."""
        key = self._table(stream.name).c[self.sources[stream.name].key]
        return {stream.name: [str(r["key"]) for r in self._rows(sa.select(key.label("key")))]}

    def derived(self, staged: Staged) -> Mapping[str, Iterable[Body]]:  # noqa: ARG002
        """None."""
        return {}

    def clock(self) -> datetime | None:
        """Not known."""
        return None

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _field(column: Any, key: str) -> Field:
    kind: Kind = "text"
    if column.name == key:
        kind = "key"
    elif isinstance(column.type, sa.Boolean):
        kind = "boolean"
    elif isinstance(column.type, sa.Integer | sa.Numeric):
        kind = "number"
    elif isinstance(column.type, sa.DateTime | sa.Date):
        kind = "instant"
    return Field(str(column.name), kind, column.comment or "")


def _page(
    table: str, source: SqlTable, found: Sequence[Mapping[str, Any]], position: Position
) -> RecordPage:
    rows = [
        RawRecord(table, str(r[source.key]), {str(c): plain(v) for c, v in r.items()})
        for r in found
    ]
    return RecordPage(rows, position)


def plain(value: Any) -> Any:
    """A database's value as text, number or boolean; a time without a zone is UTC."""
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _stored(value: Any) -> Any:
    """A cursor as JSON: an instant becomes a table, so that it is read back as one."""
    return {"at": value.isoformat()} if isinstance(value, datetime) else value


def _before(since: Any, overlap: timedelta) -> Any:
    """The cursor from which an increment begins; numbers have no overlap."""
    if isinstance(since, Mapping):
        return datetime.fromisoformat(since["at"]) - overlap
    return since
