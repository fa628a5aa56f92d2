"""Calls of the store run in threads of their own: a locked database must not stop the scoring."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class PoolFull(Exception):  # noqa: N818  # the state, not a fault
    """As many calls wait as may."""


class ThreadPool:
    """A few threads; none is started before the first call.

    waiting: calls that may wait for a free thread; more are a PoolFull
    """

    def __init__(self, most: int, name: str, waiting: int = 10_000) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._room, self._lock = most + waiting, Lock()
        self._held = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The call's result; it waits for a free thread. PoolFull."""
        with self._lock:
            if self._held >= self._room:
                raise PoolFull
            self._held += 1
        future = self._pool.submit(partial(call, *args, **kwargs))
        future.add_done_callback(self._leave)  # a call that was given up still holds its thread
        return await asyncio.wrap_future(future)

    def _leave(self, _: Future[Any]) -> None:
        with self._lock:
            self._held -= 1
