"""What every endpoint does: request id, key, handler, and every failure as a problem."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response

from serving.http.auth import Guard
from serving.http.codes import CODES
from serving.http.errors import (
    Problem,
    RequestIds,
    internal_error,
    request_id_of,
    respond,
    respond_problem,
    signed,
)
from serving.http.threads import PoolFull, ThreadPool
from serving.settings import Settings
from serving.store.errors import StoreError
from serving.store.keys import ApiKey
from serving.store.store import Store
from serving.telemetry.request_log import RequestLog, log_of

P = ParamSpec("P")
T = TypeVar("T")

READERS, WRITERS = 6, 4
"""Threads for calls that read the store and for those that may write: writers may wait seconds for
a lock, and must not hold the readers' threads. Together less than the store has connections."""

WAITING, WAITING_WRITERS = 256, 16
"""Calls that may wait for a thread; a writer waits ``store.engine.PATIENCE`` at most for a lock."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in; ``at`` is now, in microseconds."""

    request: Request
    request_id: str
    key: ApiKey | None
    at: int
    log: RequestLog

    @property
    def key_id(self) -> str:
        """The public id of the caller's key, "" without one."""
        return self.key.id if self.key else ""

    def respond(self, body: dict[str, Any], status: int = 200) -> Response:
        """A JSON answer with the request's id and the service's version."""
        return respond(signed(body, self.request_id), status)


Handler = Callable[[Call], Awaitable[Response]]
Endpoint = Callable[[Request], Awaitable[Response]]


class Endpoints:
    """Checks a request, runs its handler, and gives handlers the store."""

    def __init__(self, state: State, clock: Callable[[], int]) -> None:
        self.state, self.clock = state, clock
        self.ids = RequestIds()
        self.guard = Guard(lambda: state.store)
        self._readers = ThreadPool(READERS, "store-read", WAITING)
        self._writers = ThreadPool(WRITERS, "store-write", WAITING_WRITERS)

    @property
    def settings(self) -> Settings:
        """The service's settings."""
        found: Settings = self.state.settings
        return found

    @property
    def store(self) -> Store:
        """The store; a Problem where there is none."""
        found: Store | None = self.state.store
        if found is None:
            raise Problem("no_store", "this needs a store, and none is open", retry_after="30")
        return found

    async def in_store(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """A call that reads the store, in a thread; its failure as a Problem."""
        return await self._timed(self._readers.run(call, *args, **kwargs))

    async def write(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As ``in_store``, of a call that may write: few wait, and no reader waits for them."""
        return await self._timed(self._writers.run(call, *args, **kwargs))

    async def _timed(self, call: Awaitable[T]) -> T:
        seconds = self.settings.timeout
        try:
            async with asyncio.timeout(seconds):
                return await call
        except StoreError as wrong:
            raise _problem_of(wrong) from None
        except PoolFull:
            message = "as many calls of the store wait as may"
            raise Problem("store_busy", message, retry_after="5") from None
        except TimeoutError:
            message = f"the store did not answer within {seconds:g} s"
            raise Problem("store_busy", message, retry_after="5") from None

    def to(self, handler: Handler, scope: str | None) -> Endpoint:
        """The endpoint of a handler; scope: what the key must be for, None: no key is asked for."""

        async def endpoint(request: Request) -> Response:
            request_id, log = request_id_of(request, self.ids), log_of(request.scope)
            log.request_id = request_id
            try:
                at = self.clock()
                key = None if scope is None else await self.guard.admit(request, scope, at)
                log.key = key.id if key else ""
                return await handler(Call(request, request_id, key, at, log))
            except Problem as problem:
                answer = problem
            except StoreError as wrong:  # of a store that is not open yet
                answer = _problem_of(wrong)
            except Exception as failure:
                answer = internal_error(failure, request_id)
            log.code = answer.code
            return respond_problem(answer, request_id)

        return endpoint


def _problem_of(wrong: StoreError) -> Problem:
    """A store's failure as a problem; what can never be kept is not to be sent again."""
    again = {"retry_after": str(wrong.retry_after)} if wrong.retry_after else {}
    return Problem(wrong.code if wrong.code in CODES else "store_unavailable", str(wrong), **again)
