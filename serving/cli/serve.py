"""`python -m serving serve`: answer requests with the champions, and with the next ones."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

from features.files import own_folder
from serving.bundles.folder import POINTER
from serving.cli import CommandError, Subparsers
from serving.process.supervisor import Supervisor, listen
from serving.settings import read_settings
from serving.telemetry.logs import LogWriter, configure
from serving.telemetry.metrics_folder import FOLDER, shared_folder

log = logging.getLogger("embudo.serve")


def add(commands: Subparsers) -> None:
    """Add the parser of `serve`."""
    parser = commands.add_parser("serve", help="answer requests with the champions")
    parser.add_argument(
        "--port", type=int, default=3000, help="where to listen; 0 takes a free port"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--workers", type=int, choices=range(1, 65), default=2, metavar="N")
    parser.add_argument(
        "--bundles", type=Path, help="serve the bundles of this folder instead of the registry's"
    )
    parser.set_defaults(run=_serve)


def _serve(chosen: argparse.Namespace) -> int:
    configure(LogWriter())
    folder = (chosen.bundles or chosen.root / "mlruns" / "serving").resolve()
    root = chosen.root.resolve()
    environment = {
        "EMBUDO_FORECASTS": str(root / "mlruns" / "forecasts"),
        **os.environ,
        "EMBUDO_ROOT": str(root),
        "EMBUDO_BUNDLES": str(folder),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    settings = read_settings(environment)
    _require_own_cache(environment)
    if not _loopback(chosen.host):
        _require_key(chosen)
    if not 0 <= chosen.port <= 65_535:
        raise CommandError(f"--port {chosen.port} is no port: give 0 (any free one) to 65535")
    try:
        listener = listen(chosen.host, chosen.port)
    except OSError as wrong:
        message = f"cannot listen on {chosen.host} port {chosen.port}: {wrong.strerror or wrong}"
        raise CommandError(f"{message}; name another --port") from None
    others = []
    if chosen.bundles is None:
        publish = ["publish", "--to", str(folder)]
        others.append([sys.executable, "-m", "serving", "--root", str(chosen.root), *publish])
    host, port = listener.getsockname()[:2]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    print(f"serving at http://{place}, ready when a model is loaded", flush=True)
    clock = time.monotonic
    with shared_folder() as numbers:
        environment |= {FOLDER: str(numbers), "EMBUDO_METRICS_PORT": "0"}  # shown here, for all
        if settings.metrics_port:
            Thread(target=_show, args=(numbers, settings.metrics_port), daemon=True).start()
        return Supervisor(
            listener,
            chosen.workers,
            environment,
            clock,
            others,
            settings.drain,
            published=(folder / POINTER).exists(),
        ).run()


def _loopback(host: str) -> bool:
    """Whether nobody beyond this machine can reach the address; CommandError where it is none."""
    try:
        found = socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as wrong:
        raise CommandError(f"--host {host!r} is no address: {wrong.strerror}") from None
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def _require_own_cache(environment: Mapping[str, str]) -> None:
    """CommandError where others can write the compiled kernels: they are pickles, so programs.

    Without NUMBA_CACHE_DIR they lie beside the code, or under the user's own cache folder.
    """
    stated = environment.get("NUMBA_CACHE_DIR", "")
    if not stated:
        return
    folder = own_folder(Path(stated))
    found = folder.stat()
    if found.st_mode & 0o022 or found.st_uid != os.getuid():
        raise CommandError(
            f"others can write {folder}, where NUMBA_CACHE_DIR keeps compiled code: "
            f"chmod 700 it, or name a folder of your own"
        )


def _require_key(chosen: argparse.Namespace) -> None:
    """CommandError unless the store holds a key that opens something."""
    from serving.cli.store import opened  # noqa: PLC0415  # dear, and asked only here

    now = time.time_ns() // 1000
    with opened(chosen) as store:
        if not any(key.active(now) for key in store.keys.all()):
            raise CommandError(
                f"beyond this machine ({chosen.host}) nobody is answered without a key, and there "
                f"is none: make one with `python -m serving keys create`, or leave --host out"
            )


def _show(numbers: Path, port: int) -> None:
    """Serve the metrics page; the service goes on without one where its port is taken."""
    from serving.telemetry.metrics_page import page_server  # noqa: PLC0415  # while probes are answered

    try:
        log.info("metrics at http://127.0.0.1:%d/metrics", page_server(numbers, port))
    except OSError as wrong:
        log.error("no metrics page, port %d: %s; set EMBUDO_METRICS_PORT", port, wrong.strerror)
