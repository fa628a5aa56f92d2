"""Try the service as a CRM would: start it, send one open entity, show the answer, stop it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from features.schema import TABLES
from features.tables import Tables

SECONDS_TO_START = 120
SECONDS_TO_STOP = 30


class TrialError(RuntimeError):
    """The service did not start, or did not answer."""


def command(port: int, bundles: Path, workers: int, plain: bool = False) -> list[str]:
    """The command line of the service; plain: as BentoML starts it, without our supervisor."""
    if plain:
        serve = ["-m", "bentoml", "serve", "serving.service:Embudo", "--host", "127.0.0.1"]
        return [sys.executable, *serve, "--port", str(port)]
    serve = ["-m", "serving", "--root", str(bundles.parent.resolve()), "serve"]
    options = ["--port", str(port), "--workers", str(workers), "--bundles", str(bundles.resolve())]
    return [sys.executable, *serve, *options]


def environment(bundles: Path, workers: int) -> dict[str, str]:
    """The service's environment: its bundles, its workers, and a store of its own beside them."""
    root = bundles.parent.resolve()
    return {
        **os.environ,
        "EMBUDO_BUNDLES": str(bundles.resolve()),
        "EMBUDO_ROOT": str(root),
        "EMBUDO_METRICS_PORT": "0",
        "DATABASE_URL": f"sqlite:///{root / 'trial.db'}",
        "BENTOML_CONFIG_OPTIONS": f"services.embudo.workers={workers}",
        "BENTOML_DO_NOT_TRACK": "True",
    }


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(bundles: Path, log: Path, workers: int = 1, plain: bool = False) -> Iterator[str]:
    """The service in a child process, ready to answer at the address given; stopped at the end.

    plain: started by BentoML instead of our supervisor.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        child = subprocess.Popen(
            command(port, bundles, workers, plain),
            env=environment(bundles, workers),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
        try:
            _wait_until_ready(child, address, log)
            yield address
        finally:
            child.terminate()
            try:
                child.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _wait_until_ready(child: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        if child.poll() is not None:
            break
        with (
            suppress(OSError),
            urllib.request.urlopen(f"{address}/readyz", timeout=2) as probe,
        ):
            if probe.status == 200:
                return
        time.sleep(0.2)
    said = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise TrialError(f"the service was not ready after {SECONDS_TO_START} s; its log ends:\n{said}")


def wait_for(address: str, entity: str, question: str = "") -> None:
    """Return once a model of the entity (and question) is loaded: ready means one of any is."""
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end:
        with (
            suppress(OSError),
            urllib.request.urlopen(f"{address}/v1/models", timeout=5) as answer,
        ):
            models = orjson.loads(answer.read())["models"]
            if any(m["entity"] == entity and question in ("", m["name"]) for m in models):
                return
        time.sleep(0.2)
    raise TrialError(f"no model of {entity} was loaded after {SECONDS_TO_START} s")


def send(address: str, entity: str, body: Mapping[str, Any], question: str = "") -> dict[str, Any]:
    """The answer to a request; TrialError with the service's own words where there is none."""
    request = urllib.request.Request(
        f"{address}/v1/{entity}/score{f'?question={question}' if question else ''}",
        orjson.dumps(body),
        {"content-type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = orjson.loads(response.read())
            return answer
    except urllib.error.HTTPError as refused:
        said = refused.read().decode("utf-8", errors="replace")
        raise TrialError(f"the service answered {refused.code}: {said}") from None


def liveliest(tables: Tables, entity: str, ids: list[str]) -> str:
    """Of some entities, the one with the most activities: it has something to tell."""
    coded = tables["activities"].coded(TABLES[entity].key)
    counts = np.bincount(coded.codes[coded.codes >= 0], minlength=len(coded.values))
    number = dict(zip(coded.values, counts.tolist(), strict=True))
    return max(ids, key=lambda i: number.get(i, 0))


def answer_text(answer: Mapping[str, Any]) -> str:
    """An answer of one record as text for people."""
    result, model = answer["results"][0], answer["model"]
    if "error" in result:
        return f"{result['id']} was not scored: {result['error']['message']}"
    horizon = f" within {model['horizon_days']:g} days" if model["horizon_days"] else ""
    head = [
        f"{result['id']}: {result['probability']:.1%} to be {model['outcome']}{horizon}, "
        f"grade {result['grade']} (reasons start from {result['baseline']:.1%})",
        f"model {model['name']}, version {model['version']}",
    ]
    return "\n".join([*head, *_curve(answer["as_of"], result["curve"]), *_reasons(result)])


def _curve(as_of: str | None, curve: list[dict[str, float]]) -> list[str]:
    if as_of is None or not curve:
        return []
    start = datetime.fromisoformat(as_of)
    rows = [
        f"  {start + timedelta(days=at['day']):%Y-%m-%d}  {at['probability']:6.1%}  "
        + "█" * round(at["probability"] * 40)
        for at in curve
    ]
    return ["", "by", *rows]


def _reasons(result: Mapping[str, Any]) -> list[str]:
    rows = [f"  {r['points'] * 100:+6.1f} points  {r['sentence']}" for r in result["reasons"]]
    rest = f"  {result['others']:+6.2f} log-odds from all else"
    return ["", "because", *rows, rest]
