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
    if method == b"GET" and not path.startswith(b"/v1/") and _browser(head):
        return _page(head)
    problem: dict[str, object] = {
        "type": "urn:embudo:problem:starting",
        "title": "Starting",
        "status": 503,
        "code": "starting",
        "detail": f"{reason}; try again in a second",
    }
    return _response(503, problem | known, method, "application/problem+json")


STARTING = {
    "en": ("Starting", "The models are being loaded. This page opens by itself."),
    "es": ("Arrancando", "Se están cargando los modelos. Esta página se abre sola."),
    "it": ("Avvio in corso", "I modelli si stanno caricando. Questa pagina si apre da sola."),
}
"""The page's words; the catalogues cost seconds, which is what this page waits for."""

PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title} · Embudo</title>
<style>:root {{ color-scheme: light dark; }} body {{ font: 1rem/1.5 system-ui, sans-serif;
max-width: 32rem; margin: 20vh auto; padding: 0 1rem; }}</style></head>
<body><main><h1>{title}</h1><p role="status">{said}</p></main></body></html>
"""


def _header(head: bytes, name: bytes) -> bytes:
    """The value of a header, b"" where it is not there."""
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().lower()
    return b""


def _browser(head: bytes) -> bool:
    """Whether a browser asks for a page: programs do not accept HTML before all else."""
    return _header(head, b"accept").startswith(b"text/html")


def _page(head: bytes) -> bytes:
    """A page that says so and asks again every two seconds."""
    asked = _header(head, b"accept-language")[:2].decode("ascii", "replace")
    lang = asked if asked in STARTING else "en"
    title, said = STARTING[lang]
    raw = PAGE.format(lang=lang, title=title, said=said).encode()
    lines = [
        "HTTP/1.1 503 Service Unavailable",
        "content-type: text/html; charset=utf-8",
        f"content-length: {len(raw)}",
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; style-src 'unsafe-inline'",
        "connection: close",
        "retry-after: 2",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + raw


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
