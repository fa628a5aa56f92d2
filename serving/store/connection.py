"""The store of a running service: opened beside the requests, and looked after.

A database that cannot be reached when the service starts must not end it, and must not let requests
in without keys. Until it is open there is an ``UnavailableStore``, of which every use is a
StoreDownError. Later failures concern writes only; scores go on, and their audit rows wait in the
journal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

from serving.store.audit import AuditRow
from serving.store.errors import StoreDownError, StoreError
from serving.store.journal import Journal
from serving.store.store import Store, open_store

log = logging.getLogger("embudo.store")

PAUSE = 2.0
"""Seconds between two looks at the store, and two tries to open it."""


class StoreState(Protocol):
    """Where the service's parts stand; degraded: part -> what is wrong, "" if nothing."""

    store: Any
    journal: Any
    degraded: dict[str, str]


class UnavailableStore:
    """A store that is not open; every use of it says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __getattr__(self, name: str) -> Any:
        raise StoreDownError(f"the store is not open: {self.reason}")


class StoreConnection:
    """Opens the store at ``url`` and its journal in ``folder``; ``poll`` is one try, one check."""

    def __init__(
        self,
        url: str,
        folder: Path,
        place: StoreState,
        opened: Callable[[str], Store] = open_store,
    ) -> None:
        self.url, self.place, self._open = url, place, opened
        self.journal = Journal(folder, self._take)
        self._stop = Event()
        self._thread = Thread(target=self._run, name="embudo-store", daemon=True)
        place.store = UnavailableStore("it is being opened")
        place.journal = self.journal

    def start(self) -> None:
        """Open it now, and look after it from now on."""
        self.journal.start()
        self._thread.start()

    def stop(self) -> None:
        """Bring what is journalled to the store, and close it."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(PAUSE)
        self.journal.close()
        if not isinstance(self.place.store, UnavailableStore):
            self.place.store.close()

    def _take(self, rows: Sequence[AuditRow]) -> None:
        self.place.store.audit.append(rows)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception as failure:
                # the thread must outlive whatever a database driver thinks of next
                log.exception("a look at the store failed")
                self._say("store", f"{type(failure).__name__} while looking at it")
            self._stop.wait(PAUSE)

    def poll(self) -> None:
        """Open the store if it is not, else see whether it answers; say what is wrong."""
        try:
            if isinstance(self.place.store, UnavailableStore):
                self.place.store = self._open(self.url)
                log.info("the store is open")
            else:
                self.place.store.ping()
            self._say("store", "")
        except StoreError as wrong:
            if isinstance(self.place.store, UnavailableStore):
                self.place.store = UnavailableStore(str(wrong))
            self._say("store", str(wrong))
        counts = self.journal.counters
        lost = f"{counts.dropped:,} audit rows are lost" if counts.dropped else ""
        self._say("audit", counts.last_error or lost)

    def _say(self, part: str, reason: str) -> None:
        if reason and reason != self.place.degraded.get(part):
            log.error("%s: %s", part, reason)
        self.place.degraded = {**self.place.degraded, part: reason}
