"""A database as transactions that either commit or raise a StoreError."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Table,
    create_engine,
    delete,
    event,
    exc,
    select,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from serving.store.errors import StoreError, StoreSchemaError, translated

PATIENCE = 5.0
"""Seconds to wait for another writer before StoreBusyError."""

LONGEST_STATEMENT = 60.0
"""Seconds after which PostgreSQL gives a statement up."""


class Database:
    """An engine, read and written in transactions of its own or within a caller's."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def reading(self, within: Connection | None = None) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with self._transaction(within, writes=False) as connection:
            yield connection

    @contextmanager
    def writing(self, within: Connection | None = None) -> Iterator[Connection]:
        """A transaction that is on disk when the block is left, or raised; StoreError."""
        with self._transaction(within, writes=True) as connection:
            yield connection

    def _level(self, writes: bool) -> dict[str, Any]:
        """PostgreSQL would show each statement of a reader another state; SQLite does not."""
        if writes or self.engine.dialect.name != "postgresql":
            return {}
        return {"isolation_level": "REPEATABLE READ"}

    @contextmanager
    def _transaction(self, within: Connection | None, writes: bool) -> Iterator[Connection]:
        if within is not None:
            yield within
            return
        try:
            opened = self.engine.connect().execution_options(writes=writes, **self._level(writes))
            with opened as connection, connection.begin():
                yield connection
        except StoreError:
            raise
        except (exc.DBAPIError, exc.TimeoutError, OverflowError, UnicodeError) as wrong:
            # not chained: a driver's message may quote what it was given
            raise translated(wrong) from None


def address(url: str) -> URL:
    """The URL as SQLAlchemy wants it; ``postgres://`` and ``postgresql://`` mean psycopg 3.

    StoreSchemaError for a database we do not keep, or one in memory: workers would not share it.
    """
    try:
        made = make_url(url)
    except exc.ArgumentError:
        raise StoreSchemaError(f"not a database URL; {_USAGE}") from None
    if made.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return made.set(drivername="postgresql+psycopg")
    if made.drivername in ("sqlite", "sqlite+pysqlite"):
        if made.database in (None, "", ":memory:"):
            raise StoreSchemaError(f"a store in memory would be each worker's own; {_USAGE}")
        return made.set(drivername="sqlite+pysqlite")
    raise StoreSchemaError(f"{made.drivername} is no database of ours; {_USAGE}")


_USAGE = "set DATABASE_URL to sqlite:///path/to/file.db or postgresql://user@host/name"


def make_engine(url: str, patience: float = PATIENCE) -> Engine:
    """An engine for ``address(url)``, with the settings that make it safe among processes."""
    made = address(url)
    if made.get_backend_name() == "sqlite":
        return _sqlite(made, patience)
    waits = f"-c lock_timeout={_ms(patience)} -c statement_timeout={_ms(LONGEST_STATEMENT)}"
    # what the URL asks of the server comes last, and so has the last word
    asked = made.query.get("options", "")
    options = " ".join([waits, asked] if isinstance(asked, str) else [waits, *asked])
    settings: dict[str, Any] = {"application_name": "embudo", "options": options}
    settings["connect_timeout"] = max(2, round(patience))
    # hide_parameters: what an exception says may end in a log, and values must not
    return create_engine(
        made,
        connect_args=settings,
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=8,
        pool_timeout=patience,
    )


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _sqlite(made: URL, patience: float) -> Engine:
    name = str(made.database)
    file = None if name.startswith("file:") else Path(name)

    def connect() -> sqlite3.Connection:
        # a file that is gone is not made anew, empty, by whoever happens to look
        asked = f"file:{quote(name)}?mode=rw" if file else f"{name}?{urlencode(made.query, True)}"
        return sqlite3.connect(asked, timeout=patience, check_same_thread=False, uri=True)

    engine = create_engine(
        made,
        creator=connect,
        hide_parameters=True,
        pool_size=8,
        max_overflow=8,
        pool_timeout=patience,
    )

    def connected(connection: Any, _: Any) -> None:
        # the driver would begin late and commit before DDL; we say BEGIN ourselves
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_ms(patience)}")
        connection.execute("PRAGMA foreign_keys = ON")
        # a write is acknowledged after its commit, so a commit must outlive a power cut
        connection.execute("PRAGMA synchronous = FULL")

    def begun(connection: Connection) -> None:
        # a reader that turns writer half-way cannot wait for its turn: a writer says so at once
        writes = connection.get_execution_options().get("writes", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    def lent(_: Any, record: Any, __: Any) -> None:
        # a file deleted or replaced under us would take writes that nobody ever reads
        here = _identity(file) if file else None
        if record.info.setdefault("file", here) != here:
            raise exc.DisconnectionError("the database file is another one now")

    event.listen(engine, "connect", connected)
    event.listen(engine, "checkout", lent)
    event.listen(engine, "begin", begun)
    return engine


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def file_of(engine: Engine) -> Path | None:
    """The file of an SQLite database; None for PostgreSQL, and for a ``file:`` URI."""
    name = str(engine.url.database)
    own = engine.dialect.name == "sqlite" and not name.startswith("file:")
    return Path(name) if own else None


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert the row unless its key is there already, and say whether it was new."""
    # not rowcount: psycopg knows none where SQLAlchemy asks for the key that was made
    made = unless_there(connection, table).returning(*table.primary_key.columns)
    return connection.execute(made, dict(row)).first() is not None


def unless_there(connection: Connection, table: Table) -> Any:
    """An insert that leaves a row alone whose key is there already."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


TURN = 2_000
"""Rows deleted in one transaction."""


def delete_in_turns(database: Database, table: Table, which: ColumnElement[bool]) -> int:
    """Delete the rows that fit, a few at a time, and say how many: other writers come between."""
    key = list(table.primary_key.columns)
    deleted = 0
    while True:
        some = select(*key).where(which).limit(TURN)
        with database.writing() as connection:
            gone = connection.execute(delete(table).where(tuple_(*key).in_(some))).rowcount
        deleted += gone
        if gone < TURN:
            return deleted


def hold_gate(connection: Connection, alone: bool = False) -> None:
    """Keep erasures and writes of what may be erased apart, until the transaction ends.

    SQLite has one writer at a time; in PostgreSQL writers share the gate, an erasure has it alone.
    """
    if connection.dialect.name == "postgresql":
        name = "pg_advisory_xact_lock" if alone else "pg_advisory_xact_lock_shared"
        connection.exec_driver_sql(f"SELECT {name}({_GATE})")


_GATE = 0x656D6275  # "embu"; any number of ours
