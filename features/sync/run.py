"""One sync: read what is new, find what is gone, write the raw tables, ingest them.

What is on disk after it, by connection, under ``data/sync/NAME``: ``staged.db`` (all that was
read), ``canonical`` (the data set, a link that moves in one step) and ``status.json``.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.connectors.contract import Budget, Connector, ConnectorError, Stream
from features.connectors.kinds import Wait, connect
from features.ingest.run import ingest
from features.sync.connection import Connection
from features.sync.drafting import extended
from features.sync.project import project
from features.sync.staging import Staging

MANY_LOST, FEW = 0.5, 20
"""A sync that would remove more than this share of more than so many records stops and asks."""


class SyncError(RuntimeError):
    """A sync cannot go on; the message says why and what to do."""


@dataclass
class Summary:
    """What one sync did.

    read      raw table -> records that came
    removed   raw table -> records that are gone
    records   raw table -> records there are now
    calls     made today, this sync's among them
    said      changes of the CRM's fields, and what the ingest had to note
    """

    name: str
    at: str
    read: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    said: list[str] = field(default_factory=list)

    def to_text(self) -> str:
        """What people read: one line a raw table, then what was noted."""
        lines = [
            f"{table}: {n:,} records; {self.read.get(table, 0):,} read, "
            f"{self.removed.get(table, 0):,} removed"
            for table, n in self.records.items()
        ]
        lines += [f"note: {said}" for said in self.said]
        return "\n".join([*lines, f"calls today: {self.calls:,}"]) + "\n"


def folder_of(root: Path, name: str) -> Path:
    """Where a connection's data are."""
    return root / "data" / "sync" / name


def sync(
    connection: Connection,
    root: Path,
    now: datetime,
    environment: Mapping[str, str],
    *,
    accept_deletes: bool = False,
    connector: Connector | None = None,
    wait: Wait | None = None,
    each: Callable[[str, int], object] = lambda _table, _rows: None,
) -> Summary:
    """Bring a connection's canonical data set up to date.

    now: the instant of the sync, which bounds what can have happened. ``each`` hears of every page:
    its stream and how many records it had. Of two that run at once the second is refused
    (SyncError). Whatever ends it, the next one goes on where it was.
    """
    home = folder_of(root, connection.name)
    home.mkdir(parents=True, exist_ok=True)
    with alone(home / "lock", f"a sync of {connection.name}"):
        staging = Staging(home / "staged.db")
        day = now.astimezone(UTC).date().isoformat()
        limit = round(connection.number("calls_per_day", 0))
        budget = Budget(limit, lambda: staging.call(day))
        more = {} if wait is None else {"wait": wait}
        link = connector or connect(connection.kind, connection, environment, budget, **more)
        summary = Summary(connection.name, now.astimezone(UTC).isoformat())
        try:
            _read(link, staging, summary, each)
            _sweep(link, staging, summary, now, accept_deletes)
            _publish(connection, link, staging, home, now, summary)
        finally:
            summary.calls = staging.calls(day)
            link.close()
            staging.close()
        _write_status(home, summary)
        return summary


@contextmanager
def alone(path: Path, what: str) -> Iterator[None]:
    """Hold a lock that ends with this process; SyncError where another one holds it."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SyncError(f"{what} is running already; wait until it has ended") from None
        yield


def _read(
    link: Connector, staging: Staging, summary: Summary, each: Callable[[str, int], object]
) -> None:
    for stream in link.streams():
        summary.said += staging.declare(stream)
        for page in link.pages(stream, staging.position(stream.name), staging):
            removed = staging.keep(stream.name, page)
            for row in page.rows:
                summary.read[row.table] = summary.read.get(row.table, 0) + 1
            for table, went in removed.items():
                summary.removed[table] = summary.removed.get(table, 0) + went
            each(stream.name, len(page.rows))


def _sweep(
    link: Connector, staging: Staging, summary: Summary, now: datetime, accepted: bool
) -> None:
    """Remove what the CRM does not have any more and has not told of otherwise."""
    for stream in link.streams():
        if not _due(link, staging, stream, now):
            continue
        for table, living in link.living(stream).items():
            alive = set(living)
            _guard(stream, table, staging.keys(table), alive, accepted)
            _, lost = staging.remove_all_but(table, alive)
            if lost:
                summary.removed[table] = summary.removed.get(table, 0) + lost
        staging.move(f"sweep of {stream.name}", {"at": now.isoformat()})


def _due(link: Connector, staging: Staging, stream: Stream, now: datetime) -> bool:
    """Whether a stream is to be swept: not right after its first load, then ``sweep_every``."""
    name = f"sweep of {stream.name}"
    last = staging.position(name).get("at")
    if link.sweep_every and last is not None:
        return now - datetime.fromisoformat(last) >= link.sweep_every
    staging.move(name, {"at": now.isoformat()})
    return not link.sweep_every


def _guard(stream: Stream, table: str, known: set[str], alive: set[str], accepted: bool) -> None:
    lost = len(known - alive)
    if not accepted and len(known) > FEW and lost > MANY_LOST * len(known):
        raise SyncError(
            f"{stream.name}: {lost:,} of {len(known):,} records of {table} are gone at once. If "
            f"that is so, run the sync with --accept-deletes; if not, the user of this connection "
            f"may have lost a permission"
        )


def _publish(
    connection: Connection,
    link: Connector,
    staging: Staging,
    home: Path,
    now: datetime,
    summary: Summary,
) -> None:
    """Raw tables, then the data set beside the present one, then the link moves."""
    made = home / "made"
    shutil.rmtree(made, ignore_errors=True)  # of a sync that was ended before
    summary.records = project(staging, link, made / "raw")
    # of two clocks the one that is ahead: what the CRM has written has happened
    as_of = max(now, link.clock() or now)
    mapping = extended(connection, link, as_of, made / "mapping")
    report = ingest(made / "raw", mapping, made / "canonical", now=as_of)
    summary.said += report.notices
    turn(home, made)


def turn(home: Path, made: Path) -> None:
    """Let ``canonical`` and ``raw`` mean what was made; what they meant before goes."""
    old = set(home.glob("set-*"))
    number = max((int(p.name[4:]) for p in old), default=0) + 1
    made.rename(home / f"set-{number}")
    link = home / "next"
    link.unlink(missing_ok=True)
    link.symlink_to(f"set-{number}")
    link.replace(home / "current")
    for folder in old:
        shutil.rmtree(folder)


def canonical_of(root: Path, name: str) -> Path:
    """The canonical data set of a connection's last sync that succeeded."""
    return folder_of(root, name) / "current" / "canonical"


def _write_status(home: Path, summary: Summary) -> None:
    beside = home / "status.json.new"
    text: dict[str, Any] = asdict(summary)
    beside.write_text(json.dumps(text, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(home / "status.json")


__all__ = ["ConnectorError", "Summary", "SyncError", "canonical_of", "folder_of", "sync"]
