"""Events on their way out, in one SQLite file: what was seen, what waits, what was sent.

What was seen and the events that follow from it are one transaction, and so are a message and the
events in it: whatever ends the process, an event is in exactly one message, and a message that is
sent again has the same id.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

from serving.live.noticed import OutgoingEvent, Standing

_TABLES = """
CREATE TABLE IF NOT EXISTS seen (
    entity TEXT NOT NULL, id TEXT NOT NULL, value REAL NOT NULL, grade TEXT NOT NULL,
    stalled INTEGER NOT NULL, owner TEXT NOT NULL, label TEXT NOT NULL, PRIMARY KEY (entity, id)
);
CREATE TABLE IF NOT EXISTS waiting (
    number INTEGER PRIMARY KEY, rule INTEGER NOT NULL, whom TEXT NOT NULL, on_ TEXT NOT NULL,
    entity TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, said TEXT NOT NULL,
    at INTEGER NOT NULL, message TEXT NOT NULL DEFAULT '',
    UNIQUE (rule, entity, id, at)
);
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, whom TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL,
    tries INTEGER NOT NULL, next_at INTEGER NOT NULL, said TEXT NOT NULL
);
"""


@dataclass(frozen=True)
class Waiting:
    """An event that is in no message yet; ``at`` in microseconds."""

    number: int
    rule: int
    whom: str
    event: OutgoingEvent
    at: int


@dataclass(frozen=True)
class Message:
    """One message: the address's key, when it was made, how often it was tried."""

    id: str
    whom: str
    at: int
    state: str
    tries: int
    next_at: int
    said: str


class Outbox:
    """The outbox of one root. One process at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.executescript(_TABLES)

    def seen(self) -> dict[tuple[str, str], Standing]:
        """How each record stood when last looked at."""
        found = self.database.execute("SELECT * FROM seen")
        rows = (Standing(r[0], r[1], r[2], r[3], bool(r[4]), r[5], r[6]) for r in found)
        return {(one.entity, one.id): one for one in rows}

    def note(
        self, standings: Iterable[Standing], events: Iterable[tuple[OutgoingEvent, str]], at: int
    ) -> None:
        """Keep how records stand and the events that follow, with whom each is for."""
        with self._transaction():
            rows = [astuple(one) for one in standings]
            self.database.execute("DELETE FROM seen")
            self.database.executemany("INSERT INTO seen VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self.database.executemany(
                "INSERT OR IGNORE INTO waiting (rule, whom, on_, entity, id, owner, said, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [(e.rule, w, e.on, e.entity, e.id, e.owner, e.said, at) for e, w in events],
            )

    def waiting(self) -> list[Waiting]:
        """Events that are in no message yet, the oldest first."""
        asked = "SELECT number, rule, whom, on_, entity, id, owner, said, at FROM waiting "
        found = self.database.execute(f"{asked} WHERE message = '' ORDER BY number")
        return [Waiting(r[0], r[1], r[2], OutgoingEvent(r[1], *r[3:8]), r[8]) for r in found]

    def sent_since(self, whom: str, since: int) -> list[int]:
        """When messages to an address were made since an instant."""
        asked = "SELECT at FROM messages WHERE whom = ? AND at >= ? ORDER BY at"
        return [row[0] for row in self.database.execute(asked, [whom, since])]

    def compose(self, whom: str, items: Sequence[Waiting], at: int) -> None:
        """Put events into one message; its id follows from them."""
        numbers = ",".join(str(one.number) for one in items)
        key = "msg_" + hashlib.sha256(f"{whom}|{numbers}".encode()).hexdigest()[:24]
        with self._transaction():
            row = (key, whom, at, "waiting", 0, at, "")
            self.database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self.database.executemany(
                "UPDATE waiting SET message = ? WHERE number = ?", [(key, i.number) for i in items]
            )

    def due(self, now: int) -> list[Message]:
        """Messages that are to be sent now."""
        asked = "SELECT * FROM messages WHERE state = 'waiting' AND next_at <= ? ORDER BY at, id"
        return [Message(*row) for row in self.database.execute(asked, [now])]

    def events_of(self, message: Message) -> list[OutgoingEvent]:
        """The events in a message, in their order."""
        asked = "SELECT rule, on_, entity, id, owner, said FROM waiting WHERE message = ? "
        return [
            OutgoingEvent(*r)
            for r in self.database.execute(f"{asked} ORDER BY number", [message.id])
        ]

    def settle(self, message: Message, state: str, next_at: int, said: str) -> None:
        """Keep what became of a try."""
        self.database.execute(
            "UPDATE messages SET state = ?, tries = tries + 1, next_at = ?, said = ? WHERE id = ?",
            [state, next_at, said, message.id],
        )

    def failed(self) -> list[Message]:
        """Messages that were given up."""
        found = self.database.execute("SELECT * FROM messages WHERE state = 'failed' ORDER BY at")
        return [Message(*row) for row in found]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.database.close()
