"""Which events go out, to whom and how: a TOML file, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from features.files import read_toml

What = Literal["grade", "stalled", "risk", "slip"]
Format = Literal["webhook", "slack"]
EVENTS: Mapping[str, tuple[str, ...]] = {
    "grade": ("deals", "leads", "accounts"),
    "stalled": ("deals",),
    "risk": ("accounts",),
    "slip": ("forecast",),
}
"""Event -> the entities it can be about, the usual one first."""


class RulesError(ValueError):
    """A file of rules says what it may not; the message says where and what to write."""


@dataclass(frozen=True)
class Address:
    """Where a message goes; ``person``: whose address it is, "" for everybody's channel."""

    url: str
    format: Format
    person: str = ""


@dataclass(frozen=True)
class EventRule:
    """One rule.

    on      grade: another grade; stalled: a deal stalls; risk: a customer's chance to leave rose;
            slip: a period's forecast fell
    to      a name under [to]
    send    at once, or in a digest a day
    grades  only where the grade becomes one of these
    by      how much risk must rise (a share), or a forecast fall (a share of what it was)
    """

    on: What
    to: str
    entity: str
    send: Literal["at once", "digest"] = "at once"
    grades: tuple[str, ...] = ()
    by: float = 0.1


@dataclass(frozen=True)
class EventRules:
    """Rules, where they send, the signing secret, and the most messages a day per person.

    to      name -> address of everybody
    people  owner -> address of that person; takes the place of the rule's
    """

    rules: tuple[EventRule, ...]
    to: Mapping[str, Address]
    people: Mapping[str, Address]
    secret: str
    per_day: int = 10

    def address(self, rule: EventRule, owner: str) -> Address:
        """Where an event of a rule about something of ``owner`` goes."""
        return self.people.get(owner, self.to[rule.to])


def load(path: Path, environment: Mapping[str, str]) -> EventRules:
    """The rules of a file; addresses and the secret come from the environment."""
    return parse(read_toml(path, RulesError), str(path), environment)


def parse(raw: Mapping[str, Any], where: str, environment: Mapping[str, str]) -> EventRules:
    """The rules of a file's contents."""
    _known(raw, ("rules", "to", "people", "secret", "per_day"), where)
    to = {n: _address(a, f"{where} [to.{n}]", environment) for n, a in _table(raw, "to").items()}
    people = {
        n: _address(a, f"{where} [people.{n}]", environment, n)
        for n, a in _table(raw, "people").items()
    }
    rules = tuple(_rule(r, f"{where} rule {i + 1}", to) for i, r in enumerate(raw.get("rules", ())))
    if not rules:
        raise RulesError(f'{where}: no [[rules]]: write one with on = "grade" and to = "…"')
    per_day = raw.get("per_day", 10)
    if not isinstance(per_day, int) or isinstance(per_day, bool) or per_day < 1:
        raise RulesError(f"{where}: per_day must be a whole number from 1, got {per_day!r}")
    signed = any(a.format == "webhook" for a in (*to.values(), *people.values()))
    secret = _value(raw.get("secret"), f"{where} secret", environment) if signed else ""
    return EventRules(rules, to, people, secret, per_day)


def _rule(raw: Any, where: str, to: Mapping[str, Address]) -> EventRule:
    if not isinstance(raw, Mapping) or raw.get("on") not in EVENTS:
        raise RulesError(f"{where}: on must be one of {', '.join(EVENTS)}; got {raw!r}")
    _known(raw, tuple(f.name for f in fields(EventRule)), where)
    entity = raw.get("entity", EVENTS[raw["on"]][0])
    if entity not in EVENTS[raw["on"]]:
        raise RulesError(f"{where}: {raw['on']} is about {', '.join(EVENTS[raw['on']])}")
    if raw.get("to") not in to:
        raise RulesError(f"{where}: to must be a name under [to]; got {raw.get('to')!r}")
    if raw.get("send", "at once") not in ("at once", "digest"):
        raise RulesError(f'{where}: send is "at once" or "digest"; got {raw["send"]!r}')
    given = {**raw, "entity": entity, "grades": tuple(raw.get("grades", ()))}
    return EventRule(**given)


def _address(raw: Any, where: str, environment: Mapping[str, str], person: str = "") -> Address:
    if not isinstance(raw, Mapping) or raw.get("format", "webhook") not in ("webhook", "slack"):
        raise RulesError(f'{where}: write url = {{ env = "…" }} and format = "webhook" or "slack"')
    _known(raw, ("url", "format"), where)
    url = _value(raw.get("url"), f"{where} url", environment)
    local = url.startswith(("http://127.0.0.1", "http://localhost"))
    if not (url.startswith("https://") or local):
        raise RulesError(f"{where}: url must begin with https://")
    return Address(url, raw.get("format", "webhook"), person)


def _value(raw: Any, where: str, environment: Mapping[str, str]) -> str:
    """A secret, from the environment: an address of Slack is one too."""
    if not isinstance(raw, Mapping) or set(raw) != {"env"}:
        raise RulesError(f'{where}: name where it is, as {{ env = "VARIABLE" }}')
    value = environment.get(str(raw["env"]), "")
    if not value:
        raise RulesError(f"{where}: the environment variable {raw['env']} is not set")
    return value


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = raw.get(key, {})
    if not isinstance(found, Mapping):
        raise RulesError(f"[{key}] must be a table")
    return found


def _known(raw: Mapping[str, Any], names: tuple[str, ...], where: str) -> None:
    unknown = sorted(set(raw) - set(names))
    if unknown:
        raise RulesError(f"{where}: no {unknown[0]!r}; there are {', '.join(names)}")
