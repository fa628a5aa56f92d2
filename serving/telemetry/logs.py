"""Logs: one JSON object a line on stderr, with names and numbers and never a field's value.

What other packages say is kept to its first line with its texts taken out, and what they caught to
its type and place: their messages quote what a client sent. A line is handed to a thread, so that a
slow reader of stderr makes no request wait; when too many wait, lines are left out and counted.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import orjson

OURS = "embudo"
WAITING = 10_000
"""Lines that may wait for a slow reader."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # its zone is written by hand, as Z
_FRAMES = 6
_FOREIGN_LENGTH = 200

Emit = Callable[[bytes], None]


class LogWriter:
    """A file descriptor written to by a thread; ``left_out`` lines found no room."""

    def __init__(self, descriptor: int = 2, waiting: int = WAITING) -> None:
        self._descriptor = descriptor
        self._lines: queue.Queue[bytes | None] = queue.Queue(waiting)
        self._thread = threading.Thread(target=self._write, name="embudo-logs", daemon=True)
        self.left_out = 0
        self._thread.start()

    def __call__(self, line: bytes) -> None:
        """Hand a line over; never waits."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.left_out += 1

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits, for at most so long."""
        try:
            self._lines.put(None, timeout=seconds)
        except queue.Full:
            return
        self._thread.join(seconds)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            batch = [line]
            done = False
            while not done and len(batch) < 500 and not self._lines.empty():
                more = self._lines.get()
                done = more is None
                batch += [] if more is None else [more]
            _write_all(self._descriptor, b"".join(batch))
            if done:
                return


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BrokenPipeError:  # nobody reads any more; requests go on
            return


class Lines(logging.Handler):
    """Log records as lines of JSON."""

    def __init__(self, emit: Emit) -> None:
        super().__init__()
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            self._emit(line_of(record))
        except Exception:
            self.handleError(record)


def line_of(record: logging.LogRecord) -> bytes:
    """A record as a line of JSON; our own may carry ``facts``: names and numbers."""
    own = record.name == OURS or record.name.startswith(f"{OURS}.")
    line: dict[str, Any] = {
        "at": stamp(int(record.created * 1_000_000)),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage() if own else without_texts(record),
        "pid": record.process,
        **(getattr(record, "facts", None) or {}),
    }
    if record.exc_info and record.exc_info[1] is not None:
        line["failure"] = failure_of(record.exc_info[1])
    return to_line(line)


def to_line(line: dict[str, Any]) -> bytes:
    """A dictionary as one line."""
    return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def stamp(micros: int) -> str:
    """ISO 8601 text of an instant in microseconds since 1970 UTC."""
    return f"{(_EPOCH + timedelta(microseconds=micros)).isoformat(timespec='microseconds')}Z"


def without_texts(record: logging.LogRecord) -> str:
    """The first line of another package's message, its numbers kept and its texts taken out."""
    template = str(record.msg)
    if record.args:
        given = record.args if isinstance(record.args, tuple) else ()
        kept = tuple(a if isinstance(a, int | float) else "…" for a in given)
        with suppress(TypeError, ValueError):  # a %d that was given a text: the template alone
            template = template % kept
    return template.strip().partition("\n")[0][:_FOREIGN_LENGTH]


def failure_of(failure: BaseException) -> dict[str, Any]:
    """An exception's type and where it came from; its message may quote a field's value."""
    frames = traceback.extract_tb(failure.__traceback__)[-_FRAMES:]
    where = [f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in frames]
    return {"type": type(failure).__name__, "where": where}


def configure(emit: Emit, level: int = logging.INFO) -> None:
    """Let every logger of this process write such lines.

    Access logs of servers are switched off: they quote raw paths, and ``requests`` says more.
    """
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(Lines(emit))
    root.setLevel(logging.WARNING)
    for name in list(logging.Logger.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    logging.getLogger(OURS).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "bentoml"):
        logging.getLogger(name).setLevel(max(level, logging.INFO))
    for name in ("uvicorn.access", "bentoml.access"):
        logging.getLogger(name).disabled = True
