"""Feedback: what a person or a CRM says of an entity, kept beside the model's own value."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, Row, delete, insert, select

from serving.store.engine import Database, delete_in_turns, hold_gate
from serving.store.schema import FEEDBACK
from serving.store.scores import Scores

Kind = Literal["outcome", "override", "note", "done", "snooze", "goal", "call", "owner"]
GOAL_MEASURES = ("mrr", "products", "pipeline", "won", "meetings_90d")
"""What a goal can be about; ``serving.analytics.accounts.goals`` computes each."""

WORK: tuple[Kind, ...] = ("note", "done", "snooze", "goal", "call", "owner")
"""What people write on the pages: a note, a call done or put off, a goal, their own forecast, an
owner accepted or rejected."""


@dataclass(frozen=True)
class Feedback:
    """One statement; ``at`` in microseconds.

    value        what was said, any JSON: an outcome's word, a person's own probability, a goal
    by           who said it
    model, version, cutoff, probability, grade
                 the stored score that stood when it was said; None where there was none
    """

    id: str
    entity: str
    entity_id: str
    kind: Kind
    value: Any
    by: str
    note: str | None
    at: int
    model: str | None = None
    version: str | None = None
    cutoff: int | None = None
    probability: float | None = None
    grade: str | None = None


class Feedbacks:
    """The feedback of a store."""

    def __init__(self, database: Database, scores: Scores) -> None:
        self.database, self.scores = database, scores

    def add(
        self,
        entity: str,
        entity_id: str,
        kind: Kind,
        value: Any,
        by: str,
        note: str | None,
        at: int,
        within: Connection | None = None,
    ) -> Feedback:
        """Keep a statement: on disk when this returns, or when ``within`` is committed."""
        with self.database.writing(within) as connection:
            hold_gate(connection)
            stood = self.scores.latest(entity, entity_id, connection)
            message = Feedback(secrets.token_hex(12), entity, entity_id, kind, value, by, note, at)
            row = {**vars(message), "value": orjson.dumps(value).decode()}
            if stood is not None:
                row |= {n: getattr(stood, n) for n in ("model", "version", "cutoff")}
                row |= {n: getattr(stood.score, n) for n in ("probability", "grade")}
            connection.execute(insert(FEEDBACK), row)
            return Feedback(**{**row, "value": value})

    def of(self, entity: str, entity_id: str, limit: int = 100) -> list[Feedback]:
        """What was said of an entity, the newest first."""
        mine = (FEEDBACK.c.entity == entity) & (FEEDBACK.c.entity_id == entity_id)
        return self._some(mine, limit)

    def since(self, at: int, limit: int = 1000) -> list[Feedback]:
        """What was said from an instant on, the newest first."""
        return self._some(FEEDBACK.c.at >= at, limit)

    def written(self, kinds: Sequence[Kind], since: int = 0, limit: int = 5_000) -> list[Feedback]:
        """Statements of some kinds from an instant on, the newest first."""
        return self._some(FEEDBACK.c.kind.in_(kinds) & (FEEDBACK.c.at >= since), limit)

    def purge(self, before: int) -> int:
        """Delete what was said before an instant, and say how much."""
        return delete_in_turns(self.database, FEEDBACK, FEEDBACK.c.at < before)

    def erase(self, entity: str, entity_id: str, within: Connection) -> int:
        """Delete all that was said of an entity."""
        mine = (FEEDBACK.c.entity == entity) & (FEEDBACK.c.entity_id == entity_id)
        return within.execute(delete(FEEDBACK).where(mine)).rowcount

    def _some(self, which: Any, limit: int) -> list[Feedback]:
        order = (FEEDBACK.c.at.desc(), FEEDBACK.c.id)
        wanted = select(FEEDBACK).where(which).order_by(*order).limit(limit)
        with self.database.reading() as connection:
            return [_feedback(row) for row in connection.execute(wanted)]


def _feedback(row: Row[Any]) -> Feedback:
    found = dict(row._mapping)
    return Feedback(**{**found, "value": orjson.loads(found["value"])})
