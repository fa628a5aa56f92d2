"""Requests in: a body's limits, counted while it comes, and its JSON, with what parsers hide.

orjson keeps the last of two equal keys and says nothing. Reading again with Python's parser would
cost as much as a score; counting is enough: every key ends in ``":``, and what was parsed, written
again, has as many of them as was sent exactly where no key was lost (``_same_keys``).
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from serving.http.errors import Problem

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes of a request's body."""

DEEPEST = 32
"""Levels of nesting; the contract has 6."""

MOST_PARTS = 400_000
"""Objects and lists of a body: an empty one takes 2 bytes there and 64 in memory."""

INLINE_BODY = 64 * 1024
"""A longer body is worked on in a thread, so that probes and single records do not wait for it."""

LINGER_SECONDS, LINGER_BYTES = 2.0, 256 * 1024 * 1024
"""How long the rest of a refused body is read and dropped: a client that is still writing when the
connection closes would see a reset instead of the answer."""


class Body(NamedTuple):
    """A parsed body: its value, its bytes, and whether a text in it may hold a NUL character."""

    value: Any
    size: int
    nul: bool


async def read_json(request: Request, seconds: float) -> Body:
    """The body as JSON; a Problem where it is too large, too slow or is no JSON."""
    require_json(request)
    raw = await read_bytes(request, seconds)
    if len(raw) <= INLINE_BODY:
        return _body(raw)
    return await run_in_threadpool(_body, raw)


def _body(raw: bytes) -> Body:
    return Body(parse(raw), len(raw), b"\\u0000" in raw)


def nul_path(value: Any, place: str = "") -> str | None:
    """Where a text or a key first holds a NUL character, None where none does."""
    if isinstance(value, str):
        return place if "\0" in value else None
    if isinstance(value, dict):
        if any("\0" in key for key in value):
            return place
        inner = ((v, f"{place}.{k}" if place else k) for k, v in value.items())
    elif isinstance(value, list):
        inner = ((v, f"{place}[{i}]") for i, v in enumerate(value))
    else:
        return None
    return next((found for v, p in inner if (found := nul_path(v, p)) is not None), None)


def require_json(request: Request) -> None:
    """A Problem unless the body says it is plain JSON in UTF-8."""
    given = request.headers.get("content-type", "")
    kind, _, parameters = given.partition(";")
    charset = parameters.replace(" ", "").lower().strip('"')
    if kind.strip().lower() != "application/json" or charset not in _UTF8:
        said = f"send the body as application/json, got {given[:80] or 'no content-type'!r}"
        raise Problem("unsupported_media_type", said)
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        said = f"a body with content-encoding {encoding[:40]!r} is not unpacked"
        raise Problem("unsupported_encoding", said)


_UTF8 = ("", "charset=utf-8", 'charset="utf-8', "charset=utf8")


async def read_bytes(request: Request, seconds: float) -> bytes:
    """The whole body as it was sent; a Problem where it is too large or takes too long."""
    try:
        async with asyncio.timeout(seconds):
            return await _counted(request)
    except TimeoutError:
        said = f"the body was not complete after {seconds:g} s"
        raise Problem("body_timeout", said, connection="close") from None


async def _counted(request: Request) -> bytes:
    # counted as it comes: a chunked body states no length, and a stated one may be wrong
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > LARGEST_BODY:
        raise await _too_large(request)
    chunk, more = await _next(request)
    if not more and len(chunk) <= LARGEST_BODY:
        return chunk
    body = bytearray(chunk)
    while more:
        if len(body) > LARGEST_BODY:
            raise await _too_large(request)
        chunk, more = await _next(request)
        body += chunk
    if len(body) > LARGEST_BODY:
        raise await _too_large(request, more)
    return bytes(body)


async def _next(request: Request) -> tuple[bytes, bool]:
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise Problem("client_gone", "the connection was closed before the body was complete")
    return message.get("body", b""), message.get("more_body", False)


async def _too_large(request: Request, more: bool = True) -> Problem:
    """The refusal, after the rest was dropped as far as that is cheap."""
    dropped = 0
    with suppress(TimeoutError):  # then enough was waited
        async with asyncio.timeout(LINGER_SECONDS):
            while more and dropped < LINGER_BYTES:
                chunk, more = await _next(request)
                dropped += len(chunk)
    said = f"the body has more than {LARGEST_BODY} bytes"
    return Problem("body_too_large", said, connection="close")


def parse(raw: bytes) -> Any:
    """The JSON of a body; a Problem where it is none, too deep, or says a key twice."""
    _require_shallow(raw)
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as wrong:
        where = f"{wrong.msg} (line {wrong.lineno}, column {wrong.colno})"
        raise Problem("bad_json", f"the body is not JSON: {where}{_hint(raw)}") from None
    if not _same_keys(raw, body):
        _find_duplicate(raw)
    return body


def _hint(raw: bytes) -> str:
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        return "; it begins with a byte order mark: send plain UTF-8"
    if b"NaN" in raw or b"Infinity" in raw:
        return "; JSON has no NaN or Infinity: leave out what is not known"
    return ""


def _require_shallow(raw: bytes) -> None:
    """A Problem for a body that nests too deep or is all brackets, before a parser makes it.

    Brackets are paired off from the inside, a level a turn; what then is left is looked at closely.
    Brackets inside of texts can hide levels from this: the parser's own limit holds for those.
    """
    parts = sum(raw.count(bracket) for bracket in (b"{", b"[", b"}", b"]"))
    if parts <= DEEPEST:
        return
    if parts > 2 * MOST_PARTS:
        raise Problem("body_too_large", f"the body has more than {MOST_PARTS} objects and lists")
    left = raw.translate(None, _NO_BRACKETS)
    for _ in range(DEEPEST):
        left = left.replace(b"{}", b"").replace(b"[]", b"")
        if not left:
            return
    if _depth(raw) > DEEPEST:
        raise Problem("too_deep", f"the body nests deeper than {DEEPEST} levels")


_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
# a text without an end is taken to the end of the body: no quote is looked at twice
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def _depth(raw: bytes) -> int:
    """How deep a body nests, texts left out."""
    brackets = _TEXT.sub(b"", raw).translate(None, _NO_BRACKETS)
    return max(accumulate(1 if bracket in b"{[" else -1 for bracket in brackets), default=0)


def _same_keys(raw: bytes, body: Any) -> bool:
    """Whether no key was lost in parsing; may be False without one, never True with one.

    Written again without spaces, every key of ``body`` ends in ``":``, and so it does in ``raw``
    unless a space follows the key. Texts may hold the two characters as well, the same number of
    times on both sides unless an escape hides them. So equal counts leave no room for a lost key.
    """
    if _SPACED.search(raw) or (b"\\u" in raw and _ESCAPED.search(raw)):
        return False
    try:
        again = orjson.dumps(body)
    except orjson.JSONEncodeError:
        return False
    return raw.count(b'":') == again.count(b'":')


_SPACED = re.compile(rb'"[ \t\r\n]+:')
_ESCAPED = re.compile(rb"\\u00(?:22|3[aA])")


def _find_duplicate(raw: bytes) -> None:
    """A Problem that names the key, where there is one: the exact way, taken only on suspicion."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            said = f"an object says the key {twice[:80]!r} more than once"
            raise Problem("duplicate_key", said, twice[:80])
        return made

    try:
        json.loads(raw, object_pairs_hook=unique, parse_int=_untouched, parse_float=_untouched)
    except RecursionError:
        raise Problem("too_deep", f"the body nests deeper than {DEEPEST} levels") from None


def _untouched(number: str) -> str:
    return number  # a number of 4,300 digits is no concern of this search
