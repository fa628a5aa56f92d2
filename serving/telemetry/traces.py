"""OpenTelemetry traces of the requests, when the standard ``OTEL_*`` variables ask for them.

``OTEL_EXPORTER_OTLP_ENDPOINT`` (or ``…_TRACES_ENDPOINT``) or ``OTEL_TRACES_EXPORTER=otlp`` asks;
``OTEL_SDK_DISABLED=true`` and ``OTEL_TRACES_EXPORTER=none`` refuse. Everything else of the
specification (name, headers, sampler, batch) is read by the SDK itself. Without them the SDK is not
even imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from serving.telemetry.request_log import RequestLog

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_HEADERS = ("traceparent", "tracestate", "baggage")


def asked_for(environment: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    if exporters:
        return "otlp" in (name.strip() for name in exporters.split(","))
    return any(environment.get(name, "").strip() for name in ENDPOINTS)


class Traces:
    """Writes a finished request as spans: the request, and its steps (read, score, store)."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        """``exporter``: another way out than OTLP over HTTP, for tests."""
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # dear, and seldom asked for
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

        resource = Resource.create()
        if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": "embudo"}))
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or _otlp()))
        self._tracer = self._provider.get_tracer("embudo")

    def request(
        self,
        method: str,
        route: str,
        status: int,
        headers: Iterable[tuple[bytes, bytes]],
        ended_at: int,
        log: RequestLog,
        ended: int,
    ) -> None:
        """Write the spans; ``ended_at`` nanoseconds since 1970, ``ended`` of the stopwatch."""
        from opentelemetry import propagate, trace  # noqa: PLC0415

        offset = ended_at - ended
        span = self._tracer.start_span(
            f"{method} {route}",
            context=propagate.extract(_carrier(headers)),
            kind=trace.SpanKind.SERVER,
            attributes=attributes(method, route, status, log),
            start_time=log.started + offset,
        )
        if status >= 500:
            span.set_status(trace.StatusCode.ERROR)
        inside = trace.set_span_in_context(span)
        for name, start, end in log.steps:
            step = self._tracer.start_span(name, context=inside, start_time=start + offset)
            step.end(end + offset)
        span.end(ended_at)

    def close(self) -> None:
        """Send what waits."""
        self._provider.shutdown()


def _otlp() -> SpanExporter:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter,
    )

    return OTLPSpanExporter()


def _carrier(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The caller's trace context."""
    message = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    return {name: message[name] for name in _HEADERS if name in message}


def attributes(method: str, route: str, status: int, log: RequestLog) -> dict[str, Any]:
    """What a span says of its request: names by the semantic conventions, then our own."""
    message = {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": status,
        "embudo.request_id": log.request_id,
        "embudo.model": log.model,
        "embudo.version": log.version,
        "embudo.entity_hash": log.subject,
        "error.type": log.code,
        "embudo.records.scored": len(log.scores),
        "embudo.records.refused": sum(log.faults.values()),
    }
    return {name: value for name, value in message.items() if value != ""}
