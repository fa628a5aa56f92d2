"""The store as a whole: opened, its tables brought up to date, erased from, purged, closed."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, select, update

from serving.store.audit import Audit, AuditRow
from serving.store.engine import (
    PATIENCE,
    Database,
    delete_in_turns,
    file_of,
    hold_gate,
    insert_new,
    make_engine,
    unless_there,
)
from serving.store.errors import StoreDownError, StoreSchemaError
from serving.store.events import WebhookEvents
from serving.store.feedback import Feedbacks
from serving.store.keys import ApiKeys
from serving.store.migrate import require_current, upgrade
from serving.store.replies import Replies
from serving.store.runs import Runs
from serving.store.schema import ERASED, SETTINGS
from serving.store.scores import Scores
from serving.store.sheets import Sheets


class Store:
    """One database. Calls are synchronous, safe in threads, and raise StoreError."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self.database, self.engine = database, database.engine
        self._secret = secret
        self.runs = Runs(database)
        self.scores = Scores(database, self.subject)
        self.feedback = Feedbacks(database, self.scores)
        self.keys = ApiKeys(database)
        self.audit = Audit(database)
        self.replies = Replies(database)
        self.events = WebhookEvents(database)
        self.sheets = Sheets(database, self.subject)

    def subject(self, entity: str, entity_id: str) -> str:
        """The keyed hash that stands for an entity in the audit trail and in logs."""
        message = f"{entity}\0{entity_id}".encode("utf-8", "surrogatepass")
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction for several writes: pass it to them as ``within``."""
        with self.database.writing() as connection:
            yield connection

    def ping(self) -> None:
        """Read one row; StoreError where that fails, or the database is another one now."""
        with self.database.reading() as connection:
            known = connection.scalar(_SECRET)
        if known is None or bytes.fromhex(str(known)) != self._secret:
            raise StoreSchemaError("the database was replaced by another one: restart the service")

    def erase(
        self, entity: str, entity_id: str, at: int, key_id: str = "", request_id: str = ""
    ) -> dict[str, int]:
        """Delete all that is kept of an entity, in one transaction, and count it by table.

        What was read or journalled before does not come back later. One audit row says that
        somebody was erased, by which key and how many rows, and not who.
        """
        subject = self.subject(entity, entity_id)
        with self.writing() as connection:
            hold_gate(connection, alone=True)
            row = {"subject": subject, "entity": entity, "at": at}
            connection.execute(unless_there(connection, ERASED), row)
            connection.execute(update(ERASED).where(ERASED.c.subject == subject).values(at=at))
            counts = self.scores.erase(entity, entity_id, connection)
            counts["feedback"] = self.feedback.erase(entity, entity_id, connection)
            counts["audit"] = self.audit.erase(subject, connection)
            counts["replies"] = self.replies.erase(subject, connection)
            counts["events"] = self.events.erase(subject, connection)
            counts["sheets"] = self.sheets.erase(entity, entity_id, connection)
            self._note("erase", at, key_id, request_id, entity, counts, connection)
        return counts

    def purge(
        self, before: int, at: int, key_id: str = "", request_id: str = "", feedback: bool = False
    ) -> dict[str, int]:
        """Delete what is older than an instant, count it by table, and leave one audit row.

        Each entity's newest run stays, and so do keys; feedback goes only where it is asked for,
        since it is what later models learn from.
        """
        counts = {"scores": self.runs.purge(before), "stale": self.scores.purge(before)}
        for name, room in (
            ("audit", self.audit),
            ("replies", self.replies),
            ("events", self.events),
        ):
            counts[name] = room.purge(before)
        if feedback:
            counts["feedback"] = self.feedback.purge(before)
        counts["erased"] = delete_in_turns(self.database, ERASED, ERASED.c.at < before)
        self._note("purge", at, key_id, request_id, None, counts)
        return counts

    def _note(
        self,
        action: str,
        at: int,
        key_id: str,
        request_id: str,
        entity: str | None,
        counts: dict[str, int],
        within: Connection | None = None,
    ) -> None:
        row = AuditRow(at, action, key_id, request_id, entity, detail=counts)
        self.audit.append([row], within)

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def default_url(root: Path) -> str:
    """The URL of the store of an installation without DATABASE_URL."""
    return f"sqlite:///{root / 'data' / 'embudo.db'}"


def open_store(url: str, *, create: bool = True, patience: float = PATIENCE) -> Store:
    """Open the store at a URL, its tables brought to this version's by whoever comes first.

    create: whether a database that has no tables yet is given them; patience: seconds to wait for
    another writer. StoreError says what to do: StoreSchemaError where the database is newer than
    this version, StoreDownError where there is none.
    """
    database = Database(make_engine(url, patience))
    try:
        require_place(database, create)
        if create:
            upgrade(database)
        else:
            require_current(database)
        return Store(database, _secret(database))
    except BaseException:
        database.engine.dispose()
        raise


def require_place(database: Database, create: bool) -> None:
    """See that an SQLite database has its file, or make it, empty; StoreDownError."""
    file = file_of(database.engine)
    if file is None or file.exists():
        return
    if not create:
        message = f"there is no store at {file}; run `python -m serving store upgrade`"
        raise StoreDownError(message)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # it will hold what the CRM knows of people: nobody else on this machine reads it
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as wrong:
        raise StoreDownError(f"{file} cannot be made: {wrong.strerror}") from None


_SECRET = select(SETTINGS.c.value).where(SETTINGS.c.name == "subject_secret")


def _secret(database: Database) -> bytes:
    """The secret of the subjects, made once by whoever comes first."""
    with database.reading() as connection:
        known = connection.scalar(_SECRET)
    if known is None:
        with database.writing() as connection:
            row = {"name": "subject_secret", "value": secrets.token_hex(32)}
            insert_new(connection, SETTINGS, row)
            known = connection.scalar(_SECRET)
    return bytes.fromhex(str(known))
