"""`python -m serving report`: the page of one record as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from features.tables import read
from serving.answers import cutoff_of
from serving.commands import Subparsers
from serving.report.record_page import page_of_any


def add(commands: Subparsers) -> None:
    """Add the parser of `report`."""
    parser = commands.add_parser("report", help="write the page of one record as one HTML file")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--record", required=True, help="key of the lead, deal or account")
    parser.add_argument("--as-of", default="", help="ISO instant with a zone; default: the data's")
    parser.add_argument("--out", type=Path, default=Path("reports"), help="folder to write")
    parser.set_defaults(run=_report)


def _report(chosen: argparse.Namespace) -> int:
    tables = read(chosen.data)
    cutoff = cutoff_of(chosen.as_of or tables.meta.as_of)
    name, page = page_of_any(chosen.champions(chosen.root), tables, chosen.record, cutoff)
    chosen.out.mkdir(parents=True, exist_ok=True)
    path = chosen.out / name
    path.write_text(page, encoding="utf-8")
    print(f"{chosen.record}: {path}")
    return 0
