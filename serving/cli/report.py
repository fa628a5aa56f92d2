"""`python -m serving report`: a record's page, or the desk's lists, as files that stand alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from features.files import own_folder
from features.tables import read
from serving.cli import CommandError, Subparsers
from serving.cli.store import opened
from serving.i18n.display_zone import show_in
from serving.i18n.languages import LANGUAGES
from serving.scoring.predictor import cutoff_of
from serving.web.record.page import page_of_any
from serving.web.standalone import write_pages


def add(commands: Subparsers) -> None:
    """Add the parser of `report`."""
    parser = commands.add_parser("report", help="write a record's page, or the desk's lists")
    parser.add_argument("--data", type=Path, help="canonical data set, for --record")
    parser.add_argument("--record", help="key of the lead, deal or account")
    parser.add_argument("--desk", action="store_true", help="the lists that `desk` made")
    parser.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0], help="of the lists")
    parser.add_argument("--as-of", default="", help="ISO instant with a zone; default: the data's")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder to write")
    parser.set_defaults(run=_report)


def _report(chosen: argparse.Namespace) -> int:
    if chosen.desk:
        with opened(chosen) as store:
            for path in write_pages(store, chosen.out, chosen.lang):
                print(path)
        return 0
    if chosen.data is None or chosen.record is None:
        raise CommandError("report needs --data and --record, or --desk")
    tables = read(chosen.data)
    show_in(tables.meta.zone)
    cutoff = cutoff_of(chosen.as_of or tables.meta.as_of)
    name, page = page_of_any(chosen.champions(chosen.root), tables, chosen.record, cutoff)
    own_folder(chosen.out)
    path = chosen.out / name
    path.write_text(page, encoding="utf-8")
    print(f"{chosen.record}: {path}")
    return 0
