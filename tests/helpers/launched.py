"""The service as `serve` starts it, in processes that tests may kill; every wait is bounded."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil

from serving.process.trial import command, environment, free_port

LEAD = {"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}}
BODY = orjson.dumps({"as_of": "2024-01-01T00:00:00Z", "records": [LEAD]})
JSON = {"content-type": "application/json"}


class Launched:
    """A running `serve`: its address, its process, its workers."""

    def __init__(self, bundles: Path, workers: int, more: Mapping[str, str], log: Path) -> None:
        self.port, self.log, self._number = free_port(), log, workers
        self.address = f"http://127.0.0.1:{self.port}"
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command(self.port, bundles, workers),
                env={**environment(bundles, workers), **more},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def get(self, path: str, seconds: float = 10.0) -> httpx.Response:
        """A GET over a new connection."""
        return httpx.get(f"{self.address}{path}", timeout=seconds)

    def score(self, body: bytes = BODY, seconds: float = 30.0) -> httpx.Response:
        """A request over a new connection."""
        return httpx.post(
            f"{self.address}/v1/leads/score", content=body, headers=JSON, timeout=seconds
        )

    def workers(self) -> list[psutil.Process]:
        """The workers that are there, in the order of their places."""
        children = psutil.Process(self.process.pid).children()
        named = [(c.cmdline(), c) for c in children]
        return [c for line, c in sorted(named, key=lambda n: n[0][-1:]) if _WORKER in line]

    def until(self, met: Callable[[], Any], seconds: float = 60.0) -> Any:
        """The first true value of a condition; AssertionError with the log where none comes."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if found := met():
                    return found
            except (httpx.TransportError, psutil.NoSuchProcess):
                pass
            time.sleep(0.02)
        raise AssertionError(self.log.read_text(encoding="utf-8", errors="replace")[-3000:])

    def ready(self) -> None:
        """Wait until it can score, with all of its workers."""
        self.until(lambda: self.get("/readyz").status_code == 200, 120.0)
        self.until(lambda: all(self._has_answered(place) for place in range(self._number)), 120.0)

    def _has_answered(self, place: int) -> bool:
        return f"worker {place} answers with models" in self.log.read_text(encoding="utf-8")

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


_WORKER = "serving.process.worker"


@contextmanager
def launched(
    bundles: Path, log: Path, workers: int = 1, more: Mapping[str, str] | None = None
) -> Iterator[Launched]:
    """`serve` over a folder of bundles, and nothing left of it at the end."""
    running = Launched(bundles, workers, more or {}, log)
    family = psutil.Process(running.process.pid)
    try:
        yield running
    finally:
        left = [*family.children(recursive=True)] if family.is_running() else []
        if running.process.poll() is None:
            running.process.terminate()
            try:
                running.process.wait(60)
            except subprocess.TimeoutExpired:
                running.process.kill()
                running.process.wait()
        for process in left:
            try:
                process.wait(20)
            except psutil.TimeoutExpired:
                process.kill()


class Clients:
    """Threads that ask over kept connections until told to stop, and keep what they were told."""

    def __init__(self, service: Launched, number: int = 4) -> None:
        self.service, self.versions, self.broken = service, set[str](), 0
        self.bad: list[tuple[int, str]] = []
        self.answered = 0
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(number)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        with httpx.Client(base_url=self.service.address, timeout=30, headers=JSON) as client:
            while not self._stop.is_set():
                try:
                    self._keep(client.post("/v1/leads/score", content=BODY))
                except httpx.TransportError:
                    with self._lock:
                        self.broken += 1

    def _keep(self, answer: httpx.Response) -> None:
        with self._lock:
            self.answered += 1
            if answer.status_code != 200:
                self.bad.append((answer.status_code, answer.text[:300]))
            else:
                self.versions.add(answer.json()["model"]["version"])
