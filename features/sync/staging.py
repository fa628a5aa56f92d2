"""What has been read of a CRM, in one SQLite file: records, positions, fields, calls.

A page and the position after it are one transaction: whatever ends the process, the file holds
whole pages and the place from which to go on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from features.connectors.contract import Field, Position, RawRecord, RecordPage, Stream

_TABLES = """
CREATE TABLE IF NOT EXISTS records (
    tab TEXT NOT NULL, key TEXT NOT NULL, parent TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (tab, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_parent ON records (parent, tab, key) WHERE parent != '';
CREATE TABLE IF NOT EXISTS positions (stream TEXT PRIMARY KEY, position BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS fields (tab TEXT PRIMARY KEY, fields BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS calls (day TEXT PRIMARY KEY, made INTEGER NOT NULL);
"""


class Staging:
    """The staged records of one connection. One process at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)  # it holds what the CRM knows of people
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute("PRAGMA synchronous = NORMAL")
        self.database.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def position(self, stream: str) -> Position:
        """Where a stream goes on; {} before its first page."""
        found = self._one("SELECT position FROM positions WHERE stream = ?", stream)
        return {} if found is None else dict(orjson.loads(found))

    def keep(self, stream: str, page: RecordPage) -> dict[str, int]:
        """Keep a page and the position after it, both or neither: how many went, by table."""
        removed: dict[str, int] = {}
        with self._transaction():
            for table, parent in page.replaced:
                self._run("DELETE FROM records WHERE parent = ? AND tab = ?", parent, table)
            self._upsert(page.rows)
            for table, key in page.gone:
                removed[table] = removed.get(table, 0) + self._remove(table, key)
            self.move(stream, page.position)
        return removed

    def move(self, stream: str, position: Position) -> None:
        """Keep a position without a page."""
        self._run("INSERT OR REPLACE INTO positions VALUES (?, ?)", stream, orjson.dumps(position))

    def remove_all_but(self, table: str, living: Iterable[str]) -> tuple[int, int]:
        """Remove the records whose key is not ``living``: (how many were there, how many went)."""
        before = self.keys(table)
        lost = sorted(before - set(living))
        with self._transaction():
            for key in lost:
                self._remove(table, key)
        return len(before), len(lost)

    def keys(self, table: str, parent: str = "") -> set[str]:
        """The keys of a raw table, or of one parent's children."""
        where, given = (
            ("parent = ? AND tab = ?", [parent, table]) if parent else ("tab = ?", [table])
        )
        return {row[0] for row in self._run(f"SELECT key FROM records WHERE {where}", *given)}

    def among(self, table: str, keys: Iterable[str]) -> set[str]:
        """Those of ``keys`` that a raw table has."""
        asked = "SELECT key FROM records WHERE tab = ? AND key IN (SELECT value FROM json_each(?))"
        return {row[0] for row in self._run(asked, table, orjson.dumps([*keys]).decode())}

    def bodies(self, table: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every record of a raw table, by key."""
        for key, body in self._run(
            "SELECT key, body FROM records WHERE tab = ? ORDER BY key", table
        ):
            yield key, orjson.loads(body)

    def declare(self, stream: Stream) -> list[str]:
        """Note the fields of a stream's tables and say what changed since they were last noted.

        A stream that has new fields is read from its beginning again: nobody knows what the records
        that were read before hold in them.
        """
        said, grown = [], False
        with self._transaction():
            for table, fields in stream.tables.items():
                known = self._one("SELECT fields FROM fields WHERE tab = ?", table)
                before = {} if known is None else {f["name"]: f for f in orjson.loads(known)}
                now = {f.name: vars(f) for f in fields}
                if known is not None:
                    said += _differences(table, before, now)
                    grown |= bool(set(now) - set(before))
                self._run(
                    "INSERT OR REPLACE INTO fields VALUES (?, ?)",
                    table,
                    orjson.dumps([*now.values()]),
                )
            if grown:
                self._run("DELETE FROM positions WHERE stream = ?", stream.name)
        return said

    def fields(self, table: str) -> list[Field]:
        """The fields of a raw table as last noted."""
        found = self._one("SELECT fields FROM fields WHERE tab = ?", table)
        return [] if found is None else [Field(**f) for f in orjson.loads(found)]

    def call(self, day: str) -> int:
        """Count one call and say how many were made on that day."""
        self._run(
            "INSERT INTO calls VALUES (?, 1) ON CONFLICT (day) DO UPDATE SET made = made + 1", day
        )
        return self.calls(day)

    def calls(self, day: str) -> int:
        """How many calls were made on a day."""
        return int(self._one("SELECT made FROM calls WHERE day = ?", day) or 0)

    def _upsert(self, rows: Iterable[RawRecord]) -> None:
        self.database.executemany(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
            [(r.table, r.key, r.parent, orjson.dumps(r.body)) for r in rows],
        )

    def _remove(self, table: str, key: str) -> int:
        went = self._run("DELETE FROM records WHERE tab = ? AND key = ?", table, key).rowcount
        self._run("DELETE FROM records WHERE parent = ?", f"{table}/{key}")
        return went

    def _run(self, sql: str, *given: object) -> sqlite3.Cursor:
        return self.database.execute(sql, given)

    def _one(self, sql: str, *given: object) -> Any:
        found = self._run(sql, *given).fetchone()
        return None if found is None else found[0]

    def _transaction(self) -> _Transaction:
        return _Transaction(self.database)


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK where an exception passes."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database

    def __enter__(self) -> None:
        self.database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.database.execute("COMMIT" if kind is None else "ROLLBACK")


def _differences(table: str, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    said = [f"{table}: new field {n!r}: all of it is read again" for n in now if n not in before]
    said += [f"{table}: the field {n!r} is gone" for n in before if n not in now]
    for name in (n for n in now if n in before):
        for what in ("kind", "label"):
            was, became = before[name][what], now[name][what]
            if was != became:
                said.append(f"{table}.{name}: its {what} was {was!r}, now {became!r}")
    return said
