"""The journal: audit rows on disk before the answer, in the store a moment later.

A request must not wait for the database, and a database that is locked, full or away must not
fail a request. Each worker appends to a file of its own, which outlives a kill of the process; a
thread brings it to the store. A row has one uid, so what a kill lets happen twice is kept once.

The files: whoever writes one holds its lock (``flock``) for life. One that can be locked belongs to
the dead, and whoever locks it drains it: exactly one. Keep the folder on a local disk.
"""

from __future__ import annotations

import errno
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import orjson

from serving.store.audit import AuditRow
from serving.store.errors import StoreBusyError, StoreError, StoreRefusedError
from serving.store.segment import Segment

Sink = Callable[[Sequence[AuditRow]], None]
"""Where rows go: ``store.audit.append``, or whatever raises StoreError while there is no store."""

INTERVAL = 0.5
"""Seconds between two drains while all is well."""

LONGEST_WAIT = 30.0
"""Seconds between two tries, at most, while the store fails."""

BATCH = 500
"""Rows in one transaction."""

LARGEST = 256 * 1024 * 1024
"""Bytes of a worker's files: about a million rows, after which a disk matters more."""

LAST = 40
"""Batches that a closing journal still brings; the rest waits on disk for the next one."""

SPARE = 10_000
"""Rows held in memory while not even the journal can be written."""

log = logging.getLogger("embudo.journal")


@dataclass
class Counters:
    """What a journal has done since it was opened.

    pending     rows written here that are not in the store yet
    drained     rows brought to the store, of dead workers also
    failures    tries that the store failed
    torn        lines that are no row: a disk that was full, a kill amid a write
    refused     rows that the store will never take
    dropped     rows lost because neither disk nor memory had room
    last_error  of the newest try, "" when it went well
    """

    pending: int = 0
    drained: int = 0
    failures: int = 0
    torn: int = 0
    refused: int = 0
    dropped: int = 0
    last_error: str = ""


