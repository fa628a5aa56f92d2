"""POST /v1/webhooks/hubspot: what changed in the CRM; stored scores of it are stale from then on.

HubSpot's v3 signature is over the method, the URL as HubSpot called it, the raw body and the
timestamp. In the URL a few percent-encoded characters count decoded (HubSpot's page on validating
requests lists them), the others as they were sent.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from serving.http.body import parse, read_bytes, require_json
from serving.http.endpoint import Call, Endpoints
from serving.http.errors import Problem
from serving.store.events import WebhookEvent
from serving.store.store import Store

WINDOW = 5 * 60 * 1000
"""Milliseconds around now in which a timestamp counts."""

MOST_EVENTS = 1000
SIGNATURE, TIMESTAMP = "x-hubspot-signature-v3", "x-hubspot-request-timestamp"

_DECODED = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
_ENCODED = re.compile("|".join(_DECODED), re.IGNORECASE)

FORGET = "contact.privacyDeletion"
"""A person asked HubSpot to be forgotten: then we forget, too."""

_SIDES = re.compile(r"([A-Z]+)_TO_([A-Z]+)")
"""An association's type names the objects at its two ends: DEAL_TO_COMPANY."""

_ENTITY_OF = {
    "contact": "leads",
    "lead": "leads",
    "deal": "deals",
    "company": "accounts",
    # objects of the newer, generic subscriptions, by their type id
    "0-1": "leads",
    "0-136": "leads",
    "0-3": "deals",
    "0-2": "accounts",
}
"""HubSpot's objects as ours."""


@dataclass(frozen=True)
class WebhookChange:
    """One event as we understand it: what happened, and the scored entities it is about.

    subjects  (entity, id) of each; none where the event is about objects that are not scored
    """

    event_id: str
    kind: str
    subjects: tuple[tuple[str, str], ...]
    at: int


@dataclass(frozen=True)
class RefusedEvent:
    """An event of a delivery that cannot be read: where, under which code, and why."""

    path: str
    code: str
    message: str


class HubSpotWebhook:
    """The handler of HubSpot's webhooks."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    async def receive(self, call: Call) -> Response:
        """Check the signature over the raw body, then note each event once."""
        secret = self.endpoints.settings.hubspot_secret
        if not secret:
            raise Problem("webhook_off", "no secret is set, so no event can be believed")
        require_json(call.request)
        raw = await read_bytes(call.request, self.endpoints.settings.body_seconds)
        url = self._url(call.request)
        require_signed(call.request, secret, url, raw, call.at // 1000)
        changes, refused = read_events(parse(raw))
        store = self.endpoints.store
        new, stale = await self.endpoints.write(_note, store, changes, call.at)
        body = {
            "events": len(changes) + len(refused),
            "new": new,
            "stale": stale,
            "refused": [vars(one) for one in refused],
        }
        return call.respond(body)

    def _url(self, request: Request) -> str:
        """The URL that HubSpot called; behind a proxy only ``EMBUDO_PUBLIC_URL`` knows it."""
        raw: bytes = request.scope["raw_path"].partition(b"?")[0]
        query: bytes = request.scope["query_string"]
        host = request.headers.get("host", "")
        base = self.endpoints.settings.public_url or f"{request.url.scheme}://{host}"
        tail = raw + (b"?" + query if query else b"")
        return base.rstrip("/") + tail.decode("latin-1")


def require_signed(request: Request, secret: str, url: str, raw: bytes, now: int) -> None:
    """A Problem unless HubSpot signed this request within the last minutes; now: milliseconds."""
    given, stamp = request.headers.get(SIGNATURE, ""), request.headers.get(TIMESTAMP, "")
    challenge = {"www_authenticate": "HubSpot-Signature-v3"}
    if not given or not re.fullmatch(r"[0-9]{1,15}", stamp):
        message = f"{SIGNATURE} and {TIMESTAMP} (milliseconds) are required"
        raise Problem("bad_signature", message, **challenge)
    if abs(now - int(stamp)) > WINDOW:
        message = "the timestamp is more than five minutes from now"
        raise Problem("stale_signature", message, TIMESTAMP, **challenge)
    wanted = signature(secret, request.method, url, raw, stamp)
    if not hmac.compare_digest(wanted, given.encode("utf-8", "replace")):
        message = f"the signature is not that of this request to {url[:200]}"
        raise Problem("bad_signature", message, SIGNATURE, **challenge)


def signature(secret: str, method: str, url: str, raw: bytes, stamp: str) -> bytes:
    """HubSpot's v3 signature of a request."""
    plain = _ENCODED.sub(lambda found: _DECODED[found[0].upper()], url)
    message = method.encode() + plain.encode() + raw + stamp.encode()
    return base64.b64encode(hmac.digest(secret.encode(), message, "sha256"))


