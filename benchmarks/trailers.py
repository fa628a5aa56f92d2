"""Connections that send trailers without end: what they cost the service, and everybody else.

    python -m benchmarks.trailers [--root .] [--connections 20] [--seconds 60]

Starts `serve` on the registry of ROOT (after `make demo`). One client asks for a page without a key
all the time, first alone, then beside the attack, then alone again; memory is that of all processes
of the service. Bars: memory within 50 MB, the client's p99 within twice of what it was alone.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import numpy as np
import psutil

from serving.process.trial import free_port

HEAD = b"POST /v1/leads/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BEGIN = HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
TRAILERS = b"".join(b"t%04d: %s\r\n" % (n, b"v" * 100) for n in range(500))


@contextmanager
def endless_trailers(port: int, connections: int) -> Iterator[list[int]]:
    """So many connections that send trailers all the time, and connect again where one is closed.

    Gives the bytes that each has got rid of so far.
    """
    sent, over = [0] * connections, threading.Event()
    threads = [
        threading.Thread(target=_send, args=(port, sent, place, over), daemon=True)
        for place in range(connections)
    ]
    for thread in threads:
        thread.start()
    try:
        yield sent
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


def _send(port: int, sent: list[int], place: int, over: threading.Event) -> None:
    while not over.is_set():
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        ):
            connection.sendall(BEGIN)
            while not over.is_set():
                connection.sendall(TRAILERS)
                sent[place] += len(TRAILERS)
                time.sleep(0.01)  # of this process's own processor: 5 MB a second are enough


def memory(pid: int) -> int:
    """Resident bytes of a process and of all that it has started."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(process.memory_info().rss for process in family)


def asked(address: str, pid: int, seconds: float) -> tuple[list[float], int, int]:
    """Milliseconds of each answer to one client, how many were no answer, and the most memory."""
    took: list[float] = []
    bad, most, end = 0, memory(pid), time.monotonic() + seconds
    with httpx.Client(base_url=address, timeout=30) as client:
        while time.monotonic() < end:
            begin = time.perf_counter()
            try:
                bad += client.get("/v1/models").status_code >= 500
            except httpx.TransportError:
                bad += 1
            took.append((time.perf_counter() - begin) * 1000)
            if len(took) % 50 == 0:
                most = max(most, memory(pid))
    return took, bad, most


def main() -> None:
    """Start, ask alone, beside the attack, and alone again."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trailers", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    chosen = parser.parse_args()
    port = free_port()
    command = [sys.executable, "-m", "serving", "--root", str(chosen.root), "serve"]
    command += ["--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            measure(f"http://127.0.0.1:{port}", port, service.pid, chosen)
        finally:
            service.terminate()


def measure(address: str, port: int, pid: int, chosen: argparse.Namespace) -> None:
    """Print the table."""
    _ready(address)
    asked(address, pid, 5.0)  # warms up
    print(f"load {os.getloadavg()[0]:.1f}")
    print("| one client | answers | not answered | p50 ms | p99 ms | most memory, MB |")
    print("|---|---|---|---|---|---|")
    _row("alone", asked(address, pid, chosen.seconds / 3))
    with endless_trailers(port, chosen.connections) as sent:
        _row(f"beside {chosen.connections}", asked(address, pid, chosen.seconds))
    _row("alone again", asked(address, pid, chosen.seconds / 3))
    print(f"{sum(sent) / 2**20:,.0f} MB of trailers were taken off the sender's hands")


def _ready(address: str) -> None:
    for _ in range(600):
        with suppress(httpx.HTTPError):
            if httpx.get(f"{address}/readyz", timeout=5).status_code == 200:
                time.sleep(20)  # the other worker and the publisher have started, too
                return
        time.sleep(0.5)
    raise SystemExit("the service is not ready")


def _row(name: str, found: tuple[list[float], int, int]) -> None:
    took, bad, most = found
    p50, p99 = np.percentile(took, [50, 99])
    print(f"| {name} | {len(took):,} | {bad} | {p50:.1f} | {p99:.1f} | {most / 2**20:,.0f} |")


if __name__ == "__main__":
    main()
