"""Writers that wait for a lock: few do, the others are told when to come, readers do not wait."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from serving.http.endpoint import WAITING_WRITERS, WRITERS, Endpoints
from serving.http.errors import Problem
from serving.settings import Settings


def _endpoints(timeout: float) -> Endpoints:
    state: Any = SimpleNamespace(store=None, settings=Settings(timeout=timeout))
    return Endpoints(state, lambda: 0)


def test_readers_do_not_wait_for_writers_and_writers_are_bounded() -> None:
    lock = threading.Event()

    async def main() -> tuple[str, list[object]]:
        endpoints = _endpoints(30)
        writers = [
            asyncio.ensure_future(endpoints.write(lock.wait, 20))
            for _ in range(WRITERS + WAITING_WRITERS + 220)
        ]
        await asyncio.sleep(0.05)
        read = await asyncio.wait_for(endpoints.in_store(lambda: "read"), 5)
        lock.set()
        return read, list(await asyncio.gather(*writers, return_exceptions=True))

    read, found = asyncio.run(main())
    refused = [f for f in found if isinstance(f, Problem)]
    assert read == "read" and len(refused) == 220
    assert {(p.status, p.code, p.headers["retry-after"]) for p in refused} == {
        (503, "store_busy", "5")
    }
    assert sum(f is True for f in found) == WRITERS + WAITING_WRITERS


def test_the_store_has_the_time_of_a_request() -> None:
    lock = threading.Event()

    async def main() -> None:
        with pytest.raises(Problem) as failure:
            await _endpoints(0.05).write(lock.wait, 20)
        assert failure.value.code == "store_busy"
        lock.set()

    asyncio.run(main())
