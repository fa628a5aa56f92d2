"""POST /v1/<entity>/score over HTTP: one shape for every answer and every error."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from features.schema import TABLES
from serving.app import make_app
from serving.http import body as limits
from serving.http.routes import scores as http
from serving.http.shapes import Answer, ProblemOut
from serving.process.trial import answer_text
from tests.helpers.api import JSON, LEAD, Clock, call, desks, post, refused


@pytest.fixture(scope="module")
def app() -> Any:
    made = make_app(Clock())
    made.state.predictors = desks("leads")
    return made


def _post(app: Any, content: bytes, **headers: str) -> Any:
    return post(app, "/v1/leads/score", content, **headers)


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
    assert "lead x" not in answer_text(answer) and "x: " in answer_text(answer)


def test_answers_are_as_the_document_says(app: Any) -> None:
    """Scored and unscored records, problems, and every reference of the document resolves."""
    Answer.model_validate(_post(app, orjson.dumps({"records": [LEAD, {"lead": {}}]})).json())
    ProblemOut.model_validate(_post(app, b"{}").json())
    document = call(app, "GET", "/openapi.json").json()
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
        ("POST", "/v1/leads/score", b"[" * 100_000, JSON, 400, "too_deep"),
        ("POST", "/v1/leads/score", b"[]", JSON, 422, "wrong_type"),
        ("POST", "/v1/leads/score", b"{}", JSON, 422, "missing_field"),
        ("POST", "/v1/leads/score", b'{"records": []}', JSON, 422, "too_short"),
        ("POST", "/v1/leads/score", b'{"records": [{}], "as_of": "now"}', JSON, 422,
         "bad_instant"),
        ("POST", "/v1/deals/score", b'{"records": [{}]}', JSON, 503, "no_model"),
        ("POST", "/v1/leads/score?question=a", b'{"records": [{}]}', JSON, 404, "unknown_model"),
    ],
)  # fmt: skip
def test_every_error_is_a_problem_with_a_stable_code(
    app: Any, method: str, path: str, content: bytes, headers: Any, status: int, code: str
) -> None:
    response = call(app, method, path, content=content, headers=headers)
    assert refused(response)[:2] == (status, code)


def test_a_405_says_what_is_allowed(app: Any) -> None:
    assert call(app, "PUT", "/v1/leads/score").headers["allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("stated", [True, False], ids=["stated", "chunked"])
def test_a_body_is_counted_by_its_bytes(
    app: Any, monkeypatch: pytest.MonkeyPatch, stated: bool
) -> None:
    """A chunked body states no length, so what comes is counted."""
    monkeypatch.setattr(limits, "LARGEST_BODY", 1000)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    content = b" " * 1100 if stated else chunks()
    response = call(app, "POST", "/v1/leads/score", content=content, headers=JSON)
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

    monkeypatch.setattr(app.state.predictors["leads"], "answer_all", fail)
    with caplog.at_level(logging.DEBUG):
        response = _post(app, orjson.dumps({"records": [LEAD]}))
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "s3cret" not in response.text + caplog.text
    assert response.json()["request_id"] in caplog.text


def test_an_odd_request_id_is_replaced(app: Any) -> None:
    given = {"x-request-id": "a b<script>"}
    assert "script" not in _post(app, orjson.dumps({"records": [LEAD]}), **given).text


def test_what_is_told_of_the_models(app: Any) -> None:
    (model,) = call(app, "GET", "/v1/models").json()["models"]
    assert (model["entity"], model["outcome"]) == ("leads", "converted")
