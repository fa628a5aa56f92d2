"""Prometheus metrics of the service: what is counted, under which bounded labels.

No label holds what a client wrote: routes are templates, methods, codes and models come from closed
sets. Several worker processes add up through prometheus_client's multiprocess mode (``pages``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serving.telemetry.request_log import RequestLog

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
SHARES = tuple(round(0.05 * i, 2) for i in range(1, 21))
TURNED_AWAY = ("overloaded", "too_late")
"""Codes of requests that were not worked on because of load."""

MOST_LABELS = 200
"""Values of one label; later ones are counted as "other", should a code ever be made of data."""


class Metrics:
    """Every metric of the service, by the names that ``docs/operations.md`` lists."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter(
            "requests", "requests answered", ["method", "route", "status"]
        )
        self._seconds = Histogram(
            "embudo_request_seconds",
            "time from the first byte read to the last byte written",
            ["method", "route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self._errors = self._counter("errors", "problems by their stable code", ["code"])
        self._records = self._counter(
            "records", "records by result: scored, or the code of their fault", ["entity", "result"]
        )
        self._scores = Histogram(
            "embudo_score",
            "the scores given",
            ["model"],
            buckets=SHARES,
            registry=self.registry,
        )
        self._models = self._gauge(
            "model_workers", "workers that serve this version", ["model", "version"]
        )
        self._reloads = self._counter(
            "reloads", "bundles taken up or refused; code of the refusal", ["model", "outcome"]
        )
        self._refused = self._gauge(
            "bundle_refused", "workers that refuse the newest bundle", ["model", "code"]
        )
        self._queue = self._gauge("queue_length", "requests waiting or at work", [])
        self._room = self._gauge("queue_limit", "requests that may wait or be at work", [])
        self._turned_away = self._counter(
            "refusals", "requests not worked on because of load", ["reason"]
        )
        self._pending = self._gauge("audit_pending", "audit rows not yet in the store", [])
        self._audit_failures = self._counter(
            "audit_failures", "times the store did not take the audit rows", []
        )
        self._audit_lost = self._counter("audit_lost", "audit rows lost", [])
        self._degraded = self._gauge("degraded", "1: something beside scoring fails", ["part"])
        self._starts = self._counter("worker_starts", "worker processes started", [])
        self._unlogged = self._counter("log_lines_left_out", "log lines not written", ["reason"])
        self._children: dict[tuple[Any, ...], Any] = {}
        self._labels: dict[str, set[str]] = {}
        self._serving: dict[str, str] = {}
        # there from the start, so that a rise can be seen
        for reason in ("ration", "stderr"):
            self.log_lines_left_out(reason, 0)
        for code in TURNED_AWAY:
            self._of(self._turned_away, code)

    def _counter(self, name: str, help_text: str, labels: Iterable[str]) -> Counter:
        return Counter(f"embudo_{name}_total", help_text, list(labels), registry=self.registry)

    def _gauge(self, name: str, help_text: str, labels: Iterable[str]) -> Gauge:
        """A gauge whose page is the sum over the processes that live."""
        return Gauge(
            f"embudo_{name}",
            help_text,
            list(labels),
            registry=self.registry,
            multiprocess_mode="livesum",
        )

    def _of(self, metric: Any, *labels: str) -> Any:
        """The metric's child; looking it up in our own dictionary is a third of ``labels()``."""
        key = (metric, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def _bounded(self, label: str, value: str) -> str:
        known = self._labels.setdefault(label, set())
        if value not in known:
            if len(known) >= MOST_LABELS:
                return "other"
            known.add(value)
        return value

    def request(
        self, method: str, route: str, status: str, seconds: float, log: RequestLog
    ) -> None:
        """Count a request that is over."""
        self._of(self._requests, method, route, status).inc()
        self._of(self._seconds, method, route).observe(seconds)
        if log.code:
            self._of(self._errors, self._bounded("code", log.code)).inc()
            if log.code in TURNED_AWAY:
                self._of(self._turned_away, log.code).inc()
        if log.scores:
            self._of(self._records, log.entity, "scored").inc(len(log.scores))
            shares = self._of(self._scores, self._bounded("model", log.model))
            for score in log.scores:
                shares.observe(score)
        for code, n in log.faults.items():
            self._of(self._records, log.entity, self._bounded("fault", code)).inc(n)

    def serving(self, versions: Mapping[str, str]) -> None:
        """Say which version of each model (name -> version) this process serves from now on."""
        for name, version in self._serving.items():
            if versions.get(name) != version:
                self._models.labels(self._bounded("model", name), version).set(0)
        for name, version in versions.items():
            self._models.labels(self._bounded("model", name), version).set(1)
        self._serving = dict(versions)

    def reloaded(self, model: str, refusal: str = "") -> None:
        """Count a bundle taken up, or refused for the reason with this code."""
        model = self._bounded("model", model)
        outcome = self._bounded("refusal", refusal) if refusal else "served"
        self._of(self._reloads, model, outcome).inc()
        for code in self._labels.get("refusal", set()):
            self._of(self._refused, model, code).set(float(code == refusal))

    def queue(self, length: int, limit: int) -> None:
        """Say how many requests wait or are at work here, and how many may."""
        self._queue.set(length)
        self._room.set(limit)

    def audit(self, pending: int) -> None:
        """Say how many audit rows of this process the store has not got yet."""
        self._pending.set(pending)

    def audit_failed(self, times: int) -> None:
        """Count times at which the store did not take the audit rows."""
        self._audit_failures.inc(times)

    def audit_lost(self, rows: int) -> None:
        """Count audit rows that neither disk nor memory nor store would take."""
        self._audit_lost.inc(rows)

    def degraded(self, part: str, failing: bool) -> None:
        """Say whether a part beside scoring (the store, the audit) fails in this process."""
        self._of(self._degraded, self._bounded("part", part)).set(float(failing))

    def worker_started(self) -> None:
        """Count this process."""
        self._starts.inc()

    def log_lines_left_out(self, reason: str, n: int = 1) -> None:
        """Count log lines that were not written."""
        self._of(self._unlogged, reason).inc(n)
