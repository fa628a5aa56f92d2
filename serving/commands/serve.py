"""`python -m serving serve`: answer requests with the champions, and with the next ones."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from serving.commands import CommandError, Subparsers
from serving.run.launch import Launcher, listen
from serving.settings import read_settings


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
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
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
    return Launcher(listener, chosen.workers, environment, clock, others, settings.drain).run()
