"""Ids in paths: any id a CRM can have, a slash in it included, comes through as it was sent."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from serving.http.errors import Problem
from serving.scoring.values import LONGEST_ID

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SLASH = re.compile(rb"%2[fF]")
_CONTROL = re.compile("[\x00-\x1f\x7f]")


class EncodedSlashes:
    """A layer that keeps an encoded slash encoded for the router: part of an id, no border."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event of the server."""
        raw = scope.get("raw_path") or b""
        if b"%2" in raw and _SLASH.search(raw):
            kept = _SLASH.sub(b"%252F", raw.partition(b"?")[0])
            scope["path"] = unquote_to_bytes(kept).decode("utf-8", "replace")
        await self._app(scope, receive, send)


def entity_id_of(scope: Scope, control: bool = False) -> str:
    """The id of ``/v1/<entity>/<id>…``, decoded from what was sent; a Problem where it is none.

    control: whether control characters may be in it, as in the ids of some exports
    """
    raw: bytes = scope["raw_path"].partition(b"?")[0]
    return checked_id(_text(raw.split(b"/")[3]), "id", control)


def _text(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("bad_text", "the id is not UTF-8, percent-encoded", "id") from None


def checked_id(entity_id: str, place: str, control: bool = False) -> str:
    """An id that could have been scored; a Problem for another."""
    if not entity_id:
        raise Problem("too_short", "an id has at least 1 character", place)
    if len(entity_id) > LONGEST_ID:
        message = f"an id has at most {LONGEST_ID} characters, got {len(entity_id)}"
        raise Problem("too_long", message, place)
    if "\0" in entity_id or (not control and _CONTROL.search(entity_id)):
        raise Problem("bad_text", "an id has no control characters", place)
    return entity_id
