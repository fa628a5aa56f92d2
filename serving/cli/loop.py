"""`python -m serving loop`: sync, score, write back and retrain a connected CRM, by itself."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from features.sync.run import SyncError
from serving.cli import CommandError, Subparsers
from serving.cli.store import Clock
from serving.live.loop import Last, once, wait_of
from serving.live.schedule import load


def add(commands: Subparsers) -> None:
    """Add the parser of `loop`."""
    parser = commands.add_parser("loop", help="sync, score, write back and retrain on schedule")
    parser.add_argument("--schedule", type=Path, help="TOML; default: ROOT/loop.toml")
    parser.add_argument("--once", action="store_true", help="run what is due now, then end")
    parser.set_defaults(run=_loop)


def _loop(chosen: argparse.Namespace) -> int:
    schedule = load(chosen.schedule or chosen.root / "loop.toml")
    clock: Clock = chosen.clock
    ended = threading.Event()
    if not chosen.once:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    while True:
        before = clock()
        try:
            state = once(schedule, chosen.root, clock)
        except SyncError as wrong:
            raise CommandError(str(wrong)) from wrong
        failed = _show(state, before)
        if chosen.once:
            return 1 if failed else 0
        if ended.wait(wait_of(schedule, state, clock())):
            return 0


def _show(state: dict[str, Last], since: int) -> int:
    """Print what ran since an instant, and say how many steps failed."""
    ran = {n: s for n, s in state.items() if s.began >= since}
    for name, last in ran.items():
        took = (last.ended - last.began) / 1e6
        print(f"{name}: {'done' if last.code == 0 else 'failed'} in {took:.0f} s", flush=True)
        if last.code:
            print(f"  {last.said}", flush=True)
    return sum(last.code != 0 for last in ran.values())
