"""A service with every sheet of the tiny demo in its store, for the tests of the pages."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import uvicorn
from starlette.applications import Starlette

from features.tables import micros
from serving.analytics.kpis.definition import Given
from serving.analytics.lists.build import sheets
from serving.analytics.lists.keep import keep
from serving.analytics.lists.options import DeskOptions
from serving.analytics.lists.sheets import Sheet
from serving.app import make_app
from serving.process.trial import free_port
from serving.scoring.batch import score_all
from serving.scoring.nightly import score_night
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from serving.settings import Settings
from serving.store.store import Store, open_store
from tests.helpers import trained

AS_OF = micros("2026-01-01T00:00:00+00:00")
NOW = AS_OF + 3_600_000_000


@cache
def made() -> list[Sheet]:
    """Every sheet of the tiny demo, with its deals scored; once a process, since it takes long."""
    tables, bundle = trained.tables(), trained.once().bundle
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "deal_close.parquet"
        score_all(bundle, tables, AS_OF, place)
        scores = {"deal_close": pd.read_parquet(place)}
    options = DeskOptions(capacity=10)
    return list(
        sheets(tables, AS_OF, {"deal_close": Scorer(bundle)}, scores, Given(margin=0.7), options)
    )


def filled(folder: Path) -> Store:
    """A store in ``folder`` with the sheets and the scores."""
    store = open_store(f"sqlite:///{folder / 'desk.db'}")
    for sheet in made():
        keep(store, sheet, AS_OF, NOW)
    score_night(store, trained.once().bundle, trained.tables(), AS_OF, lambda: NOW)
    return store


def app_of(store: Store | None, folder: Path) -> Starlette:
    """The app over a store, one model loaded."""
    app = make_app(lambda: NOW)
    app.state.store = store
    app.state.predictors = {"deals": Predictor(Scorer(trained.once().bundle))}
    app.state.settings = Settings(forecasts=folder / "forecasts")
    return app


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The app on a loopback port; stopped at the end."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(600):
        if server.started:
            break
        thread.join(0.05)
    assert server.started, "the server did not start"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
