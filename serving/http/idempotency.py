"""Idempotency-Key: the same request sent twice is done once (IETF draft, idempotency-key-header).

The work and the answer kept for it are one transaction, so a kill in between leaves neither.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection
from starlette.responses import Response

from serving.http.endpoint import Call
from serving.http.errors import Problem, signed
from serving.store.errors import StoreError
from serving.store.replies import InProgress, Mismatch, StoredReply
from serving.store.store import Store


@dataclass(frozen=True)
class WorkResult:
    """What a piece of work answers, and the subjects (``Store.subject``) it is about."""

    status: int
    body: dict[str, Any]
    subjects: Sequence[str] = ()


Work = Callable[[Connection | None], WorkResult]
"""Does the work within a transaction, or in its own where there is none."""

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(call: Call) -> str | None:
    """The request's key, quoted as the draft has it or plain; a Problem for another form."""
    given = call.request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = given[0].strip()
    key = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
    if len(given) > 1 or not _KEY.fullmatch(key):
        message = "the key must be 1 to 255 visible ASCII characters"
        raise Problem("bad_idempotency_key", message, "Idempotency-Key")
    return key


@dataclass(frozen=True)
class IdempotentRequest:
    """One request with (or without) a key; ``route`` names method and template, never an id."""

    store: Store
    call: Call
    route: str
    key: str | None

    def do(self, payload: Any, work: Work, atomic: bool) -> Response:
        """Do the work, or answer as the first time; for a thread, StoreError.

        payload: what must be the same; atomic: whether the work takes part in our transaction.
        """
        if self.key is None:
            return _answer(self._done(work, atomic, None))
        owner, replies = self.call.key_id, self.store.replies
        same = fingerprint(payload)
        begun = replies.begin(self.key, self.route, owner, same, self.call.at)
        if isinstance(begun, StoredReply):
            return _answer(begun)
        if isinstance(begun, InProgress):
            message = "a request with this key is being worked on"
            raise Problem("reply_in_progress", message, retry_after=str(begun.retry_after))
        if isinstance(begun, Mismatch):
            message = "this key was used for a request with another body"
            raise Problem("reply_mismatch", message, "Idempotency-Key")
        try:
            return _answer(self._done(work, atomic, begun.lease))
        except BaseException:
            with suppress(StoreError):  # then the lease runs out by itself
                replies.abandon(self.key, self.route, owner, begun.lease)
            raise

    def _done(self, work: Work, atomic: bool, lease: str | None) -> StoredReply:
        if not atomic:
            return self._kept(work(None), lease, None)
        with self.store.writing() as connection:
            return self._kept(work(connection), lease, connection)

    def _kept(self, done: WorkResult, lease: str | None, within: Connection | None) -> StoredReply:
        body = orjson.dumps(signed(done.body, self.call.request_id))
        reply = StoredReply(done.status, body, "application/json")
        if self.key is None or lease is None:
            return reply
        kept = self.store.replies.finish(
            self.key,
            self.route,
            self.call.key_id,
            lease,
            reply,
            self.call.at,
            done.subjects,
            within,
        )
        if not kept and within is not None:
            message = "the work took too long and another request took it up"
            raise Problem("reply_in_progress", message, retry_after="1")
        return reply


def fingerprint(payload: Any) -> str:
    """A hash of a parsed body; the order of its keys and its spaces do not matter."""
    return hashlib.sha256(orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _answer(reply: StoredReply) -> Response:
    return Response(reply.body, reply.status, media_type=reply.media_type)
