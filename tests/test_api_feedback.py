"""POST /v1/feedback: strict, kept once, and acknowledged only when it is kept."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from starlette.applications import Starlette

from serving.http.idempotency import fingerprint
from serving.http.shapes_kept import FeedbackKept, FeedbackList
from serving.store.store import open_store
from tests.helpers.api import NOW, SECOND, Clock, bearer, call, post, refused, served

PATH = "/v1/feedback"
WON: dict[str, Any] = {"entity": "deals", "id": "D-1", "kind": "outcome", "outcome": "won"}
MINE: dict[str, Any] = {"entity": "deals", "id": "D-1", "kind": "override", "probability": 0.8}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[Starlette]:
    with served(tmp_path, clock) as made:
        yield made


def _kept(app: Starlette, entity_id: str = "D-1") -> list[dict[str, Any]]:
    answer = call(app, "GET", f"{PATH}?entity=deals&id={entity_id}").json()
    FeedbackList.model_validate(answer)
    found: list[dict[str, Any]] = answer["feedback"]
    return found


def test_what_was_said_is_kept_with_who_and_when(app: Starlette) -> None:
    said = {**MINE, "by": "maria", "note": "they called", "at": "2023-12-31T10:00:00+01:00"}
    answer = post(app, PATH, said)
    assert answer.status_code == 201
    FeedbackKept.model_validate(answer.json())
    (kept,) = _kept(app)
    assert (kept["probability"], kept["by"], kept["note"]) == (0.8, "maria", "they called")
    assert (kept["at"], kept["outcome"]) == ("2023-12-31T09:00:00Z", None)
    (row,) = app.state.store.audit.of(app.state.store.subject("deals", "D-1"))
    assert row.action == "feedback" and "called" not in str(row)


def test_left_out_it_is_said_now_by_the_key(app: Starlette) -> None:
    _, token = app.state.store.keys.create("HubSpot", ("score",), NOW)
    said = post(app, PATH, WON, **bearer(token)).json()["feedback"]
    assert (said["by"], said["at"], said["outcome"]) == ("HubSpot", "2024-01-01T00:00:00Z", "won")


@pytest.mark.parametrize(
    ("said", "status", "code", "path"),
    [
        ([], 422, "wrong_type", ""),
        ({}, 422, "missing_field", "entity"),
        ({**WON, "entity": "contacts"}, 422, "unknown_word", "entity"),
        ({**WON, "id": ""}, 422, "too_short", "id"),
        ({**WON, "id": "x" * 201}, 422, "too_long", "id"),
        ({**WON, "id": "a\0b"}, 422, "bad_text", "id"),
        ({**WON, "id": "a\nb"}, 422, "bad_text", "id"),
        ({**WON, "id": 1.5}, 422, "wrong_type", "id"),
        ({**WON, "kind": "opinion"}, 422, "unknown_word", "kind"),
        ({**WON, "outcome": "converted"}, 422, "unknown_word", "outcome"),
        ({**WON, "outcome": None}, 422, "missing_field", "outcome"),
        ({**WON, "probability": 0.5}, 422, "outcome_or_override", "probability"),
        ({**MINE, "outcome": "won"}, 422, "outcome_or_override", "outcome"),
        ({**MINE, "probability": None}, 422, "missing_field", "probability"),
        ({**MINE, "probability": 1.01}, 422, "not_a_share", "probability"),
        ({**MINE, "probability": -0.01}, 422, "not_a_share", "probability"),
        ({**MINE, "probability": "0.5"}, 422, "wrong_type", "probability"),
        ({**MINE, "probability": True}, 422, "wrong_type", "probability"),
        ({**MINE, "note": "x" * 2001}, 422, "too_long", "note"),
        ({**MINE, "note": "a\0b"}, 422, "bad_text", "note"),
        ({**MINE, "by": ""}, 422, "too_short", "by"),
        ({**MINE, "at": "2024-01-01"}, 422, "instant_without_zone", "at"),
        ({**MINE, "at": "2024-01-03T00:00:01Z"}, 409, "in_future", "at"),
        ({**MINE, "propability": 1}, 422, "unknown_field", "propability"),
    ],
)
def test_anything_else_is_refused(
    app: Starlette, said: Any, status: int, code: str, path: str
) -> None:
    assert refused(post(app, PATH, said)) == (status, code, path)
    assert _kept(app) == []


def test_a_misspelt_field_is_told_its_right_name(app: Starlette) -> None:
    detail = post(app, PATH, {**MINE, "propability": 1}).json()["detail"]
    assert "did you mean 'probability'?" in detail


def test_an_id_may_be_a_number_and_an_outcome_may_be_open_again(app: Starlette) -> None:
    assert post(app, PATH, {**WON, "id": 5, "outcome": "open"}).json()["id"] == "5"
    assert len(_kept(app, "5")) == 1


# --- Idempotency-Key ------------------------------------------------------------------------------


@pytest.mark.parametrize("quoted", ['"k-1"', "k-1"])
def test_the_same_key_again_is_answered_as_the_first_time(app: Starlette, quoted: str) -> None:
    first = post(app, PATH, WON, **{"idempotency-key": "k-1"})
    again = post(app, PATH, dict(reversed(WON.items())), **{"idempotency-key": quoted})
    assert (again.status_code, again.content) == (201, first.content)
    assert len(_kept(app)) == 1


def test_the_same_key_for_something_else_is_refused(app: Starlette) -> None:
    post(app, PATH, WON, **{"idempotency-key": "k-1"})
    other = post(app, PATH, {**WON, "outcome": "lost"}, **{"idempotency-key": "k-1"})
    assert refused(other)[:2] == (422, "reply_mismatch")
    assert [one["outcome"] for one in _kept(app)] == ["won"]


def test_two_keys_of_two_callers_do_not_meet(app: Starlette) -> None:
    tokens = [app.state.store.keys.create(n, ("admin",), NOW)[1] for n in ("a", "b")]
    for token in tokens:
        said = post(app, PATH, WON, **bearer(token), **{"idempotency-key": "k-1"})
        assert said.status_code == 201
    answer = call(app, "GET", f"{PATH}?entity=deals&id=D-1", headers=bearer(tokens[0]))
    assert len(answer.json()["feedback"]) == 2


def test_while_the_first_is_at_work_the_second_is_told_to_wait(
    app: Starlette, clock: Clock
) -> None:
    replies = app.state.store.replies
    replies.begin("k-1", "POST /v1/feedback", "", fingerprint(WON), NOW)
    answer = post(app, PATH, WON, **{"idempotency-key": "k-1"})
    assert refused(answer)[:2] == (409, "reply_in_progress")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    clock.now += 61 * SECOND  # whoever began is believed dead
    assert post(app, PATH, WON, **{"idempotency-key": "k-1"}).status_code == 201


def test_what_was_refused_does_not_use_the_key_up(app: Starlette) -> None:
    post(app, PATH, {**WON, "outcome": "perhaps"}, **{"idempotency-key": "k-1"})
    assert post(app, PATH, WON, **{"idempotency-key": "k-1"}).status_code == 201


@pytest.mark.parametrize("key", ["", " ", '""', "a b", "x" * 256, "ñ"])
def test_a_key_that_is_none_is_refused(app: Starlette, key: str) -> None:
    headers = {"idempotency-key": key.encode()}
    answer = call(app, "POST", PATH, json=WON, headers=headers)
    assert refused(answer) == (400, "bad_idempotency_key", "Idempotency-Key")


def test_many_at_once_with_one_key_are_one(app: Starlette) -> None:
    answers: list[Any] = []
    together = Barrier(4)

    def send() -> None:
        together.wait()
        answers.append(post(app, PATH, WON, **{"idempotency-key": "k-1"}))

    threads = [Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {a.status_code for a in answers} <= {201, 409} and len(_kept(app)) == 1
    assert len({a.content for a in answers if a.status_code == 201}) == 1


# --- a database that does not take it -------------------------------------------------------------


def test_what_cannot_be_kept_is_not_acknowledged(app: Starlette, tmp_path: Path) -> None:
    app.state.store.close()
    app.state.store = open_store(f"sqlite:///{tmp_path / 'store.db'}", patience=0.05)
    held = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    answer = post(app, PATH, WON, **{"idempotency-key": "k-1"})
    assert refused(answer)[:2] == (503, "store_busy") and answer.headers["retry-after"]
    held.execute("ROLLBACK")
    held.close()
    assert _kept(app) == []
    assert post(app, PATH, WON, **{"idempotency-key": "k-1"}).status_code == 201
