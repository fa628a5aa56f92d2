"""What a connection may cost before any key: the limits of the HTTP protocol, on a real socket."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import psutil
import pytest
import uvicorn

from serving.process import protocol
from serving.process.protocol import LARGEST_HEAD, MOST_HEADERS, protocol_class

PATIENCE = 0.6
HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\n"


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the size of the body; /early answers before it has read any."""
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of this process, on loopback, with the worker's protocol."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(256)
    made = protocol_class(lambda: None, PATIENCE)
    config = uvicorn.Config(echo, http=made, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(20)


def _ask(port: int, raw: bytes, seconds: float = 10.0) -> bytes:
    """All that comes back until the server closes the connection, or the time is over."""
    with closing(socket.create_connection(("127.0.0.1", port), seconds)) as client:
        with suppress(ConnectionError):
            client.sendall(raw)
        answer = b""
        with suppress(ConnectionError, TimeoutError):
            while part := client.recv(65536):
                answer += part
        return answer


def _problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head and b"connection: close" in head
    return int(head.split()[1]), json.loads(body)["code"]


CLOSE = b"Connection: close\r\n"


def test_a_usual_request_is_answered(port: int) -> None:
    raw = HEAD + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n"
    assert _ask(port, raw).endswith(b"\r\n\r\n3")
    many = HEAD + CLOSE + b"".join(b"h%d: v\r\n" % i for i in range(MOST_HEADERS - 2)) + b"\r\n"
    assert b" 200 " in _ask(port, many)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (HEAD + b"".join(b"h%d: v\r\n" % i for i in range(200)) + b"\r\n", "headers_too_large"),
        (HEAD + b"h: " + b"v" * (LARGEST_HEAD + 1) + b"\r\n\r\n", "headers_too_large"),
        (HEAD + b"h: " + b"v" * 300_000, "headers_too_large"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", "url_too_long"),
        (b"GET / HTTP/1.1\r\n\r\n", "bad_request"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "bad_request"),
        (b"\x16\x03\x01 hello\r\n\r\n", "bad_request"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "bad_request"),
        (
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"t: v\r\n" * 60_000,
            "headers_too_large",
        ),
    ],
    ids=["count", "size", "endless", "url", "no host", "two hosts", "tls", "chunk", "trailers"],
)
def test_what_is_too_much_is_a_problem(port: int, raw: bytes, expected: str) -> None:
    answer = _ask(port, raw)
    assert _problem(answer)[1] == expected


def test_http_1_0_needs_no_host(port: int) -> None:
    assert b" 200 " in _ask(port, b"GET /early HTTP/1.0\r\n\r\n")


@pytest.mark.parametrize(
    "begin", [b"GET / HT", HEAD + b"Content-Length: 9\r\n\r\na"], ids=["head", "body"]
)
def test_a_message_has_a_time_as_a_whole(
    port: int, begin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER", 0.2)
    assert _problem(_ask(port, begin)) == (408, "head_timeout")


def test_a_body_trickled_after_the_answer_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "LINGER", 0.2)
    began = time.monotonic()
    head = b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", port), 10)) as client:
        client.sendall(head)
        assert b" 200 " in client.recv(4096)
        with pytest.raises(OSError):
            for _ in range(200):
                client.sendall(b"x")
                time.sleep(0.05)
    assert time.monotonic() - began < 9, "ten seconds of trickling were not read"


def test_requests_that_wait_behind_one_another_are_few(port: int) -> None:
    one = b"GET /early HTTP/1.1\r\nHost: a\r\n"
    answer = _ask(port, (one + b"\r\n") * 9 + one + CLOSE + b"\r\n")
    assert answer.count(b"HTTP/1.1 200") == 10
    assert _ask(port, (one + b"\r\n") * 5_000).count(b"HTTP/1.1") <= protocol.MOST_PIPELINED + 2


def _send_without_end(port: int, first: bytes, more: bytes, until: float) -> None:
    while time.monotonic() < until:
        with (
            suppress(OSError),
            closing(socket.create_connection(("127.0.0.1", port), 2)) as client,
        ):
            client.sendall(first)
            while time.monotonic() < until:
                client.sendall(more)


def test_connections_without_end_cost_no_memory(port: int) -> None:
    """Trailers, headers and a request line that never end, on twenty connections at once."""
    attacks: list[tuple[bytes, bytes]] = [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"t: vvvvvvvvvvvv\r\n" * 2_000),
        (HEAD, b"h: vvvvvvvvvvvv\r\n" * 2_000),
        (b"GET /", b"x" * 30_000),
        (HEAD + b"h: ", b"v" * 30_000),
    ]
    before = psutil.Process().memory_info().rss
    until = time.monotonic() + 3
    work: Callable[..., None] = _send_without_end
    threads = [
        threading.Thread(target=work, args=(port, *attacks[i % 4], until)) for i in range(20)
    ]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        assert b" 200 " in _ask(port, b"GET /early HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
    for thread in threads:
        thread.join()
    assert psutil.Process().memory_info().rss - before < 50 * 2**20
