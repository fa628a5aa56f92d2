"""HubSpot's webhooks: only signed, fresh, raw; each event once; stored scores become stale."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette

from features.tables import DAY
from serving.http.shapes_kept import WebhookOut
from tests.helpers.api import HOUR, NOW, call, nightly, refused, score_row, served

PATH = "/v1/webhooks/hubspot"
SECRET = "a-client-secret"
STAMP = NOW // 1000


def _event(**changes: Any) -> dict[str, Any]:
    return {
        "eventId": 1,
        "subscriptionId": 25,
        "portalId": 33,
        "occurredAt": STAMP - 60_000,
        "subscriptionType": "contact.propertyChange",
        "attemptNumber": 0,
        "objectId": 123,
        "propertyName": "lifecyclestage",
        "propertyValue": "opportunity",
        "changeSource": "CRM",
        **changes,
    }


def _sign(url: str, raw: bytes, stamp: int = STAMP, secret: str = SECRET) -> str:
    """The formula as HubSpot states it."""
    said = b"POST" + url.encode() + raw + str(stamp).encode()
    return base64.b64encode(hmac.new(secret.encode(), said, hashlib.sha256).digest()).decode()


def _send(
    app: Starlette, body: Any, signature: str | None = None, stamp: Any = STAMP, path: str = PATH
) -> Any:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {
        "content-type": b"application/json",
        "x-hubspot-signature-v3": (
            signature or _sign(f"http://localhost{path}", raw, stamp)
        ).encode(),
        "x-hubspot-request-timestamp": str(stamp).encode(),
    }
    return call(app, "POST", path, content=raw, headers=headers)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Starlette]:
    with served(tmp_path, hubspot_secret=SECRET) as made:
        yield made


def _stale(app: Starlette, entity: str, entity_id: str) -> bool:
    return bool(call(app, "GET", f"/v1/{entity}/{entity_id}/score").json()["stale"])


@pytest.mark.parametrize(
    ("entity", "event"),
    [
        ("leads", _event()),
        ("leads", _event(subscriptionType="contact.creation")),
        ("deals", _event(subscriptionType="deal.propertyChange")),
        ("accounts", _event(subscriptionType="company.merge")),
        ("deals", _event(subscriptionType="object.propertyChange", objectTypeId="0-3")),
        ("leads", _event(subscriptionType="object.deletion", objectTypeId="0-136")),
    ],
)
def test_a_change_makes_the_stored_score_stale(
    app: Starlette, entity: str, event: dict[str, Any]
) -> None:
    nightly(app.state.store, entity, [score_row("123"), score_row("9")], NOW - DAY, NOW - HOUR)
    answer = _send(app, [event])
    assert answer.status_code == 200
    WebhookOut.model_validate(answer.json())
    assert (answer.json()["new"], answer.json()["stale"]) == (1, 1)
    assert _stale(app, entity, "123") and not _stale(app, entity, "9")


def test_an_event_sent_twice_is_taken_once(app: Starlette) -> None:
    """A retry differs in attemptNumber; a run since then knows of the change."""
    store = app.state.store
    nightly(store, "leads", [score_row("123")], NOW - DAY, NOW - HOUR)
    assert _send(app, [_event(), _event()]).json()["new"] == 1
    nightly(store, "leads", [score_row("123")], NOW + HOUR, NOW + 2 * HOUR)
    assert _send(app, [_event(attemptNumber=1)]).json()["new"] == 0
    assert not _stale(app, "leads", "123")


def test_an_object_that_is_not_scored_is_noted_and_no_more(app: Starlette) -> None:
    answer = _send(app, [_event(subscriptionType="ticket.creation")]).json()
    assert (answer["new"], answer["stale"]) == (1, 0)


def test_who_asked_hubspot_to_be_forgotten_is_forgotten(app: Starlette) -> None:
    nightly(app.state.store, "leads", [score_row("123")], NOW - DAY, NOW - HOUR)
    assert _send(app, [_event(subscriptionType="contact.privacyDeletion")]).status_code == 200
    assert refused(call(app, "GET", "/v1/leads/123/score"))[1] == "no_score"


def test_signatures_that_are_not_its_own_are_refused(app: Starlette) -> None:
    raw = orjson.dumps([_event()])
    url = f"http://localhost{PATH}"
    for wrong in (
        _sign(url, raw, secret="another"),
        _sign(url, raw + b" "),
        _sign(url, raw, STAMP + 1),
        _sign(url + "?a=1", raw),
        _sign(url.replace("http:", "https:"), raw),
        "x",
        "ñ",
    ):
        answer = _send(app, raw, wrong)
        assert refused(answer)[:2] == (401, "bad_signature") and SECRET not in answer.text
    assert app.state.store.audit.count() == 0


@pytest.mark.parametrize("minutes", [-5.01, 5.01, 60, -1_000_000])
def test_an_old_or_a_future_timestamp_is_refused(app: Starlette, minutes: float) -> None:
    stamp = round(STAMP + minutes * 60_000)
    assert refused(_send(app, [_event()], stamp=max(stamp, 0)))[:2] == (401, "stale_signature")


def test_four_minutes_are_fresh(app: Starlette) -> None:
    assert _send(app, [_event()], stamp=STAMP - 4 * 60_000).status_code == 200


@pytest.mark.parametrize("stamp", ["", "now", "-1", "1e12", "9" * 400])
def test_a_timestamp_that_is_none_is_refused(app: Starlette, stamp: str) -> None:
    answer = _send(app, [_event()], "signature", stamp)
    assert refused(answer)[:2] == (401, "bad_signature")


def test_the_raw_body_is_signed_not_its_meaning(app: Starlette) -> None:
    raw = b"[ " + orjson.dumps(_event()) + b"\n]"
    assert _send(app, raw).status_code == 200
    assert (
        refused(_send(app, raw.replace(b"\n", b""), _sign(f"http://localhost{PATH}", raw)))[0]
        == 401
    )


def test_behind_a_proxy_the_public_address_is_signed(tmp_path: Path) -> None:
    with served(
        tmp_path, hubspot_secret=SECRET, public_url="https://crm.example.com/embudo/"
    ) as app:
        raw = orjson.dumps([_event()])
        outside = _sign(f"https://crm.example.com/embudo{PATH}", raw)
        assert _send(app, raw, outside).status_code == 200
        assert refused(_send(app, raw, _sign(f"http://localhost{PATH}", raw)))[0] == 401


@pytest.mark.parametrize(
    ("sent", "signed"),
    [
        ("?to=a%3Ab%2fc%40d", "?to=a:b/c@d"),
        ("?q=%21%24%27%28%29%2A%2C%3B%3F", "?q=!$'()*,;?"),
        ("?q=a%20b%26c%25", "?q=a%20b%26c%25"),
        ("?q=a+b", "?q=a+b"),
    ],
)
def test_the_url_is_decoded_as_far_as_hubspot_says(app: Starlette, sent: str, signed: str) -> None:
    raw = orjson.dumps([_event()])
    signature = _sign(f"http://localhost{PATH}{signed}", raw)
    assert _send(app, raw, signature, path=PATH + sent).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code", "path"),
    [
        ({}, 422, "wrong_type", ""),
        ([_event()] * 1001, 422, "too_long", ""),
        (b"[", 400, "bad_json", ""),
        (b'[{"eventId": 1, "eventId": 2}]', 400, "duplicate_key", "eventId"),
    ],
)
def test_a_signed_body_that_is_no_delivery_is_refused(
    app: Starlette, body: Any, status: int, code: str, path: str
) -> None:
    assert refused(_send(app, body)) == (status, code, path)


@pytest.mark.parametrize(
    ("odd", "code", "path"),
    [
        ([], "wrong_type", "[1]"),
        (_event(eventId="1"), "bad_number", "[1].eventId"),
        (_event(objectId=None), "bad_number", "[1].objectId"),
        (_event(occurredAt=-1), "bad_number", "[1].occurredAt"),
        (_event(occurredAt=2**60), "bad_number", "[1].occurredAt"),
        (_event(subscriptionType=3), "wrong_type", "[1].subscriptionType"),
        (_event(mergedObjectIds="2;3"), "wrong_type", "[1].mergedObjectIds"),
    ],
)
def test_one_odd_event_is_answered_for_itself(
    app: Starlette, odd: Any, code: str, path: str
) -> None:
    """HubSpot sends a refused delivery again, whole: the good events in it would be lost."""
    store = app.state.store
    nightly(store, "leads", [score_row("123"), score_row("124")], NOW - DAY, NOW - HOUR)
    answer = _send(app, [_event(), odd, _event(eventId=2, objectId=124)])
    assert answer.status_code == 200
    said = WebhookOut.model_validate(answer.json())
    assert (said.events, said.new, said.stale) == (3, 2, 2)
    assert [(one.code, one.path) for one in said.refused] == [(code, path)]
    assert _stale(app, "leads", "123") and _stale(app, "leads", "124")


def _linked(**changes: Any) -> dict[str, Any]:
    event = _event(subscriptionType="deal.associationChange", fromObjectId=502, toObjectId=77)
    del event["objectId"]
    return {**event, "associationType": "DEAL_TO_COMPANY", **changes}


@pytest.mark.parametrize(
    "event",
    [
        _linked(),
        _linked(
            subscriptionType="object.associationChange",
            associationType="ANY",
            fromObjectTypeId="0-3",
            toObjectTypeId="0-2",
        ),
    ],
)
def test_an_association_makes_both_its_ends_stale(app: Starlette, event: dict[str, Any]) -> None:
    nightly(app.state.store, "deals", [score_row("502"), score_row("77")], NOW - DAY, NOW - HOUR)
    nightly(app.state.store, "accounts", [score_row("77")], NOW - DAY, NOW - HOUR)
    answer = _send(app, [_event(), event]).json()
    assert (answer["new"], answer["stale"], answer["refused"]) == (2, 3, [])
    assert _stale(app, "deals", "502") and _stale(app, "accounts", "77")
    assert not _stale(app, "deals", "77")


def test_a_merge_makes_every_record_of_it_stale(app: Starlette) -> None:
    ids = ("1", "2", "3", "4")
    nightly(app.state.store, "leads", [score_row(i) for i in ids], NOW - DAY, NOW - HOUR)
    merge = _event(
        subscriptionType="contact.merge",
        objectId=1,
        primaryObjectId=1,
        mergedObjectIds=[2, 3],
        newObjectId=4,
    )
    assert _send(app, [merge]).json()["stale"] == 4
    assert all(_stale(app, "leads", i) for i in ids)


def test_an_empty_delivery_is_one(app: Starlette) -> None:
    assert _send(app, []).json()["events"] == 0


def test_nothing_is_believed_without_a_secret(tmp_path: Path) -> None:
    with served(tmp_path) as app:
        assert refused(_send(app, [_event()]))[:2] == (404, "webhook_off")
