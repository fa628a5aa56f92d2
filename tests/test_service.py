"""The HTTP edge: one shape for every error, limits counted in bytes, and the service itself."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from features.schema import TABLES
from serving.answers import Desk
from serving.api import app as http
from serving.api import problems
from serving.api.openapi import Answer, ProblemOut
from serving.scoring import Scorer
from serving.service import load_desks
from serving.trial import running, send, told
from tests.histories import history
from tests.scored import NAMES, bundle_of
from training.models import bundle as bundles

NOW = 1_704_067_200_000_000
LEAD = {"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def app() -> Any:
    made = http.make_app(lambda: NOW)
    made.state.desks = {"leads": Desk(Scorer(bundle_of("leads", history(3))))}
    return made


def _call(app: Any, method: str, path: str, **more: Any) -> httpx.Response:
    async def call() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **more)

    return asyncio.run(call())


def _post(app: Any, content: Any, path: str = "/v1/leads/score", **headers: str) -> httpx.Response:
    return _call(app, "POST", path, content=content, headers={**JSON, **headers})


def test_a_record_is_answered_with_everything_that_places_the_number(app: Any) -> None:
    response = _post(app, orjson.dumps({"records": [LEAD]}), **{"x-request-id": "call-7"})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    answer = response.json()
    assert answer["request_id"] == "call-7" and answer["as_of"] == "2024-01-01T00:00:00Z"
    assert answer["model"]["name"] == "lead_conversion" and answer["model"]["horizon_days"] == 30
    (result,) = answer["results"]
    assert result["id"] == "x" and 0 < result["probability"] < 1
    assert [at["day"] for at in result["curve"]] == [7, 14, 30]
    assert result["grade"] in "ABCD" and result["reasons"] and result["warnings"] == []
    assert "lead x" not in told(answer) and "x: " in told(answer)


def test_answers_are_as_the_document_says(app: Any) -> None:
    """Scored and unscored records, problems, and every reference of the document resolves."""
    Answer.model_validate(_post(app, orjson.dumps({"records": [LEAD, {"lead": {}}]})).json())
    ProblemOut.model_validate(_post(app, b"{}").json())
    document = _call(app, "GET", "/openapi.json").json()
    refs = set(re.findall(r'"#/components/schemas/(\w+)"', orjson.dumps(document).decode()))
    assert refs <= set(document["components"]["schemas"])
    lead = document["components"]["schemas"]["LeadsRow"]["properties"]
    assert set(lead) == {c.name for c in TABLES["leads"].columns} | {"custom"}


def test_one_bad_record_spoils_no_other(app: Any) -> None:
    records = [LEAD, {"lead": {}}, {"lead": {"lead_id": "y"}}, LEAD]
    first, bad, unborn, last = _post(app, orjson.dumps({"records": records})).json()["results"]
    assert first["probability"] == last["probability"]
    assert (bad["index"], bad["error"]["code"]) == (1, "missing_field")
    assert unborn["error"]["code"] == "birth_unknown"


@pytest.mark.parametrize(
    ("method", "path", "content", "headers", "status", "code"),
    [
        ("GET", "/nope", b"", {}, 404, "not_found"),
        ("POST", "/v1/contacts/score", b"{}", JSON, 404, "not_found"),
        ("GET", "/docs", b"", {}, 404, "not_found"),
        ("GET", "/v1/leads/score", b"", {}, 405, "method_not_allowed"),
        ("DELETE", "/v1/models", b"", {}, 405, "method_not_allowed"),
        ("POST", "/v1/leads/score", b"{}", {}, 415, "unsupported_media_type"),
        ("POST", "/v1/leads/score", b"{}", {"content-type": "text/plain"}, 415,
         "unsupported_media_type"),
        ("POST", "/v1/leads/score", b"", JSON, 400, "bad_json"),
        ("POST", "/v1/leads/score", b"{", JSON, 400, "bad_json"),
        ("POST", "/v1/leads/score", b'{"a": NaN}', JSON, 400, "bad_json"),
        ("POST", "/v1/leads/score", b'{"a": 1e999}', JSON, 400, "bad_json"),
        ("POST", "/v1/leads/score", b'"\xff"', JSON, 400, "bad_json"),
        ("POST", "/v1/leads/score", b'"\\ud800"', JSON, 400, "bad_json"),
        ("POST", "/v1/leads/score", b"[" * 100_000, JSON, 400, "bad_json"),
        ("POST", "/v1/leads/score", b"[]", JSON, 422, "wrong_type"),
        ("POST", "/v1/leads/score", b"{}", JSON, 422, "missing_field"),
        ("POST", "/v1/leads/score", b'{"records": []}', JSON, 422, "too_short"),
        ("POST", "/v1/leads/score", b'{"records": [{}], "as_of": "now"}', JSON, 422,
         "bad_instant"),
        ("POST", "/v1/deals/score", b'{"records": [{}]}', JSON, 503, "no_model"),
    ],
)  # fmt: skip
def test_every_error_is_a_problem_with_a_stable_code(
    app: Any, method: str, path: str, content: bytes, headers: Any, status: int, code: str
) -> None:
    response = _call(app, method, path, content=content, headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"] and body["detail"] and body["request_id"]
    assert body["type"] == f"urn:embudo:problem:{code}"


def test_a_405_says_what_is_allowed(app: Any) -> None:
    assert _call(app, "PUT", "/v1/leads/score").headers["allow"] == "POST"


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "chunked"])
def test_a_body_is_counted_by_its_bytes(
    app: Any, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    """A chunked body states no length, so what comes is counted."""
    monkeypatch.setattr(problems, "LARGEST_BODY", 1000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    response = _post(app, b" " * 1100 if stated else chunks())
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")


def test_a_long_body_is_answered_as_a_short_one(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is worked on in a thread, with the same result."""
    raw = orjson.dumps({"records": [LEAD] * 3})
    short = _post(app, raw).json()["results"]
    monkeypatch.setattr(http, "INLINE_BODY", 10)
    assert _post(app, raw).json()["results"] == short


