"""`python -m serving serve`: answer requests with the champions."""

from __future__ import annotations

import argparse
import os

from serving.commands import Champions, Subparsers
from serving.run.publish import lay_out
from serving.trial import command, environment


def add(commands: Subparsers) -> None:
    """Add the parser of `serve`."""
    parser = commands.add_parser("serve", help="answer requests with the champions")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--workers", type=int, choices=(1, 2), default=1, help="processes")
    parser.set_defaults(run=_serve)


def _serve(chosen: argparse.Namespace) -> int:
    champions: Champions = chosen.champions
    folder = chosen.root / "mlruns" / "serving"
    found = champions(chosen.root)
    lay_out(found, folder)
    print(f"serving {', '.join(found)} at http://{chosen.host}:{chosen.port}", flush=True)
    # this process becomes the service, so that signals reach it
    arguments = command(chosen.port, chosen.host)
    os.execve(arguments[0], arguments, environment(folder, chosen.workers))
