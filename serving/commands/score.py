"""`python -m serving score`: score every open entity of a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from features.tables import Tables, read
from serving.answers import cutoff_of
from serving.batch import score_all
from serving.commands import Champions, Subparsers
from serving.languages import LANGUAGES
from training.models import bundle as bundles
from training.models.bundle import Bundle


def add(commands: Subparsers) -> None:
    """Add the parser of `score`."""
    parser = commands.add_parser("score", help="score every open entity of a data set")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--out", type=Path, required=True, help="folder for <model>.parquet")
    parser.add_argument("--as-of", default="", help="ISO instant with a zone; default: the data's")
    parser.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0], help="of the sentences")
    parser.set_defaults(run=_score)


def _score(chosen: argparse.Namespace) -> int:
    champions: Champions = chosen.champions
    tables = read(chosen.data)
    stated = chosen.as_of or tables.meta.as_of
    for name, folder in champions(chosen.root).items():
        bundle = bundles.read(folder)
        _say_if_foreign(bundle, tables)
        out = chosen.out / f"{name}.parquet"
        n = score_all(bundle, tables, cutoff_of(stated), out, progress=True, lang=chosen.lang)
        print(f"{name}: {n} {bundle.question['entity']} as of {stated or 'no date'} -> {out}")
    return 0


def _say_if_foreign(bundle: Bundle, tables: Tables) -> None:
    """Columns of the same name may mean something else in another export."""
    learned, here = bundle.meta.mapping, tables.meta.mapping
    if learned != here:
        print(
            f"note: {bundle.name} learned from data read with mapping {learned!r}, these were read "
            f"with {here!r}; train on them before you trust the scores"
        )