class Journal:
    """One worker's journal; ``append`` is for any thread, ``drain`` for one at a time."""

    def __init__(self, folder: Path, sink: Sink, interval: float = INTERVAL) -> None:
        self.folder, self.sink, self.interval = folder, sink, interval
        self._count = Counters()
        self._writing, self._draining = threading.Lock(), threading.Lock()
        self._active: Segment | None = None
        self._sealed: Segment | None = None
        self._spare: deque[AuditRow] = deque()
        self._budget: int | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def counters(self) -> Counters:
        """A copy of the counts."""
        with self._writing:
            return Counters(**asdict(self._count))

    def append(self, rows: Sequence[AuditRow]) -> None:
        """Write rows to the file, by one write, before the answer is sent; raises nothing."""
        data = b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)
        with self._writing:
            self._count.pending += len(rows)
            try:
                if self._active is None or self._active.gone:
                    self._begin()
                assert self._active is not None
                self._require_room(len(data))
                self._active.append(data, len(rows))
            except OSError as wrong:
                self._hold(rows, wrong)

    def _begin(self) -> None:
        """A new file; the rows of one that was deleted under us are written to it first."""
        self.folder.mkdir(parents=True, exist_ok=True)
        old, new = self._active, Segment.begin(self.folder)
        if old is not None:
            log.error("a file of the audit journal was deleted; its rows are written again")
            new.append(old.content(), old.rows)
            old.leave()
        self._active = new

    def _require_room(self, size: int) -> None:
        held = sum(s.size for s in (self._active, self._sealed) if s is not None)
        if held + size > LARGEST:
            raise OSError(errno.EFBIG, f"it holds {held:,} bytes that the store does not take")

    def _hold(self, rows: Sequence[AuditRow], wrong: OSError) -> None:
        """The file takes nothing more: memory does, as far as it goes."""
        self._count.last_error = f"journal: {wrong.strerror}"
        room = max(SPARE - len(self._spare), 0)
        self._spare.extend(rows[:room])
        lost = len(rows) - min(room, len(rows))
        self._count.dropped += lost
        self._count.pending -= lost

    def start(self) -> None:
        """Drain from now on, in a thread."""
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        wait = self.interval
        while not self._stop.wait(wait):
            wait = self.interval if self.drain() else min(wait * 2, LONGEST_WAIT)

    def drain(self) -> bool:
        """Bring everything to the store once; False where something went wrong (``counters``)."""
        with self._draining:
            try:
                self._drain_spare()
                self._drain_own()
                for path in sorted(self.folder.glob("audit-*.jsonl")):
                    self._drain_dead(path)
            except Exception as wrong:
                # whatever it is, the thread goes on and the rows stay where they are
                self._failed(wrong)
                return False
            with self._writing:
                self._count.last_error = ""
            return True

    def close(self, patience: float = 5.0) -> None:
        """Stop the thread, try once more, and leave on disk what the store does not take.

        patience: seconds to wait for a drain that is going on.
        """
        self._stop.set()
        self._budget = LAST
        if self._thread is not None:
            self._thread.join(patience)
        if not self._draining.acquire(timeout=patience):
            return  # the store has our thread: the files are free when the process has ended
        self._draining.release()
        self.drain()
        with self._writing:
            for segment in (self._active, self._sealed):
                if segment is not None:
                    segment.leave()
            self._active = self._sealed = None

    def _drain_spare(self) -> None:
        with self._writing:
            some = list(islice(self._spare, SPARE))
        for batch in batched_rows(iter(some)):
            self._take(batch)
            with self._writing:
                for _ in batch:
                    self._spare.popleft()
                self._count.pending -= len(batch)

    def _drain_own(self) -> None:
        with self._writing:
            if self._sealed is None:
                # a file is either written or read: what comes meanwhile begins a new one
                self._sealed, self._active = self._active, None
            sealed = self._sealed
        if sealed is not None:
            self._count_cut_off(sealed, self._bring(sealed))
            sealed.end()
            with self._writing:
                self._sealed = None
                self._count.pending -= sealed.rows

    def _drain_dead(self, path: Path) -> None:
        segment = Segment.inherit(path)
        if segment is None:
            return
        try:
            self._bring(segment)
        except BaseException:
            segment.leave()
            raise
        segment.end()

    def _count_cut_off(self, segment: Segment, brought: int) -> None:
        """Rows that were written to a file and are not in it any more were lost."""
        lost = max(segment.rows - brought, 0)
        if lost:
            log.error("%d audit rows are lost: a file of the journal was cut off", lost)
            with self._writing:
                self._count.dropped += lost

    def _bring(self, segment: Segment) -> int:
        """Bring a file's rows to the store; how many it holds."""
        brought = 0
        for batch in batched_rows(self._rows(segment)):
            if self._budget is not None:
                self._budget -= 1
                if self._budget < 0:
                    raise StoreBusyError("the service ends; the next one brings the rest")
            self._take(batch)
            brought += len(batch)
        return brought

    def _rows(self, segment: Segment) -> Iterator[AuditRow]:
        for line in segment.lines():
            try:
                yield AuditRow.from_json(orjson.loads(line))
            except (orjson.JSONDecodeError, TypeError, ValueError):
                if line.strip():
                    self._count.torn += 1

    def _take(self, batch: list[AuditRow]) -> None:
        """Bring a batch to the store; a row it will never take is left out, not its neighbours."""
        try:
            self.sink(batch)
        except StoreRefusedError as wrong:
            if len(batch) == 1:
                self._count.refused += 1
                log.error("an audit row is not kept: %s", wrong)
                return
            half = len(batch) // 2
            self._take(batch[:half])
            self._take(batch[half:])
            return
        self._count.drained += len(batch)

    def _failed(self, wrong: Exception) -> None:
        ours = isinstance(wrong, StoreError | OSError)
        message = str(wrong) if ours else f"{type(wrong).__name__} while draining"
        with self._writing:
            self._count.failures += 1
            new, self._count.last_error = message != self._count.last_error, message
        if new:
            log.warning("audit rows wait in %s: %s", self.folder, message)


def batched_rows(rows: Iterator[AuditRow]) -> Iterator[list[AuditRow]]:
    """The rows in batches of one transaction."""
    while batch := list(islice(rows, BATCH)):
        yield batch
