"""Who asks: bearer keys, checked against a copy of the store's that is never older than seconds.

No request waits for the database while the copy is young. A copy that cannot be renewed goes on
counting: a locked database must not lock the CRM out, and what it holds was true when it was read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from starlette.requests import Request

from serving.http.errors import Problem
from serving.http.threads import ThreadPool
from serving.store.engine import file_of
from serving.store.errors import StoreError
from serving.store.keys import ApiKey, id_of
from serving.store.store import Store

SECOND = 1_000_000
YOUNG = SECOND
"""Microseconds for which the copy is used without a thought; then it is renewed beside requests."""

OLD = 3 * SECOND
"""Older, as after an idle hour, and a request waits for the renewal: a key that was revoked before
must not open anything."""

PATIENCE = 1.0
"""Seconds such a request waits at most."""

log = logging.getLogger("embudo.service")


class Guard:
    """Lets a request in by its key and scope, or raises a Problem."""

    def __init__(self, store: Callable[[], Store | None]) -> None:
        self._store = store
        self._keys: dict[str, ApiKey] | None = None
        self._of: Store | None = None
        self._read_at = 0
        # of its own: writers that wait for a lock may hold every other thread
        self._threads = ThreadPool(2, "keys")
        self._renewal: asyncio.Task[None] | None = None
        self._noting: asyncio.Task[None] | None = None
        self._used: set[str] = set()
        self._keyed = False

    async def admit(self, request: Request, scope: str, at: int) -> ApiKey | None:
        """The key of the request; None where none is needed: on loopback, before any key exists."""
        keys = await self._known(at)
        given = request.headers.getlist("authorization")
        if not keys:
            if why := self.needs_key(request):
                raise _refused("key_missing", why, error="")
            return None
        if not given:
            raise _refused("key_missing", "this request needs a key", error="")
        key_id = id_of(token := _token(given))
        if key_id is None:
            raise _refused("key_malformed", "the token is not one of ours: emb_<id>_<secret>")
        key = keys.get(key_id)
        if key is None:  # it may be as new as this second
            key = (await self._known(at, YOUNG // 5)).get(key_id)
        return self._checked(key, token, scope, at)

    def needs_key(self, request: Request) -> str:
        """While no key exists: why the request needs one all the same; "" where it does not."""
        if self._keyed:
            return "the store held keys before and holds none now: restore it, or make a key"
        if not is_local(request.scope, request.headers):
            return "beyond loopback every request needs a key, and none exists yet"
        if _listens_everywhere(request.scope):
            return "the service listens beyond this machine, and no key exists yet"
        return ""

    def _checked(self, key: ApiKey | None, token: str, scope: str, at: int) -> ApiKey:
        if key is None or not key.matches(token):
            raise _refused("key_unknown", "no key has this token")
        if not key.active(at):
            code = "key_expired" if key.revoked_at is None else "key_revoked"
            raise _refused(code, f"key {key.id} opens nothing any more")
        if not key.may(scope):
            message = f"key {key.id} has not the scope {scope!r}"
            raise _refused("scope_missing", message, error="insufficient_scope", scope=scope)
        self._used.add(key.id)
        return key

    @property
    def secured(self) -> bool:
        """Whether keys are asked for, as last read."""
        return bool(self._keys)

    async def refresh(self, at: int) -> None:
        """Renew the copy if it is not young."""
        await self._known(at)

    async def known(self, at: int) -> Mapping[str, ApiKey]:
        """The keys by id, never older than seconds; empty where none exists."""
        return await self._known(at)

    async def _known(self, at: int, young: int = YOUNG) -> Mapping[str, ApiKey]:
        store = self._store()
        if store is None:
            return {}
        cold = self._keys is None or self._of is not store
        age = abs(at - self._read_at)  # a clock set back makes nothing young
        if cold or age > young:
            renewal = self._renewed(store, at)
            if cold:
                await renewal
            elif age > OLD or young < YOUNG:
                await asyncio.wait({renewal}, timeout=PATIENCE)
        if self._keys is None:
            message = "the keys cannot be read, and have not been since the start"
            raise Problem("store_down", message, retry_after="5")
        return self._keys

    def _renewed(self, store: Store, at: int) -> asyncio.Task[None]:
        """The renewal under way, or a new one."""
        task = self._renewal
        if not _running(task):
            task = self._renewal = asyncio.ensure_future(self._renew(store, at))
        assert task is not None
        return task

    async def _renew(self, store: Store, at: int) -> None:
        try:
            keys = await self._threads.run(store.keys.all)
        except StoreError as wrong:
            log.error("keys could not be read again, the last ones count: %s", wrong)
            return
        self._keys, self._of, self._read_at = {key.id: key for key in keys}, store, at
        self._keyed = self._keyed or was_keyed(store, bool(keys))
        if self._used and not _running(self._noting):
            used, self._used = self._used, set()
            self._noting = asyncio.ensure_future(self._note(store, used, at))

    async def _note(self, store: Store, used: set[str], at: int) -> None:
        """Keep when keys were used last; beside the renewal, which must not wait for a writer."""
        try:
            for key_id in used:
                await self._threads.run(store.keys.used, key_id, at)
        except StoreError as wrong:
            log.warning("the last use of some keys was not noted: %s", wrong)


def _running(task: asyncio.Task[None] | None) -> bool:
    """Whether a task is under way in this event loop."""
    if task is None or task.done():
        return False
    return task.get_loop() is asyncio.get_running_loop()


def _token(given: list[str]) -> str:
    kind, _, token = given[0].partition(" ")
    if len(given) > 1 or kind.lower() != "bearer" or not token.strip():
        raise _refused("key_malformed", "Authorization must be 'Bearer' and one token")
    return token.strip()


def _refused(code: str, message: str, error: str = "invalid_token", scope: str = "") -> Problem:
    parts = ['Bearer realm="embudo"']
    parts += [f'error="{error}"'] if error else []
    parts += [f'scope="{scope}"'] if scope else []
    return Problem(code, message, www_authenticate=", ".join(parts))


PROXIED = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-original-forwarded-for",
    "x-envoy-external-address",
)
"""Headers that a proxy adds: a request with one comes from somewhere else."""


def is_local(scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    """Whether the request comes from this machine itself, and not through a proxy on it.

    Its Host names this machine: a page of another site whose name was made to point here (DNS
    rebinding) sends its own.
    """
    client = scope.get("client")
    near = is_loopback(client[0] if client else "")
    if not near or any(name in headers for name in PROXIED):
        return False
    return is_loopback(_host_of(headers.get("host", "")))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _host_of(header: str) -> str:
    """The host of a Host header, without its port and the brackets of IPv6."""
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


def _listens_everywhere(scope: Mapping[str, Any]) -> bool:
    """Whether the socket of the request listens on every address, as far as Linux can say."""
    server = scope.get("server")
    return _listens(server[1]) if server and server[1] else False


@cache
def _listens(port: int) -> bool:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:  # no Linux, or a machine that hides it
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            address, _, number = local.partition(":")
            # 0A: listening; an address of zeros is every address
            if state == "0A" and int(number, 16) == port and not int(address, 16):
                return True
    return False


def was_keyed(store: Store, keyed: bool) -> bool:
    """Whether this store ever held a key: noted beside an SQLite file, which may be replaced.

    keyed: whether it holds one now. Delete the note, ``<database>.keyed``, to go without keys.
    """
    file = file_of(store.engine)
    note = None if file is None else file.with_name(f"{file.name}.keyed")
    if note is None or (not keyed and not note.exists()):
        return keyed
    if keyed and not note.exists():
        with suppress(OSError):  # then this process alone remembers
            note.touch(mode=0o600)
    return True
