"""Linear algebra on one thread, so that a result does not depend on how many cores there are."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped,unused-ignore]

P = ParamSpec("P")
R = TypeVar("R")


def one_blas_thread(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function while BLAS may use one thread.

    The last digits of a product depend on how many threads share it: the same data would give
    another bundle on another machine. Small matrices lose nothing by it, and where other work runs
    on the same cores, threads that wait for one another cost many times the product itself.
    """

    @wraps(function)
    def alone(*args: P.args, **kwargs: P.kwargs) -> R:
        with threadpool_limits(limits=1, user_api="blas"):
            return function(*args, **kwargs)

    return alone