def read_events(body: Any) -> tuple[list[WebhookChange], list[RefusedEvent]]:
    """The events of a delivery, and those that cannot be read; a Problem where it is none at all.

    One odd event must not refuse the delivery: HubSpot would send all of it again, for days.
    """
    if not isinstance(body, list):
        raise Problem("wrong_type", "the body must be a list of events")
    if len(body) > MOST_EVENTS:
        raise Problem("too_long", f"at most {MOST_EVENTS} events at once, got {len(body)}")
    changes, refused = [], []
    for index, event in enumerate(body):
        try:
            changes.append(_change(event, f"[{index}]"))
        except Problem as wrong:
            said = wrong.body
            refused.append(RefusedEvent(str(said["path"]), wrong.code, str(said["detail"])))
    return changes, refused


def _change(event: Any, place: str) -> WebhookChange:
    if not isinstance(event, dict):
        raise Problem("wrong_type", "an event must be an object", place)
    event_id = _whole(event, "eventId", place)
    kind = event.get("subscriptionType")
    if not isinstance(kind, str) or not re.fullmatch(r"[A-Za-z.]{1,100}", kind):
        message = "must be a word such as deal.propertyChange"
        raise Problem("wrong_type", message, f"{place}.subscriptionType")
    objects = _objects(event, kind, place)
    occurred = _whole(event, "occurredAt", place) * 1000
    # HubSpot says that an eventId alone may come again: with these it is one event
    about = "-".join(str(number) for _, number in objects[:2])
    name = f"{event_id}:{event.get('subscriptionId', '')}:{about}:{occurred}"
    scored = dict.fromkeys((_ENTITY_OF.get(word), str(number)) for word, number in objects)
    subjects = tuple((entity, about) for entity, about in scored if entity is not None)
    return WebhookChange(name[:200].replace("\0", ""), kind, subjects, occurred)


def _objects(event: dict[str, Any], kind: str, place: str) -> list[tuple[str, int]]:
    """The objects an event is about, as (HubSpot's word, id): one, two linked, or all merged."""
    word = kind.partition(".")[0]
    if word == "object":
        word = str(event.get("objectTypeId") or event.get("fromObjectTypeId"))
    if "objectId" not in event and "fromObjectId" in event:
        sides = _SIDES.fullmatch(str(event.get("associationType", "")))
        first, second = sides.groups() if sides else (word, event.get("toObjectTypeId"))
        linked = [(str(first).lower(), _whole(event, "fromObjectId", place))]
        return [*linked, (str(second).lower(), _whole(event, "toObjectId", place))]
    merged = event.get("mergedObjectIds") or []
    if not isinstance(merged, list) or len(merged) > MOST_EVENTS:
        raise Problem("wrong_type", "must be a list of ids", f"{place}.mergedObjectIds")
    names = [n for n in ("objectId", "primaryObjectId", "newObjectId") if event.get(n) is not None]
    numbers = [_whole(event, name, place) for name in names or ["objectId"]]
    numbers += [_whole({"id": one}, "id", f"{place}.mergedObjectIds") for one in merged]
    return [(word, number) for number in dict.fromkeys(numbers)]


def _whole(event: dict[str, Any], name: str, place: str) -> int:
    value = event.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise Problem("bad_number", "must be a whole number from 0 to 2^53", f"{place}.{name}")
    return value


def _note(store: Store, changes: list[WebhookChange], now: int) -> tuple[int, int]:
    """How many events are new, and of how many entities the scores are stale now."""
    for change in changes:
        if change.kind == FORGET:
            # before the event counts as seen: a delivery that fails half-way comes again
            for entity, entity_id in change.subjects:
                store.erase(entity, entity_id, now)
    stale: set[tuple[str, str]] = set()
    new = 0
    with store.writing() as connection:
        for change in changes:
            if not store.events.add(_event(store, change, now), connection):
                continue
            new += 1
            if change.kind == FORGET:
                continue
            for entity, entity_id in change.subjects:
                at = min(change.at, now)  # their clock may run ahead of ours
                store.scores.mark_stale(entity, entity_id, at, connection)
                stale.add((entity, entity_id))
    return new, len(stale)


def _event(store: Store, change: WebhookChange, now: int) -> WebhookEvent:
    """What is kept of an event: of several entities the first."""
    entity, entity_id = change.subjects[0] if change.subjects else (None, "")
    subject = None if entity is None else store.subject(entity, entity_id)
    return WebhookEvent("hubspot", change.event_id, change.kind, now, change.at, entity, subject)
