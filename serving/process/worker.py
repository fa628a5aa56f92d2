"""One worker process: uvicorn over the service's app, its connections handed over by `serve`.

Two processes that accept from one socket share connections by chance: with eight kept-alive
clients one of them may get six, and answers at three quarters of what the machine can. So the
supervisor accepts, and hands each connection (SCM_RIGHTS) to the worker with the fewest.

The channel's end is the order to drain: what was handed over is answered, then the process ends.
It also ends that way when the supervisor is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import socket
import struct
from contextlib import suppress
from typing import Any

import uvicorn

from serving.process.protocol import protocol_class

UP, READY = b"u", b"r"
"""Status bytes to the supervisor: the worker takes connections; it has a model."""

SLOT = struct.Struct("=Q")
"""The number of connections that a worker has seen end, in memory shared with the supervisor."""

AT_ONCE = 16

PARTING_SECONDS = 1.0
"""Seconds a worker that ends waits for the supervisor to stop sending connections."""


class EndedConnections:
    """The number of connections that have ended: written here, read by the supervisor."""

    def __init__(self, memory: mmap.mmap, place: int) -> None:
        self._memory, self._at, self._n = memory, place * SLOT.size, 0

    def add(self) -> None:
        """One more."""
        self._n += 1
        SLOT.pack_into(self._memory, self._at, self._n)


class Worker(uvicorn.Server):
    """A uvicorn server without a listening socket: connections come through ``channel``."""

    def __init__(
        self, config: uvicorn.Config, channel: socket.socket, ended: EndedConnections
    ) -> None:
        super().__init__(config)
        self.channel, self.ended = channel, ended
        self._adopting: set[asyncio.Task[None]] = set()
        self._parted = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the app, then take connections."""
        await super().startup(sockets=sockets or [])
        if not self.should_exit:
            self.channel.setblocking(False)
            asyncio.get_running_loop().add_reader(self.channel.fileno(), self._take)
            self.send_status(UP)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take what was handed over already, then let uvicorn finish what is here."""
        with suppress(OSError):  # the supervisor may have exited
            self.channel.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._parted.wait(), PARTING_SECONDS)
        await super().shutdown(sockets)

    def send_status(self, status: bytes) -> None:
        """Send a status byte to the supervisor. Thread-safe; if it has exited, stop."""
        try:
            self.channel.send(status)
        except OSError:
            self.should_exit = True

    def _take(self) -> None:
        for _ in range(AT_ONCE):
            try:
                word, numbers, _, _ = socket.recv_fds(self.channel, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                word, numbers = b"", []
            for number in numbers:
                task = asyncio.ensure_future(self._adopt(socket.socket(fileno=number)))
                self._adopting.add(task)
                task.add_done_callback(self._adopting.discard)
            if not word:
                asyncio.get_running_loop().remove_reader(self.channel.fileno())
                self.should_exit = True
                self._parted.set()
                return

    async def _adopt(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(self._protocol, connection)
        except OSError:  # it was closed on the way
            connection.close()
            self.ended.add()

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def config_of(app: Any, ended: EndedConnections, drain: float, patience: float) -> uvicorn.Config:
    """uvicorn as we want it: no log of its own, a keep-alive longer than a proxy's."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=protocol_class(ended.add, patience),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(drain),
    )


def main(arguments: list[str] | None = None) -> None:
    """Run one worker until its channel ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--channel", type=int, required=True, help="its end of the channel")
    parser.add_argument("--memory", type=int, required=True, help="file of the shared numbers")
    parser.add_argument("--place", type=int, required=True, help="its place among the workers")
    chosen = parser.parse_args(arguments)
    # seconds of imports, while the supervisor answers the probes
    from serving.http.probes import is_ready  # noqa: PLC0415
    from serving.service import app, settings, to_asgi  # noqa: PLC0415

    ended = EndedConnections(mmap.mmap(chosen.memory, 0), chosen.place)
    channel = socket.socket(fileno=chosen.channel)
    config = config_of(to_asgi(), ended, settings.drain, settings.body_seconds)
    server = Worker(config, channel, ended)
    app.state.reload.listeners.append(
        lambda _: server.send_status(READY) if is_ready(app.state) else None
    )
    server.run()


if __name__ == "__main__":
    main()
