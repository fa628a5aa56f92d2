"""The request queue: bounded, first come first served; waiting requests are scored together.

Scoring is work of the processor on one event loop: requests do not overlap, they wait. So a
request first takes its place in the queue and gives the loop two turns: one to start the handlers
of what has come, one to read what came meanwhile. All that are ready by then stand there, too, and
are counted before any is worked on. Then they are scored in one go, which costs a fraction of as
many single scores. When the queue is full a request is rejected at once with Retry-After, which
bounds the wait.

Large requests are worked on in a thread, a few at a time, with a shorter line of their own: probes
and single records pass them.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from serving.scoring.faults import ContractError
from serving.scoring.predictor import Predictor, ScoreRequest

SMALL_BODY = 64 * 1024
"""Bytes of a request that is worked on among the others."""

SMALL_RECORDS = 16
"""Records of such a request."""

AT_ONCE = 32
"""Records that are scored in one go: some milliseconds, so that probes are answered in between."""

HEAVY_SHARE = 8
"""One place in so many is for a large request."""

THREADS = 2
"""Large requests worked on at a time."""

Answer = dict[str, Any]


class Overloaded(Exception):  # noqa: N818  # the state, not a fault
    """The line is full; ``seconds`` until it is worth coming again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"come again in {seconds} s")
        self.seconds = seconds


class TooLate(Exception):  # noqa: N818
    """The request was not done within its time."""


@dataclass
class _Waiting:
    predictor: Predictor
    request: ScoreRequest
    records: int
    until: float
    answer: asyncio.Future[Answer]


class RequestQueue:
    """The requests that wait or are worked on in this process; at most ``limit``."""

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.heavy_limit = max(2, limit // HEAVY_SHARE)
        self._waiting: deque[_Waiting] = deque()
        self._heavy = 0
        self._called = False
        self._pace = 0.002  # seconds a request takes, smoothed
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="large")

    @property
    def length(self) -> int:
        """Requests that wait or are worked on."""
        return len(self._waiting) + self._heavy

    async def answer(self, predictor: Predictor, request: ScoreRequest, size: int) -> Answer:
        """The predictor's answer to a body of ``size`` bytes.

        ContractError where it is no request, Overloaded where the line is full, TooLate.
        """
        records = _records(request.body)
        if size > SMALL_BODY or records > SMALL_RECORDS:
            return await self._in_a_thread(predictor, request)
        if len(self._waiting) >= self.limit:
            raise Overloaded(self._wait(len(self._waiting) * self._pace))
        loop = asyncio.get_running_loop()
        place = loop.create_future()
        until = loop.time() + self.seconds
        self._waiting.append(_Waiting(predictor, request, records, until, place))
        if not self._called:
            self._called = True
            loop.call_soon(loop.call_soon, self._turn, loop)
        made: Answer = await place
        return made

    def _wait(self, seconds: float) -> int:
        return max(1, math.ceil(seconds))

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Score the first of the line; call again while there are more."""
        start, taken = loop.time(), self._first(loop.time())
        for predictor, some in _by_predictor(taken):
            _answer_together(predictor, some)
        if taken:
            self._pace += 0.05 * ((loop.time() - start) / len(taken) - self._pace)
        self._called = bool(self._waiting)
        if self._called:
            loop.call_soon(self._turn, loop)

    def _first(self, now: float) -> list[_Waiting]:
        taken: list[_Waiting] = []
        records = 0
        while self._waiting and (not taken or records + self._waiting[0].records <= AT_ONCE):
            one = self._waiting.popleft()
            if one.answer.done():  # given up
                continue
            if one.until < now:
                one.answer.set_exception(TooLate())
                continue
            records += one.records
            taken.append(one)
        return taken

    async def _in_a_thread(self, predictor: Predictor, request: ScoreRequest) -> Answer:
        if self._heavy >= self.heavy_limit:
            raise Overloaded(1)
        self._heavy += 1
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, _answer_alone, predictor, request)
        work.add_done_callback(self._leave)  # a thread that is late still takes its place
        try:
            async with asyncio.timeout(self.seconds):
                made = await asyncio.shield(work)
        except TimeoutError:
            raise TooLate from None
        if isinstance(made, ContractError):
            raise made
        return made

    def _leave(self, work: asyncio.Future[Any]) -> None:
        self._heavy -= 1
        if not work.cancelled():
            work.exception()  # taken, so that the loop does not report it as lost


def _records(body: Any) -> int:
    found = body.get("records") if isinstance(body, dict) else None
    return len(found) if isinstance(found, list) else 1


def _by_predictor(taken: Sequence[_Waiting]) -> list[tuple[Predictor, list[_Waiting]]]:
    found: dict[int, tuple[Predictor, list[_Waiting]]] = {}
    for one in taken:
        found.setdefault(id(one.predictor), (one.predictor, []))[1].append(one)
    return list(found.values())


def _answer_alone(predictor: Predictor, request: ScoreRequest) -> Answer | ContractError:
    return predictor.answer_all([request])[0]


def _answer_together(predictor: Predictor, some: Sequence[_Waiting]) -> None:
    """Answer requests together; where that fails, each alone, so that only the guilty fails."""
    try:
        answers: Sequence[Answer | Exception] = predictor.answer_all([one.request for one in some])
    except Exception as failure:
        if len(some) == 1:
            answers = [failure]
        else:
            for one in some:
                _answer_together(predictor, [one])
            return
    for one, made in zip(some, answers, strict=True):
        if one.answer.done():
            continue
        if isinstance(made, Exception):
            one.answer.set_exception(made)
        else:
            one.answer.set_result(made)
