"""`python -m serving messages`: bring the languages' catalogues in step."""

from __future__ import annotations

import argparse
import sys

from serving.cli import Subparsers
from serving.i18n.catalogue import update_all
from serving.i18n.languages import LANGUAGES, place
from serving.web import catalogue as pages


def add(commands: Subparsers) -> None:
    """Add the parser of `messages`."""
    parser = commands.add_parser("messages", help="bring the languages' catalogues in step")
    parser.set_defaults(run=_messages)


def _messages(_: argparse.Namespace) -> int:
    gaps = update_all()
    for lang in LANGUAGES:
        gaps[lang] = [*gaps.get(lang, []), *pages.update(lang)]
        if gaps[lang]:
            print(f"{place(lang).parent} lacks words for: {'; '.join(gaps[lang])}", file=sys.stderr)
    return 2 if any(gaps.values()) else 0
