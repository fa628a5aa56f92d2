"""An open flood: requests leave at a fixed rate whatever comes back, as from many customers.

A request that finds all ``CONNECTIONS`` waiting for an answer is not sent, but counted as held
back: the flood is as wide as that many clients are.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import httptools
import numpy as np
import uvloop

from benchmarks.serving.contestants import Contestant

CONNECTIONS, TICK = 400, 0.005


@dataclass
class Flooded:
    """Milliseconds of the accepted and of the refused; ``lost`` had no answer."""

    sent: int = 0
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    failed: int = 0
    without_hint: int = 0
    lost: int = 0
    held_back: int = 0

    def row(self) -> dict[str, float]:
        """Median and p99 of the accepted, p99 of the refused, shares."""
        return {
            "sent": self.sent,
            "accepted p50": float(np.percentile(self.accepted, 50)),
            "accepted p99": float(np.percentile(self.accepted, 99)),
            "refused p99": float(np.percentile(self.refused, 99)) if self.refused else 0.0,
            "share refused": len(self.refused) / max(self.sent, 1),
            "5xx of ours": self.failed,
            "refused without Retry-After": self.without_hint,
            "lost": self.lost,
            "held back, all connections busy": self.held_back,
        }


class Line(asyncio.Protocol):
    """One keep-alive connection; free again when its answer is whole."""

    def __init__(self, free: deque[Line], out: Flooded) -> None:
        self._free, self._out = free, out
        self.sent_at = 0.0
        self._hint = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready for a first request."""
        self.transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self._free.append(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer."""
        self._parser.feed_data(data)

    def connection_lost(self, _: Exception | None) -> None:
        """A request that was under way has no answer."""
        if self.sent_at:
            self._out.lost += 1
        elif self in self._free:
            self._free.remove(self)

    def on_header(self, name: bytes, _: bytes) -> None:
        """Called by the parser."""
        self._hint |= name.lower() == b"retry-after"

    def on_message_complete(self) -> None:
        """The answer is whole."""
        status, took = self._parser.get_status_code(), (time.perf_counter() - self.sent_at) * 1000
        if status == 200:
            self._out.accepted.append(took)
        elif status in (429, 503):
            self._out.refused.append(took)
            self._out.without_hint += not self._hint
        else:
            self._out.failed += 1
        self.sent_at, self._hint = 0.0, False
        self._parser = httptools.HttpResponseParser(self)
        self._free.append(self)

    def send(self, request: bytes) -> None:
        """Ask."""
        self.sent_at = time.perf_counter()
        self.transport.write(request)


def flood(one: Contestant, rate: float, seconds: float) -> Flooded:
    """Ask ``rate`` times a second for so many seconds, over at most ``CONNECTIONS``."""
    return uvloop.run(_flood(one, rate, seconds))


async def _flood(one: Contestant, rate: float, seconds: float) -> Flooded:
    where = urlsplit(one.url)
    host, port = where.hostname or "", where.port or 80
    head = f"POST {where.path} HTTP/1.1\r\nhost: {where.netloc}\r\ncontent-type: application/json"
    requests = [
        f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body for body in one.bodies
    ]
    out, free = Flooded(), deque[Line]()
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Line(free, out), host, port)
    begin, asked = time.perf_counter(), 0
    while (now := time.perf_counter()) < begin + seconds:
        while asked / rate <= now - begin:
            asked += 1
            if free:
                free.popleft().send(requests[out.sent % len(requests)])
                out.sent += 1
            else:
                out.held_back += 1
        await asyncio.sleep(TICK)
    end = time.perf_counter() + 20
    while len(free) < CONNECTIONS - out.lost and time.perf_counter() < end:
        await asyncio.sleep(TICK)
    out.lost += max(0, CONNECTIONS - out.lost - len(free))
    for line in free:
        line.transport.close()
    return out
