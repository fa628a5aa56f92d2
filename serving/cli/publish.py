"""`python -m serving publish`: keep the served folder in step with the champions."""

from __future__ import annotations

import argparse
import logging
import os
import select
import sys
from pathlib import Path

from serving.bundles.publish import FolderTakenError, Publisher
from serving.cli import Champions, Subparsers

PAUSE = 1.0
"""Seconds between two looks at the registry."""


def add(commands: Subparsers) -> None:
    """Add the parser of `publish`."""
    parser = commands.add_parser("publish", help="copy champions to a folder as they change")
    parser.add_argument("--to", type=Path, required=True, help="the folder that is served")
    parser.add_argument("--once", action="store_true", help="look once, then end")
    parser.set_defaults(run=_publish)


def _publish(chosen: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    champions: Champions = chosen.champions
    publisher = Publisher(lambda: champions(chosen.root), chosen.to)
    if chosen.once and not publisher.acquire():
        raise FolderTakenError(chosen.to)
    publisher.poll()
    while not chosen.once and not _ended(PAUSE):
        publisher.poll()
    return 0


def _ended(seconds: float) -> bool:
    """Whether standard input ends within a time: then whoever started this is gone."""
    number = sys.stdin.fileno()
    return bool(select.select([number], [], [], seconds)[0]) and not os.read(number, 1)
