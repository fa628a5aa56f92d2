"""`python -m serving messages`: bring the languages' catalogues in step."""

from __future__ import annotations

import argparse
import sys

from serving.cli import Subparsers
from serving.i18n.languages import place
from serving.web.messages import update_all


def add(commands: Subparsers) -> None:
    """Add the parser of `messages`."""
    parser = commands.add_parser("messages", help="bring the languages' catalogues in step")
    parser.set_defaults(run=_messages)


def _messages(_: argparse.Namespace) -> int:
    gaps = update_all()
    for lang, texts in gaps.items():
        print(f"{place(lang)} lacks words for: {'; '.join(texts)}", file=sys.stderr)
    return 2 if gaps else 0
