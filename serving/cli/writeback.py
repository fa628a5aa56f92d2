"""`python -m serving writeback`: the newest scores into a connected CRM, or back out of it."""

from __future__ import annotations

import argparse
import os

from features.connectors.contract import Budget, Connector, ConnectorError
from features.connectors.hubspot import HubSpot
from features.connectors.kinds import connect
from features.connectors.pipedrive import Pipedrive
from features.connectors.salesforce import Salesforce
from features.connectors.tryton import Tryton
from features.sync.connection import Connection, load
from features.sync.run import SyncError, alone, folder_of
from features.sync.staging import Staging
from features.tables import instant_text
from serving.cli import CommandError, Subparsers
from serving.cli.store import Clock, opened
from serving.live import hubspot, pipedrive, salesforce
from serving.live.ledger import WritebackLedger
from serving.live.policy import Policy
from serving.live.target import ScoreTarget
from serving.live.tryton import TrytonTarget
from serving.live.writeback import About, Outcome, undo, write_back
from serving.store.store import Store


def add(commands: Subparsers) -> None:
    """Add the parser of `writeback`."""
    parser = commands.add_parser("writeback", help="write the newest scores into a connected CRM")
    parser.add_argument("name", help="the connection: connections/NAME.toml (docs/live.md)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written")
    parser.add_argument("--undo", action="store_true", help="put back what stood there before")
    parser.set_defaults(run=_writeback)


def _writeback(chosen: argparse.Namespace) -> int:
    connection = load(chosen.root / "connections", chosen.name)
    home = folder_of(chosen.root, chosen.name)
    home.mkdir(parents=True, exist_ok=True)
    clock: Clock = chosen.clock
    policy = Policy.of(connection.write)
    failed = False
    try:
        with alone(home / "lock", f"a sync or write-back of {chosen.name}"):
            ledger, staging = WritebackLedger(home / "written.db"), Staging(home / "staged.db")
            try:
                link = connect(
                    connection.kind,
                    connection,
                    os.environ,
                    _budget(connection, policy, staging, clock()),
                )
                for entity in policy.entities:
                    target = target_of(link, policy, entity)
                    if chosen.undo:
                        outcome = undo(target, ledger, clock())
                    else:
                        with opened(chosen) as store:
                            outcome = _written(
                                store, target, ledger, policy, clock(), chosen.dry_run
                            )
                    _show(outcome, chosen.dry_run)
                    failed |= bool(outcome.failed)
            finally:
                ledger.close()
                staging.close()
    except (ConnectorError, SyncError) as wrong:
        raise CommandError(str(wrong)) from wrong
    return 1 if failed else 0


def _budget(connection: Connection, policy: Policy, staging: Staging, now: int) -> Budget:
    """The calls of this run, which count among the connection's calls of the day."""
    day = instant_text(now)[:10]
    today = Budget(round(connection.number("calls_per_day", 0)), lambda: staging.call(day))
    made = iter(range(1, 10**9))

    def take() -> int:
        today.spend()
        return next(made)

    return Budget(policy.calls_per_run, take)


def target_of(link: Connector, policy: Policy, entity: str) -> ScoreTarget:
    """Where a connection's scores of an entity are written."""
    if isinstance(link, HubSpot) and entity in hubspot.OBJECTS:
        return hubspot.HubSpotTarget(link.http, policy.fields_of(hubspot.FIELDS), entity)
    if isinstance(link, Salesforce) and entity in salesforce.OBJECTS:
        return salesforce.SalesforceTarget(link, policy.fields_of(salesforce.FIELDS), entity)
    if isinstance(link, Pipedrive) and entity == "deals":
        return pipedrive.PipedriveTarget(link, policy.fields_of(pipedrive.FIELDS))
    if isinstance(link, Tryton) and entity == "deals":
        return TrytonTarget(link)
    raise CommandError(f"scores of {entity} cannot be written into {type(link).__name__}")


def _written(
    store: Store,
    target: ScoreTarget,
    ledger: WritebackLedger,
    policy: Policy,
    now: int,
    dry_run: bool,
) -> Outcome:
    run = store.runs.newest(target.entity)
    if run is None or run.cutoff is None:
        raise CommandError(f"no scores of {target.entity} are stored: run `make score`")
    about = About(f"{run.model} {run.version}", run.cutoff, run.lang)
    return write_back(store.scores.rows(run), about, target, ledger, policy, now, dry_run)


def _show(outcome: Outcome, dry_run: bool) -> None:
    if dry_run:
        for key, (before, after) in outcome.written.items():
            print(f"{key}: {'nothing' if before is None else f'{before:.4f}'} -> {after:.4f}")
        print("nothing was written: dry run;", end=" ")
    print(outcome.to_text(), end="")
