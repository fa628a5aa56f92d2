"""`python -m serving events`: what changed goes out, to webhooks and to Slack."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from features.sync.run import SyncError, alone
from features.tables import Tables, micros, read
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.health.attention import attention
from serving.cli import CommandError, Subparsers
from serving.cli.store import Clock, opened
from serving.live.deliver import Delivered, compose, deliver, notice
from serving.live.noticed import Standing, events
from serving.live.outbox import Outbox
from serving.live.rules import RulesError, load
from serving.store.store import Store
from training.models.kept_forecasts import every

ENTITIES = ("deals", "leads", "accounts")


def add(commands: Subparsers) -> None:
    """Add the parser of `events`."""
    parser = commands.add_parser("events", help="send what changed to webhooks and to Slack")
    parser.add_argument("--data", type=Path, required=True, help="the data set that was scored")
    parser.add_argument("--rules", type=Path, help="TOML; default: ROOT/events.toml")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent")
    parser.set_defaults(run=_events)


def _events(chosen: argparse.Namespace) -> int:
    path = chosen.rules or chosen.root / "events.toml"
    if not path.is_file():
        print(f"no {path}: nothing is sent (docs/live.md, Events)")
        return 0
    clock: Clock = chosen.clock
    home = chosen.root / "data" / "loop"
    home.mkdir(parents=True, exist_ok=True)
    try:
        rules = load(path, os.environ)
        with alone(home / "events.lock", "sending of events"):
            outbox = Outbox(home / "events.db")
            try:
                with opened(chosen) as store:
                    now, lang = standings(store, read(chosen.data), chosen.root)
                if chosen.dry_run:
                    for event in events(rules.rules, outbox.seen(), now, lang):
                        print(f"{event.on}: {event.said}")
                    return 0
                done = Delivered(notice(rules, outbox, now, clock(), lang))
                compose(rules, outbox, clock())
                done = deliver(rules, outbox, clock(), done)
            finally:
                outbox.close()
    except (RulesError, SyncError) as wrong:
        raise CommandError(str(wrong)) from wrong
    print(done.to_text(), end="")
    return 1 if done.failed else 0


def standings(store: Store, tables: Tables, root: Path) -> tuple[list[Standing], str]:
    """How every scored record and forecast period stands now, and the language of the scores."""
    stalled, found, lang = _stalled(tables), list[Standing](), "en"
    for entity in ENTITIES:
        run = store.runs.newest(entity)
        if run is None:
            continue
        lang = run.lang
        found += [
            Standing(
                *(entity, row.id, row.probability, row.grade),
                stalled=entity == "deals" and row.id in stalled,
                owner=row.owner_id or "",
                label=row.label or "",
            )
            for row in store.scores.rows(run)
        ]
    return [*found, *_periods(root, tables.meta.mapping)], lang


def _stalled(tables: Tables) -> set[str]:
    if not tables.meta.as_of or not tables["deals"].n:
        return set()
    deals = attention(AsOfFrames(tables, micros(tables.meta.as_of)))
    return set(deals.loc[deals["stalled"].eq(True), "deal_id"].astype(str))


def _periods(root: Path, data: str) -> Iterator[Standing]:
    """The mean of each period of the newest kept forecast."""
    kept = every(root / "mlruns" / "forecasts", data)
    for row in kept[-1].rows(part="whole", dimension="all") if kept else ():
        key = f"{row['stream']} {row['period']}"
        yield Standing("forecast", key, float(row["mean"]), label=key)
