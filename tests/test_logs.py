"""Logs and traces: lines of JSON with names and numbers, spans where asked for, and no value."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from serving.telemetry.logs import LogWriter, configure, line_of, stamp
from serving.telemetry.metrics import Metrics
from serving.telemetry.middleware import LineLimit, TelemetryMiddleware
from serving.telemetry.request_log import log_of
from serving.telemetry.traces import ENDPOINTS, Traces, asked_for

ROOT = Path(__file__).parents[1]
MARK = "m4rked"


def _record(name: str, message: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    made = logging.LogRecord(name, logging.WARNING, "x.py", 1, message, arguments, None)
    vars(made).update(more)
    line: dict[str, Any] = orjson.loads(line_of(made))
    return line


def test_our_own_line_says_what_was_written() -> None:
    line = _record("embudo.reload", "serving %s, version %s", "churn", "7", facts={"ms": 1.5})
    assert line["message"] == "serving churn, version 7" and line["ms"] == 1.5
    assert (line["level"], line["logger"]) == ("warning", "embudo.reload")
    assert line["at"].endswith("Z") and line["pid"] is not None


@pytest.mark.parametrize(
    ("message", "arguments", "kept"),
    [
        ("Started server process [%d]", (41,), "Started server process [41]"),
        ('%s - "%s %s"', (MARK, MARK, MARK), '… - "… …"'),
        ("Task failed\nfuture: " + MARK, (), "Task failed"),
        ("%d rows", (MARK,), "%d rows"),
        ("odd %s %s", (MARK,), "odd %s %s"),
        ("at %(place)s", ({"place": MARK},), "at %(place)s"),
    ],
)
def test_what_others_say_loses_its_texts(message: str, arguments: Any, kept: str) -> None:
    line = _record("uvicorn.error", message, *arguments)
    assert line["message"] == kept and MARK not in str(line)


def test_an_exception_is_its_type_and_place() -> None:
    try:
        raise ValueError(MARK)
    except ValueError as wrong:
        trace = (ValueError, wrong, wrong.__traceback__)
    for name in ("embudo.service", "sqlalchemy.pool"):
        line = _record(name, "failed", exc_info=trace)
        assert line["failure"]["type"] == "ValueError" and MARK not in str(line)
        assert "test_logs.py" in line["failure"]["where"][-1]


@given(st.integers(0, 4_102_444_800_000_000))
def test_a_stamp_is_its_instant(at: int) -> None:
    read = datetime.fromisoformat(stamp(at)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert read.days * 86_400_000_000 + read.seconds * 1_000_000 + read.microseconds == at


def test_a_reader_that_does_not_read_stops_nobody() -> None:
    read, write = os.pipe()
    stream = LogWriter(write, waiting=50)
    for i in range(2_000):
        stream(b"%06d" % i + b" " * 1_000 + b"\n")
    assert stream.left_out >= 1_800
    os.close(read)  # now nobody ever will; that, too, is no failure
    stream.close()
    os.close(write)


def test_lines_keep_their_order_and_the_end_is_written(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with path.open("wb") as out:
        stream = LogWriter(out.fileno())
        for i in range(3_000):
            stream(b"%d\n" % i)
        stream.close()
    assert path.read_text().split() == [str(i) for i in range(3_000)]


@given(st.lists(st.integers(0, 3_000_000_000), max_size=60).map(sorted), st.integers(1, 5))
def test_a_ration_gives_so_many_a_second_and_forgets_none(instants: list[int], most: int) -> None:
    ration = LineLimit(most)
    given_out = [ration.take(at) for at in instants]
    for second in range(4):
        here = [g for at, g in zip(instants, given_out, strict=True) if at // 10**9 == second]
        assert sum(g is not None for g in here) == min(most, len(here))
    told = sum(g for g in given_out if g is not None)
    last = max((i for i, g in enumerate(given_out) if g is not None), default=-1)
    assert told == sum(g is None for g in given_out[: last + 1])


LOGGING = """
import logging, sys
from serving.telemetry.logs import LogWriter, configure
early = logging.getLogger("uvicorn.access"); early.addHandler(logging.StreamHandler())
stream = LogWriter()
configure(stream)
early.info('%s "%s"', "m4rked", "/v1/leads/m4rked/score")
logging.getLogger("sqlalchemy.pool").error("lost %s", "m4rked")
logging.getLogger("embudo.x").info("hello")
logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
stream.close()
"""


def test_every_logger_of_a_process_writes_such_lines() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING], cwd=ROOT, capture_output=True, check=True
    )
    lines = [orjson.loads(line) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["lost …", "hello", "Started server process [7]"]
    assert done.stdout == b""


def test_configure_leaves_pytest_its_own(caplog: pytest.LogCaptureFixture) -> None:
    """``configure`` belongs to a process of its own; nothing calls it on import."""
    assert callable(configure)
    with caplog.at_level(logging.INFO):
        logging.getLogger("embudo.x").info("kept")
    assert "kept" in caplog.text


# --- requests -------------------------------------------------------------------------------------


async def _inner(scope: Any, _: Any, send: Any) -> None:
    seen = log_of(scope)
    seen.request_id, seen.entity, seen.subject = "call-7", "leads", "9f2c"
    with seen.step("read"):
        pass
    with seen.step("score"):
        await asyncio.sleep(0.002)
    status = int(scope["path"].rpartition("/")[2])
    if status >= 400:
        seen.code = "bad_json"
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": MARK.encode()})


def _ask(app: Any, path: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    async def send(_: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": path, "headers": headers or []}
    asyncio.run(app(scope, None, send))


def _watched(
    lines: list[bytes], traces: Traces | None = None, most: int = 50
) -> TelemetryMiddleware:
    now = 1_704_067_200_000_000
    return TelemetryMiddleware(
        _inner, ["/{status}"], Metrics(), lines.append, lambda: now, traces, most
    )


def test_a_request_is_a_line_and_a_probe_is_not() -> None:
    lines: list[bytes] = []
    app = _watched(lines)
    _ask(app, "/200")
    (line,) = [orjson.loads(raw) for raw in lines]
    assert line["route"] == "/{status}" and line["status"] == 200 and line["level"] == "info"
    assert line["request_id"] == "call-7" and line["entity_hash"] == "9f2c"
    assert line["ms"] >= line["score_ms"] >= 2 and "code" not in line
    _ask(app, "/422")
    assert orjson.loads(lines[-1])["code"] == "bad_json"
    assert orjson.loads(lines[-1])["level"] == "warning"
    assert MARK not in str(lines) and "/200" not in str(lines[0])


def test_a_flood_is_rationed_and_the_next_line_says_how_many_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[bytes] = []
    app = _watched(lines, most=2)
    seconds = iter([5, 5, 5, 5, 6])
    monkeypatch.setattr(LineLimit, "take", _at(LineLimit.take, seconds))
    for _ in range(5):
        _ask(app, "/200")
    assert len(lines) == 3 and orjson.loads(lines[-1])["left_out_before"] == 2


def _at(take: Any, seconds: Iterator[int]) -> Any:
    return lambda ration, _: take(ration, next(seconds) * 1_000_000_000)


# --- traces ---------------------------------------------------------------------------------------


@contextmanager
def _receiver() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A real OTLP/HTTP receiver on loopback: its address, and what it got."""
    got: list[ExportTraceServiceRequest] = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                raw = gzip.decompress(raw)
            assert self.path == "/v1/traces"
            got.append(ExportTraceServiceRequest.FromString(raw))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_spans_of_a_request_reach_a_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with _receiver() as (address, got):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
        assert asked_for(os.environ)
        traces = Traces()
        _ask(_watched([], traces), "/200", [(b"traceparent", caller.encode())])
        _ask(_watched([], traces), "/503")
        traces.close()
    spans = {
        s.name: s for g in got for r in g.resource_spans for c in r.scope_spans for s in c.spans
    }
    assert set(spans) == {"GET /{status}", "read", "score"}
    resource = {a.key: a.value.string_value for a in got[0].resource_spans[0].resource.attributes}
    assert resource["service.name"] == "embudo" and resource["deployment.environment"] == "test"
    every = [s for g in got for r in g.resource_spans for c in r.scope_spans for s in c.spans]
    (first, second) = [s for s in every if s.name == "GET /{status}"]
    assert first.trace_id.hex() == caller.split("-")[1]
    assert first.parent_span_id.hex() == caller.split("-")[2]
    (score,) = [s for s in every if s.name == "score" and s.parent_span_id == first.span_id]
    assert first.start_time_unix_nano <= score.start_time_unix_nano
    assert score.end_time_unix_nano <= first.end_time_unix_nano == 1_704_067_200_000_000_000
    assert score.end_time_unix_nano - score.start_time_unix_nano >= 2_000_000
    assert second.status.code == 2 and first.status.code == 0
    said = {a.key: a.value.string_value for a in second.attributes}
    assert said["http.route"] == "/{status}" and said["error.type"] == "bad_json"
    assert MARK not in str(got)


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({ENDPOINTS[0]: ""}, False),
        ({ENDPOINTS[0]: "http://x"}, True),
        ({ENDPOINTS[1]: "http://x"}, True),
        ({ENDPOINTS[0]: "http://x", "OTEL_SDK_DISABLED": "true"}, False),
        ({ENDPOINTS[0]: "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "console, otlp"}, True),
    ],
)
def test_who_asks_for_traces(environment: dict[str, str], asked: bool) -> None:
    assert asked_for(environment) is asked


def test_without_traces_the_sdk_is_not_even_imported() -> None:
    code = "import sys, serving.telemetry.middleware; print('opentelemetry.sdk' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
