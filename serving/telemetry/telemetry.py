"""One worker process, watched: its metrics, log lines and traces, put around its app."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from serving.bundles.outcomes import ReloadOutcome
from serving.telemetry.logs import LogWriter, configure
from serving.telemetry.metrics import Metrics
from serving.telemetry.metrics_folder import FOLDER
from serving.telemetry.metrics_page import page_server
from serving.telemetry.middleware import App, TelemetryMiddleware
from serving.telemetry.traces import Traces, asked_for

log = logging.getLogger("embudo.watch")

SECOND = 1.0


class Telemetry:
    """Metrics from the first request on; log lines and traces from ``start`` to ``stop``.

    state: the app's, with predictors, line, reload, degraded, journal; clock: µs since 1970 UTC.
    """

    def __init__(
        self, state: Any, clock: Callable[[], int], environment: Mapping[str, str]
    ) -> None:
        self.state, self.clock, self.metrics = state, clock, Metrics()
        self._wants_traces = asked_for(environment)
        self._numbers = environment.get(FOLDER, "")
        self._stream: LogWriter | None = None
        self._traces: Traces | None = None
        self._told = _Counted()
        self._stop = Event()
        self._thread = Thread(target=self._work, name="embudo-watch", daemon=True)

    def around(self, app: App, routes: Iterable[str]) -> App:
        """The app, watched; routes: the templates of its paths."""
        if self._wants_traces:
            self._traces = Traces()
        return TelemetryMiddleware(app, routes, self.metrics, self._emit, self.clock, self._traces)

    def _emit(self, line: bytes) -> None:
        if self._stream is not None:
            self._stream(line)

    def start(self, port: int = 0) -> None:
        """This process serves from now on: its loggers write lines, its numbers are kept up.

        port: of the metrics page where nobody else shows it (`serve` does); the first worker that
        takes the port shows those of all.
        """
        self._stream = LogWriter()
        configure(self._stream)
        if port and self._numbers:
            with suppress(OSError):  # another worker has it
                page_server(Path(self._numbers), port)
        self.metrics.worker_started()
        self.state.reload.listeners.append(self._heard)
        self._thread.start()

    def stop(self) -> None:
        """Write and send what waits."""
        self._stop.set()
        self._thread.join(2 * SECOND)
        if self._traces is not None:
            self._traces.close()
        if self._stream is not None:
            self._stream.close()

    def _heard(self, outcome: ReloadOutcome) -> None:
        self.metrics.reloaded(outcome.model, outcome.code)

    def _work(self) -> None:
        while not self._stop.wait(SECOND):
            try:
                self.poll()
            except Exception:
                # the thread must outlive whatever a part that is being replaced looks like
                log.exception("a look at the process failed")

    def poll(self) -> None:
        """Bring up to date what is not counted at a request."""
        state, metrics = self.state, self.metrics
        bundles = [predictor.scorer.bundle for predictor in state.predictors.values()]
        metrics.serving({bundle.name: bundle.version for bundle in bundles})
        metrics.queue(state.queue.length, state.queue.limit)
        for part, reason in dict(state.degraded).items():
            metrics.degraded(part, bool(reason))
        journal = getattr(state, "journal", None)
        if journal is not None:
            counters = journal.counters
            metrics.audit(counters.pending)
            metrics.audit_failed(self._told.more("failures", counters.failures))
            metrics.audit_lost(self._told.more("dropped", counters.dropped + counters.refused))
        if self._stream is not None:
            more = self._told.more("left_out", self._stream.left_out)
            metrics.log_lines_left_out("stderr", more)


class _Counted:
    """By how much each running total has grown since it was last told."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}

    def more(self, name: str, total: int) -> int:
        """The growth."""
        grown = total - self._last.get(name, 0)
        self._last[name] = total
        return max(grown, 0)
