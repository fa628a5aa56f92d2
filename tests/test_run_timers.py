"""No request leaves a timer behind: with BentoML's own timeout they pile up for half a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import bentoml
import httpx
import pytest
from bentoml._internal.server.http.traffic import TimeoutMiddleware

from serving.process import timers
from serving.process.timers import KNOWN, cure, digest, timed
from serving.service import Embudo

REQUESTS = 200
STOCK: Callable[..., Any] = getattr(TimeoutMiddleware.__call__, "stock", TimeoutMiddleware.__call__)

Scope = dict[str, Any]


async def _hello(_scope: Scope, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


class _Cured:
    """The middleware's shape, with our timeout."""

    __call__ = timed

    def __init__(self, app: Any, timeout: float = 30.0) -> None:
        self.app, self.timeout = app, timeout


async def _ask(app: Any) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http"}, receive, send)
    return sent


def _live() -> int:
    """Timers of the running loop that are still to come."""
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return sum(not handle.cancelled() for handle in scheduled)


async def _left_by(app: Any) -> int:
    before = _live()
    for _ in range(REQUESTS):
        await _ask(app)
    return _live() - before


def test_a_request_takes_its_timer_along() -> None:
    assert asyncio.run(_left_by(_Cured(_hello))) == 0


def test_the_cure_is_still_needed() -> None:
    """Fails with a BentoML that ends its timers: then ``serving.process.timers`` can go."""

    class Stock:
        __call__ = STOCK
        _set_timer_out = TimeoutMiddleware._set_timer_out

        def __init__(self) -> None:
            self.app, self.timeout = _hello, 30.0

    assert asyncio.run(_left_by(Stock())) == REQUESTS
    assert digest(STOCK).startswith(KNOWN)


def test_the_service_leaves_none_whichever_way_it_is_asked() -> None:
    """Through BentoML's own middleware, too, which a plain mount would go through."""
    within = bentoml.Service.to_asgi(Embudo)

    async def left() -> int:
        transport = httpx.ASGITransport(within)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            before = _live()
            for _ in range(50):
                assert (await client.get("/nowhere")).status_code == 404
            return _live() - before

    assert asyncio.run(left()) == 0


def test_a_late_answer_is_a_504_and_its_work_is_cancelled() -> None:
    ended: list[str] = []

    async def slow(*_: Any) -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    start, body = asyncio.run(_ask(_Cured(slow, 0.01)))
    assert (start["status"], ended) == (504, ["cancelled"])
    assert b"0.01 seconds" in body["body"]


def test_an_answer_that_has_begun_may_take_its_time() -> None:
    async def long(_scope: Scope, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.05)
        await send({"type": "http.response.body", "body": b"done"})

    assert asyncio.run(_ask(_Cured(long, 0.01)))[-1]["body"] == b"done"


def test_a_fault_of_the_app_is_its_own() -> None:
    """BentoML's waits for the first byte of an answer that will never come."""

    async def broken(*_: Any) -> None:
        raise TimeoutError("of the app's own")

    with pytest.raises(TimeoutError, match="own"):
        asyncio.run(_ask(_Cured(broken)))


def test_another_bentoml_is_left_alone() -> None:
    class Newer:
        async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)  # type: ignore[attr-defined]

    own = Newer.__call__
    assert not cure(Newer) and Newer.__call__ is own
    assert cure(TimeoutMiddleware) and timers.timed is TimeoutMiddleware.__call__
