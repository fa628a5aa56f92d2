"""Requests in and errors out: the body's limits, and application/problem+json (RFC 9457)."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any
from uuid import uuid4

import orjson
from fastapi import Request, Response

LARGEST_BODY = 8 * 1024 * 1024
"""Bytes of a request's body."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")

log = logging.getLogger("embudo.service")


class Problem(Exception):  # noqa: N818  # the RFC's own word
    """An error as the client sees it: a stable code, what was wrong and what to do."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        path: str | None = None,
        **headers: str,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.headers = status, code, headers
        self.body = {
            "type": f"urn:embudo:problem:{code}",
            "title": title,
            "status": status,
            "code": code,
            "detail": detail,
        } | ({} if path is None else {"path": path})


def respond(body: Any, status: int = 200, kind: str = "application/json") -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body), status, media_type=kind)


def respond_problem(problem: Problem, request_id: str) -> Response:
    """A problem as its response."""
    body = {**problem.body, "request_id": request_id}
    response = respond(body, problem.status, "application/problem+json")
    response.headers.update(problem.headers)
    return response


def request_id_of(request: Request) -> str:
    """The caller's X-Request-Id where it is a plain word, else a new one."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


async def read_json(request: Request) -> tuple[Any, int]:
    """The body as JSON, and its bytes; a Problem where it is too large or is not JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        said = f"send the records as application/json, got {kind[:80] or 'no content type'!r}"
        raise Problem(415, "unsupported_media_type", "Unsupported media type", said)
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > LARGEST_BODY:
        raise _too_large()
    body = bytearray()
    # counted as it comes: a chunked body states no length, and a stated one may be wrong
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise _too_large()
    try:
        return orjson.loads(body), len(body)
    except orjson.JSONDecodeError as wrong:
        where = f"{wrong.msg} (line {wrong.lineno}, column {wrong.colno})"
        raise Problem(400, "bad_json", "Not JSON", f"the body is not JSON: {where}") from None


def _too_large() -> Problem:
    said = f"the body has more than {LARGEST_BODY} bytes; send fewer records at a time"
    return Problem(413, "body_too_large", "Body too large", said)


def no_model(entity: str) -> Problem:
    """Nobody can answer for the entity yet."""
    said = f"no model for {entity} is loaded: train and promote one, then serve it"
    return Problem(503, "no_model", "No model", said)


def failed(failure: Exception, request_id: str) -> Problem:
    """A fault of ours, logged without its message: that may quote a field's value."""
    last = traceback.extract_tb(failure.__traceback__)[-1]
    where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
    log.error("request %s failed: %s at %s", request_id, type(failure).__name__, where)
    said = "this is a fault of the service; report the request_id"
    return Problem(500, "internal_error", "Internal error", said)
