"""Answers kept under their Idempotency-Key: the same request twice is done once."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, select, tuple_, update

from serving.store.engine import Database, delete_in_turns, hold_gate, insert_new, unless_there
from serving.store.schema import MENTIONS, REPLIES

LEASE = 60_000_000
"""Microseconds for which whoever began is believed to be working still."""

KEPT = 24 * 3600 * 1_000_000
"""Microseconds for which an answer is given again."""


@dataclass(frozen=True)
class NewReply:
    """Nobody has begun: do the work, then ``finish`` with this lease, or ``abandon`` it."""

    lease: str


@dataclass(frozen=True)
class StoredReply:
    """It was done: answer this."""

    status: int
    body: bytes
    media_type: str


@dataclass(frozen=True)
class InProgress:
    """Somebody is at it; in ``retry_after`` seconds, at the latest, the lease is over."""

    retry_after: int


@dataclass(frozen=True)
class Mismatch:
    """The key was used for another request."""


Begun = NewReply | StoredReply | InProgress | Mismatch


class Replies:
    """The kept answers of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def begin(self, key: str, route: str, owner: str, fingerprint: str, at: int) -> Begun:
        """Take the key, or learn what became of it.

        key: the header's value; route: method and path; owner: id of the bearer key, so that nobody
        meets another's answers; fingerprint: a hash of the body; at: microseconds.
        """
        lease = secrets.token_hex(8)
        row = {"owner": owner, "route": route, "key": key, "fingerprint": fingerprint}
        with self.database.writing() as connection:
            if insert_new(connection, REPLIES, {**row, "lease": lease, "begun_at": at}):
                return NewReply(lease)
            place = _place(key, route, owner)
            found = connection.execute(select(REPLIES).where(place).with_for_update()).one()
            if not _over(found, at):
                return _state(found, fingerprint, at)
            connection.execute(delete(MENTIONS).where(_mention(key, route, owner)))
            again = {"fingerprint": fingerprint, "lease": lease, "begun_at": at}
            empty = {"finished_at": None, "status": None, "body": None, "media_type": None}
            connection.execute(update(REPLIES).where(place).values(**again, **empty))
            return NewReply(lease)

    def finish(
        self,
        key: str,
        route: str,
        owner: str,
        lease: str,
        reply: StoredReply,
        at: int,
        subjects: Iterable[str] = (),
        within: Connection | None = None,
    ) -> bool:
        """Keep the answer, with the subjects that it mentions; False where the lease was lost.

        Pass the transaction of the work itself as ``within``: then both are done, or neither, and
        no kill between them can make a retry do the work twice.
        """
        mine = _place(key, route, owner) & (REPLIES.c.lease == lease)
        values = {"status": reply.status, "body": reply.body, "media_type": reply.media_type}
        with self.database.writing(within) as connection:
            hold_gate(connection)
            change = update(REPLIES).where(mine, REPLIES.c.finished_at.is_(None))
            if not connection.execute(change.values(**values, finished_at=at)).rowcount:
                return False
            place = {"owner": owner, "route": route, "key": key}
            if rows := [{**place, "subject": subject} for subject in dict.fromkeys(subjects)]:
                connection.execute(unless_there(connection, MENTIONS), rows)
            return True

    def abandon(self, key: str, route: str, owner: str, lease: str) -> None:
        """Give the key back: the work was not done."""
        mine = _place(key, route, owner) & (REPLIES.c.lease == lease)
        with self.database.writing() as connection:
            connection.execute(delete(REPLIES).where(mine, REPLIES.c.finished_at.is_(None)))

    def purge(self, before: int) -> int:
        """Forget answers begun before an instant, and say how many."""
        old = select(*_KEY).where(REPLIES.c.begun_at < before)
        delete_in_turns(self.database, MENTIONS, tuple_(*_MENTION_KEY).in_(old))
        return delete_in_turns(self.database, REPLIES, REPLIES.c.begun_at < before)

    def erase(self, subject: str, within: Connection) -> int:
        """Forget the answers that mention a subject."""
        named = select(*_MENTION_KEY).where(MENTIONS.c.subject == subject)
        keys = [tuple(row) for row in within.execute(named)]
        for owner, route, key in keys:
            within.execute(delete(MENTIONS).where(_mention(key, route, owner)))
            within.execute(delete(REPLIES).where(_place(key, route, owner)))
        return len(keys)


_KEY = (REPLIES.c.owner, REPLIES.c.route, REPLIES.c.key)
_MENTION_KEY = (MENTIONS.c.owner, MENTIONS.c.route, MENTIONS.c.key)


def _place(key: str, route: str, owner: str) -> ColumnElement[bool]:
    return and_(REPLIES.c.owner == owner, REPLIES.c.route == route, REPLIES.c.key == key)


def _mention(key: str, route: str, owner: str) -> ColumnElement[bool]:
    return and_(MENTIONS.c.owner == owner, MENTIONS.c.route == route, MENTIONS.c.key == key)


def _over(found: Row[Any], at: int) -> bool:
    """Whether a row binds nobody any more: its answer is old, or its lease ran out."""
    if found.finished_at is not None:
        return bool(at - found.finished_at >= KEPT)
    return bool(at - found.begun_at >= LEASE)


def _state(found: Row[Any], fingerprint: str, at: int) -> StoredReply | InProgress | Mismatch:
    if found.fingerprint != fingerprint:
        return Mismatch()
    if found.finished_at is None:
        return InProgress(max(1, -((at - found.begun_at - LEASE) // 1_000_000)))
    return StoredReply(found.status, bytes(found.body), found.media_type)
