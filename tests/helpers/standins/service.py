"""What every stand-in has: a server on loopback, a clock of its own, and faults on demand."""

from __future__ import annotations

import json
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Call:
    """One request: ``found`` holds the groups of the route's pattern."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None
    found: tuple[str, ...] = ()


@dataclass
class Answer:
    """One answer; ``status`` 0 ends the connection without any."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


Route = Callable[[Call], Answer]
Fault = Callable[[Call], Answer | None]


class StandIn:
    """A CRM's API.

    fault    may answer a call in its place
    before   is run before each call
    written  how often each record was set through the API
    """

    token = "the-token"

    def __init__(self) -> None:
        self.now = datetime(2025, 3, 1, tzinfo=UTC)
        self.calls: list[tuple[str, str]] = []
        self.fault: Fault = lambda _: None
        self.before: Callable[[Call], None] = lambda _: None
        self.lock = threading.RLock()
        self.url = ""
        self.written: Counter[str] = Counter()

    def routes(self) -> Mapping[str, Route]:
        """ "METHOD pattern" -> what answers."""
        raise NotImplementedError

    def authorised(self, call: Call) -> bool:
        """Whether the call brings the right secret."""
        raise NotImplementedError

    def answer(self, call: Call) -> Answer:
        """The answer of a call."""
        with self.lock:
            self.calls.append((call.method, call.path))
            self.before(call)
            faulty = self.fault(call)
            if faulty is not None:
                return faulty
            if not self.authorised(call):
                return Answer(401, {"message": "the token is not valid"})
            for pattern, route in self.routes().items():
                method, _, path = pattern.partition(" ")
                found = re.fullmatch(path, call.path)
                if method == call.method and found:
                    call.found = found.groups()
                    return route(call)
            return Answer(404, {"message": f"no {call.method} {call.path}"})

    def counted(self) -> Counter[str]:
        """How often each kind of path was called; ids are left out."""
        return Counter(re.sub(r"/\d+", "/N", path) for _, path in self.calls)

    def pass_time(self, seconds: float) -> None:
        """Let the service's clock go on."""
        self.now += timedelta(seconds=seconds)

    @contextmanager
    def served(self) -> Iterator[StandIn]:
        """Serve on a free port of loopback until the block ends."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        self.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join(5)


def _handler(service: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # head and body in one packet: else each answer waits for an ACK

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            raw = self.rfile.read(length)
            query = {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
            heads = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.command, unquote(parts.path), query, heads, _body(self, raw))
            found = service.answer(call)
            if found.after:
                threading.Event().wait(found.after)
            if found.status == 0:
                self.close_connection = True
                return
            try:
                self.reply(found)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the caller has gone

        def reply(self, found: Answer) -> None:
            data = b"" if found.body is None else json.dumps(found.body).encode()
            self.send_response_only(found.status)
            headers = {"date": format_datetime(service.now, usegmt=True), **found.headers}
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _body(handler: BaseHTTPRequestHandler, raw: bytes) -> Any:
    if not raw:
        return None
    if "json" in (handler.headers.get("content-type") or ""):
        return json.loads(raw)
    return {k: v[-1] for k, v in parse_qs(raw.decode()).items()}


class RandomFaults:
    """A share of calls fail: too many, 5xx, an ended connection; none more than twice in a row."""

    def __init__(self, seed: int, share: float = 0.15) -> None:
        self.chance, self.share, self.run, self.made = random.Random(seed), share, 0, 0

    def __call__(self, _: Call) -> Answer | None:
        if self.run >= 2 or self.chance.random() > self.share:
            self.run = 0
            return None
        self.run, self.made = self.run + 1, self.made + 1
        return self.chance.choice(
            [
                Answer(429, {"message": "too many"}, {"retry-after": "0"}),
                Answer(429, {"message": "too many"}, {"retry-after": "0.01"}),
                Answer(500, {"message": "broken"}),
                Answer(503),
                Answer(0),
            ]
        )
