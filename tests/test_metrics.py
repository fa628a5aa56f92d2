"""Metrics: what is counted under bounded labels, processes on one page, and the dashboard."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from serving.telemetry.metrics import MOST_LABELS, Metrics
from serving.telemetry.metrics_folder import shared_folder
from serving.telemetry.metrics_page import page, page_server
from serving.telemetry.middleware import GONE, TelemetryMiddleware
from serving.telemetry.request_log import RequestLog, log_of
from serving.telemetry.route_templates import METHODS, UNKNOWN, RouteTemplates, method_of

ROOT = Path(__file__).parents[1]
SCORE = "/v1/leads/score"
ANSWER = {
    "model": {"name": "lead_conversion", "version": "7"},
    "results": [
        {"probability": 0.12},
        {"error": {"code": "missing_field"}},
        {"probability": 0.92},
    ],
}


def _samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def _of(metrics: Metrics, name: str, **labels: str) -> float:
    text = generate_latest(metrics.registry).decode()
    return _samples(text)[name, tuple(sorted(labels.items()))]


async def _inner(scope: Any, _: Any, send: Any) -> None:
    if scope["path"].startswith("/gone"):
        raise asyncio.CancelledError
    seen = log_of(scope)
    bad = scope["path"] == "/v1/leads/S-1/score"
    if bad:
        seen.code = "not_found"
    else:
        seen.answered("leads", ANSWER)
    await send({"type": "http.response.start", "status": 404 if bad else 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _ask(app: Any, path: str, method: str = "POST") -> None:
    async def send(_: Any) -> None:
        pass

    scope = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(app(scope, None, send))


def _watched(metrics: Metrics) -> TelemetryMiddleware:
    routes = [SCORE, "/v1/leads/{entity_id}/score", "/{path:path}"]
    return TelemetryMiddleware(_inner, routes, metrics, lambda _: None, lambda: 0)


def test_a_request_is_counted_by_its_template_its_records_and_its_scores() -> None:
    metrics = Metrics()
    _ask(_watched(metrics), SCORE)
    request = {"method": "POST", "route": SCORE}
    assert _of(metrics, "embudo_requests_total", **request, status="200") == 1
    assert _of(metrics, "embudo_request_seconds_count", **request) == 1
    assert _of(metrics, "embudo_records_total", entity="leads", result="scored") == 2
    assert _of(metrics, "embudo_records_total", entity="leads", result="missing_field") == 1
    assert _of(metrics, "embudo_score_bucket", model="lead_conversion", le="0.15") == 1
    assert _of(metrics, "embudo_score_bucket", model="lead_conversion", le="1.0") == 2
    assert _of(metrics, "embudo_score_sum", model="lead_conversion") == pytest.approx(1.04)


def test_ten_thousand_paths_and_methods_make_no_new_labels() -> None:
    """A stranger who asks for random paths must not fill the memory (STACK B24)."""
    metrics = Metrics()
    watched = _watched(metrics)
    _ask(watched, "/v1/leads/S-1/score", "GET")
    _ask(watched, "/x/0", "BREW")
    _ask(watched, "/x/0", "GET")
    before = len(generate_latest(metrics.registry))
    for i in range(300):
        _ask(watched, f"/x/{i}/{i}", f"M{i}")
        _ask(watched, f"/v1/leads/S-1/score/{i}", "GET")
    text = generate_latest(metrics.registry).decode()
    assert abs(len(text) - before) < 200, "only digits of counts may have been added"
    assert "S-1" not in text and 'route="/v1/leads/{entity_id}/score"' in text
    assert f'method="{UNKNOWN}",route="{UNKNOWN}"' in text


def test_codes_made_of_data_would_be_bounded() -> None:
    metrics = Metrics()
    for i in range(MOST_LABELS + 50):
        seen = RequestLog()
        seen.code = f"code_{i}"
        metrics.request("POST", SCORE, "422", 0.1, seen)
    assert _of(metrics, "embudo_errors_total", code="other") == 50


def test_a_client_that_went_away_is_counted_and_the_end_goes_on_upwards() -> None:
    metrics = Metrics()
    with pytest.raises(asyncio.CancelledError):
        _ask(_watched(metrics), "/gone")
    labels = {"method": "POST", "route": UNKNOWN, "status": str(GONE)}
    assert _of(metrics, "embudo_requests_total", **labels) == 1


def test_a_swap_moves_the_worker_from_one_version_to_the_other() -> None:
    metrics = Metrics()
    metrics.serving({"churn": "1", "deal_close": "4"})
    metrics.serving({"churn": "2", "deal_close": "4"})
    serving = {
        (v, m): _of(metrics, "embudo_model_workers", model=m, version=v)
        for m, v in (("churn", "1"), ("churn", "2"), ("deal_close", "4"))
    }
    assert serving == {("1", "churn"): 0, ("2", "churn"): 1, ("4", "deal_close"): 1}


def test_who_is_turned_away_is_counted() -> None:
    metrics = Metrics()
    for code, status in (("overloaded", "429"), ("overloaded", "429"), ("no_model", "503")):
        seen = RequestLog()
        seen.code = code
        metrics.request("POST", SCORE, status, 0.001, seen)
    assert _of(metrics, "embudo_refusals_total", reason="overloaded") == 2
    assert _of(metrics, "embudo_refusals_total", reason="too_late") == 0


def test_a_refusal_stands_until_a_bundle_is_taken_up() -> None:
    metrics = Metrics()
    metrics.reloaded("churn", "checksum")
    metrics.reloaded("churn", "not_whole")
    assert _of(metrics, "embudo_bundle_refused", model="churn", code="not_whole") == 1
    assert _of(metrics, "embudo_bundle_refused", model="churn", code="checksum") == 0
    metrics.reloaded("churn")
    assert _of(metrics, "embudo_bundle_refused", model="churn", code="not_whole") == 0
    assert _of(metrics, "embudo_reloads_total", model="churn", outcome="served") == 1


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1/leads/score", "/v1/leads/score"),
        ("/v1/leads/a%2Fb/score", "/v1/leads/{entity_id}/score"),
        ("/v1/leads/a/b/score", UNKNOWN),
        ("/v1/leads/", UNKNOWN),
        ("", UNKNOWN),
        ("/v1/leads/score\n", UNKNOWN),
    ],
)
def test_templates(path: str, template: str) -> None:
    known = RouteTemplates(["/v1/leads/score", "/v1/leads/{entity_id}/score", "/{path:path}"])
    assert known.of(path) == template
    assert method_of("GET") in METHODS and method_of("get") == UNKNOWN


COUNTING = """
import sys
from serving.telemetry.metrics import Metrics
from serving.telemetry.request_log import RequestLog
metrics = Metrics()
metrics.worker_started()
metrics.queue(int(sys.argv[1]), 64)
for _ in range(int(sys.argv[1])):
    metrics.request("POST", "/v1/leads/score", "200", 0.003, RequestLog())
