"""Writers to a store that may be killed: ``python -m tests.helpers.writers <task> <url> …``.

``feedback``  write feedback from several threads for ever, and say each id once it is acknowledged
``audit``     append to a journal for ever, and say each uid once it is appended
``drain``     drain a journal, and be killed when the rows are in the store and the file still there
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

from serving.store.audit import AuditRow
from serving.store.journal import Journal
from serving.store.store import open_store


def say(word: str) -> None:
    """One line, at once and whole."""
    os.write(1, f"{word}\n".encode())


def die() -> None:
    """End as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def feedback(url: str) -> None:
    """See the module."""
    store = open_store(url)

    def work(thread: int) -> None:
        for n in count():
            said = store.feedback.add("leads", f"L{n}", "outcome", n, f"t{thread}", None, n)
            say(said.id)

    for thread in range(4):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    threading.Event().wait(120)


def audit(folder: str) -> None:
    """See the module."""
    journal = Journal(Path(folder), lambda _: None)

    def work(thread: int) -> None:
        for n in count():
            rows = [AuditRow(n, "score", f"t{thread}") for _ in range(n % 5 + 1)]
            journal.append(rows)
            for row in rows:
                say(row.uid)

    for thread in range(4):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    threading.Event().wait(120)


def drain(url: str, folder: str) -> None:
    """See the module."""
    store = open_store(url)

    def sink(rows: Sequence[AuditRow]) -> None:
        store.audit.append(rows)
        die()

    journal = Journal(Path(folder), sink)
    journal.append([AuditRow(n, "score") for n in range(20)])
    journal.drain()


TASKS: dict[str, Callable[..., None]] = {
    "feedback": feedback,
    "audit": audit,
    "drain": drain,
}

if __name__ == "__main__":
    TASKS[sys.argv[1]](*sys.argv[2:])
