"""One file of a journal: whole lines appended, locked for as long as its worker lives."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


class Segment:
    """One file of rows, locked for as long as it is open."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self.handle = path, handle
        self.rows = self.size = 0
        self._whole = True

    @staticmethod
    def begin(folder: Path) -> Segment:
        """A new, empty file; OSError where it cannot be."""
        while True:
            path = folder / f"audit-{secrets.token_hex(8)}.jsonl"
            handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            # a drainer may have taken the empty file for a dead worker's before we locked it
            if _locked(handle):
                return Segment(path, handle)
            os.close(handle)

    @staticmethod
    def inherit(path: Path) -> Segment | None:
        """A dead worker's file; None where its worker lives or another has taken it."""
        try:
            handle = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return None
        if _locked(handle):
            return Segment(path, handle)
        os.close(handle)
        return None

    def append(self, data: bytes, rows: int) -> None:
        """Append whole lines by one write; OSError where not all of it went to the file."""
        data = data if self._whole else b"\n" + data
        self._whole = os.write(self.handle, data) == len(data)
        if not self._whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.rows += rows
        self.size += len(data)

    @property
    def gone(self) -> bool:
        """Whether its name was deleted: its rows are there for as long as this process lives."""
        return os.fstat(self.handle).st_nlink == 0

    def content(self) -> bytes:
        """Its bytes so far, whether its name was deleted or not."""
        return b"".join(self.lines())

    def lines(self) -> Iterator[bytes]:
        """Its lines so far; by its handle, which a deleted name does not close."""
        with os.fdopen(os.dup(self.handle), "rb") as file:
            file.seek(0)
            yield from file

    def end(self) -> None:
        """Delete the file, then let go of it."""
        self.path.unlink(missing_ok=True)
        os.close(self.handle)

    def leave(self) -> None:
        """Let go of the file: whoever comes next drains it."""
        os.close(self.handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(handle).st_nlink > 0
