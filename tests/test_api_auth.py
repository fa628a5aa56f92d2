"""Keys: who is let in, who is not and why, and how soon a revocation counts."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from serving.app import make_app
from serving.store.errors import StoreDownError
from serving.store.keys import ApiKey
from serving.store.store import Store
from tests.helpers.api import LEAD, NOW, SECOND, Clock, bearer, call, desks, post, refused, served

SCORE = "/v1/leads/score"
BODY = {"records": [LEAD]}
FAR = ("203.0.113.9", 4000)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[Starlette]:
    with served(tmp_path, clock, ("leads",)) as made:
        yield made


def _key(app: Starlette, *scopes: str, expires_at: int | None = None) -> tuple[ApiKey, str]:
    store: Store = app.state.store
    return store.keys.create("crm", scopes or ("score",), NOW, expires_at)


def test_without_any_key_only_this_machine_is_let_in(app: Starlette) -> None:
    assert post(app, SCORE, BODY).status_code == 200
    far = call(app, "GET", "/v1/models", client=FAR)
    assert refused(far)[:2] == (401, "key_missing")
    assert far.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_a_proxy_on_this_machine_does_not_make_strangers_local(app: Starlette, header: str) -> None:
    found = call(app, "GET", "/v1/models", headers={header: "for=203.0.113.9"})
    assert refused(found)[0] == 401


def test_without_a_store_only_this_machine_is_let_in() -> None:
    app = make_app(Clock())
    app.state.predictors = desks("leads")
    assert post(app, SCORE, BODY).status_code == 200
    assert call(app, "GET", "/v1/models", client=FAR).status_code == 401


def test_one_key_closes_the_service(app: Starlette) -> None:
    _, token = _key(app)
    assert refused(post(app, SCORE, BODY))[:2] == (401, "key_missing")
    assert post(app, SCORE, BODY, **bearer(token)).status_code == 200
    assert call(app, "GET", "/").headers["location"] == "/sign-in?next=%2F"
    assert "lead_conversion" not in call(app, "GET", "/sign-in").text  # names no model


def test_a_revoked_key_goes_on_closing_it(app: Starlette) -> None:
    key, token = _key(app)
    app.state.store.keys.revoke(key.id, NOW)
    assert refused(post(app, SCORE, BODY))[:2] == (401, "key_missing")
    assert refused(post(app, SCORE, BODY, **bearer(token)))[:2] == (401, "key_revoked")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "key_malformed"),
        ("Bearer", "key_malformed"),
        ("Bearer ", "key_malformed"),
        ("Basic dXNlcjpwYXNz", "key_malformed"),
        ("Bearer nonsense", "key_malformed"),
        ("Bearer emb_0123456789ab_" + "0" * 63, "key_malformed"),
        ("Bearer emb_0123456789ab_" + "0" * 64, "key_unknown"),
        ("Bearer emb_0123456789ab_" + "0" * 64 + " more", "key_malformed"),
        ("Bearer " + "x" * 7000, "key_malformed"),
    ],
)
def test_what_is_no_key_is_told(app: Starlette, header: str, code: str) -> None:
    _key(app)
    answer = post(app, SCORE, BODY, authorization=header)
    assert refused(answer)[:2] == (401, code)
    assert "error=" in answer.headers["www-authenticate"]


def test_two_authorizations_are_none(app: Starlette) -> None:
    _, token = _key(app, "read")
    twice = [("authorization", f"Bearer {token}")] * 2
    assert refused(call(app, "GET", "/v1/models", headers=twice))[:2] == (401, "key_malformed")


def test_another_secret_under_a_known_id_is_as_unknown_as_any(app: Starlette) -> None:
    key, token = _key(app)
    forged = f"emb_{key.id}_{'0' * 64}"
    body = refused(post(app, SCORE, BODY, **bearer(forged)))
    assert body[:2] == (401, "key_unknown") and token not in str(body)


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (("score",), {"score"}),
        (("read",), {"read"}),
        (("score", "read"), {"score", "read"}),
        (("admin",), {"score", "read", "admin"}),
    ],
)
def test_scopes_open_what_they_name(
    app: Starlette, scopes: tuple[str, ...], allowed: set[str]
) -> None:
    _, token = _key(app, *scopes)
    tried: dict[str, Any] = {
        "score": post(app, SCORE, BODY, **bearer(token)),
        "read": call(app, "GET", "/v1/models", headers=bearer(token)),
        "admin": call(app, "GET", "/v1/audit?entity=leads&id=x", headers=bearer(token)),
    }
    assert {scope for scope, answer in tried.items() if answer.status_code == 200} == allowed
    for scope in {"score", "read", "admin"} - allowed:
        assert refused(tried[scope])[:2] == (403, "scope_missing")
        assert f'scope="{scope}"' in tried[scope].headers["www-authenticate"]


def test_an_expired_key_opens_nothing(app: Starlette, clock: Clock) -> None:
    _, token = _key(app, expires_at=NOW + 10 * SECOND)
    assert post(app, SCORE, BODY, **bearer(token)).status_code == 200
    clock.now += 10 * SECOND
    assert refused(post(app, SCORE, BODY, **bearer(token)))[:2] == (401, "key_expired")


@pytest.mark.parametrize("idle", [5, 3600])
def test_a_revocation_counts_within_five_seconds(app: Starlette, clock: Clock, idle: int) -> None:
    key, token = _key(app)
    assert post(app, SCORE, BODY, **bearer(token)).status_code == 200
    app.state.store.keys.revoke(key.id, NOW)
    clock.now += idle * SECOND
    assert refused(post(app, SCORE, BODY, **bearer(token)))[:2] == (401, "key_revoked")


def test_a_rotated_key_opens_until_its_overlap_ends(app: Starlette, clock: Clock) -> None:
    key, old = _key(app)
    _, new = app.state.store.keys.rotate(key.id, NOW, 60 * SECOND)
    for token in (old, new):
        assert post(app, SCORE, BODY, **bearer(token)).status_code == 200
    clock.now += 60 * SECOND
    assert refused(post(app, SCORE, BODY, **bearer(old)))[:2] == (401, "key_expired")
    assert post(app, SCORE, BODY, **bearer(new)).status_code == 200


def test_a_new_key_opens_at_once(app: Starlette, clock: Clock) -> None:
    _, first = _key(app)
    assert post(app, SCORE, BODY, **bearer(first)).status_code == 200
    _, second = _key(app)
    clock.now += SECOND // 2
    assert post(app, SCORE, BODY, **bearer(second)).status_code == 200


def _locked(folder: Path) -> sqlite3.Connection:
    held = sqlite3.connect(folder / "store.db", isolation_level=None)
    held.execute("BEGIN EXCLUSIVE")
    return held


def test_a_locked_database_locks_nobody_out_and_keeps_a_revocation(
    app: Starlette, clock: Clock, tmp_path: Path
) -> None:
    _, token = _key(app)
    gone, revoked = _key(app)
    assert post(app, SCORE, BODY, **bearer(revoked)).status_code == 200
    app.state.store.keys.revoke(gone.id, NOW)
    held = _locked(tmp_path)
    clock.now += 5 * SECOND
    assert post(app, SCORE, BODY, **bearer(token)).status_code == 200
    assert refused(post(app, SCORE, BODY, **bearer(revoked)))[:2] == (401, "key_revoked")
    held.close()


def test_a_database_that_went_away_locks_nobody_out(
    app: Starlette, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = _key(app)
    assert post(app, SCORE, BODY, **bearer(token)).status_code == 200

    def fail() -> list[ApiKey]:
        raise StoreDownError("the database cannot be used")

    monkeypatch.setattr(app.state.store.keys, "all", fail)
    clock.now += 3600 * SECOND
    assert post(app, SCORE, BODY, **bearer(token)).status_code == 200


def test_keys_that_were_never_read_open_nothing(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the list nobody knows whether there are keys: it is not taken for an empty one."""

    def fail() -> list[ApiKey]:
        raise StoreDownError("the database cannot be used")

    monkeypatch.setattr(app.state.store.keys, "all", fail)
    answer = post(app, SCORE, BODY)
    assert refused(answer)[:2] == (503, "store_down") and answer.headers["retry-after"]


