"""The data as a company's own question sees them: who can be asked about, and until when.

Two kinds. *Once* ("will this deal reach the demo?"): an entity is asked about until the event, or
until it closes. *Again* ("will this customer buy again?"): from the first event on, at every look.

    deal D1 created 1 March, at the demo 9 March, lost 20 March     asked 2 … 9 March: reached
    deal D2 created 1 March, lost 15 March                          asked 2 … 15 March: closed first
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from features.questions.event import Event
from features.schema import OUTCOMES, TABLES
from features.tables import NAT, Bools, Coded, Dates, Instants, Ints, Table, Tables

Censoring = Literal["end", "closing"]


@dataclass(frozen=True)
class Asked:
    """What a question of the company's own is about.

    again      the event may happen many times, and is asked about from the first one on
    censoring  "end": an entity that closes first has not met the event; "closing": what would have
               come after its closing is not known
    """

    entity: str
    event: Event
    again: bool = False
    censoring: Censoring = "end"

    def seen_by(self, tables: Tables) -> Tables:
        """The same tables, whose entities begin and end as the question asks; twice is once."""
        table = tables[self.entity]
        moments = Moments.of(tables, self.entity, self.event)
        changed = self._again(table, moments) if self.again else self._once(table, moments)
        return Tables({**tables.tables, self.entity: changed}, tables.meta)

    def _once(self, table: Table, moments: Moments) -> Table:
        closed, first = table.instant("closed_at"), moments.first
        happened = (first != NAT) & ((closed == NAT) | (first <= closed))
        words = OUTCOMES[self.entity]
        lost = (closed != NAT) & ~happened & (self.censoring == "end") & (len(words) > 1)
        codes = np.where(happened, 0, np.where(lost, 1, -1)).astype(np.int32)
        columns = {**table.columns, "outcome": Coded(codes, list(words))}
        columns["closed_at"] = np.where(happened, first, closed)
        return _dated(replace(table, columns=columns), "closed_at", moments.dates)

    def _again(self, table: Table, moments: Moments) -> Table:
        none = Coded(np.full(table.n, -1, np.int32), [])
        columns = {**table.columns, "customer_at": moments.first, "outcome": none}
        return _dated(replace(table, columns=columns), "customer_at", moments.dates)


def asked_of(question: Mapping[str, Any]) -> Asked | None:
    """What a bundle's question is about; None for those every company asks."""
    if question.get("event") is None:
        return None
    entity, name = question["entity"], question["name"]
    event = Event.of(question["event"], entity, name)
    return Asked(entity, event, question["again"], question["censoring"])


def _dated(table: Table, column: str, dates: bool) -> Table:
    """A column whose instants are days where the event's are."""
    named = table.dates.columns | {column} if dates else table.dates.columns
    return replace(table, dates=replace(table.dates, columns=named))


@dataclass(frozen=True)
class Moments:
    """Every moment of an event: rows of the entity table and instants, sorted by both.

    n is the entity table's; dates says whether the instants are days.
    """

    rows: Ints
    at: Instants
    n: int
    dates: bool

    @staticmethod
    def of(tables: Tables, entity: str, event: Event) -> Moments:
        """Find them; a table or a field that is not there has none."""
        found = _of_field if event.field else _of_rows
        rows, at = found(tables, entity, event)
        kept = (rows >= 0) & (at != NAT)
        order = np.lexsort((at[kept], rows[kept]))
        declared = "changes" if event.field else event.table
        column = "changed_at" if event.field else event.at
        dates: Dates = tables[declared].dates
        return Moments(
            rows[kept][order], at[kept][order], tables[entity].n, column in dates.columns
        )

    @property
    def first(self) -> Instants:
        """(n,) the first moment of each entity, NAT where there is none."""
        first = np.full(self.n, NAT, np.int64)
        rows, place = np.unique(self.rows, return_index=True)
        first[rows] = self.at[place]
        return first

    def next(self, rows: Ints, cutoffs: Instants) -> Instants:
        """(m,) the first moment of each row at its cutoff or later, NAT where there is none."""
        found = np.full(len(rows), NAT, np.int64)
        if len(self.at) == 0:
            return found
        end = np.searchsorted(self.rows, rows, side="right")
        # (row, instant) pairs in one order: ranks of the instants keep the product in range
        ranks = np.unique(np.concatenate([self.at, cutoffs]), return_inverse=True)[1]
        mine, asked = ranks[: len(self.at)], ranks[len(self.at) :]
        size = int(ranks.max()) + 1
        place = np.searchsorted(self.rows * size + mine, rows * size + asked, side="left")
        there = place < end
        found[there] = self.at[place[there]]
        return found


def _row_of(tables: Tables, entity: str, ids: Coded) -> Ints:
    """(m,) row of the entity table of each id, -1 where there is none."""
    keys = tables[entity].coded(TABLES[entity].key)
    where = {keys.values[c]: i for i, c in enumerate(keys.codes.tolist()) if c >= 0}
    lookup = np.array([*(where.get(v, -1) for v in ids.values), -1], np.int64)
    return lookup[ids.codes]


def _among(words: Coded, wanted: tuple[str, ...]) -> Bools:
    fold = {w.strip().casefold() for w in wanted}
    hit = np.array([*(v.strip().casefold() in fold for v in words.values), False], np.bool_)
    return hit[words.codes]


def _of_rows(tables: Tables, entity: str, event: Event) -> tuple[Ints, Instants]:
    table = tables[event.table]
    kept = np.ones(table.n, np.bool_)
    for column, words in event.where:
        if isinstance(table.columns.get(column), np.ndarray):
            raise ValueError(
                f"event where {column}: {event.table}.{column} holds no words; name a category"
            )
        kept &= _among(table.coded(column), words)
    rows = _row_of(tables, entity, table.coded(TABLES[entity].key))
    return np.where(kept, rows, -1), table.instant(event.at)


def _of_field(tables: Tables, entity: str, event: Event) -> tuple[Ints, Instants]:
    """Changes to one of the words; and births of those that never were anything else."""
    changes, table = tables["changes"], tables[entity]
    mine = _among(changes.coded("entity"), (entity,)) & _among(
        changes.coded("field"), (event.field,)
    )
    rows = np.where(mine, _row_of(tables, entity, changes.coded("entity_id")), -1)
    moved = np.where(_among(changes.coded("value"), event.becomes), rows, -1)
    changed = np.zeros(table.n, np.bool_)
    changed[rows[rows >= 0]] = True
    begun = np.flatnonzero(~changed & _among(table.coded(event.field), event.becomes))
    at = [changes.instant("changed_at"), table.instant(TABLES[entity].born)[begun]]
    return np.concatenate([moved, begun]), np.concatenate(at)
