"""Webhook events that were seen, so that one sent twice is taken once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete

from serving.store.engine import Database, delete_in_turns, hold_gate, insert_new
from serving.store.schema import EVENTS


@dataclass(frozen=True)
class WebhookEvent:
    """What is kept of a webhook event; instants in microseconds.

    source, event_id  whose event it is, and its own name there
    kind              what happened, in the source's word
    subject           ``Store.subject(entity, id)`` where it is about an entity of ours
    """

    source: str
    event_id: str
    kind: str
    at: int
    occurred_at: int | None = None
    entity: str | None = None
    subject: str | None = None


class WebhookEvents:
    """The webhook events of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, event: WebhookEvent, within: Connection | None = None) -> bool:
        """Keep the event; False where it was seen before.

        What the event asks belongs into the same transaction, ``within``.
        """
        with self.database.writing(within) as connection:
            hold_gate(connection)
            return insert_new(connection, EVENTS, vars(event))

    def purge(self, before: int) -> int:
        """Forget events received before an instant, and say how many."""
        return delete_in_turns(self.database, EVENTS, EVENTS.c.at < before)

    def erase(self, subject: str, within: Connection) -> int:
        """Forget the events about a subject."""
        return within.execute(delete(EVENTS).where(EVENTS.c.subject == subject)).rowcount
