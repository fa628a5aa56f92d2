"""Audit, erasure and purge: who scored whom is on record, and what is to go is gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from features.tables import DAY
from serving.http.shapes_kept import AuditOut, ErasedOut, PurgedOut
from tests.helpers.api import (
    HOUR,
    LEAD,
    NOW,
    bearer,
    call,
    nightly,
    post,
    refused,
    score_row,
    served,
)

SCORE = "/v1/leads/score"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Starlette]:
    with served(tmp_path, entities=("leads",)) as made:
        yield made


def _trail(app: Starlette, entity_id: str = "x", **headers: str) -> list[dict[str, Any]]:
    assert app.state.journal.drain()
    answer = call(app, "GET", f"/v1/audit?entity=leads&id={entity_id}", headers=headers).json()
    AuditOut.model_validate(answer)
    found: list[dict[str, Any]] = answer["audit"]
    return found


def test_every_scored_record_leaves_a_row_and_a_refused_one_none(app: Starlette) -> None:
    key, token = app.state.store.keys.create("crm", ("admin",), NOW)
    records = [LEAD, {"lead": {"lead_id": "y"}}, {"lead": {}}]
    headers = {**bearer(token), "x-request-id": "call-7"}
    results = post(app, SCORE, {"records": records}, **headers).json()["results"]
    (row,) = _trail(app, **bearer(token))
    assert (row["action"], row["key_id"], row["request_id"]) == ("score", key.id, "call-7")
    assert row["probability"] == results[0]["probability"]
    assert (row["model"], row["model_version"]) == ("lead_conversion", "v-test")
    assert row["as_of"] == "2024-01-01T00:00:00Z"
    assert _trail(app, "y", **bearer(token)) == []


def test_the_trail_knows_no_id_and_no_field(app: Starlette, tmp_path: Path) -> None:
    lead = {"lead_id": "id-s3cret", "created_at": "2023-12-01T00:00:00Z", "source": "word-s3cret"}
    assert post(app, SCORE, {"records": [{"lead": lead}]}).status_code == 200
    written = b"".join(p.read_bytes() for p in (tmp_path / "journal").iterdir())
    assert written and b"s3cret" not in written
    assert len(_trail(app, "id-s3cret")) == 1
    app.state.store.close()
    assert b"s3cret" not in (tmp_path / "store.db").read_bytes()


def test_a_batch_is_audited_record_by_record(app: Starlette) -> None:
    born = "2023-12-01T00:00:00Z"
    records = [{"lead": {"lead_id": f"L{i}", "created_at": born}} for i in range(20)]
    assert post(app, SCORE, {"records": records}).status_code == 200
    assert [len(_trail(app, f"L{i}")) for i in range(20)] == [1] * 20


def test_scoring_goes_on_when_the_journal_cannot_be_written(app: Starlette, tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"a file where the folder should be")
    assert post(app, SCORE, {"records": [LEAD]}).status_code == 200
    assert app.state.journal.counters.last_error
    (tmp_path / "journal").unlink()
    assert len(_trail(app)) == 1


def test_an_erased_entity_is_gone_everywhere(app: Starlette) -> None:
    nightly(app.state.store, "leads", [score_row("x"), score_row("y")], NOW - DAY, NOW - HOUR)
    post(app, SCORE, {"records": [LEAD]})
    said = {"entity": "leads", "id": "x", "kind": "override", "probability": 0.9}
    post(app, "/v1/feedback", said, **{"idempotency-key": "k"})
    assert len(_trail(app)) == 2
    body = call(app, "DELETE", "/v1/leads/x").json()
    ErasedOut.model_validate(body)
    assert (body["erased"]["scores"], body["erased"]["feedback"]) == (1, 1)
    assert (body["erased"]["audit"], body["erased"]["replies"]) == (2, 1)
    assert refused(call(app, "GET", "/v1/leads/x/score"))[1] == "no_score"
    assert call(app, "GET", "/v1/feedback?entity=leads&id=x").json()["feedback"] == []
    assert _trail(app) == []
    assert call(app, "GET", "/v1/leads/y/score").status_code == 200


def test_erasing_again_erases_nothing_and_is_no_failure(app: Starlette) -> None:
    for _ in range(2):
        body = call(app, "DELETE", "/v1/leads/nobody").json()
        assert set(body["erased"].values()) == {0}


def test_an_entity_called_score_can_be_erased_and_the_other_path_cannot(app: Starlette) -> None:
    nightly(app.state.store, "leads", [score_row("score")], NOW - DAY, NOW)
    answer = call(app, "DELETE", "/v1/leads/score")
    assert refused(answer)[:2] == (405, "method_not_allowed")
    assert answer.headers["allow"] == "OPTIONS, POST"
    assert call(app, "DELETE", "/v1/leads/%73core").json()["erased"]["scores"] == 1


def test_an_erasure_under_a_key_keeps_no_id(app: Starlette, tmp_path: Path) -> None:
    for _ in range(2):
        answer = call(app, "DELETE", "/v1/leads/s3cret", headers={"idempotency-key": "k"})
        assert answer.status_code == 200
    other = call(app, "DELETE", "/v1/leads/another", headers={"idempotency-key": "k"})
    assert refused(other)[:2] == (422, "reply_mismatch")
    app.state.store.close()
    assert b"s3cret" not in (tmp_path / "store.db").read_bytes()


def test_purge_forgets_by_age_and_spares_the_newest_run(app: Starlette) -> None:
    for days in (400, 1):
        at = NOW - days * DAY
        nightly(app.state.store, "leads", [score_row("x")], at, at)
    body = post(app, "/v1/audit/purge", {"before": "2023-12-31T23:00:00Z"}).json()
    PurgedOut.model_validate(body)
    assert body["purged"]["scores"] == 1
    assert len(call(app, "GET", "/v1/leads/x/score").json()["history"]) == 1


@pytest.mark.parametrize(
    ("body", "status", "code", "path"),
    [
        ({}, 422, "missing_field", "before"),
        ([], 422, "wrong_type", ""),
        ({"before": "2023-01-01"}, 422, "instant_without_zone", "before"),
        ({"before": "2024-01-01T00:00:01Z"}, 409, "in_future", "before"),
        ({"before": "2023-01-01T00:00:00Z", "feedback": 1}, 422, "wrong_type", "feedback"),
        ({"befor": "2023-01-01T00:00:00Z"}, 422, "unknown_field", "befor"),
    ],
)
def test_a_purge_is_as_strict_as_the_rest(
    app: Starlette, body: Any, status: int, code: str, path: str
) -> None:
    assert refused(post(app, "/v1/audit/purge", body)) == (status, code, path)


@pytest.mark.parametrize(
    ("query", "status", "code", "path"),
    [
        ("", 422, "missing_field", "entity"),
        ("?entity=leads", 422, "missing_field", "id"),
        ("?entity=contacts&id=x", 422, "unknown_word", "entity"),
        ("?entity=leads&id=", 422, "too_short", "id"),
        ("?entity=leads&id=" + "x" * 201, 422, "too_long", "id"),
        ("?entity=leads&id=%00", 422, "bad_text", "id"),
        ("?entity=leads&id=x&limit=1001", 422, "bad_number", "limit"),
        ("?entity=leads&entity=deals&id=x", 400, "duplicate_key", "entity"),
    ],
)
def test_a_trail_is_asked_for_by_entity_and_id(
    app: Starlette, query: str, status: int, code: str, path: str
) -> None:
    assert refused(call(app, "GET", f"/v1/audit{query}")) == (status, code, path)
