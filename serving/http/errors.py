"""Errors out: application/problem+json (RFC 9457), one shape for all of them."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import traceback
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from serving.http import VERSION
from serving.http.codes import CODES

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")

log = logging.getLogger("embudo.service")


class Problem(Exception):  # noqa: N818  # the RFC's own word
    """An error as the client sees it: a stable code of ``CODES``, what was wrong, where.

    path: dotted, into the body (or the name of a header or parameter); "" where there is none.
    """

    def __init__(self, code: str, detail: str, path: str = "", **headers: str) -> None:
        known = CODES[code]
        super().__init__(f"{known.status} {code}")
        self.status, self.code = known.status, code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.body = {
            "type": f"urn:embudo:problem:{code}",
            "title": known.title,
            "status": known.status,
            "code": code,
            "detail": detail,
            "action": known.action,
            "path": path,
        }


def respond(body: Any, status: int = 200, kind: str = "application/json") -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body), status, media_type=kind)


def respond_problem(problem: Problem, request_id: str) -> Response:
    """A problem as its response."""
    body = {**problem.body, "request_id": request_id, "version": VERSION}
    response = respond(body, problem.status, "application/problem+json")
    response.headers.update(problem.headers)
    return response


def signed(body: dict[str, Any], request_id: str) -> dict[str, Any]:
    """A body with what every body says: the request's id and the service's version."""
    return {**body, "request_id": request_id, "version": VERSION}


class RequestIds:
    """Names that no other process gives: random once, counted from then on.

    Random bytes for each would be a system call or two a request. The first is drawn at the first
    request: what is made before a fork would be the same in every worker.
    """

    def __init__(self) -> None:
        self._prefix, self._count = "", itertools.count()

    def new(self) -> str:
        """32 hexadecimal digits."""
        if not self._prefix:
            self._prefix = secrets.token_hex(10)
        return f"{self._prefix}{next(self._count):012x}"


def request_id_of(request: Request, ids: RequestIds | None = None) -> str:
    """The caller's X-Request-Id where it is a plain word, else a new one."""
    given = request.headers.get("x-request-id")
    return (
        given if given is not None and _REQUEST_ID.fullmatch(given) else (ids or RequestIds()).new()
    )


def no_model(entity: str) -> Problem:
    """Nobody can answer for the entity yet."""
    return Problem("no_model", f"no model for {entity} is loaded", retry_after="30")


def internal_error(failure: Exception, request_id: str) -> Problem:
    """A fault of ours, logged without its message: that may quote a field's value."""
    last = traceback.extract_tb(failure.__traceback__)[-1]
    where = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
    log.error("request %s failed: %s at %s", request_id, type(failure).__name__, where)
    return Problem("internal_error", "this is a fault of the service")
