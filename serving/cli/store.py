"""`python -m serving store`: the tables brought up to date, looked at, purged, erased from."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from features.schema import OUTCOMES
from features.tables import DAY, instant_text, micros
from serving.cli import CommandError, Subparsers
from serving.settings import read_settings
from serving.store import migrate
from serving.store.errors import StoreError
from serving.store.store import Store, default_url, open_store

Clock: TypeAlias = Callable[[], int]


def add(commands: Subparsers) -> None:
    """Add the parser of `store`."""
    parser = commands.add_parser("store", help="look after the store of scores and feedback")
    acts = parser.add_subparsers(required=True, metavar="act")
    acts.add_parser("upgrade", help="make the tables, or bring them up to date").set_defaults(
        run=_upgrade
    )
    acts.add_parser("status", help="where it is, its runs and its keys").set_defaults(run=_status)
    purge = acts.add_parser("purge", help="delete what is old; an entity's newest run stays")
    purge.add_argument("--days", type=float, help="older than so many days")
    purge.add_argument("--before", default="", help="older than an ISO instant with a zone")
    purge.add_argument("--feedback", action="store_true", help="of feedback too")
    purge.set_defaults(run=_purge)
    erase = acts.add_parser("erase", help="delete all that is kept of one entity")
    erase.add_argument("entity", choices=sorted(OUTCOMES))
    erase.add_argument("id")
    erase.set_defaults(run=_erase)


@contextmanager
def opened(chosen: argparse.Namespace) -> Iterator[Store]:
    """The store that DATABASE_URL names, else the root's; CommandError where it fails."""
    url = read_settings(os.environ).database or default_url(chosen.root)
    try:
        store = open_store(url)
        try:
            yield store
        finally:
            store.close()
    except StoreError as wrong:
        raise CommandError(str(wrong)) from wrong


def counts_text(counts: dict[str, int]) -> str:
    """Counts by table in words."""
    return ", ".join(f"{n:,} {name}" for name, n in counts.items() if n) or "nothing"


def _upgrade(chosen: argparse.Namespace) -> int:
    with opened(chosen) as store:
        print(f"{location(store)} is at revision {migrate.revision(store.database)}")
    return 0


def location(store: Store) -> str:
    """Where the store is, without its password."""
    url = store.engine.url
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def _status(chosen: argparse.Namespace) -> int:
    clock: Clock = chosen.clock
    with opened(chosen) as store:
        print(f"{location(store)}, revision {migrate.revision(store.database)}")
        at = clock()
        active = sum(key.active(at) for key in store.keys.all())
        print(f"{active} active keys, {store.audit.count():,} rows of audit")
        newest = {run.id for e in OUTCOMES if (run := store.runs.newest(e)) is not None}
        for run in store.runs.all(20):
            cutoff = "no date" if run.cutoff is None else instant_text(run.cutoff)
            says = "answers" if run.id in newest else run.state
            done = f"{run.done:,} of {run.total:,}"
            print(f"run {run.id}: {run.entity} as of {cutoff}, {run.version}, {done}, {says}")
    return 0


def _purge(chosen: argparse.Namespace) -> int:
    clock: Clock = chosen.clock
    at = clock()
    if (chosen.days is None) == (not chosen.before):
        raise CommandError("say --days 90, or --before 2026-01-01T00:00:00Z")
    before = micros(chosen.before) if chosen.before else at - round(chosen.days * DAY)
    with opened(chosen) as store:
        counts = store.purge(before, at, feedback=chosen.feedback)
    print(f"deleted what is older than {instant_text(before)}: {counts_text(counts)}")
    return 0


def _erase(chosen: argparse.Namespace) -> int:
    clock: Clock = chosen.clock
    with opened(chosen) as store:
        counts = store.erase(chosen.entity, chosen.id, clock())
    print(f"erased of {chosen.entity} {chosen.id}: {counts_text(counts)}")
    print("erase it in the CRM too: what is in the next export is scored again")
    return 0
