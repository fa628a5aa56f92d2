"""`python -m serving keys`: who may ask the service, and for what."""

from __future__ import annotations

import argparse
import sys

from features.tables import DAY, instant_text, micros
from serving.cli import CommandError, Subparsers
from serving.cli.store import Clock, opened
from serving.store.keys import SCOPES, ApiKey

HOUR = DAY // 24
LONGEST_OVERLAP = 24.0 * 366
"""Hours for which a rotated key may still open."""


def add(commands: Subparsers) -> None:
    """Add the parser of `keys`."""
    parser = commands.add_parser("keys", help="make, list, rotate and revoke bearer keys")
    acts = parser.add_subparsers(required=True, metavar="act")
    create = acts.add_parser("create", help="make a key; it is shown once")
    create.add_argument("name", help="who will hold it")
    create.add_argument(
        "--scope", action="append", choices=SCOPES, required=True, help="may be given again"
    )
    create.add_argument("--expires", default="", help="ISO instant with a zone")
    create.set_defaults(run=_create)
    acts.add_parser("list", help="list them, without their secrets").set_defaults(run=_list)
    rotate = acts.add_parser("rotate", help="make a key that takes another one's place")
    rotate.add_argument("id")
    rotate.add_argument(
        "--hours", type=float, default=24.0, help="for which the old one still opens (24)"
    )
    rotate.set_defaults(run=_rotate)
    revoke = acts.add_parser("revoke", help="let a key open nothing any more, at once")
    revoke.add_argument("id")
    revoke.set_defaults(run=_revoke)


def _create(chosen: argparse.Namespace) -> int:
    clock: Clock = chosen.clock
    expires = micros(chosen.expires) if chosen.expires else None
    with opened(chosen) as store:
        key, token = store.keys.create(chosen.name, chosen.scope, clock(), expires)
    _show(key, token)
    return 0


def _show(key: ApiKey, token: str) -> None:
    """The token alone on standard output, so that it can be piped to where it is kept."""
    print(f"key {key.id} for {key.name}: {_scopes(key)}. Shown this once:", file=sys.stderr)
    print(token)


def _list(chosen: argparse.Namespace) -> int:
    clock: Clock = chosen.clock
    with opened(chosen) as store:
        keys = store.keys.all()
    if not keys:
        print("no keys yet: python -m serving keys create NAME --scope score --scope read")
    for key in keys:
        used = "never used" if key.used_at is None else f"used {instant_text(key.used_at)}"
        print(f"{key.id}  {_state(key, clock())}  {_scopes(key)}  {used}  {key.name}")
    return 0


def _scopes(key: ApiKey) -> str:
    return ",".join(scope for scope in SCOPES if scope in key.scopes)


def _state(key: ApiKey, at: int) -> str:
    if key.revoked_at is not None:
        return f"revoked {instant_text(key.revoked_at)}"
    if key.expires_at is None:
        return "active"
    return f"{'until' if key.active(at) else 'ended'} {instant_text(key.expires_at)}"


def _rotate(chosen: argparse.Namespace) -> int:
    clock: Clock = chosen.clock
    at = clock()
    if not 0 <= chosen.hours <= LONGEST_OVERLAP:
        message = f"--hours {chosen.hours:g} is out of range: give 0 to {LONGEST_OVERLAP:g}"
        raise CommandError(f"{message} (a year)")
    with opened(chosen) as store:
        key, token = store.keys.rotate(chosen.id, at, round(chosen.hours * HOUR))
        old = store.keys.find(chosen.id)
    assert old is not None and old.expires_at is not None
    print(f"key {old.id} opens until {instant_text(old.expires_at)}", file=sys.stderr)
    _show(key, token)
    return 0


def _revoke(chosen: argparse.Namespace) -> int:
    clock: Clock = chosen.clock
    with opened(chosen) as store:
        key = store.keys.revoke(chosen.id, clock())
    print(f"key {key.id} of {key.name} opens nothing any more")
    return 0
