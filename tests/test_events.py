"""Events out: what is noticed, how often a person is written to, and nothing twice or lost."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.demo import generate
from features.frames import write
from features.tables import DAY
from serving import __main__ as serving
from serving.i18n.sentences import share
from serving.live.deliver import TRIES, compose, deliver, notice
from serving.live.noticed import Standing
from serving.live.outbox import Outbox
from serving.live.rules import EventRules, RulesError, parse
from serving.store.store import open_store
from tests.helpers.standins.service import Answer, Call, Route, StandIn
from tests.helpers.stored import CUTOFF, night, score

HOUR = DAY // 24
START = 20_000 * DAY
ENVIRONMENT = {"HOOK": "https://example.com/hook", "SLACK": "https://hooks.example.com/a"}
ENVIRONMENT |= {"MARY": "https://hooks.example.com/mary", "KEY": "the-key"}
RAW: dict[str, Any] = {
    "secret": {"env": "KEY"},
    "to": {
        "crm": {"url": {"env": "HOOK"}},
        "sales": {"url": {"env": "SLACK"}, "format": "slack"},
    },
    "people": {"mary": {"url": {"env": "MARY"}, "format": "slack"}},
    "rules": [
        {"on": "grade", "to": "crm", "grades": ["A"]},
        {"on": "stalled", "to": "sales", "send": "digest"},
        {"on": "risk", "to": "crm", "by": 0.2},
        {"on": "slip", "to": "sales", "by": 0.1},
    ],
}


def rules(**more: Any) -> EventRules:
    return parse({**RAW, **more}, "events.toml", ENVIRONMENT)


class Receiver:
    """Takes messages, and answers what it is told to."""

    def __init__(self, *answers: int) -> None:
        self.answers, self.taken = [*answers], list[tuple[str, bytes, Mapping[str, str]]]()

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        self.taken.append((url, body, headers))
        status = self.answers.pop(0) if self.answers else 200
        if status == 0:
            raise httpx.ConnectError("no connection")
        return httpx.Response(status)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    made = Outbox(tmp_path / "events.db")
    yield made
    made.close()


def run(
    chosen: EventRules, outbox: Outbox, now: list[Standing], at: int, to: Receiver | None = None
) -> Receiver:
    receiver = to or Receiver()
    notice(chosen, outbox, now, at, "en")
    compose(chosen, outbox, at)
    deliver(chosen, outbox, at, send=receiver)
    return receiver


def deal(value: float = 0.4, grade: str = "B", **more: Any) -> Standing:
    return Standing("deals", more.pop("id", "1"), value, grade, label="Big <deal>", **more)


def test_what_is_there_at_first_is_no_event(outbox: Outbox) -> None:
    assert run(rules(), outbox, [deal(grade="A", stalled=True)], START).taken == []
    assert run(rules(), outbox, [deal(grade="A", stalled=True)], START + HOUR).taken == []


def test_each_rule_says_what_it_is_for(outbox: Outbox) -> None:
    before = [deal(), Standing("accounts", "7", 0.1, "C"), Standing("forecast", "May", 1000.0)]
    after = [
        deal(0.8, "A"),
        Standing("accounts", "7", 0.35, "B", label="Acme"),
        Standing("forecast", "May", 850.0, label="bookings May"),
    ]
    run(rules(), outbox, before, START)
    taken = run(rules(), outbox, after, START + HOUR).taken
    said = [json.loads(body) for _, body, _ in taken]
    texts = {e["text"] for s in said if "events" in s for e in s["events"]}
    assert texts == {f"Big <deal>: B → A ({share(0.8)})", f"Acme: {share(0.1)} → {share(0.35)}"}
    assert {s["text"] for s in said if "text" in s} == {"bookings May: 1,000 → 850"}
    # another grade than those asked for, a small rise and a small fall are nobody's business
    quiet = [deal(0.2, "C"), Standing("accounts", "7", 0.5, "B"), Standing("forecast", "May", 800)]
    assert run(rules(), outbox, quiet, START + 2 * HOUR).taken == []


def test_a_message_is_signed_over_its_id_its_time_and_its_body(outbox: Outbox) -> None:
    """As the Standard Webhooks specification says, computed here a second time."""
    run(rules(), outbox, [deal()], START)
    ((url, body, headers),) = run(rules(), outbox, [deal(0.8, "A")], START + HOUR).taken
    assert url == ENVIRONMENT["HOOK"]
    assert headers["webhook-timestamp"] == str((START + HOUR) // 1_000_000)
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(b"the-key", text, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert json.loads(body)["id"] == headers["webhook-id"]


def test_a_message_that_fails_is_sent_again_with_the_same_id_and_bytes(outbox: Outbox) -> None:
    run(rules(), outbox, [deal()], START)
    receiver, at = Receiver(500, 429, 0, 200), START + HOUR
    run(rules(), outbox, [deal(0.8, "A")], at, receiver)
    for _ in range(6):
        at += HOUR
        run(rules(), outbox, [deal(0.8, "A")], at, receiver)
    assert len(receiver.taken) == 4
    assert len({(body, headers["webhook-id"]) for _, body, headers in receiver.taken}) == 1


def test_one_that_is_refused_is_given_up_and_named(outbox: Outbox) -> None:
    run(rules(), outbox, [deal()], START)
    notice(rules(), outbox, [deal(0.8, "A")], START + HOUR, "en")
    compose(rules(), outbox, START + HOUR)
    done = deliver(rules(), outbox, START + HOUR, send=Receiver(410))
    assert "given up: msg_" in done.to_text()
    assert "410" in done.to_text()
    assert [m.said[:3] for m in outbox.failed()] == ["410"]
    run(rules(), outbox, [deal(0.3, "B")], START + 2 * HOUR)
    receiver, at = Receiver(*[503] * 50), START + 3 * HOUR
    for _ in range(40):
        run(rules(), outbox, [deal(0.8, "A")], at, receiver)
        at += 6 * HOUR
    assert len(receiver.taken) == TRIES


def test_killed_between_sending_and_noting_it_the_receiver_can_tell(outbox: Outbox) -> None:
    class Killed(BaseException):
        """Stands for the end of the process."""

    taken: list[str] = []

    def dying(_url: str, _body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        taken.append(headers["webhook-id"])
        raise Killed

    run(rules(), outbox, [deal()], START)
    notice(rules(), outbox, [deal(0.8, "A")], START + HOUR, "en")
    compose(rules(), outbox, START + HOUR)
    with pytest.raises(Killed):
        deliver(rules(), outbox, START + HOUR, send=dying)
    again = run(rules(), outbox, [deal(0.8, "A")], START + 2 * HOUR)
    assert [headers["webhook-id"] for _, _, headers in again.taken] == taken


def test_a_digest_waits_a_day_and_is_one_message_in_slacks_format(outbox: Outbox) -> None:
    calm = [deal(id=str(i), owner="mary") for i in range(30)]
    run(rules(), outbox, calm, START)
    stalled = [deal(id=str(i), owner="mary", stalled=True) for i in range(30)]
    assert run(rules(), outbox, stalled, START + HOUR).taken == []
    ((url, body, headers),) = run(rules(), outbox, stalled, START + HOUR + DAY).taken
    assert url == ENVIRONMENT["MARY"], "a person with an address gets what is hers"
    lines = json.loads(body)["text"].splitlines()
    first = f"Big &lt;deal&gt;: stalled ({share(0.4)})"
    assert (len(lines), lines[0], lines[-1]) == (21, first, "+ 10")
    assert "webhook-signature" not in headers


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.lists(st.integers(0, 5), max_size=6)), max_size=12),
    st.integers(1, 3),
)
def test_no_person_gets_more_than_so_many_a_day_and_no_event_is_lost(
    steps: list[tuple[int, list[int]]], per_day: int
) -> None:
    """In any 24 hours; every event is in one message, or waits."""
    chosen = rules(per_day=per_day)
    grades, at, sent, happened = {str(i): "B" for i in range(6)}, START, list[int](), 0
    with TemporaryDirectory() as folder:
        outbox = Outbox(Path(folder) / "events.db")
        receiver = Receiver()
        for hours, flipped in [(0, []), *steps]:
            at += (hours + 1) * HOUR
            for key in set(flipped):
                grades[str(key)] = "A" if grades[str(key)] == "B" else "B"
                happened += grades[str(key)] == "A"
            before = len(receiver.taken)
            now = [deal(grade=g, id=key, owner="tom") for key, g in grades.items()]
            run(chosen, outbox, now, at, receiver)
            sent += [at] * (len(receiver.taken) - before)
        for moment in sent:
            assert sum(moment - DAY < other <= moment for other in sent) <= per_day
        told = sum(len(json.loads(body)["events"]) for _, body, _ in receiver.taken)
        assert told + len(outbox.waiting()) == happened
        outbox.close()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rules": []}, r"no \[\[rules\]\]"),
        ({"rules": [{"on": "mood", "to": "crm"}]}, "on must be one of grade, stalled"),
        ({"rules": [{"on": "risk", "to": "crm", "entity": "deals"}]}, "risk is about accounts"),
        ({"rules": [{"on": "risk", "to": "nobody"}]}, "a name under"),
        ({"rules": [{"on": "risk", "to": "crm", "send": "soon"}]}, "at once"),
        ({"to": {"crm": {"url": "https://x.example"}}}, "name where it is"),
        ({"to": {"crm": {"url": {"env": "NONE"}}}}, "NONE is not set"),
        ({"to": {"crm": {"url": {"env": "KEY"}}}}, "begin with https"),
        ({"per_day": 0}, "whole number from 1"),
        ({"colour": "red"}, "no 'colour'"),
    ],
)
def test_wrong_rules_say_what_to_write(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(RulesError, match=said):
        rules(**changed)


class Hook(StandIn):
    """A webhook's receiver on loopback."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[dict[str, Any]] = []

    def authorised(self, call: Call) -> bool:
        return call.headers.get("webhook-signature", "").startswith("v1,")

    def routes(self) -> Mapping[str, Route]:
        return {"POST /hook": self.take}

    def take(self, call: Call) -> Answer:
        self.taken.append(call.body)
        return Answer(204)


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From stored scores of two nights to a message; asked again, nothing more goes out."""
    demo = generate(size="tiny")
    write(tmp_path / "data", demo.frames, demo.meta)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    monkeypatch.setenv("DATABASE_URL", url)
    asked = ["--root", str(tmp_path), "events", "--data", str(tmp_path / "data")]
    assert serving.main(asked) == 0
    assert "nothing is sent" in capsys.readouterr().out
    toml = '[to]\ncrm = { url = { env = "HOOK" } }\n[[rules]]\non = "grade"\nto = "crm"\n'
    (tmp_path / "events.toml").write_text(f'secret = {{ env = "KEY" }}\n{toml}', encoding="utf-8")
    hook, store = Hook(), open_store(url)
    with hook.served():
        monkeypatch.setenv("HOOK", f"{hook.url}/hook")
        monkeypatch.setenv("KEY", "the-key")
        night(store, [score("d1"), score("d2")], entity="deals")
        assert serving.main(asked) == 0
        assert hook.taken == []
        later = {"cutoff": CUTOFF + DAY, "entity": "deals"}
        night(store, [score("d1", 0.8, grade="A"), score("d2")], CUTOFF + 2 * DAY, **later)
        assert serving.main([*asked, "--dry-run"]) == 0
        assert hook.taken == []
        assert serving.main(asked) == 0
        assert serving.main(asked) == 0
    store.close()
    (message,) = hook.taken
    (event,) = message["events"]
    assert (event["type"], event["entity"], event["id"]) == ("grade", "deals", "d1")
    assert event["text"] == f"deals d1: B → A ({share(0.8)})"
