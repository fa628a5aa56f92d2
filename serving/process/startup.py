"""Answers on the service's own socket while no worker can: probes, and 503 for the rest.

Imports nothing heavy, so that it answers some tenths of a second after the start.
"""

from __future__ import annotations

import json
import selectors
import socket
from collections.abc import Callable
from http import HTTPStatus
from uuid import uuid4

LONGEST_HEAD = 16 * 1024
SECONDS = 2.0
"""What a client may take to ask, and to read the answer."""

MOST = 512
"""Connections at a time; more are closed."""


class StartupConnection:
    """One connection: its head is read, it is answered, and what it still sends is thrown away."""

    def __init__(self, connection: socket.socket, until: float) -> None:
        self.connection, self.until = connection, until
        self.head, self.answered = b"", False

    def step(self, reason: str) -> bool:
        """Read what there is and answer if that is enough; whether it is over."""
        try:
            part = self.connection.recv(LONGEST_HEAD)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True
        if not part:
            return True
        if self.answered:
            return False  # closing with unread bytes would take the answer back
        self.head += part
        if b"\r\n\r\n" in self.head or len(self.head) > LONGEST_HEAD:
            self.answered = True
            return not self._send(answer(self.head, reason))
        return False

    def _send(self, raw: bytes) -> bool:
        try:
            self.connection.sendall(raw)
            self.connection.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True


class StartupResponder:
    """Serves the connections it is given, in its caller's loop."""

    def __init__(self, selector: selectors.BaseSelector, clock: Callable[[], float]) -> None:
        self._selector, self._clock = selector, clock
        self._clients: dict[int, StartupConnection] = {}
        self.reason = "the workers are starting"

    def __len__(self) -> int:
        return len(self._clients)

    def accept(self, connection: socket.socket) -> None:
        """Take a new connection."""
        if len(self._clients) >= MOST:
            connection.close()
            return
        connection.setblocking(False)
        client = StartupConnection(connection, self._clock() + SECONDS)
        self._clients[connection.fileno()] = client
        self._selector.register(connection, selectors.EVENT_READ, self.step)

    def step(self, number: int) -> None:
        """A connection has something to read."""
        client = self._clients[number]
        if client.step(self.reason):
            self._leave(number)

    def close_late(self) -> None:
        """Close what has taken too long."""
        now = self._clock()
        for number in [n for n, v in self._clients.items() if v.until < now]:
            self._leave(number)

    def _leave(self, number: int) -> None:
        client = self._clients.pop(number)
        self._selector.unregister(client.connection)
        client.connection.close()


def answer(head: bytes, reason: str) -> bytes:
    """The whole answer to a request of which only the head was read."""
    method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    known: dict[str, object] = {"request_id": uuid4().hex}
    if path in (b"/livez", b"/healthz"):
        return _response(200, {"status": "alive", **known}, method)
    if path == b"/readyz":
        message: dict[str, object] = {
            "status": "not ready",
            "models": {},
            "reasons": [reason],
            "reload": None,
        }
        return _response(503, message | known, method)
    problem: dict[str, object] = {
        "type": "urn:embudo:problem:starting",
        "title": "Starting",
        "status": 503,
        "code": "starting",
        "detail": f"{reason}; try again in a second",
    }
    return _response(503, problem | known, method, "application/problem+json")


def _response(
    status: int, body: dict[str, object], method: bytes, kind: str = "application/json"
) -> bytes:
    raw = json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"content-type: {kind}",
        f"content-length: {len(raw)}",
        "cache-control: no-store",
        "connection: close",
        *(["retry-after: 1"] if status == 503 else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == b"HEAD" else raw)
