"""Process supervisor: owns the listening socket, hands connections to workers, restarts them.

A new connection goes to the worker with the fewest open ones (``serving.process.worker``). While no
worker can take it, ``StartupResponder`` answers on the same socket. A worker that ends is started
again; one that ends early, after a pause that doubles. On SIGTERM or SIGINT no connection is
accepted any more, the workers finish their requests, and the exit code is 0.
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

HEAD_START = 60.0
"""Seconds after which the others start although the first worker has no model yet."""


@dataclass
class WorkerProcess:
    """A process that is kept alive, and its state.

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
    """Accepts connections, hands them to workers and restarts workers that end."""

    def __init__(
        self,
        listener: socket.socket,
        workers: int,
        environment: Mapping[str, str],
        clock: Callable[[], float],
        others: Sequence[Sequence[str]] = (),
        drain: float = 30.0,
        published: bool = False,
    ) -> None:
        """``published``: there are bundles to answer with, so that ``others`` can start later."""
        self.listener, self.environment, self.clock = listener, dict(environment), clock
        self.drain, self.stopping = drain, False
        self.selector = selectors.DefaultSelector()
        self.responder = StartupResponder(self.selector, clock)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # as long as this process
        self._file.truncate(max(workers * SLOT_SIZE, mmap.PAGESIZE))
        self._memory = mmap.mmap(self._file.fileno(), 0)
        command = [sys.executable, "-m", "serving.process.worker"]
        self.workers = [WorkerProcess(command, place) for place in range(workers)]
        self.others = [WorkerProcess(arguments, -1) for arguments in others]
        self._at_once = [self.workers[0], *(() if published else self.others)]
        self._begun = clock()

    def run(self) -> int:
        """Serve until a signal says otherwise; 0."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self._accept)
        while not self.stopping:
            self._turn()
        self._accept(0)  # connections that wait are answered
        self.selector.unregister(self.listener)
        self.listener.close()
        self._finish()
        return 0

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _turn(self) -> None:
        for worker in (*self.workers, *self.others):
            self._keep_alive(worker)
        self._step(TICK)

    def _step(self, seconds: float) -> None:
        for key, _ in self.selector.select(seconds):
            key.data(key.fd)
        self.responder.close_late()

    def _keep_alive(self, worker: WorkerProcess) -> None:
        now = self.clock()
        if worker.process is not None and worker.process.poll() is not None:
            self._on_exit(worker, worker.process.returncode, now)
        if worker.process is None and now >= worker.again and self._may_start(worker, now):
            self._start(worker, now)

    def _may_start(self, worker: WorkerProcess, now: float) -> bool:
        """The first worker has the processors for itself: all together would be ready later."""
        if worker.started or worker in self._at_once:
            return True
        return any(w.ready for w in self.workers) or now - self._begun > HEAD_START

    def _on_exit(self, worker: WorkerProcess, code: int, now: float) -> None:
        lasted = now - worker.started
        worker.pause = 0.0 if lasted > STEADY else min(LONGEST_PAUSE, max(0.2, 2 * worker.pause))
        worker.again = now + worker.pause
        self._release(worker)
        log.error("process %s ended with code %s after %.1f s", worker.place, code, lasted)
        if worker.place >= 0:
            self.responder.reason = f"a worker ended with code {code} and is started again"

    def _release(self, worker: WorkerProcess) -> None:
        if worker.channel is not None:
            self.selector.unregister(worker.channel)
            worker.channel.close()
        worker.process, worker.channel, worker.up, worker.ready = None, None, False, False
        if worker.word is not None:
            worker.word.close()
            worker.word = None

    def _start(self, worker: WorkerProcess, now: float) -> None:
        worker.started, worker.handed = now, 0
        if worker.place < 0:
            # its standard input ends with this process, and so does it
            worker.process = subprocess.Popen(
                worker.arguments, env=self.environment, stdin=subprocess.PIPE
            )
            worker.word = worker.process.stdin
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._memory[worker.place * SLOT_SIZE : (worker.place + 1) * SLOT_SIZE] = bytes(SLOT_SIZE)
        with theirs:
            numbers = (theirs.fileno(), self._file.fileno())
            options = ("--channel", "--memory", "--place")
            values = (*numbers, worker.place)
            chosen = [w for pair in zip(options, map(str, values), strict=True) for w in pair]
            worker.process = subprocess.Popen(
                [*worker.arguments, *chosen],
                env=self.environment,
                pass_fds=numbers,
                stdin=subprocess.DEVNULL,
            )
        ours.setblocking(False)
        worker.channel = ours
        self.selector.register(ours, selectors.EVENT_READ, lambda _: self._on_status(worker))

    def _on_status(self, worker: WorkerProcess) -> None:
        if worker.channel is None:
            return
        try:
            words = worker.channel.recv(64)
        except BlockingIOError:
            return
        except OSError:
            words = b""
        worker.up = worker.up or b"u" in words
        if b"r" in words and not worker.ready:
            worker.ready = True
            seconds = self.clock() - worker.started
            log.info("worker %s answers with models, %.1f s after its start", worker.place, seconds)
        if not words:  # it has ended, or is about to: no more for it
            worker.up = worker.ready = False
            self.selector.unregister(worker.channel)
            worker.channel.close()
            worker.channel = None

    def _accept(self, _: int) -> None:
        for _ in range(ACCEPTS):
            try:
                connection, _ = self.listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as wrong:  # out of files: waiting connections are accepted later
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
        """Wait until workers and clients have finished, at most ``drain`` seconds."""
        log.info("stopping: requests that are here are answered")
        until = self.clock() + self.drain + 5.0
        for worker in (*self.workers, *self.others):
            if worker.channel is not None:
                with suppress(OSError):
                    worker.channel.shutdown(socket.SHUT_WR)
            if worker.word is not None:
                worker.word.close()
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
