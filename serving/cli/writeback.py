"""`python -m serving writeback`: the newest scores into a connected CRM, or back out of it."""

from __future__ import annotations

import argparse
import os

from features.connectors.contract import Budget, ConnectorError
from features.connectors.kinds import connect
from features.connectors.tryton import Tryton
from features.sync.connection import Connection, load
from features.sync.run import SyncError, alone, folder_of
from serving.cli import CommandError, Subparsers
from serving.cli.store import Clock, opened
from serving.live.ledger import WritebackLedger
from serving.live.policy import Policy
from serving.live.tryton import TrytonTarget
from serving.live.writeback import About, Outcome, ScoreTarget, undo, write_back
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
    try:
        with alone(home / "lock", f"a sync or write-back of {chosen.name}"):
            ledger, target = WritebackLedger(home / "written.db"), target_of(connection, policy)
            try:
                if chosen.undo:
                    outcome = undo(target, ledger, clock())
                else:
                    with opened(chosen) as store:
                        outcome = _written(store, target, ledger, policy, clock(), chosen.dry_run)
            finally:
                ledger.close()
    except (ConnectorError, SyncError) as wrong:
        raise CommandError(str(wrong)) from wrong
    _show(outcome, chosen.dry_run)
    return 1 if outcome.failed else 0


def target_of(connection: Connection, policy: Policy) -> TrytonTarget:
    """Where a connection's scores are written, with a budget of calls for this run."""
    made = iter(range(1, 10**9))
    budget = Budget(policy.calls_per_run, lambda: next(made))
    link = connect(connection.kind, connection, os.environ, budget)
    if not isinstance(link, Tryton):
        raise CommandError(f"scores cannot be written into a {connection.kind} yet")
    return TrytonTarget(link)


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
