"""Under load: bad requests, killed workers, broken bundles, a database that is locked or full.

While all that happens, good requests are answered by one version and none with a 5xx, and what was
acknowledged is there afterwards: every feedback in the store, and an audit row for every score.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.trailers import endless_trailers, memory
from serving.bundles.publish import publish_once
from serving.process.trial import free_port
from serving.store.store import Store, open_store
from tests.helpers.histories import history
from tests.helpers.launched import BODY, JSON, LEAD, Clients, Launched, launched
from tests.helpers.scored import bundle_of
from training.models import bundle as bundles

NAME = "lead_conversion"
MARK = "m4rked"
"""In every value of the bad requests, and to be found in no log."""

LOADED = 2.0
"""Seconds of load around each disturbance."""


class Writer:
    """A thread that sends feedback without a pause, and keeps what was acknowledged."""

    def __init__(self, service: Launched) -> None:
        self.service, self.acknowledged = service, list[str]()
        self.refused: list[tuple[int, str, str]] = []
        self._stop, self._n = threading.Event(), 0
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _write(self) -> None:
        with httpx.Client(base_url=self.service.address, timeout=30, headers=JSON) as client:
            while not self._stop.is_set():
                self._n += 1
                try:
                    self._say(client, f"{id(self)}-{self._n}")
                except httpx.TransportError:
                    continue  # nothing was acknowledged

    def _say(self, client: httpx.Client, key: str) -> None:
        said = {"entity": "leads", "id": key, "kind": "override", "probability": 0.5, "note": MARK}
        answer = client.post("/v1/feedback", json=said)
        if answer.status_code < 300:
            self.acknowledged.append(key)
        else:
            hint = answer.headers.get("retry-after", "")
            self.refused.append((answer.status_code, answer.json()["code"], hint))


class House:
    """The running service, its folders, and what its clients were told so far."""

    def __init__(self, root: Path, service: Launched, url: str, metrics: int, small: bool) -> None:
        self.root, self.service, self.url, self.metrics = root, service, url, metrics
        self.on_small_disk = small
        self.scored = 0
        self.acknowledged: list[str] = []

    @contextmanager
    def load(self) -> Iterator[tuple[Clients, Writer]]:
        """Clients and a writer around a block, and some seconds after it."""
        with Clients(self.service) as clients, Writer(self.service) as writer:
            time.sleep(LOADED / 2)
            yield clients, writer
            time.sleep(LOADED / 2)
        self.scored += clients.answered
        self.acknowledged += writer.acknowledged
        assert clients.answered > 20 and clients.bad == []

    def offer(self, place: Path) -> None:
        """Publish a bundle folder."""
        publish_once({NAME: place}, self.root / "served")

    def readiness(self) -> dict[str, Any]:
        """What /readyz says."""
        said: dict[str, Any] = self.service.get("/readyz").json()
        return said


@contextmanager
def _small_disk(folder: Path) -> Iterator[bool]:
    """A disk of 32 MiB at ``folder`` where this machine lets us mount one; whether it does."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    mounted = shutil.which("mount") and subprocess.run(command, capture_output=True).returncode == 0
    try:
        yield bool(mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("under_load")
    for version in ("v1", "v2"):
        made = replace(bundle_of("leads", history(3)), version=version)
        bundles.write(made, root / version)
    with _small_disk(root / "disk") as mounted:
        served, url = root / "disk" / "served", f"sqlite:///{root / 'disk' / 's.db'}"
        (root / "served").symlink_to(served)
        publish_once({NAME: root / "v1"}, served)
        metrics = free_port()
        more = {
            "DATABASE_URL": url,
            "EMBUDO_METRICS_PORT": str(metrics),
            "EMBUDO_HUBSPOT_SECRET": "a secret of at least some length",
        }
        with launched(served, root / "log", workers=2, more=more) as service:
            service.ready()
            service.until(lambda: len(service.workers()) == 2)
            yield House(root, service, url, metrics, mounted)


def _records(**change: Any) -> bytes:
    return orjson.dumps({"records": [{"lead": {**LEAD["lead"], **change}}]})


MARKED = f'{{"records": [{{"lead": {{"lead_id": "{MARK}", "source": %s}}}}]}}'
BAD: dict[str, tuple[bytes, dict[str, str]]] = {
    "not json": (b"{" + MARK.encode(), JSON),
    "invalid utf-8": (b'{"records": "m4rked\xff"}', JSON),
    "lone surrogate": ((MARKED % '"\\ud800"').encode(), JSON),
    "nul": ((MARKED % '"m4rked\\u0000"').encode(), JSON),
    "huge integer": ((MARKED % ("9" * 5000)).encode(), JSON),
    "nan": ((MARKED % "NaN").encode(), JSON),
    "1e999": ((MARKED % "1e999").encode(), JSON),
    "deep": (b"[" * 200_000, JSON),
    "deep objects": (b'{"m4rked":' * 50_000 + b"1" + b"}" * 50_000, JSON),
    "duplicate keys": (b'{"records": [], "records": [{"lead": {"lead_id": "m4rked"}}]}', JSON),
    "unknown keys": (_records(m4rked=MARK), JSON),
    "text": (BODY, {"content-type": "text/plain"}),
    "form": (b"a=m4rked", {"content-type": "application/x-www-form-urlencoded"}),
    "pickle": (b"\x80\x04m4rked.", {"content-type": "application/vnd.bentoml+pickle"}),
    "gzip": (b"\x1f\x8bm4rked", {**JSON, "content-encoding": "gzip"}),
    "missing fields": (b'{"records": [{"lead": {"source": "m4rked"}}]}', JSON),
    "permuted": (b'{"records": [{"activities": {"lead_id": "m4rked"}, "lead": []}]}', JSON),
    "future": (_records(lead_id=MARK, created_at="2999-01-01T00:00:00Z"), JSON),
    "duplicate ids": (orjson.dumps({"records": [LEAD, LEAD]}), JSON),
    "empty batch": (b'{"records": []}', JSON),
    "large batch": (orjson.dumps({"records": [{"lead": {"lead_id": MARK}}] * 1001}), JSON),
    "over-size": (b" " * (8 * 2**20 + 1), JSON),
    "wrong key": (BODY, {**JSON, "authorization": f"Bearer {MARK}"}),
    "good, for the log": (_records(lead_id=MARK, source=MARK, status=MARK), JSON),
    "odd request id": (BODY, {**JSON, "x-request-id": f"{MARK} @"}),
}


def _ask(house: House, path: str, body: Any, headers: dict[str, str], **more: Any) -> int:
    address = house.service.address.removeprefix("http://")
    with closing(http.client.HTTPConnection(address, timeout=30)) as connection:
        connection.request("POST", path, body, headers, **more)
        answer = connection.getresponse()
        said = orjson.loads(answer.read())
        assert said["request_id"], said
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/problem+json" and said["code"]
        assert MARK not in str(said.get("detail")) or answer.status < 400, said
    return answer.status


def test_bad_requests_are_told_so_and_good_ones_do_not_notice(house: House) -> None:
    with house.load() as (clients, _):
        status = {
            name: _ask(house, "/v1/leads/score", body, headers)
            for name, (body, headers) in BAD.items()
        }
        chunks = (b" " * 2**20 for _ in range(9))
        chunked = _ask(house, "/v1/leads/score", chunks, JSON, encode_chunked=True)
        stale = {"x-hubspot-signature-v3": MARK, "x-hubspot-request-timestamp": "1", **JSON}
        signed = _ask(house, "/v1/webhooks/hubspot", b"[]", stale)
    by_record = {"nul", "future", "duplicate ids", "missing fields", "unknown keys", "permuted"}
    answered = {name for name, code in status.items() if code == 200}
    assert answered <= by_record | {
        "good, for the log",
        "odd request id",
        "wrong key",
        "huge integer",
    }, status
    assert all(400 <= code < 500 for name, code in status.items() if name not in answered), status
    assert status["good, for the log"] == 200
    assert (status["over-size"], chunked, signed) == (413, 413, 401)
    assert clients.broken == 0 and clients.versions == {"v1"}


def test_trailers_without_end_cost_no_memory(house: House) -> None:
    """Twenty connections before any key; `python -m benchmarks.trailers` measures a minute."""
    before = memory(house.service.process.pid)
    with house.load() as (clients, _), endless_trailers(house.service.port, 20) as sent:
        time.sleep(LOADED)
        after = memory(house.service.process.pid)
    assert min(sent) > 0 and clients.broken == 0
    assert after - before < 50 * 2**20


def test_a_killed_worker_loses_only_its_own_requests(house: House) -> None:
    before = house.service.workers()
    with house.load() as (clients, _):
        os.kill(before[0].pid, signal.SIGKILL)
        house.service.until(lambda: before[0].pid not in {w.pid for w in house.service.workers()})
    assert clients.broken <= 4 + 1, "one request of each connection that the worker had"
    house.service.until(lambda: len(house.service.workers()) == 2)


@pytest.mark.parametrize("how", ["cut short", "edited", "without a file"])
def test_a_broken_bundle_changes_nothing_but_what_readyz_says(house: House, how: str) -> None:
    place = house.root / how.replace(" ", "_")
    shutil.copytree(house.root / "v2", place)
    largest = max(place.iterdir(), key=lambda path: path.stat().st_size)
    content = largest.read_bytes()
    if how == "without a file":
        largest.unlink()
    else:
        half = len(content) // 2
        cut = content[:half]
        largest.write_bytes(cut if how == "cut short" else cut + b"7" + content[half + 1 :])
    with house.load() as (clients, _):
        house.offer(place)
        house.service.until(lambda: "refused" in str(house.readiness()["reasons"]))
        assert house.readiness()["models"] == {NAME: "v1"}
    assert clients.versions == {"v1"} and clients.broken == 0
    house.offer(house.root / "v1")
    house.service.until(lambda: "refused" not in str(house.readiness()["reasons"]))


def test_a_locked_database_stops_no_score(house: House) -> None:
    """Another process holds the database for longer than the service waits for it."""
    with house.load() as (clients, writer), closing(_database(house)) as other:
        other.execute("BEGIN EXCLUSIVE")
        time.sleep(6)
        other.rollback()
    assert clients.broken == 0
    assert {(status, code) for status, code, _ in writer.refused} <= {(503, "store_busy")}
    assert all(hint for _, _, hint in writer.refused)


def _database(house: House) -> sqlite3.Connection:
    path = house.url.removeprefix("sqlite:///")
    return sqlite3.connect(path, timeout=30, isolation_level=None)


def test_a_full_disk_stops_no_score(house: House) -> None:
    """The disk of the database and of the journal is filled to the last byte, then freed."""
    if not house.on_small_disk:
        pytest.skip("this machine lets us mount no small disk")
    filling = house.root / "disk" / "filling"
    with house.load() as (clients, writer):
        with filling.open("wb", buffering=0) as file:
            _fill(file)
            time.sleep(3)
            _fill(file)
            time.sleep(2)
        filling.unlink()
    assert clients.broken == 0
    assert {code for _, code, _ in writer.refused} <= {"store_full", "store_busy"}
    assert writer.refused, "a full disk takes no feedback, and that is said"
    house.service.until(lambda: not house.readiness()["degraded"])


def _fill(file: Any) -> None:
    """Write until the disk takes nothing more."""
    for size in (2**20, 2**12, 1):
        try:
            while True:
                file.write(b" " * size)
        except OSError:
            continue


def test_afterwards_everything_acknowledged_is_there(house: House) -> None:
    with closing(open_store(house.url)) as store:
        lost = [key for key in house.acknowledged if not store.feedback.of("leads", key)]
        assert len(house.acknowledged) > 20 and lost == []
        house.service.until(lambda: _audited(store) >= house.scored)


def _audited(store: Store) -> int:
    with store.engine.connect() as connection:
        counted = connection.exec_driver_sql("SELECT count(*) FROM audit WHERE action = 'score'")
        return int(counted.scalar_one())


def _page(house: House) -> dict[tuple[Any, ...], float]:
    """What the metrics page says: name and labels -> value."""
    address = f"http://127.0.0.1:{house.metrics}/metrics"
    with urllib.request.urlopen(address, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_the_page_adds_up_over_the_workers_the_dead_one_included(house: House) -> None:
    two_again = ("embudo_model_workers", ("model", NAME), ("version", "v1"))
    house.service.until(lambda: _page(house).get(two_again) == 2)
    found = _page(house)
    route = ("route", "/v1/leads/score")
    scores = found["embudo_requests_total", ("method", "POST"), route, ("status", "200")]
    assert scores >= house.scored
    assert found["embudo_worker_starts_total",] >= 3
    refused = {k: v for k, v in found.items() if k[0] == "embudo_reloads_total"}
    assert any(("outcome", "served") not in key for key in refused), refused
    assert MARK not in str(found) and len(found) < 2_000


def test_the_log_is_lines_of_json_without_a_value(house: House) -> None:
    text = (house.root / "log").read_text(encoding="utf-8")
    assert MARK not in text and LEAD["lead"]["lead_id"] != ""
    lines = [orjson.loads(line) for line in text.splitlines() if not line.startswith("serving ")]
    requests = [line for line in lines if line["logger"] == "embudo.requests"]
    assert {"/v1/leads/score", "/v1/feedback"} <= {line["route"] for line in requests}
    assert all(line["status"] < 500 or line["code"].startswith("store_") for line in requests)
    hashed = {line["entity_hash"] for line in requests if "entity_hash" in line}
    assert hashed and all(len(one) >= 32 for one in hashed), "the id is hashed"
