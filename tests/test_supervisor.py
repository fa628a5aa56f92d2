"""`serve`: probes at once, nothing lost but a killed worker's own, drained at the end."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import pytest

from serving.bundles.folder import read_pointer
from serving.bundles.publish import publish_once
from tests.helpers.histories import history
from tests.helpers.launched import BODY, LEAD, Clients, Launched, launched
from tests.helpers.scored import bundle_of
from training.models import bundle as bundles

NAME = "lead_conversion"
SMALL = {"EMBUDO_QUEUE": "2", "EMBUDO_BODY_SECONDS": "3"}


def _version(root: Path, version: str) -> dict[str, Path]:
    """A champion of the version."""
    place = root / version
    if not place.exists():
        bundles.write(replace(bundle_of("leads", history(3)), version=version), place)
    return {NAME: place}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("launched")


@pytest.fixture(scope="module")
def service(root: Path) -> Iterator[Launched]:
    """Two workers over a folder whose pointer the tests move."""
    publish_once(_version(root, "v1"), root / "served")
    with launched(root / "served", root / "log", workers=2) as running:
        running.ready()
        running.until(lambda: len(running.workers()) == 2)
        yield running


def test_one_worker_from_its_first_moment_to_its_last(root: Path) -> None:
    """Nothing is loaded when the first probe is answered: imports take seconds."""
    with launched(root / "none", root / "early.log", more=SMALL) as running:
        _before_the_workers(running)
        late = running.until(lambda: _reasons(running, "no model is loaded"))
        assert "cannot be read" in late[1], "a folder that is not there is said"
        running.until(lambda: running.score().json()["code"] == "no_model")
        publish_once(_version(root, "v1"), root / "none")
        running.ready()
        assert running.score().status_code == 200
        assert len(running.workers()) == 1 and running.process.poll() is None
        _turn_away(running)
        _slow_heads_are_not_waited_for(running)
        _one_that_is_told_to_end_is_replaced(running)
        _drain(running)


def _before_the_workers(running: Launched) -> None:
    first = running.until(lambda: running.get("/livez", 1.0), 10.0)
    assert (first.status_code, first.json()["status"]) == (200, "alive")
    early = running.get("/readyz", 1.0)
    assert (early.status_code, early.json()["status"]) == (503, "not ready")
    assert early.json()["reasons"] == ["the workers are starting"]
    refused = running.score(seconds=1.0)
    assert (refused.status_code, refused.json()["code"]) == (503, "starting")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["retry-after"] == "1"


def _turn_away(running: Launched) -> None:
    """A line of two places: of many at once some are scored, the others told when to come."""
    assert set(_at_once(running, 60)) == {200, 429}
    running.until(lambda: running.score().status_code == 200)


def _one_that_is_told_to_end_is_replaced(running: Launched) -> None:
    """As an operator may: it hands back what it was dealt, and no request fails."""
    (worker,) = running.workers()
    worker.terminate()
    running.until(lambda: any(w.pid != worker.pid for w in running.workers()))
    running.ready()
    assert running.score().status_code == 200


def _slow_heads_are_not_waited_for(running: Launched) -> None:
    """A head that never ends is one connection, not one for ever."""
    with socket.create_connection(("127.0.0.1", running.port), 40) as slow:
        slow.sendall(b"POST /v1/leads/score HTTP/1.1\r\nhost: localhost\r\n")
        assert slow.recv(65536).startswith(b"HTTP/1.1 408 ")


def _drain(running: Launched) -> None:
    """A large request is under way when the signal comes: it is answered, then all end with 0."""
    family = psutil.Process(running.process.pid).children(recursive=True)
    records = [{"lead": {**LEAD["lead"], "lead_id": str(n)}} for n in range(1000)]
    body = orjson.dumps({"as_of": "2024-01-01T00:00:00Z", "records": records})
    got: list[httpx.Response] = []
    asking = threading.Thread(target=lambda: got.append(running.score(body)))
    asking.start()
    running.until(lambda: any(_held(running)), 10.0)
    assert running.stop() == 0
    asking.join(30)
    assert got[0].status_code == 200 and len(got[0].json()["results"]) == 1000
    with pytest.raises(httpx.ConnectError):
        running.get("/livez")
    gone, alive = psutil.wait_procs(family, 10)
    assert gone and not alive


def _reasons(running: Launched, first: str) -> list[str]:
    said: list[str] = running.get("/readyz").json()["reasons"]
    return said if said[0] == first else []


def test_connections_are_dealt_out_evenly(service: Launched) -> None:
    service.until(lambda: _all_serve(service, "v1"))
    opened = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(8)]
    try:
        # one that was closing while these were dealt may have counted: two apart at most
        service.until(lambda: len(opened) <= sum(_held(service)) and _even(service), 30.0)
    finally:
        for one in opened:
            one.close()


def test_a_promotion_is_taken_up_within_seconds_and_no_request_fails(
    service: Launched, root: Path
) -> None:
    with Clients(service) as clients:
        service.until(lambda: clients.answered > 20)
        publish_once(_version(root, "v2"), root / "served")
        service.until(lambda: "v2" in clients.versions)
        service.until(lambda: _all_serve(service, "v2"))
        publish_once(_version(root, "v1"), root / "served")
        service.until(lambda: _all_serve(service, "v1"))
    assert (clients.bad, clients.broken) == ([], 0)
    assert clients.versions == {"v1", "v2"}


def _all_serve(service: Launched, version: str) -> bool:
    """Whether some answers in a row, over connections that are dealt out in turn, have it."""
    told = [service.score().json()["model"]["version"] for _ in range(6)]
    return set(told) == {version}


def test_a_corrupt_promotion_is_refused_under_load_and_said(service: Launched, root: Path) -> None:
    before = service.workers()
    with Clients(service) as clients:
        service.until(lambda: clients.answered > 20)
        publish_once(_version(root, "v3"), root / "served")
        pointer = read_pointer(root / "served")
        assert pointer is not None
        place = root / "served" / pointer.bundles[NAME]
        text = next(place.glob("*.txt"))
        text.write_bytes(text.read_bytes()[:1000])
        said = service.until(lambda: _refused(service))
    assert said["status"] == "ready" and said["degraded"]
    assert "has changed since it was written" in said["reasons"][0]
    assert (clients.bad, clients.broken) == ([], 0) and clients.versions <= {"v1", "v3"}
    assert [w.pid for w in service.workers()] == [w.pid for w in before]
    publish_once(_version(root, "v1"), root / "served")
    service.until(lambda: _all_serve(service, "v1"))


def _refused(service: Launched) -> Any:
    said = service.get("/readyz").json()
    return said if said["reasons"] else None


def test_a_killed_worker_loses_its_own_requests_only(service: Launched) -> None:
    """Each of four clients has one request at a time, so at most that many are lost."""
    killed = service.workers()[0]
    with Clients(service) as clients:
        service.until(lambda: clients.answered > 20)
        killed.kill()
        service.until(lambda: len(service.workers()) == 2 and killed not in service.workers())
        answered = clients.answered
        service.until(lambda: clients.answered > answered + 20)
    assert clients.bad == [] and clients.broken <= 4
    assert service.process.poll() is None


def test_without_any_worker_the_responder_answers_and_without_a_supervisor_nobody(
    service: Launched,
) -> None:
    """The last test with this service: it ends with it."""
    for worker in service.workers():
        worker.kill()
    said = service.until(lambda: _responder(service))
    assert "ended with code -9 and is started again" in said["reasons"][0]
    assert service.get("/livez", 1.0).status_code == 200
    service.ready()
    service.until(lambda: len(service.workers()) == 2)
    family = psutil.Process(service.process.pid).children(recursive=True)
    service.process.kill()
    service.process.wait()
    _, alive = psutil.wait_procs(family, 120)
    assert not alive


def _responder(service: Launched) -> Any:
    answer = service.get("/readyz", 1.0)
    return answer.json() if answer.status_code == 503 else None


def _even(service: Launched) -> bool:
    held = _held(service)
    return len(held) == 2 and max(held) - min(held) <= 2


def _held(service: Launched) -> list[int]:
    """Established connections of each worker."""
    return [
        sum(
            c.laddr.port == service.port
            for c in w.net_connections("tcp")
            if c.status == "ESTABLISHED"
        )
        for w in service.workers()
    ]


def _at_once(running: Launched, number: int) -> list[int]:
    """The statuses of as many requests over as many connections, sent together."""
    head = "POST /v1/leads/score HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    raw = f"{head}connection: close\r\ncontent-length: {len(BODY)}\r\n\r\n".encode() + BODY
    opened = [socket.create_connection(("127.0.0.1", running.port), 30) for _ in range(number)]
    for one in opened:
        one.sendall(raw)
    statuses = []
    for one in opened:
        with one:
            whole = b"".join(iter(lambda one=one: one.recv(65536), b""))  # type: ignore[misc]
        head_line, _, rest = whole.partition(b"\r\n")
        statuses.append(int(head_line.split()[1]))
        if statuses[-1] == 429:
            assert b"retry-after: 1" in rest and b'"code":"overloaded"' in rest
    return statuses


def _serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "serving", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_a_taken_port_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _serve("serve", "--port", str(taken.getsockname()[1]), "--bundles", ".")
    assert done.returncode == 2 and "name another --port" in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_strangers_are_not_served_without_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/keys.db")
    done = _serve("serve", "--host", host, "--port", "0", "--bundles", str(tmp_path))
    assert done.returncode == 2 and "keys create" in done.stderr


def test_a_setting_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBUDO_QUEUE", "many")
    done = _serve("serve", "--port", "0", "--bundles", ".")
    assert done.returncode == 2 and "EMBUDO_QUEUE is 'many'" in done.stderr


def test_compiled_code_that_others_can_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    done = _serve("serve", "--port", "0", "--bundles", ".")
    assert done.returncode == 2 and "chmod 700" in done.stderr


def test_while_models_load_a_browser_gets_a_page_that_asks_again_and_a_program_json() -> None:
    from serving.process.startup import answer  # noqa: PLC0415

    browser = b"GET /calls HTTP/1.1\r\nAccept: text/html,*/*\r\nAccept-Language: es-ES\r\n\r\n"
    program = b"GET /calls HTTP/1.1\r\nAccept: */*\r\n\r\n"
    head, _, page = answer(browser, "loading").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503") and b"retry-after" in head
    assert b'http-equiv="refresh"' in page and b'lang="es"' in page
    for asked in (program, browser.replace(b"/calls", b"/v1/score")):
        assert json.loads(answer(asked, "loading").partition(b"\r\n\r\n")[2])["code"] == "starting"
