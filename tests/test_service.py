"""The service in a process of its own: the same answers, and no value in its log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from serving.app import make_app
from serving.process.trial import running, send
from tests.helpers.api import LEAD, Clock, desks, post
from tests.helpers.histories import history
from tests.helpers.scored import bundle_of
from training.models import bundle as bundles


@pytest.fixture(scope="module")
def app() -> Any:
    made = make_app(Clock())
    made.state.predictors = desks("leads")
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("serving")
    bundles.write(bundle_of("leads", history(3)), made / "bundles" / "lead_conversion")
    yield made


@pytest.mark.parametrize("plain", [False, True], ids=["serve", "bentoml serve"])
def test_the_service_answers_as_the_app(app: Any, folder: Path, plain: bool) -> None:
    """In a process of its own: the same answer, our problems, and no value in its log."""
    body = {"as_of": "2024-01-01T00:00:00Z", "records": [LEAD]}
    with running(folder / "bundles", folder / "log", plain=plain) as address:
        ready = httpx.get(f"{address}/readyz").json()
        answer = send(address, "leads", body)
        lost = httpx.get(f"{address}/nowhere")
        secret = {"lead": {"lead_id": "s3cret", "source": 3}}
        refused = send(address, "leads", {"records": [secret]})
    assert ready["status"] == "ready" and ready["models"] == {"lead_conversion": "v-test"}
    assert answer["results"] == post(app, "/v1/leads/score", orjson.dumps(body)).json()["results"]
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
    assert refused["results"][0]["error"]["code"] == "wrong_type"
    assert "s3cret" not in (folder / "log").read_text(encoding="utf-8")
