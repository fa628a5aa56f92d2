"""The BentoML service: the HTTP app mounted, bundles loaded from folders, the clock read.

``EMBUDO_BUNDLES`` names a folder with one bundle folder a question. Nothing of training but the
models' own code is imported: no registry, no optimiser, no DataFrame.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import bentoml

from serving.answers import Desk
from serving.api.app import make_app
from serving.scoring import Scorer
from training.models.bundle import BundleError, read

log = logging.getLogger("embudo.service")


def now() -> int:
    """The present instant in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def load_desks(folder: Path) -> dict[str, Desk]:
    """The desk of every entity that has a whole bundle in ``folder``; others are logged and left.

    Each has answered once when this returns, so that no client waits for what is made lazily.
    """
    desks: dict[str, Desk] = {}
    for place in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")):
        try:
            desk = Desk(Scorer(read(place)))
        except (BundleError, ValueError) as wrong:
            log.error("bundle %s is not served: %s", place.name, wrong)
            continue
        desk.warm_up()
        desks[desk.scorer.entity] = desk
        log.info("serving %s, version %s", desk.scorer.bundle.name, desk.scorer.bundle.version)
    return desks


app = make_app(now)


@bentoml.service(name="embudo", traffic={"timeout": 30})
@bentoml.asgi_app(app, path="/")
class Embudo:
    """Ready once a model is loaded; without one it starts, and says so."""

    def __init__(self) -> None:
        folder = Path(os.environ.get("EMBUDO_BUNDLES", ""))
        if not os.environ.get("EMBUDO_BUNDLES") or not folder.is_dir():
            log.error("EMBUDO_BUNDLES must name a folder of bundles, got %r", str(folder))
            return
        app.state.desks = load_desks(folder)

    def __is_ready__(self) -> bool:
        return bool(app.state.desks)
