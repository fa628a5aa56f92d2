"""`python -m serving score`: score every open entity of a data set into the store."""

from __future__ import annotations

import argparse
from pathlib import Path

from features.tables import DAY, Tables, read
from serving.cli import Champions, CommandError, Subparsers
from serving.cli.store import Clock, location, opened
from serving.i18n.languages import LANGUAGES
from serving.scoring.batch import score_all
from serving.scoring.nightly import export, score_night
from serving.scoring.predictor import cutoff_of
from serving.store.store import Store
from training.models import bundle as bundles
from training.models.bundle import Bundle


def add(commands: Subparsers) -> None:
    """Add the parser of `score`."""
    parser = commands.add_parser("score", help="score every open entity of a data set")
    parser.add_argument("--data", type=Path, required=True, help="canonical data set")
    parser.add_argument("--out", type=Path, help="folder for <model>.parquet; default: no files")
    parser.add_argument("--as-of", default="", help="ISO instant with a zone; default: the data's")
    parser.add_argument("--lang", choices=LANGUAGES, default=LANGUAGES[0], help="of the sentences")
    parser.add_argument("--keep", type=float, default=30.0, help="days that old runs are kept (30)")
    parser.add_argument("--no-store", action="store_true", help="write the files only")
    parser.set_defaults(run=_score)


def _score(chosen: argparse.Namespace) -> int:
    if chosen.no_store and chosen.out is None:
        raise CommandError("--no-store without --out would write nothing; name a folder")
    champions: Champions = chosen.champions
    tables = read(chosen.data)
    found = {name: bundles.read(folder) for name, folder in champions(chosen.root).items()}
    for bundle in found.values():
        _say_if_foreign(bundle, tables)
    stated = chosen.as_of or tables.meta.as_of
    if chosen.no_store:
        for name, bundle in found.items():
            out, at = chosen.out / f"{name}.parquet", cutoff_of(stated)
            n = score_all(bundle, tables, at, out, progress=True, lang=chosen.lang)
            print(f"{name}: {n} {bundle.question['entity']} as of {stated or 'no date'} -> {out}")
        return 0
    with opened(chosen) as store:
        for bundle in found.values():
            _keep(chosen, store, bundle, tables, stated)
        old = store.runs.purge(chosen.clock() - round(chosen.keep * DAY))
        if old:
            print(f"deleted {old:,} scores of runs older than {chosen.keep:g} days")
    return 0


def _keep(
    chosen: argparse.Namespace, store: Store, bundle: Bundle, tables: Tables, stated: str
) -> None:
    clock: Clock = chosen.clock
    at, lang = cutoff_of(stated), chosen.lang
    run = score_night(store, bundle, tables, at, clock, progress=True, lang=lang)
    entity, where = bundle.question["entity"], [f"run {run.id} in {location(store)}"]
    n = run.done
    if chosen.out is not None:
        out = chosen.out / f"{bundle.name}.parquet"
        n = export(store, run, bundle, out)
        where.append(str(out))
    print(f"{bundle.name}: {n} {entity} as of {stated or 'no date'} -> {', '.join(where)}")


def _say_if_foreign(bundle: Bundle, tables: Tables) -> None:
    """Columns of the same name may mean something else in another export."""
    learned, here = bundle.meta.mapping, tables.meta.mapping
    if learned != here:
        print(
            f"note: {bundle.name} learned from data read with mapping {learned!r}, these were read "
            f"with {here!r}; train on them before you trust the scores"
        )
