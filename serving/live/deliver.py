"""Messages to people: at once or in a digest, at most so many a day, signed, tried again."""

from __future__ import annotations

import base64
import hmac
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import httpx
import orjson

from features.tables import DAY, instant_text
from serving.live.noticed import OutgoingEvent, Standing, events
from serving.live.outbox import Message, Outbox, Waiting
from serving.live.rules import Address, EventRules

TRIES, LONGEST = 12, 6 * 3_600
"""Tries of a message before it is given up; seconds between two at most."""

SHOWN = 20
"""Events that a message to Slack names; the others are counted."""

SECOND = 1_000_000
Post = Callable[[str, bytes, Mapping[str, str]], httpx.Response]


@dataclass
class Delivered:
    """What one run did."""

    noticed: int = 0
    sent: list[str] = field(default_factory=list)
    later: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def to_text(self) -> str:
        """One line of counts, then the messages that were given up."""
        line = f"events {self.noticed:,}, messages sent {len(self.sent):,}, waiting {self.later:,}"
        return (
            "\n".join([line, *(f"given up: {i}: {why}" for i, why in self.failed.items())]) + "\n"
        )


def post(url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
    """One call; redirects are not followed."""
    return httpx.post(url, content=body, headers=dict(headers), timeout=20.0)


def notice(rules: EventRules, outbox: Outbox, now: Iterable[Standing], at: int, lang: str) -> int:
    """Note how records stand and the events that follow: how many there are."""
    standings = list(now)
    found = [
        (event, whom_of(rules.address(rules.rules[event.rule], event.owner), event))
        for event in events(rules.rules, outbox.seen(), standings, lang)
    ]
    outbox.note(standings, found, at)
    return len(found)


def whom_of(address: Address, event: OutgoingEvent) -> str:
    """Who is counted: a person with an address, else the owner, else everybody of a rule."""
    return address.person or event.owner or f"rule {event.rule + 1}"


def compose(rules: EventRules, outbox: Outbox, at: int) -> None:
    """Messages of what waits, as far as the day's number for each person goes.

    Where more would go than the number allows, all that waits for one address is one message.
    """
    by_whom: dict[str, list[Waiting]] = defaultdict(list)
    for one in outbox.waiting():
        by_whom[one.whom].append(one)
    for whom, items in by_whom.items():
        left = rules.per_day - len(outbox.sent_since(whom, at - DAY + 1))
        urgent = [i for i in items if rules.rules[i.rule].send == "at once"]
        digest = [i for i in items if rules.rules[i.rule].send == "digest"]
        ripe = bool(digest) and digest[0].at <= at - DAY  # a digest waits a day for company
        groups = [[one] for one in urgent]
        groups += _by_address(rules, digest) if ripe else []
        if len(groups) > left:
            groups = _by_address(rules, [i for group in groups for i in group])
        for group in groups[: max(left, 0)]:
            outbox.compose(whom, group, at)


def _by_address(rules: EventRules, items: Iterable[Waiting]) -> list[list[Waiting]]:
    found: dict[Address, list[Waiting]] = defaultdict(list)
    for one in items:
        found[rules.address(rules.rules[one.rule], one.event.owner)].append(one)
    return list(found.values())


def deliver(
    rules: EventRules, outbox: Outbox, at: int, done: Delivered | None = None, send: Post = post
) -> Delivered:
    """Send every message that is due, and add what became of them to ``done``."""
    done = done or Delivered()
    for message in outbox.due(at):
        said, final = _try(rules, message, outbox.events_of(message), at, send)
        if not said:
            outbox.settle(message, "sent", at, "")
            done.sent.append(message.id)
        elif final or message.tries + 1 >= TRIES:
            outbox.settle(message, "failed", at, said)
            done.failed[message.id] = said
        else:
            pause = min(30 * 2.0**message.tries, LONGEST)
            outbox.settle(message, "waiting", at + round(pause * SECOND), said)
    done.later = len(outbox.waiting()) + len(outbox.due(at + LONGEST * SECOND))
    return done


def _try(
    rules: EventRules, message: Message, found: list[OutgoingEvent], at: int, send: Post
) -> tuple[str, bool]:
    """Why a message did not arrive ("" where it did), and whether another try is of no use."""
    if any(event.rule >= len(rules.rules) for event in found):
        return "its rule is not there any more", True
    address = rules.address(rules.rules[found[0].rule], found[0].owner)
    body = body_of(address, message, found)
    headers = {"content-type": "application/json"}
    if address.format == "webhook":
        headers |= signed(rules.secret, message.id, at // SECOND, body)
    try:
        answer = send(address.url, body, headers)
    except httpx.TransportError as wrong:
        return f"{type(wrong).__name__}: {wrong}", False
    if answer.is_success:
        return "", False
    final = 400 <= answer.status_code < 500 and answer.status_code not in (408, 425, 429)
    return f"{answer.status_code} {answer.text[:200]}", final


def body_of(address: Address, message: Message, found: list[OutgoingEvent]) -> bytes:
    """A message's bytes, the same at every try: in Slack's incoming format, or all of it."""
    if address.format == "slack":
        more = len(found) - SHOWN
        lines = [_escaped(e.said) for e in found[:SHOWN]] + ([f"+ {more}"] if more > 0 else [])
        return orjson.dumps({"text": "\n".join(lines)})
    rows = [
        {"type": e.on, "entity": e.entity, "id": e.id, "owner": e.owner, "text": e.said}
        for e in found
    ]
    made = instant_text(message.at)
    return orjson.dumps({"id": message.id, "created_at": made, "events": rows})


def _escaped(text: str) -> str:
    """Slack's three control characters, so that a deal's name mentions nobody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def signed(secret: str, key: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of the Standard Webhooks specification: id, time, HMAC-SHA256 of all three."""
    whole = f"{key}.{seconds}.".encode() + body
    digest = base64.b64encode(hmac.digest(secret.encode(), whole, "sha256")).decode()
    return {
        "webhook-id": key,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{digest}",
    }
