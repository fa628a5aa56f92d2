"""The BentoML service: the app, the bundles of a folder, the clock and the surroundings read.

Nothing of training but the models' own code is imported: no registry, no optimiser, no DataFrame.
Starting only starts: bundles are loaded by a thread, so that probes are answered from the first
moment and a service without a model is not ready instead of ending again and again.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

import bentoml

from serving.app import make_app
from serving.bundles.check import BundleChecker
from serving.bundles.load import load_predictor
from serving.bundles.outcomes import ReloadState
from serving.bundles.reload import Reloader
from serving.http.probes import ProbeMiddleware, is_ready
from serving.scoring.queue import RequestQueue
from serving.settings import read_settings
from serving.store.connection import StoreConnection
from serving.store.store import default_url
from serving.telemetry.telemetry import Telemetry

log = logging.getLogger("embudo.service")


def now() -> int:
    """The present instant in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


OWN = Path(__file__).parents[1] / "bundles"
"""Where a Bento keeps the bundles it was built with (``serving.cli.bento``)."""

own = {"EMBUDO_BUNDLES": str(OWN)} if OWN.is_dir() else {}
settings = read_settings({**own, **os.environ})

app = make_app(now)
app.state.settings = settings
app.state.queue = RequestQueue(settings.queue, settings.timeout)
app.state.reload = ReloadState()
app.state.degraded = {}
watch = Telemetry(app.state, now, os.environ)


class FrontedService(bentoml.Service):  # type: ignore[misc]
    """A BentoML service whose app stands behind our own layer, however it is started."""

    def to_asgi(self, is_main: bool = True) -> Any:
        """The ASGI app: ours in front, BentoML's for its lifespan, and both watched."""
        routes = [getattr(route, "path", "") for route in app.routes]
        return watch.around(ProbeMiddleware(app, super().to_asgi(is_main)), routes)


@bentoml.service(
    name="embudo",
    service_class=FrontedService,
    traffic={"timeout": settings.timeout},
    # ours are in serving.telemetry: bounded labels, ids hashed
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(app, path="/")
class Embudo:
    """Ready once a model is loaded; without one it starts, and says so."""

    def __init__(self) -> None:
        # while a thread loads a bundle or scores a thousand records, a request waits this long for
        # the interpreter each time it gives it up: 5 ms by default
        sys.setswitchinterval(0.0005)
        watch.start(settings.metrics_port)
        url = settings.database or default_url(settings.root)
        self.store_connection = StoreConnection(url, settings.root / "data" / "journal", app.state)
        self.store_connection.start()
        self.reloader: Reloader | None = None
        folder = settings.bundles
        if folder is None:
            app.state.reload.set_note("EMBUDO_BUNDLES names no folder of bundles")
            return
        checker = BundleChecker(folder, now)
        self.reloader = Reloader(folder, app.state, checker, load_predictor, app.state.reload, now)
        self.reloader.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Look for no more bundles."""
        if self.reloader is not None:
            self.reloader.stop()
        self.store_connection.stop()
        watch.stop()

    def __is_ready__(self) -> bool:
        return is_ready(app.state)


def to_asgi() -> Any:
    """The service as an ASGI app."""
    return Embudo.to_asgi()  # type: ignore[attr-defined]
