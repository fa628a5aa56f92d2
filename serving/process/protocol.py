"""The HTTP/1.1 protocol of a worker: uvicorn's, with limits that hold before any key is read.

httptools keeps a header's bytes until the header ends, and uvicorn keeps every header, trailer and
pipelined request, all without a limit. Here the bytes of a message that are not its body, the
number of its headers, the requests that wait behind one another and the time of a whole message are
bounded; what goes beyond is answered with a problem and the connection closes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from uuid import uuid4

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http import VERSION
from serving.http.codes import CODES

LONGEST_URL = 8 * 1024
"""Bytes of a request's target."""

LARGEST_HEAD = 32 * 1024
"""Bytes of all names and values of a request's headers."""

MOST_HEADERS = 100

MOST_BESIDE = 64 * 1024
"""Bytes of a message beside its body: the head, the frames of chunks, trailers."""

FRAMES_PER_BYTE = 8
"""Bytes of frames that a byte of a chunked body may bring: a chunk of one byte brings five."""

MOST_PIPELINED = 16
"""Requests that may wait behind the one that is answered, on one connection."""

LINGER = 2.0
"""Seconds in which the rest of a message is dropped after its answer, before the close."""

_CODES = {
    400: "bad_request",
    408: "head_timeout",
    414: "url_too_long",
    431: "headers_too_large",
}


class _Refused(Exception):  # noqa: N818  # a decision, not a fault
    """The message is not read any further; the parser passes this on as a callback error."""


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits. Subclasses state ``patience`` and ``ended``.

    patience  seconds in which the head of a request must have come, and then its body
    ended     called once when the connection is closed
    """

    patience: float
    ended: Callable[[], None]

    def __init__(self, *arguments: object, **named: object) -> None:
        super().__init__(*arguments, **named)  # type: ignore[arg-type]
        self._timer: asyncio.TimerHandle | None = None
        self._in_head = self._in_message = False
        self._head = self._beside = self._body = 0
        self._refusal = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._in_head = True
        self._arm(self.patience)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._disarm()
        self.ended()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if self._refusal or self.transport.is_closing():
            return
        self._beside += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # the request is answered in HTTP/1.1, as a server may
        except httptools.HttpParserError:
            self.refuse(self._refusal or 400, "the request cannot be parsed as HTTP/1.1")
            return
        if self._in_message and self._beside > MOST_BESIDE + FRAMES_PER_BYTE * self._body:
            self.refuse(431, "the message has too many bytes beside its body")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head = self._body = 0
        if self._timer is None:
            self._arm(self.patience)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > LONGEST_URL:
            self._stop(414)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer: no handler reads one
        self._head += len(name) + len(value)
        if self._head > LARGEST_HEAD or len(self.headers) >= MOST_HEADERS:
            self._stop(431)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        hosts = sum(name == b"host" for name, _ in self.headers)
        old = self.parser.get_http_version() == "1.0"
        if hosts > 1 or (hosts == 0 and not old) or len(self.pipeline) >= MOST_PIPELINED:
            self._stop(400)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        self._beside -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_message = False
        self._beside = 0
        self._disarm()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and not self.transport.is_closing():
            self._disarm()
            self._timer = self.loop.call_later(LINGER, self.transport.close)

    def send_400_response(self, msg: str) -> None:
        """uvicorn's own refusal, in our shape."""
        self.refuse(400, msg)

    def refuse(self, status: int, detail: str) -> None:
        """Answer with a problem where no other answer has begun, and close the connection."""
        self._refusal = status
        self._disarm()
        answering = self.cycle is not None and not self.cycle.response_complete
        # bytes among those of another answer would be read as a part of it
        if not self.transport.is_closing() and not (answering and self.cycle.response_started):
            self.transport.write(problem(status, detail))
        self.transport.close()

    def _stop(self, status: int) -> None:
        self._refusal = status
        raise _Refused

    def _arm(self, seconds: float) -> None:
        self._timer = self.loop.call_later(seconds, self._late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        """Time is up for the head, or for the whole message."""
        self._timer = None
        if self._in_head and self._beside == 0:
            self.transport.close()  # nothing was asked
        elif self._in_head:
            self.refuse(408, f"the head of the request did not come within {self.patience:g} s")
        elif self._in_message:
            # the handler has the same time for the body, and says so; this is for all others
            self._timer = self.loop.call_later(self.patience + LINGER, self._end)

    def _end(self) -> None:
        self._timer = None
        self.refuse(408, "the request did not come to its end in time")


def protocol_class(ended: Callable[[], None], patience: float) -> type[LimitedProtocol]:
    """The protocol of one worker, for ``uvicorn.Config(http=…)``."""

    class WorkerProtocol(LimitedProtocol):
        pass

    WorkerProtocol.patience = patience
    WorkerProtocol.ended = staticmethod(ended)
    return WorkerProtocol


def problem(status: int, detail: str) -> bytes:
    """A whole HTTP answer with a problem (RFC 9457), after which the connection closes."""
    code = _CODES[status]
    known = CODES[code]
    body = json.dumps(
        {
            "type": f"urn:embudo:problem:{code}",
            "title": known.title,
            "status": status,
            "code": code,
            "detail": detail,
            "action": known.action,
            "path": "",
            "request_id": uuid4().hex,
            "version": VERSION,
        }
    ).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