print("done", flush=True)
sys.stdin.read()
"""


def _process(folder: Path, n: int) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        [sys.executable, "-c", COUNTING, str(n)],
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == b"done\n"
    return child


def _end(child: subprocess.Popen[bytes], kill: bool = False) -> None:
    assert child.stdin is not None and child.stdout is not None
    if kill:
        child.kill()
    child.stdin.close()
    child.stdout.close()
    child.wait(10)


def test_processes_add_up_and_a_killed_one_loses_no_count(tmp_path: Path) -> None:
    """Counters go on; what says how things stand now is only of those that live."""
    first, second = _process(tmp_path, 5), _process(tmp_path, 7)
    request = (("method", "POST"), ("route", SCORE))
    key = "embudo_requests_total", (*request, ("status", "200"))
    both = _samples(page(tmp_path).decode())
    assert both[key] == 12 and both["embudo_queue_length", ()] == 12
    memory = [labels for name, labels in both if name == "embudo_process_resident_bytes"]
    assert memory == [(("pid", str(p)),) for p in sorted((first.pid, second.pid))]
    _end(first, kill=True)
    one = _samples(page(tmp_path).decode())
    assert one[key] == 12 and one["embudo_queue_length", ()] == 7
    assert one["embudo_request_seconds_count", request] == 12
    assert one["embudo_request_seconds_bucket", (("le", "0.005"), *request)] == 12
    third = _process(tmp_path, 1)
    _end(second)
    _end(third)
    assert _samples(page(tmp_path).decode())[key] == 13
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"counter_0.db", "histogram_0.db"}, "the dead leave nothing else"


def test_the_page_is_on_loopback_only() -> None:
    with shared_folder() as folder:
        child = _process(folder, 3)
        port = page_server(folder, 0)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        _end(child)
        listening = Path("/proc/net/tcp").read_text(encoding="ascii")
    assert 'embudo_requests_total{method="POST"' in text and "embudo_worker_starts_total" in text
    assert f"0100007F:{port:04X} 00000000:0000 0A" in listening, "127.0.0.1, and nothing wider"
    assert not folder.exists()


def _names() -> set[str]:
    """Every name a page may hold, from the registry itself."""
    found = {"embudo_process_resident_bytes"}
    for family in Metrics().registry.collect():
        if family.type == "counter":
            found.add(f"{family.name}_total")
        elif family.type == "histogram":
            found |= {f"{family.name}_{part}" for part in ("bucket", "sum", "count")}
        else:
            found.add(family.name)
    return found


def _expressions(node: Any) -> Iterable[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in ("expr", "query") and isinstance(value, str):
                yield value
            else:
                yield from _expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _expressions(value)


def test_the_dashboard_asks_for_metrics_that_exist_and_misses_none() -> None:
    dashboard = json.loads((ROOT / "docs/grafana.json").read_text(encoding="utf-8"))
    asked = {n for said in _expressions(dashboard) for n in re.findall(r"embudo_\w+", said)}
    assert asked <= _names()
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in _names()}
    assert {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked} == families


def test_the_operations_page_lists_every_metric() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `(embudo_\w+)` \|", text, re.M))
    assert listed == {re.sub(r"_(bucket|sum|count)$", "", name) for name in _names()}
