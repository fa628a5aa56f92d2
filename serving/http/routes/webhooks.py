"""POST /v1/webhooks/hubspot: what changed in the CRM; stored scores of it are stale from then on.

HubSpot's v3 signature is over the method, the URL as HubSpot called it, the raw body and the
timestamp. In the URL a few percent-encoded characters count decoded (HubSpot's page on validating
requests lists them), the others as they were sent.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

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
    """One event as we understand it; ``entity`` None: of an object that is not scored."""

    event_id: str
    kind: str
    entity: str | None
    id: str
    at: int


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
        changes = list(read_events(parse(raw)))
        store = self.endpoints.store
        new, stale = await self.endpoints.write(_note, store, changes, call.at)
        body = {"events": len(changes), "new": new, "stale": stale}
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


def read_events(body: Any) -> Iterable[WebhookChange]:
    """The events of a delivery; a Problem where it is none. Fields we do not know are HubSpot's."""
    if not isinstance(body, list):
        raise Problem("wrong_type", "the body must be a list of events")
    if len(body) > MOST_EVENTS:
        raise Problem("too_long", f"at most {MOST_EVENTS} events at once, got {len(body)}")
    for index, event in enumerate(body):
        yield _change(event, f"[{index}]")


def _change(event: Any, place: str) -> WebhookChange:
    if not isinstance(event, dict):
        raise Problem("wrong_type", "an event must be an object", place)
    event_id, about = _whole(event, "eventId", place), _whole(event, "objectId", place)
    kind = event.get("subscriptionType")
    if not isinstance(kind, str) or not re.fullmatch(r"[A-Za-z.]{1,100}", kind):
        message = "must be a word such as deal.propertyChange"
        raise Problem("wrong_type", message, f"{place}.subscriptionType")
    word = kind.partition(".")[0]
    entity = _ENTITY_OF.get(str(event.get("objectTypeId")) if word == "object" else word)
    occurred = _whole(event, "occurredAt", place) * 1000
    # HubSpot says that an eventId alone may come again: with these it is one event
    name = f"{event_id}:{event.get('subscriptionId', '')}:{about}:{occurred}"
    return WebhookChange(name[:200].replace("\0", ""), kind, entity, str(about), occurred)


def _whole(event: dict[str, Any], name: str, place: str) -> int:
    value = event.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise Problem("bad_number", "must be a whole number from 0 to 2^53", f"{place}.{name}")
    return value


def _note(store: Store, changes: list[WebhookChange], now: int) -> tuple[int, int]:
    """How many events are new, and of how many entities the scores are stale now."""
    for change in changes:
        if change.kind == FORGET and change.entity is not None:
            # before the event counts as seen: a delivery that fails half-way comes again
            store.erase(change.entity, change.id, now)
    stale: set[tuple[str, str]] = set()
    new = 0
    with store.writing() as connection:
        for change in changes:
            subject = None if change.entity is None else store.subject(change.entity, change.id)
            event = WebhookEvent(
                "hubspot", change.event_id, change.kind, now, change.at, change.entity, subject
            )
            if not store.events.add(event, connection):
                continue
            new += 1
            if change.entity is not None and change.kind != FORGET:
                at = min(change.at, now)  # their clock may run ahead of ours
                store.scores.mark_stale(change.entity, change.id, at, connection)
                stale.add((change.entity, change.id))
    return new, len(stale)
