"""Bearer keys: `emb_<id>_<secret>`, of which only the id and a sha256 are kept."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from serving.store.engine import Database
from serving.store.schema import KEYS

SCOPES = ("score", "read", "admin")
"""What a key may be for; ``admin`` includes the others."""

_TOKEN = re.compile(r"emb_([0-9a-f]{12})_[0-9a-f]{64}")


class KeyRefusedError(ValueError):
    """No key can be made or changed like that; the message says what to do."""


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret. Instants in microseconds.

    expires_at   from when it opens nothing any more; a rotated key's end
    revoked_at   when it was revoked
    replaced_by  the id of the key it was rotated to
    used_at      when it was last seen, to the minute
    """

    id: str
    name: str
    scopes: frozenset[str]
    digest: str = field(repr=False)
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    replaced_by: str | None = None
    used_at: int | None = None

    def active(self, at: int) -> bool:
        """Whether it opens anything at an instant."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)

    def matches(self, token: str) -> bool:
        """Whether the token is this key's, in a time that says nothing of where they differ."""
        return hmac.compare_digest(digest_of(token), self.digest)

    def may(self, scope: str) -> bool:
        """Whether its scopes include one."""
        return scope in self.scopes or "admin" in self.scopes


def digest_of(token: str) -> str:
    """What is kept of a token. A 256-bit random secret needs no salt and no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def id_of(token: str) -> str | None:
    """The public id inside a token, None where it is no token of ours."""
    found = _TOKEN.fullmatch(token)
    return found[1] if found else None


class ApiKeys:
    """The keys of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def create(
        self, name: str, scopes: Iterable[str], at: int, expires_at: int | None = None
    ) -> tuple[ApiKey, str]:
        """A new key, and its token, which is shown this once; KeyRefusedError."""
        wanted = frozenset(scopes)
        if not wanted or not wanted <= set(SCOPES):
            said = f"scopes are some of {', '.join(SCOPES)}; got {', '.join(sorted(wanted))!r}"
            raise KeyRefusedError(said)
        if not name.strip() or len(name) > 100:
            raise KeyRefusedError("name the key after who will hold it, in 1 to 100 characters")
        with self.database.writing() as connection:
            return _made(connection, name.strip(), wanted, at, expires_at)

    def all(self) -> list[ApiKey]:
        """Every key, the oldest first."""
        with self.database.reading() as connection:
            order = (KEYS.c.created_at, KEYS.c.id)
            return [_key(row) for row in connection.execute(select(KEYS).order_by(*order))]

    def any(self) -> bool:
        """Whether there is a key at all, be it revoked: then every request needs one."""
        with self.database.reading() as connection:
            return bool(connection.scalar(select(func.count()).select_from(KEYS)))

    def find(self, key_id: str) -> ApiKey | None:
        """The key with a public id."""
        with self.database.reading() as connection:
            row = connection.execute(select(KEYS).where(KEYS.c.id == key_id)).first()
            return None if row is None else _key(row)

    def used(self, key_id: str, at: int) -> None:
        """Note that the key was used; writes at most once a minute a key."""
        unsaid = KEYS.c.used_at.is_(None) | (KEYS.c.used_at <= at - 60_000_000)
        with self.database.reading() as connection:
            if not connection.execute(select(KEYS.c.id).where(KEYS.c.id == key_id, unsaid)).first():
                return
        with self.database.writing() as connection:
            connection.execute(update(KEYS).where(KEYS.c.id == key_id, unsaid).values(used_at=at))

    def revoke(self, key_id: str, at: int) -> ApiKey:
        """Let the key open nothing from now on; again is the same. KeyRefusedError: no such key."""
        unrevoked = (KEYS.c.id == key_id) & KEYS.c.revoked_at.is_(None)
        with self.database.writing() as connection:
            connection.execute(update(KEYS).where(unrevoked).values(revoked_at=at))
            return _there(connection, key_id)

    def rotate(self, key_id: str, at: int, overlap: int = 0) -> tuple[ApiKey, str]:
        """A new key with the same name and scopes; the old one opens for ``overlap`` longer.

        overlap: microseconds. KeyRefusedError where the old key is unknown, ended, or rotated
        already.
        """
        if overlap < 0:
            raise KeyRefusedError("an overlap cannot be negative")
        with self.database.writing() as connection:
            old = _there(connection, key_id)
            if not old.active(at) or old.replaced_by is not None:
                said = f"key {key_id} is revoked, expired or rotated already; create a new one"
                raise KeyRefusedError(said)
            new, token = _made(connection, old.name, old.scopes, at, None)
            end = at + overlap if old.expires_at is None else min(old.expires_at, at + overlap)
            change = update(KEYS).where(KEYS.c.id == key_id, KEYS.c.replaced_by.is_(None))
            if not connection.execute(change.values(expires_at=end, replaced_by=new.id)).rowcount:
                raise KeyRefusedError(f"key {key_id} was rotated a moment ago")
            return new, token


def _made(
    connection: Connection, name: str, scopes: frozenset[str], at: int, expires_at: int | None
) -> tuple[ApiKey, str]:
    key_id = secrets.token_hex(6)
    token = f"emb_{key_id}_{secrets.token_hex(32)}"
    key = ApiKey(key_id, name, scopes, digest_of(token), at, expires_at)
    kept = {**vars(key), "scopes": " ".join(s for s in SCOPES if s in scopes)}
    connection.execute(insert(KEYS), kept)
    return key, token


def _there(connection: Connection, key_id: str) -> ApiKey:
    row = connection.execute(select(KEYS).where(KEYS.c.id == key_id)).first()
    if row is None:
        raise KeyRefusedError(
            f"there is no key {key_id!r}; `python -m serving keys list` lists them"
        )
    return _key(row)


def _key(row: Row[Any]) -> ApiKey:
    found = dict(row._mapping)
    return ApiKey(**{**found, "scopes": frozenset(str(found["scopes"]).split())})
