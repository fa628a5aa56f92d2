"""What is worth an event: how each record stands now beside how it stood when last looked at."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from serving.i18n.sentences import share
from serving.live.rules import EventRule


@dataclass(frozen=True)
class Standing:
    """How one record stands: an open deal, a lead, a customer, or a period's forecast.

    value  its probability, or the forecast's amount
    """

    entity: str
    id: str
    value: float
    grade: str = ""
    stalled: bool = False
    owner: str = ""
    label: str = ""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.label or f"{self.entity} {self.id}"


@dataclass(frozen=True)
class OutgoingEvent:
    """Something that happened: the rule's place in its file, the record, and a sentence."""

    rule: int
    on: str
    entity: str
    id: str
    owner: str
    said: str


def events(
    rules: Iterable[EventRule],
    before: Mapping[tuple[str, str], Standing],
    now: Iterable[Standing],
    lang: str,
) -> Iterator[OutgoingEvent]:
    """The events of every rule; of a record that was not there before there are none."""
    listed = list(rules)
    for standing in now:
        was = before.get((standing.entity, standing.id))
        if was is None:
            continue
        for place, rule in enumerate(listed):
            said = _said(rule, was, standing, lang) if rule.entity == standing.entity else ""
            if said:
                about = (standing.entity, standing.id, standing.owner)
                yield OutgoingEvent(place, rule.on, *about, said)


def _said(rule: EventRule, was: Standing, now: Standing, lang: str) -> str:
    """What a rule says of a change; "" where it says nothing."""
    wanted = not rule.grades or now.grade in rule.grades
    if rule.on == "grade" and now.grade != was.grade and wanted:
        return f"{now.name}: {was.grade} → {now.grade} ({share(now.value, lang)})"
    if rule.on == "stalled" and now.stalled and not was.stalled:
        return f"{now.name}: stalled ({share(now.value, lang)})"
    if rule.on == "risk" and now.value - was.value >= rule.by:
        return f"{now.name}: {share(was.value, lang)} → {share(now.value, lang)}"
    if rule.on == "slip" and was.value > 0 and was.value - now.value >= rule.by * was.value:
        return f"{now.name}: {was.value:,.0f} → {now.value:,.0f}"
    return ""
