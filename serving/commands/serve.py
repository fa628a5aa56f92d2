"""`python -m serving serve`: answer requests with the champions, and with the next ones."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path
from threading import Thread

from serving.commands import CommandError, Subparsers
from serving.run.launch import Launcher, listen
from serving.settings import read_settings
from serving.watch.folder import FOLDER, shared_folder
from serving.watch.logs import Stream, configure

log = logging.getLogger("embudo.serve")


def add(commands: Subparsers) -> None:
    """Add the parser of `serve`."""
    parser = commands.add_parser("serve", help="answer requests with the champions")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--workers", type=int, choices=range(1, 65), default=2, metavar="N")
    parser.add_argument(
        "--bundles", type=Path, help="serve the bundles of this folder instead of the registry's"
    )
    parser.set_defaults(run=_serve)


def _serve(chosen: argparse.Namespace) -> int:
    configure(Stream())
    folder = (chosen.bundles or chosen.root / "mlruns" / "serving").resolve()
    environment = {
        **os.environ,
        "EMBUDO_BUNDLES": str(folder),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    settings = read_settings(environment)
    try:
        listener = listen(chosen.host, chosen.port)
    except OSError as wrong:
        said = f"cannot listen on {chosen.host} port {chosen.port}: {wrong.strerror or wrong}"
        raise CommandError(f"{said}; name another --port") from None
    others = []
    if chosen.bundles is None:
        publish = ["publish", "--to", str(folder)]
        others.append([sys.executable, "-m", "serving", "--root", str(chosen.root), *publish])
    host, port = listener.getsockname()[:2]
    print(f"serving {folder.name} at http://{host}:{port}", flush=True)
    clock = time.monotonic
    with shared_folder() as numbers:
        environment[FOLDER] = str(numbers)
        if settings.metrics_port:
            Thread(target=_show, args=(numbers, settings.metrics_port), daemon=True).start()
        return Launcher(listener, chosen.workers, environment, clock, others, settings.drain).run()


def _show(numbers: Path, port: int) -> None:
    """Serve the metrics page; the service goes on without one where its port is taken."""
    from serving.watch.pages import page_server  # noqa: PLC0415  # while probes are answered

    try:
        log.info("metrics at http://127.0.0.1:%d/metrics", page_server(numbers, port))
    except OSError as wrong:
        log.error("no metrics page, port %d: %s; set EMBUDO_METRICS_PORT", port, wrong.strerror)
