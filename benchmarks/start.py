"""How soon a started service answers with all its champions, and what it says it waits for.

    python -m benchmarks.start [--root .] [--rounds 3]

Starts `serve` on the registry of ROOT (after `make demo`: three champions) and asks /readyz until
it is 200 and not degraded. The first round may compile, and checks the bundles once; the later ones
are the restarts of every day. The processor's share tells what was waited for where other programs
are busy: with two free cores the clock cannot be much beyond it.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

LONGEST = 300.0
"""Seconds after which a start has failed."""


def started(root: Path) -> tuple[float, float, list[str]]:
    """Seconds by the clock until all champions answer, of processor, and what was said meanwhile.

    Processor: of the worker that is first ready and of the process that keeps the workers.
    """
    port = _free_port()
    command = [sys.executable, "-m", "serving", "--root", str(root), "serve", "--port", str(port)]
    begin = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as service:
        try:
            said = _until_ready(f"http://127.0.0.1:{port}/readyz", begin)
            seconds = time.monotonic() - begin
            return seconds, _processor(service.pid), said
        finally:
            service.terminate()


def _until_ready(address: str, begin: float) -> list[str]:
    said: list[str] = []
    while time.monotonic() - begin < LONGEST:
        status, body = _asked(address)
        if status == 200 and body.get("degraded") is False:
            return said
        word = "; ".join(body.get("reasons", ["nobody listens yet"]))
        if not said or not said[-1].endswith(word):
            said.append(f"{time.monotonic() - begin:5.1f} s  {word}")
        time.sleep(0.05)
    raise SystemExit(f"not ready after {LONGEST:g} s: {said[-1]}")


def _asked(address: str) -> tuple[int, dict[str, Any]]:
    try:
        answer = httpx.get(address, timeout=2, headers={"connection": "close"})
    except httpx.HTTPError:
        return 0, {}
    return answer.status_code, answer.json()


def _processor(pid: int) -> float:
    """Seconds of processor of the service and of all that it has started."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    times = [process.cpu_times() for process in family]
    return float(sum(t.user + t.system for t in times))


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def main() -> None:
    """Start, ask, print, so many times."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--root", type=Path, default=Path())
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    for number in range(chosen.rounds):
        seconds, processor, said = started(chosen.root)
        print(f"start {number + 1}: all champions answer after {seconds:.1f} s by the clock")
        print(f"  {processor:.1f} s of processor by then, load {os.getloadavg()[0]:.1f}")
        print("\n".join(f"  {line}" for line in said), flush=True)


if __name__ == "__main__":
    main()
