"""A Tryton of its own: installed once, its database made once, started on a free port, stopped.

with started(Path("data/tryton"), Path("data/tryton/demo")) as tryton:
    tryton.url, tryton.user, tryton.password
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

HERE = Path(__file__).parent
MODULE = "embudo_demo"
PASSWORD = "a-demo-password"  # of a server that listens on this machine only, for the demo's length
PATIENCE = 60.0


class InstallError(RuntimeError):
    """Tryton could not be installed; the message is pip's."""


@dataclass(frozen=True)
class Server:
    """A Tryton that runs: the address of its database, and who may do anything in it."""

    url: str
    clock: Path
    user: str = "admin"
    password: str = PASSWORD

    def set_clock(self, seconds: float) -> None:
        """How many seconds Tryton's clock is ahead of this machine's."""
        beside = self.clock.with_suffix(".new")
        beside.write_text(repr(seconds), encoding="ascii")
        beside.replace(self.clock)


def installed(cache: Path) -> Path:
    """The Python of a virtual environment with Tryton in it, made where it is not there yet.

    Ordinary pip, asked for the packages of ``requirements.txt``. InstallError where that fails.
    """
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"venv-{_fingerprint()}"
    python = folder / "bin" / "python"
    with _alone(cache / "install.lock"):
        if (folder / "ready").is_file():
            return python
        shutil.rmtree(folder, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(folder)])
        packages = ["install", "--quiet", "-r", str(HERE / "requirements.txt")]
        _run([str(python), "-m", "pip", "--disable-pip-version-check", *packages])
        modules = next(folder.glob("lib/python*/site-packages/trytond/modules"))
        shutil.copytree(HERE / "module", modules / MODULE)
        (folder / "ready").touch()
    return python


def template(cache: Path) -> Path:
    """A database with the modules activated and nobody in it, made where it is not there yet."""
    python = installed(cache)
    folder = cache / f"template-{_fingerprint()}"
    with _alone(cache / "install.lock"):
        if (folder / "ready").is_file():
            return folder / "crm.sqlite"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "crm.sqlite").touch()
        (folder / "password").write_text(PASSWORD, encoding="ascii")
        settings = _settings(folder, 0)
        given = [str(python), "-m", "trytond.cli.admin"]
        environment = {**os.environ, "TRYTONPASSFILE": str(folder / "password")}
        common = [*given, "-c", str(settings), "-d", "crm"]
        _run([*common, "--all", "-m", "--email", "admin@example.com"], environment)
        modules = ["sale_opportunity", "account_invoice", MODULE]
        _run([*common, "-u", *modules, "--activate-dependencies"], environment)
        (folder / "ready").touch()
    return folder / "crm.sqlite"


@contextmanager
def started(cache: Path, home: Path, ahead: float = 0.0) -> Iterator[Server]:
    """A Tryton on the database of ``home``, a copy of the template where there is none yet."""
    python, empty = installed(cache), template(cache)
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "crm.sqlite").is_file():
        shutil.copyfile(empty, home / "crm.sqlite")
    port = _free_port()
    server = Server(f"http://127.0.0.1:{port}/crm", home / "clock")
    server.set_clock(ahead)
    environment = {**os.environ, "EMBUDO_TRYTON_CLOCK": str(server.clock)}
    command = [str(python), str(HERE / "clock.py"), "-c", str(_settings(home, port)), "-d", "crm"]
    with (home / "tryton.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _await(process, port, home / "tryton.log")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _settings(folder: Path, port: int) -> Path:
    path = folder / "trytond.conf"
    lines = ["[database]", "uri = sqlite://", f"path = {folder.resolve()}"]
    lines += ["[web]", f"listen = 127.0.0.1:{port}"]
    # by a clock that is set back every session would have ended long ago
    lines += ["[session]", "timeout = 400000000", "max_age = 400000000", "max_attempt = 1000"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    asked = {"id": 0, "method": "common.server.version", "params": []}
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            httpx.post(f"http://127.0.0.1:{port}/crm/rpc/", json=asked, timeout=20)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"Tryton did not start; the end of {log}:\n{log.read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InstallError(f"{' '.join(command)}:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


def _fingerprint() -> str:
    """Of what is installed: another list of packages is another environment."""
    files = [HERE / "requirements.txt", *sorted((HERE / "module").glob("*"))]
    seen = hashlib.sha256(repr(sys.version_info[:2]).encode())
    for path in files:
        if path.is_file():
            seen.update(path.read_bytes())
    return seen.hexdigest()[:12]


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
