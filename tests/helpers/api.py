"""The app called without a server, over a real store: for the tests of the HTTP side."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import orjson
from starlette.applications import Starlette

from serving.app import make_app
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from serving.settings import Settings
from serving.store.journal import Journal
from serving.store.runs import Run, RunPlan
from serving.store.scores import ScoreRow
from serving.store.store import Store, open_store
from tests.helpers.histories import history
from tests.helpers.scored import bundle_of

NOW = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z"""

SECOND = 1_000_000
HOUR = 3600 * SECOND
LEAD = {"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}}
JSON = {"content-type": "application/json"}
ENTITIES = ("leads", "deals", "accounts")


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: int = NOW) -> None:
        self.now = now

    def __call__(self) -> int:
        """Now."""
        return self.now


def desks(*entities: str) -> dict[str, Predictor]:
    """Desks of small bundles."""
    return {e: Predictor(Scorer(bundle_of(e, history(3)))) for e in entities}


@cache
def _empty_store() -> bytes:
    """A database whose tables are made already: making them takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_store(f"sqlite:///{path}").close()
        return path.read_bytes()


@contextmanager
def served(
    folder: Path,
    clock: Clock | None = None,
    entities: tuple[str, ...] = (),
    **settings: Any,
) -> Iterator[Starlette]:
    """The app with desks, a store in ``folder`` and a journal that drains when it is told."""
    app = make_app(clock or Clock())
    (folder / "store.db").write_bytes(_empty_store())
    store = open_store(f"sqlite:///{folder / 'store.db'}")
    journal = Journal(folder / "journal", store.audit.append)
    app.state.predictors, app.state.store, app.state.journal = desks(*entities), store, journal
    app.state.settings = Settings(**settings)
    try:
        yield app
    finally:
        journal.close()
        store.close()


def call(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    """One request."""

    async def sent() -> httpx.Response:
        client = more.pop("client", ("127.0.0.1", 4000))
        transport = httpx.ASGITransport(app, client=client)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as session:
            return await session.request(method, path, **more)

    return asyncio.run(sent())


def post(app: Any, path: str, body: Any, **headers: str) -> httpx.Response:
    """A JSON body, or raw bytes, sent."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return call(app, "POST", path, content=raw, headers={**JSON, **headers})


def bearer(token: str) -> dict[str, str]:
    """The header of a key."""
    return {"authorization": f"Bearer {token}"}


def score_row(entity_id: str, probability: float = 0.3) -> ScoreRow:
    """A score as a nightly run writes it."""
    reason = {
        "code": "meeting",
        "feature": "days_since_meeting",
        "value": 3.0,
        "unit": "days",
        "effect": 0.2,
        "points": 0.04,
        "direction": "up",
        "sentence": "Days since the last meeting: 3",
        "own": True,
    }
    curve = [
        {"day": 7.0, "probability": probability / 2},
        {"day": 30.0, "probability": probability},
    ]
    return ScoreRow(entity_id, probability, "B", 0.2, 0.1, curve, [reason], None)


def nightly(store: Store, entity: str, rows: list[ScoreRow], cutoff: int, at: int) -> Run:
    """A finished run of these scores."""
    names = {"leads": ("lead_conversion", "converted"), "deals": ("deal_close", "won")}
    model, outcome = names.get(entity, ("churn", "churned"))
    plan = RunPlan(entity, model, "v-test", outcome, cutoff, f"{cutoff}", "en", len(rows))
    run = store.runs.begin(plan, at)
    return store.runs.finish(store.scores.write(run, 0, rows), at)


def refused(response: httpx.Response) -> tuple[int, str, str]:
    """Status, code and path of a problem, after its shape was looked at."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = response.json()
    assert body["status"] == response.status_code
    assert body["type"] == f"urn:embudo:problem:{body['code']}"
    for said in ("title", "detail", "action", "request_id", "version"):
        assert body[said], said
    return response.status_code, body["code"], body["path"]