def test_webhooks_and_documents_need_no_key(app: Starlette) -> None:
    _key(app)
    assert call(app, "GET", "/openapi.json").status_code == 200
    assert refused(post(app, "/v1/webhooks/hubspot", []))[:2] == (404, "webhook_off")


def test_no_token_is_in_an_answer_or_a_log(
    app: Starlette, caplog: pytest.LogCaptureFixture
) -> None:
    _, token = _key(app, "read")
    with caplog.at_level(0):
        said = post(app, SCORE, BODY, **bearer(token)).text
    assert token not in said + caplog.text and token[-64:] not in said + caplog.text


@pytest.mark.parametrize(
    "name", ["via", "x-real-ip", "x-forwarded-for", "forwarded", "cf-connecting-ip"]
)
def test_a_request_through_a_proxy_needs_a_key(app: Starlette, name: str) -> None:
    assert refused(post(app, SCORE, BODY, **{name: "1.2.3.4"}))[:2] == (401, "key_missing")


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]", "0.0.0.0"])
def test_a_name_made_to_point_here_needs_a_key(app: Starlette, host: str) -> None:
    """DNS rebinding: the browser sends the other site's name."""
    assert refused(post(app, SCORE, BODY, host=host))[:2] == (401, "key_missing")


@pytest.mark.parametrize("host", ["localhost:3000", "127.0.0.1", "[::1]:3000", "127.8.8.8:1"])
def test_this_machine_by_its_own_names_needs_none(app: Starlette, host: str) -> None:
    assert post(app, SCORE, BODY, host=host).status_code != 401


def test_a_keyed_database_that_is_replaced_opens_nothing(tmp_path: Path) -> None:
    """An empty one in its place is no reason to ask for no key any more, after a restart too."""
    clock = Clock()
    with served(tmp_path, clock) as app:
        app.state.store.keys.create("crm", ("score",), NOW)
        assert refused(post(app, SCORE, BODY))[:2] == (401, "key_missing")
        assert (tmp_path / "store.db.keyed").exists()
    with served(tmp_path, clock) as app:  # a new, empty store at the same place
        assert refused(post(app, SCORE, BODY))[:2] == (401, "key_missing")
        (tmp_path / "store.db.keyed").unlink()
    with served(tmp_path, clock) as app:
        assert post(app, SCORE, BODY).status_code != 401
