"""What people write on the pages: notes, done, put off, goals, their own forecast, an owner.

Each is kept as a statement beside the feedback of the API: audited, erased with its record, and
read by the next night's lists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import RedirectResponse, Response

from features.tables import DAY, micros
from serving.http.endpoint import Endpoints
from serving.http.errors import Problem
from serving.http.paths import checked_id
from serving.i18n.languages import mark
from serving.store.audit import AuditRow
from serving.store.feedback import GOAL_MEASURES, WORK, Feedback
from serving.web import session
from serving.web.endpoints import HEADERS, Visit

ENTITIES = ("leads", "deals", "accounts", "owners")
NOTE = 2_000
"""Characters of a note at most."""
SNOOZE = 7
"""Days of a snooze where no date is given."""


class WorkPages:
    """The one form target of all pages, and what was written on them."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    async def write(self, visit: Visit, form: Mapping[str, str]) -> Response:
        """Keep what a form says and go back to its page; a Problem says what is wrong."""
        if not session.same_origin(visit.request):
            raise Problem("scope_missing", "the form came from another site")
        if visit.key is not None and not visit.key.may("score"):
            raise Problem(
                "scope_missing", "this key may read and not write: use one with scope score"
            )
        entity, kind = form.get("entity", ""), form.get("kind", "")
        if entity not in ENTITIES or kind not in WORK:
            raise Problem("unknown_word", "there is no such form")
        one = checked_id(form.get("id", ""), "id")
        value = value_of(kind, form, visit.at)
        note = form.get("note", "").strip()[:NOTE] or None
        by = visit.key.name if visit.key else "local"
        await self.endpoints.in_store(self._keep, visit, entity, one, kind, value, by, note)
        return RedirectResponse(session.own_path(form.get("next", "/")), 303, HEADERS)

    def _keep(
        self,
        visit: Visit,
        entity: str,
        one: str,
        kind: Any,
        value: Any,
        by: str,
        note: str | None,
    ) -> None:
        store = self.endpoints.store
        with store.database.writing() as within:
            kept = store.feedback.add(entity, one, kind, value, by, note, visit.at, within)
            row = AuditRow(
                at=visit.at,
                action="feedback",
                key_id=visit.key.id if visit.key else "",
                entity=entity,
                subject=store.subject(entity, one),
                model=kept.model,
                version=kept.version,
                score=kept.probability,
                cutoff=kept.cutoff,
                detail={"kind": kind},
            )
            store.audit.append([row], within)


def value_of(kind: str, form: Mapping[str, str], at: int) -> Any:
    """What a form of a kind says, in JSON types; a Problem names the field that is wrong."""
    if kind == "note":
        if not form.get("note", "").strip():
            raise Problem("missing_field", "write the note first", "note")
        return None
    if kind == "done":
        return None
    if kind == "snooze":
        until = form.get("until", "")
        return {"until": _day(until, "until") if until else at + SNOOZE * DAY}
    if kind == "goal":
        measure = form.get("measure", "")
        if measure not in GOAL_MEASURES:
            known = ", ".join(GOAL_MEASURES)
            raise Problem("unknown_word", f"a goal's measure is one of {known}", "measure")
        due = _day(form.get("due", ""), "due")
        if due <= at:
            raise Problem("bad_instant", "a goal is due after today", "due")
        return {"measure": measure, "target": _amount(form, "target"), "start": at, "due": due}
    if kind == "call":
        period = form.get("period", "")[:20]
        if not period:
            raise Problem("missing_field", "choose the period", "period")
        return {"period": period, "amount": _amount(form, "amount")}
    if form.get("answer") not in ("accept", "reject"):
        raise Problem("unknown_word", "accept or reject the owner", "answer")
    return {"to": form.get("to", "")[:200], "accepted": form["answer"] == "accept"}


def _day(text: str, field: str) -> int:
    try:
        return micros(datetime.fromisoformat(text).replace(tzinfo=UTC).isoformat())
    except ValueError:
        said = f"write the day as 2026-03-31, got {text[:40]!r}"
        raise Problem("bad_instant", said, field) from None


def _amount(form: Mapping[str, str], field: str) -> float:
    text = form.get(field, "").strip()
    try:
        value = float(text)
    except ValueError:
        raise Problem("bad_number", f"write a number, got {text[:40]!r}", field) from None
    if not 0 <= value < 1e15:
        raise Problem("bad_number", "an amount is 0 or more", field)
    return value


def states(said: Iterable[Feedback], at: int) -> dict[tuple[str, str], str]:
    """(entity, id) -> what was last said of it on a list: done, snoozed, accepted or rejected."""
    found: dict[tuple[str, str], str] = {}
    for one in said:  # the newest first
        if one.kind == "snooze":
            word = mark("snoozed") if one.value["until"] > at else ""
        elif one.kind == "owner":
            word = mark("accepted") if one.value["accepted"] else mark("rejected")
        else:
            word = mark("done")
        found.setdefault((one.entity, one.entity_id), word)
    return {key: word for key, word in found.items() if word}
