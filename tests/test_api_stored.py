"""GET /v1/<entity>/<id>/score: the stored score, those before it, what people said beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from features.tables import DAY
from serving.http.shapes_kept import StoredOut
from tests.helpers.api import HOUR, NOW, call, nightly, post, refused, score_row, served


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Starlette]:
    with served(tmp_path) as made:
        yield made


def _stored(app: Starlette, entity_id: str, query: str = "") -> Any:
    return call(app, "GET", f"/v1/leads/{quote(entity_id, safe='')}/score{query}")


def test_the_newest_score_with_its_history(app: Starlette) -> None:
    for night, chance in ((2, 0.2), (1, 0.3)):
        at = NOW - night * DAY
        nightly(app.state.store, "leads", [score_row("x", chance)], at, at + HOUR)
    body = _stored(app, "x").json()
    StoredOut.model_validate(body)
    assert (body["entity"], body["id"], body["in_newest_run"]) == ("leads", "x", True)
    assert body["score"]["probability"] == 0.3 and body["score"]["reasons"]
    assert body["score"]["as_of"] == "2023-12-31T00:00:00Z"
    assert body["score"]["model_version"] == "v-test"
    assert [line["probability"] for line in body["history"]] == [0.3, 0.2]
    assert (body["stale"], body["override"], body["feedback"]) == (False, None, [])


def test_history_is_as_long_as_asked_for(app: Starlette) -> None:
    for night in range(5, 0, -1):
        at = NOW - night * DAY
        nightly(app.state.store, "leads", [score_row("x", night / 10)], at, at + HOUR)
    assert len(_stored(app, "x").json()["history"]) == 5
    short = _stored(app, "x", "?limit=2").json()["history"]
    assert [line["probability"] for line in short] == [0.1, 0.2]


def test_who_is_not_in_the_newest_run_is_told_so(app: Starlette) -> None:
    nightly(app.state.store, "leads", [score_row("x"), score_row("y")], NOW - 2 * DAY, NOW - DAY)
    nightly(app.state.store, "leads", [score_row("y")], NOW - DAY, NOW)
    body = _stored(app, "x").json()
    assert body["in_newest_run"] is False
    assert body["newest_run_as_of"] == "2023-12-31T00:00:00Z"
    assert body["score"]["as_of"] == "2023-12-30T00:00:00Z"


def test_a_change_after_the_cutoff_makes_it_stale_and_a_new_run_fresh(app: Starlette) -> None:
    store = app.state.store
    nightly(store, "leads", [score_row("x")], NOW - DAY, NOW - HOUR)
    store.scores.mark_stale("leads", "x", NOW - 2 * HOUR)
    body = _stored(app, "x").json()
    assert (body["stale"], body["stale_since"]) == (True, "2023-12-31T22:00:00Z")
    nightly(store, "leads", [score_row("x")], NOW, NOW + HOUR)
    assert _stored(app, "x").json()["stale"] is False


def test_an_override_stands_beside_the_model_and_replaces_nothing(app: Starlette) -> None:
    nightly(app.state.store, "leads", [score_row("x", 0.3)], NOW - DAY, NOW - HOUR)
    said = {"entity": "leads", "id": "x", "kind": "override", "probability": 0.9, "by": "maria"}
    assert post(app, "/v1/feedback", said).status_code == 201
    body = _stored(app, "x").json()
    assert body["score"]["probability"] == 0.3
    assert (body["override"]["probability"], body["override"]["by"]) == (0.9, "maria")
    assert body["override"]["model_probability"] == 0.3


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
def test_who_was_never_scored_is_unknown(app: Starlette, entity: str) -> None:
    assert refused(call(app, "GET", f"/v1/{entity}/nobody/score"))[:2] == (404, "no_score")


def test_the_entities_do_not_mix(app: Starlette) -> None:
    nightly(app.state.store, "leads", [score_row("x")], NOW - DAY, NOW)
    assert refused(call(app, "GET", "/v1/deals/x/score"))[1] == "no_score"


ODD_IDS = ["a/b", "a/b/score", "/", "score", "ñ–ü", "日本", "a b", "100%", "a?b#c", "a%2Fb", "😀"]


@pytest.mark.parametrize("entity_id", ODD_IDS)
def test_odd_ids_come_through_as_they_were_sent(app: Starlette, entity_id: str) -> None:
    nightly(app.state.store, "leads", [score_row(entity_id)], NOW - DAY, NOW)
    assert _stored(app, entity_id).json()["id"] == entity_id


ODD = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ODD.filter(lambda i: i not in (".", "..")))
def test_any_id_is_found_or_unknown_and_never_a_failure(app: Starlette, entity_id: str) -> None:
    assert refused(_stored(app, entity_id))[:2] == (404, "no_score")


@pytest.mark.parametrize(
    ("entity_id", "status", "code"),
    [
        ("x" * 1000, 422, "too_long"),
        ("x" * 200, 404, "no_score"),
        ("a%00b", 422, "bad_text"),
        ("a%0Ab", 422, "bad_text"),
        ("%FF%FE", 422, "bad_text"),
    ],
)
def test_ids_that_cannot_be_are_refused(
    app: Starlette, entity_id: str, status: int, code: str
) -> None:
    answer = call(app, "GET", f"/v1/leads/{entity_id}/score")
    assert refused(answer)[:2] == (status, code)


@pytest.mark.parametrize(
    ("query", "code", "path"),
    [
        ("?limit=0", "bad_number", "limit"),
        ("?limit=366", "bad_number", "limit"),
        ("?limit=-1", "bad_number", "limit"),
        ("?limit=ten", "bad_number", "limit"),
        ("?limit=", "bad_number", "limit"),
        ("?limit=%D9%A1", "bad_number", "limit"),
        ("?limit=1&limit=2", "duplicate_key", "limit"),
        ("?limt=3", "unknown_field", "limt"),
    ],
)
def test_parameters_are_as_strict_as_a_body(
    app: Starlette, query: str, code: str, path: str
) -> None:
    assert refused(_stored(app, "x", query)) == (
        422 if code != "duplicate_key" else 400,
        code,
        path,
    )


def test_a_head_request_is_a_get_without_a_body(app: Starlette) -> None:
    nightly(app.state.store, "leads", [score_row("x")], NOW - DAY, NOW)
    assert call(app, "HEAD", "/v1/leads/x/score").status_code == 200
    assert call(app, "HEAD", "/v1/leads/y/score").status_code == 404


def test_without_a_store_it_says_so(app: Starlette) -> None:
    app.state.store = None
    answer = call(app, "GET", "/v1/leads/x/score")
    assert refused(answer)[:2] == (503, "no_store") and answer.headers["retry-after"]
