"""The audit trail: who did what with which version; ids are keyed hashes, values are not kept."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import orjson
from sqlalchemy import Connection, delete, func, select

from serving.store.engine import Database, delete_in_turns, hold_gate, unless_there
from serving.store.schema import AUDIT, ERASED


@dataclass(frozen=True)
class AuditRow:
    """One act.

    at       microseconds
    action   such as "score", "read", "feedback", "erase"
    key_id   the public id of the key, "" without one
    subject  ``Store.subject(entity, id)``, None where the act is about nobody
    score    the probability that was answered; cutoff its as_of
    detail   counts and codes, never a field's value
    uid      unique to the act: a row appended twice is kept once
    """

    at: int
    action: str
    key_id: str = ""
    request_id: str = ""
    entity: str | None = None
    subject: str | None = None
    model: str | None = None
    version: str | None = None
    score: float | None = None
    cutoff: int | None = None
    detail: Mapping[str, Any] | None = None
    uid: str = field(default_factory=lambda: secrets.token_hex(12))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> AuditRow:
        """The inverse of ``to_json``; TypeError or ValueError where it is none."""
        row = AuditRow(**state)
        if (
            not isinstance(row.uid, str)
            or type(row.at) is not int
            or not isinstance(row.action, str)
        ):
            raise ValueError("an audit row has at, action and uid")
        return row


class Audit:
    """The audit trail of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def append(self, rows: Sequence[AuditRow], within: Connection | None = None) -> None:
        """Append rows, each uid once; what an entity erased since did before is not taken."""
        if not rows:
            return
        with self.database.writing(within) as connection:
            hold_gate(connection)
            erased = _erased_since(connection, min(row.at for row in rows))
            kept = [_columns(r) for r in rows if r.at > erased.get(r.subject or "", -1)]
            if kept:
                connection.execute(unless_there(connection, AUDIT), kept)

    def of(self, subject: str, limit: int = 1000) -> list[AuditRow]:
        """The rows about a subject, the newest first."""
        return self._rows(AUDIT.c.subject == subject, limit)

    def all(self, limit: int = 1000) -> list[AuditRow]:
        """The newest rows."""
        return self._rows(AUDIT.c.uid.is_not(None), limit)

    def count(self) -> int:
        """How many rows there are."""
        with self.database.reading() as connection:
            return int(connection.scalar(select(func.count()).select_from(AUDIT)) or 0)

    def purge(self, before: int) -> int:
        """Delete rows older than an instant, and say how many."""
        return delete_in_turns(self.database, AUDIT, AUDIT.c.at < before)

    def erase(self, subject: str, within: Connection) -> int:
        """Delete the rows about a subject."""
        return within.execute(delete(AUDIT).where(AUDIT.c.subject == subject)).rowcount

    def _rows(self, which: Any, limit: int) -> list[AuditRow]:
        wanted = select(AUDIT).where(which).order_by(AUDIT.c.at.desc(), AUDIT.c.uid).limit(limit)
        with self.database.reading() as connection:
            return [_row(found._mapping) for found in connection.execute(wanted)]


def _erased_since(connection: Connection, at: int) -> dict[str, int]:
    rows = connection.execute(select(ERASED.c.subject, ERASED.c.at).where(ERASED.c.at >= at))
    return {row.subject: row.at for row in rows}


def _columns(row: AuditRow) -> dict[str, Any]:
    kept = {f.name: getattr(row, f.name) for f in fields(row)}
    kept["detail"] = None if row.detail is None else orjson.dumps(row.detail).decode()
    return kept


def _row(found: Mapping[Any, Any]) -> AuditRow:
    detail = found["detail"]
    return AuditRow(**{**found, "detail": None if detail is None else orjson.loads(detail)})
