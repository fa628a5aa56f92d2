"""The load: wrk over keep-alive connections, and what it measured."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import orjson

from benchmarks.serving.contestants import Contestant

SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True)
class Measured:
    """One round: latencies in milliseconds; bad are answers that were no 2xx, or none.

    processor: milliseconds of processor that the server used a request. What else the machine does
    takes from its requests a second, and hardly from this.
    """

    requests: int
    seconds: float
    p50: float
    p99: float
    most: float
    bad_status: int
    broken: int
    processor: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return (self.requests - self.bad_status) / self.seconds


def require_wrk() -> None:
    """SystemExit with what to do where wrk is not there."""
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; on Debian: apt-get install wrk")


def blow(one: Contestant, clients: int, seconds: float, folder: Path) -> Measured:
    """Let ``clients`` connections ask as fast as they are answered."""
    bodies = folder / f"{one.name.replace(' ', '_').replace(',', '')}.jsonl"
    bodies.write_bytes(b"\n".join(one.bodies))
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds:g}s", "--timeout", "20s"]
    before = one.processor()
    done = subprocess.run(
        [*command, "-s", str(SCRIPT), one.url],
        env={**os.environ, "BENCH_BODIES": str(bodies)},
        capture_output=True,
        check=True,
    )
    said = orjson.loads(done.stderr.splitlines()[-1])
    spent = (one.processor() - before) * 1000 / max(said["requests"], 1)
    return Measured(**said, processor=spent)