def test_a_fault_of_ours_says_nothing_of_the_record(
    app: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the value was s3cret")

    monkeypatch.setattr(app.state.desks["leads"], "answer", fail)
    with caplog.at_level(logging.DEBUG):
        response = _post(app, orjson.dumps({"records": [LEAD]}))
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "s3cret" not in response.text + caplog.text
    assert response.json()["request_id"] in caplog.text


def test_an_odd_request_id_is_replaced(app: Any) -> None:
    given = {"x-request-id": "a b<script>"}
    assert "script" not in _post(app, orjson.dumps({"records": [LEAD]}), **given).text


def test_what_is_told_of_the_models(app: Any) -> None:
    (model,) = _call(app, "GET", "/v1/models").json()["models"]
    assert (model["entity"], model["outcome"]) == ("leads", "converted")
    home = _call(app, "GET", "/").text
    assert "lead_conversion" in home and "<script" not in home and "http" not in home


def test_a_damaged_bundle_is_left_and_the_others_serve(tmp_path: Path) -> None:
    for entity in ("leads", "deals"):
        bundles.write(bundle_of(entity, history(3)), tmp_path / NAMES[entity])
    with (tmp_path / NAMES["deals"] / "bundle.json").open("ab") as file:
        file.write(b" ")
    assert list(load_desks(tmp_path)) == ["leads"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("serving")
    bundles.write(bundle_of("leads", history(3)), made / "bundles" / "lead_conversion")
    yield made


def test_the_service_answers_as_the_app(app: Any, folder: Path) -> None:
    """BentoML in a process of its own: the same answer, our problems, and no value in its log."""
    body = {"as_of": "2024-01-01T00:00:00Z", "records": [LEAD]}
    with running(folder / "bundles", folder / "log") as address:
        answer = send(address, "leads", body)
        lost = httpx.get(f"{address}/nowhere")
        secret = {"lead": {"lead_id": "s3cret", "source": 3}}
        refused = send(address, "leads", {"records": [secret]})
    assert answer["results"] == _post(app, orjson.dumps(body)).json()["results"]
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
    assert refused["results"][0]["error"]["code"] == "wrong_type"
    assert "s3cret" not in (folder / "log").read_text(encoding="utf-8")
