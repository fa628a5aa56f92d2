"""`serve`: one listening socket, a few workers, and somebody who sees to it that they live.

The launcher accepts every connection and hands it to the worker with the fewest (see
``serving.process.worker``). Until a worker can take it, the doorman answers on the same socket. A
worker that ends is started again; one that ends at once, after a pause that doubles. On SIGTERM or
SIGINT nothing new is accepted, the workers finish what they have, and the exit code is 0.
"""

from __future__ import annotations

import logging
import mmap
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import sleep
from typing import IO

from serving.process.startup import StartupResponder

log = logging.getLogger("embudo.launch")

SLOT_SIZE = 8
ACCEPTS = 64
TICK = 0.1
STEADY = 10.0
"""Seconds after which a worker counts as having started well."""

LONGEST_PAUSE = 10.0


@dataclass
class WorkerProcess:
    """A process to be kept alive, and what is known of it.

    place     its number; -1 for one that takes no connections
    handed    connections handed to it
    """

    arguments: Sequence[str]
    place: int
    process: subprocess.Popen[bytes] | None = None
    channel: socket.socket | None = None
    handed: int = 0
    up: bool = False
    ready: bool = False
    started: float = 0.0
    pause: float = 0.0
    again: float = 0.0
    word: IO[bytes] | None = field(default=None, repr=False)


class Supervisor:
    """Accepts, hands over, and keeps its children alive."""

    def __init__(
        self,
        listener: socket.socket,
        workers: int,
        environment: Mapping[str, str],
        clock: Callable[[], float],
        others: Sequence[Sequence[str]] = (),
        drain: float = 30.0,
    ) -> None:
        self.listener, self.environment, self.clock = listener, dict(environment), clock
        self.drain, self.stopping = drain, False
        self.selector = selectors.DefaultSelector()
        self.responder = StartupResponder(self.selector, clock)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # as long as this process
        self._file.truncate(max(workers * SLOT_SIZE, mmap.PAGESIZE))
        self._memory = mmap.mmap(self._file.fileno(), 0)
        worker = [sys.executable, "-m", "serving.process.worker"]
        self.workers = [WorkerProcess(worker, place) for place in range(workers)]
        self.others = [WorkerProcess(arguments, -1) for arguments in others]

    def run(self) -> int:
        """Serve until a signal says otherwise; 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        while not self.stopping:
            self._turn()
        self._accept(0)  # who has connected is answered
        self.selector.unregister(self.listener)
        self.listener.close()
        self._finish()
        return 0

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _turn(self) -> None:
        for child in (*self.workers, *self.others):
            self._keep_alive(child)
        self._step(TICK)

    def _step(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            key.data(key.fd)
        self.responder.close_late()

    def _keep_alive(self, child: WorkerProcess) -> None:
        now = self.clock()
        if child.process is not None and child.process.poll() is not None:
            self._on_exit(child, child.process.returncode, now)
        if child.process is None and now >= child.again:
            self._start(child, now)

    def _on_exit(self, child: WorkerProcess, code: int, now: float) -> None:
        lasted = now - child.started
        child.pause = 0.0 if lasted > STEADY else min(LONGEST_PAUSE, max(0.2, 2 * child.pause))
        child.again = now + child.pause
        self._release(child)
        log.error("process %s ended with code %s after %.1f s", child.place, code, lasted)
        if child.place >= 0:
            self.responder.reason = f"a worker ended with code {code} and is started again"

    def _release(self, child: WorkerProcess) -> None:
        if child.channel is not None:
            self.selector.unregister(child.channel)
            child.channel.close()
        child.process, child.channel, child.up, child.ready = None, None, False, False
        if child.word is not None:
            child.word.close()
            child.word = None

    def _start(self, child: WorkerProcess, now: float) -> None:
        child.started, child.handed = now, 0
        if child.place < 0:
            # its standard input ends with this process, and so does it
            child.process = subprocess.Popen(
                child.arguments, env=self.environment, stdin=subprocess.PIPE
            )
            child.word = child.process.stdin
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._memory[child.place * SLOT_SIZE : (child.place + 1) * SLOT_SIZE] = bytes(SLOT_SIZE)
        with theirs:
            numbers = (theirs.fileno(), self._file.fileno())
            options = ("--channel", "--memory", "--place")
            values = (*numbers, child.place)
            said = [w for pair in zip(options, map(str, values), strict=True) for w in pair]
            child.process = subprocess.Popen(
                [*child.arguments, *said],
                env=self.environment,
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
            )
        ours.setblocking(False)
        child.channel = ours
        self.selector.register(ours, selectors.EVENT_READ, lambda _: self._on_status(child))

    def _on_status(self, child: WorkerProcess) -> None:
        if child.channel is None:
            return
        try:
            words = child.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        child.up = child.up or b"u" in words
        child.ready = child.ready or b"r" in words
        if not words:  # it has ended, or is about to: no more for it
            child.up = child.ready = False
            self.selector.unregister(child.channel)
            child.channel.close()
            child.channel = None

    def _accept(self, _: int) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, _ = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as wrong:  # out of files: those who wait are taken later
                log.error("no connection can be accepted: %s", wrong.strerror)
                sleep(TICK)
                return
            if not self._dispatch(connection):
                self.responder.accept(connection)

    def _dispatch(self, connection: socket.socket) -> bool:
        """Give a connection to the worker with the fewest, those with a model first."""
        able = [w for w in self.workers if w.up and w.channel is not None]
        able = [w for w in able if w.ready] or able
        for worker in sorted(able, key=self._open):
            assert worker.channel is not None
            try:
                socket.send_fds(worker.channel, [b"c"], [connection.fileno()])
            except OSError:  # full or gone
                continue
            worker.handed += 1
            connection.close()
            return True
        return False

    def _open(self, worker: WorkerProcess) -> int:
        """How many connections the worker has."""
        place = worker.place * SLOT_SIZE
        return worker.handed - int.from_bytes(
            self._memory[place : place + SLOT_SIZE], sys.byteorder
        )

    def _finish(self) -> None:
        """Let everybody finish, for at most ``drain`` seconds."""
        log.info("stopping: requests that are here are answered")
        until = self.clock() + self.drain + 5.0
        for child in (*self.workers, *self.others):
            if child.channel is not None:
                with suppress(OSError):
                    child.channel.shutdown(socket.SHUT_WR)
            if child.word is not None:
                child.word.close()
        left = [c.process for c in (*self.workers, *self.others) if c.process is not None]
        while (left or len(self.responder)) and self.clock() < until:
            left = [p for p in left if p.poll() is None]
            self._step(0.02)
        for process in left:
            log.error("process %s did not end in time and is killed", process.pid)
            process.kill()
            process.wait()


def listen(host: str, port: int, backlog: int = 2048) -> socket.socket:
    """The listening socket; OSError where it cannot be had."""
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    return listener
