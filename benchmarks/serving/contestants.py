"""How each contestant is started, asked and stopped: processes of their own, two workers each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import orjson

from benchmarks.serving.workload import Workload
from serving.process.trial import free_port
from serving.telemetry.metrics_page import resident

WORKERS = 2
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",  # two workers with two threads each would be slower, not faster
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}
_START, _STOP = 180, 30


@dataclass(frozen=True)
class Contestant:
    """One who is asked: the address requests go to, their bodies, the processes that answer."""

    name: str
    url: str
    bodies: list[bytes]
    pid: int

    def memory(self) -> int:
        """Resident bytes of its processes together."""
        return sum(resident(pid) or 0 for pid in [self.pid, *descendants(self.pid)])

    def processor(self) -> float:
        """Seconds of processor its processes have used so far."""
        return sum(_seconds(pid) for pid in [self.pid, *descendants(self.pid)])

    def ask(self, body: bytes) -> tuple[int, Any]:
        """Status and parsed answer to one request."""
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return int(response.status), orjson.loads(response.read())
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()


@contextmanager
def everyone(work: Workload) -> Iterator[list[Contestant]]:
    """All five, ready; an idle one costs the others nothing."""
    with ExitStack() as stack:
        ours, pid = stack.enter_context(us(work))
        yield [
            Contestant("ours, explained", f"{ours}/v1/accounts/score", _of(work, "explained"), pid),
            Contestant("ours, no reasons", f"{ours}/v1/accounts/score", _of(work, "plain"), pid),
            stack.enter_context(stock(work)),
            stack.enter_context(mlflow(work)),
            stack.enter_context(echo(work)),
        ]


@contextmanager
def us(work: Workload) -> Iterator[tuple[str, int]]:
    """`python -m serving serve` with the bundle: its address and process."""
    port = free_port()
    serve = [sys.executable, "-m", "serving", "--root", str(work.folder), "serve"]
    command = [*serve, "--bundles", str(work.bundles), "--port", str(port)]
    address, more = f"http://127.0.0.1:{port}", {"EMBUDO_METRICS_PORT": str(free_port())}
    command += ["--workers", str(WORKERS)]
    with _process(command, work.folder / "ours.log", f"{address}/readyz", more) as pid:
        yield address, pid


def _of(work: Workload, kind: str) -> list[bytes]:
    return work.bodies[kind]


def descendants(pid: int) -> list[int]:
    """The processes below one, from Linux's own list."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            for child in path.read_text(encoding="ascii").split():
                found += [int(child), *descendants(int(child))]
    return found


def _seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    ticks: int = os.sysconf("SC_CLK_TCK")
    return (int(fields[11]) + int(fields[12])) / ticks


@contextmanager
def stock(work: Workload) -> Iterator[Contestant]:
    """``benchmarks.serving.stock`` under ``bentoml serve``."""
    port = free_port()
    serve = [sys.executable, "-m", "bentoml", "serve", "benchmarks.serving.stock:Stock"]
    command = [*serve, "--host", "127.0.0.1", "--port", str(port)]
    more = {"BENCH_FOLDER": str(work.folder), "BENTOML_DO_NOT_TRACK": "True"}
    with _process(
        command, work.folder / "stock.log", f"http://127.0.0.1:{port}/readyz", more
    ) as pid:
        url = f"http://127.0.0.1:{port}/score"
        yield Contestant("stock BentoML", url, _of(work, "stock"), pid)


@contextmanager
def mlflow(work: Workload) -> Iterator[Contestant]:
    """``mlflow models serve`` with the same booster; no reasons, columns already coded."""
    model, port = work.folder / "mlflow", free_port()
    if not model.exists():
        _save_for_mlflow(work, model)
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS)]
    with _process(command, work.folder / "mlflow.log", f"http://127.0.0.1:{port}/ping") as pid:
        url = f"http://127.0.0.1:{port}/invocations"
        yield Contestant("MLflow", url, _of(work, "mlflow"), pid)


def _save_for_mlflow(work: Workload, folder: Path) -> None:
    import mlflow.lightgbm  # noqa: PLC0415  # four seconds
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import ColSpec, Schema  # noqa: PLC0415

    columns = orjson.loads(work.bodies["mlflow"][0])["dataframe_split"]["columns"]
    signature = ModelSignature(
        Schema([ColSpec("double", name, required=False) for name in columns]),
        Schema([ColSpec("double")]),
    )
    booster = lgb.Booster(model_file=str(work.folder / "model.txt"))
    mlflow.lightgbm.save_model(booster, str(folder), signature=signature)


@contextmanager
def echo(work: Workload) -> Iterator[Contestant]:
    """A bare ASGI app under uvicorn with uvloop and httptools."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.serving.echo:app", "--no-access-log"]
    command += ["--loop", "uvloop", "--http", "httptools", "--workers", str(WORKERS)]
    command += ["--port", str(port), "--log-level", "warning"]
    url = f"http://127.0.0.1:{port}/"
    with _process(command, work.folder / "echo.log", url) as pid:
        yield Contestant("echo", url, _of(work, "explained"), pid)


@contextmanager
def _process(
    command: list[str], log: Path, ready: str, more: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A child process that answers 200 at ``ready``; it and its children are stopped at the end."""
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, env={**os.environ, **ONE_THREAD, **(more or {})}, stdout=out, stderr=out
        )
        try:
            _until(lambda: _answers(ready), child, log)
            yield child.pid
        finally:
            _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    below = descendants(child.pid)
    child.terminate()
    try:
        child.wait(_STOP)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
    for pid in below:  # a stock supervisor may leave its workers behind
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _until(done: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _START
    while time.monotonic() < end and child.poll() is None:
        if done():
            return
        time.sleep(0.3)
    raise RuntimeError(f"not ready: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (TimeoutError, OSError):
        return False


def compare(contestants: list[Contestant], expected: list[float]) -> None:
    """Every contestant must give the same probabilities; SystemExit where one does not."""
    for one in contestants[:4]:
        got = [_probability(one, body) for body in one.bodies[:20]]
        if not np.allclose(got, expected[:20], rtol=1e-9):
            raise SystemExit(f"{one.name} gives other probabilities: {got[:3]}, {expected[:3]}")


def _probability(one: Contestant, body: bytes) -> float:
    status, answer = one.ask(body)
    if status != 200:
        raise SystemExit(f"{one.name} answers {status}: {answer!r}")
    if isinstance(answer, list):
        return float(answer[0]["probability"])
    found = answer["predictions"][0] if "predictions" in answer else answer["results"][0]
    return float(found if isinstance(found, float) else found["probability"])
