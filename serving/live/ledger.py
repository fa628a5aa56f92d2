"""What was written into a CRM, what stood there before, and what became of each record.

An intention is kept before the CRM is called and settled after it. Whatever ends the process, the
next one knows which records may have been written, and looks before it writes again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Literal

State = Literal["intended", "written", "failed", "undone"]

_TABLE = """
CREATE TABLE IF NOT EXISTS written (
    entity TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL, value REAL NOT NULL,
    grade TEXT NOT NULL, note TEXT NOT NULL, before REAL, at INTEGER NOT NULL, said TEXT NOT NULL,
    others TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (entity, id)
)
"""


@dataclass(frozen=True)
class Entry:
    """One record of the CRM.

    value   the probability as it was sent, rounded as the CRM keeps it
    before  what stood there before our first write; None: nothing
    at      microseconds of the write
    said    why it was refused
    others  JSON of what stood in the other fields before our first write
    """

    entity: str
    id: str
    state: State
    value: float
    grade: str
    note: str
    before: float | None
    at: int
    said: str = ""
    others: str = "{}"


class WritebackLedger:
    """The entries of one connection."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.database = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self.database.execute("PRAGMA journal_mode = WAL")
        self.database.execute(_TABLE)
        columns = {row[1] for row in self.database.execute("PRAGMA table_info(written)")}
        if "others" not in columns:  # a file of before there were several fields
            add = "ALTER TABLE written ADD COLUMN others TEXT NOT NULL DEFAULT '{}'"
            self.database.execute(add)

    def entries(self, entity: str) -> dict[str, Entry]:
        """Every entry of an entity, by id."""
        found = self.database.execute("SELECT * FROM written WHERE entity = ?", [entity])
        return {row[1]: Entry(*row) for row in found}

    def keep(self, entries: Iterable[Entry]) -> None:
        """Keep entries, all or none."""
        rows: Sequence[tuple[object, ...]] = [astuple(e) for e in entries]
        self.database.execute("BEGIN IMMEDIATE")
        try:
            marks = ", ".join("?" * 10)
            self.database.executemany(f"INSERT OR REPLACE INTO written VALUES ({marks})", rows)
        except BaseException:
            self.database.execute("ROLLBACK")
            raise
        self.database.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self.database.close()
