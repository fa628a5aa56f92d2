"""The outermost ASGI layer: what happened to each request, told to metrics, logs and traces once.

Costs a request some 10 µs (``benchmarks/serving`` measures it): one object, four counters, and a
log line for the first successes of each second; later ones of that second are only counted.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from serving.telemetry.logs import Emit, stamp, to_line
from serving.telemetry.metrics import Metrics
from serving.telemetry.request_log import RequestLog, begin
from serving.telemetry.route_templates import RouteTemplates, method_of
from serving.telemetry.traces import Traces

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LINES_A_SECOND = 50
"""Lines of one process in a second about requests answered well, and as many about others."""

PROBES = frozenset({"/livez", "/readyz", "/healthz", "/metrics"})
"""Asked every second by machines: counted, and logged when they break; "not ready" is no break."""

GONE = 499
"""The status counted for a client that went away before it was answered."""


class LineLimit:
    """At most ``most`` a second; knows how many went without since the last one."""

    def __init__(self, most: int) -> None:
        self._most, self._second, self._left, self._without = most, -1, most, 0

    def take(self, nanoseconds: int) -> int | None:
        """How many went without since the last; None where this one does, too."""
        second = nanoseconds // 1_000_000_000
        if second != self._second:
            self._second, self._left = second, self._most
        if not self._left:
            self._without += 1
            return None
        self._left -= 1
        without, self._without = self._without, 0
        return without


class TelemetryMiddleware:
    """An app whose requests are counted, logged and traced."""

    def __init__(
        self,
        app: App,
        routes: Iterable[str],
        metrics: Metrics,
        emit: Emit,
        clock: Callable[[], int],
        traces: Traces | None = None,
        lines_a_second: int = LINES_A_SECOND,
    ) -> None:
        """clock: now in microseconds since 1970 UTC; routes: the templates of the app's paths."""
        self._app, self._metrics, self._emit, self._clock = app, metrics, emit, clock
        self._templates, self._traces = RouteTemplates([*routes, *PROBES]), traces
        self._good, self._bad = LineLimit(lines_a_second), LineLimit(lines_a_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection event of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        log, status = begin(scope), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            self._over(scope, log, status or GONE)

    def _over(self, scope: Scope, log: RequestLog, status: int) -> None:
        ended = time.perf_counter_ns()
        method, route = method_of(scope["method"]), self._templates.of(scope["path"])
        self._metrics.request(method, route, str(status), (ended - log.started) / 1e9, log)
        self._log(method, route, status, log, ended)
        if self._traces is not None and route not in PROBES:
            now = self._clock() * 1000
            self._traces.request(method, route, status, scope["headers"], now, log, ended)

    def _log(self, method: str, route: str, status: int, log: RequestLog, ended: int) -> None:
        good = status < 400
        if route in PROBES and (good or status == 503):
            return
        without = (self._good if good else self._bad).take(ended)
        if without is None:
            self._metrics.log_lines_left_out("ration")
            return
        line = {
            "at": stamp(self._clock()),
            "level": "info" if good else ("error" if status >= 500 else "warning"),
            "logger": "embudo.requests",
            "message": f"{method} {route} {status}",
            "method": method,
            "route": route,
            "status": status,
            "ms": round((ended - log.started) / 1e6, 3),
            **facts(log),
        }
        self._emit(to_line(line | ({"left_out_before": without} if without else {})))


def facts(log: RequestLog) -> dict[str, Any]:
    """What a line says of a request beside its route and status; only what there is."""
    said: dict[str, Any] = {
        "request_id": log.request_id,
        "code": log.code,
        "entity": log.entity,
        "entity_hash": log.subject,
        "key": log.key,
        "model": log.model,
        "version": log.version,
        "scored": len(log.scores),
        "refused": log.faults,
    }
    said |= {f"{name}_ms": round((end - start) / 1e6, 3) for name, start, end in log.steps}
    return {name: value for name, value in said.items() if value not in ("", 0, {})}
