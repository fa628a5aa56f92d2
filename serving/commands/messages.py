"""`python -m serving messages`: bring the languages' catalogues in step with the sentences."""

from __future__ import annotations

import argparse
import sys

from serving.commands import Subparsers
from serving.languages import place
from serving.messages import update_all


def add(commands: Subparsers) -> None:
    """Add the parser of `messages`."""
    parser = commands.add_parser("messages", help="bring the languages' catalogues in step")
    parser.set_defaults(run=_messages)


def _messages(_: argparse.Namespace) -> int:
    gaps = update_all()
    for lang, ids in gaps.items():
        print(f"{place(lang)} has no words for: {'; '.join(ids)}", file=sys.stderr)
    return 2 if gaps else 0
