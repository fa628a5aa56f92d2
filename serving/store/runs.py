"""Nightly runs: begun, resumed, finished, retired; a reader sees finished ones only."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Select, delete, select, update

from serving.store.engine import Database, delete_in_turns, insert_new
from serving.store.errors import StoreError
from serving.store.schema import RUNS, SCORES

State = Literal["open", "finished", "retired"]


class RunGoneError(StoreError):
    """The run was purged while somebody was still writing it."""

    code = "run_gone"


@dataclass(frozen=True)
class RunPlan:
    """What a run will do; equal plans are one run, resumed.

    cutoff       microseconds, None for a flat question
    fingerprint  of the data and of all else that a score depends on
    total        entities to score
    """

    entity: str
    model: str
    version: str
    outcome: str
    cutoff: int | None
    fingerprint: str
    lang: str
    total: int

    @property
    def identity(self) -> str:
        """One word for the plan."""
        parts = (self.entity, self.model, self.version, self.cutoff, self.fingerprint)
        return hashlib.sha256(repr((*parts, self.lang, self.total)).encode()).hexdigest()


@dataclass(frozen=True)
class Run:
    """A run as the store knows it: ``done`` of ``total`` entities are written."""

    id: int
    entity: str
    model: str
    version: str
    outcome: str
    cutoff: int | None
    fingerprint: str
    lang: str
    state: State
    total: int
    done: int
    started_at: int
    as_of: int
    finished_at: int | None

    @property
    def finished(self) -> bool:
        """Whether its scores are read."""
        return self.state == "finished"


_COLUMNS = [RUNS.c[name] for name in Run.__dataclass_fields__]


def run_of(row: Row[Any]) -> Run:
    """The run of a row selected by ``_COLUMNS``."""
    return Run(**row._mapping)


def newest_first(entity: str) -> Select[Any]:
    """The finished runs of an entity's question, the one that answers first.

    By what they knew, then by when they were finished: a run of an older cutoff never takes the
    place of a newer one, and a roll-back scored again takes the place of what it rolls back.
    """
    rank = (RUNS.c.as_of.desc(), RUNS.c.finished_at.desc(), RUNS.c.id.desc())
    finished = (RUNS.c.entity == entity) & (RUNS.c.state == "finished")
    return select(*_COLUMNS).where(finished).order_by(*rank)


class Runs:
    """The runs of a store."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def begin(self, plan: RunPlan, at: int) -> Run:
        """The plan's run: begun now, or as an earlier begin of the same plan left it."""
        row = {**vars(plan), "identity": plan.identity, "state": "open", "done": 0}
        row |= {"started_at": at, "as_of": at if plan.cutoff is None else plan.cutoff}
        with self.database.writing() as connection:
            insert_new(connection, RUNS, row)
            same = RUNS.c.identity == plan.identity
            return run_of(connection.execute(select(*_COLUMNS).where(same)).one())

    def finish(self, run: Run, at: int) -> Run:
        """Let the run be read; again for a finished one, which makes it the newest of its cutoff.

        RunGoneError where not all of it is written, or it was purged.
        """
        whole = (RUNS.c.id == run.id) & (RUNS.c.done == RUNS.c.total) & (RUNS.c.state != "retired")
        with self.database.writing() as connection:
            change = update(RUNS).where(whole).values(state="finished", finished_at=at)
            if connection.execute(change).rowcount == 0:
                raise RunGoneError("the run is not whole or was purged; run `score` again")
            return one(connection, run.id)

    def get(self, run_id: int) -> Run | None:
        """The run, None where there is none."""
        with self.database.reading() as connection:
            found = connection.execute(select(*_COLUMNS).where(RUNS.c.id == run_id)).first()
            return None if found is None else run_of(found)

    def newest(self, entity: str) -> Run | None:
        """The run that answers for an entity's question now."""
        with self.database.reading() as connection:
            found = connection.execute(newest_first(entity).limit(1)).first()
            return None if found is None else run_of(found)

    def all(self, limit: int = 100) -> list[Run]:
        """The runs begun last first."""
        wanted = select(*_COLUMNS).order_by(RUNS.c.id.desc()).limit(limit)
        with self.database.reading() as connection:
            return [run_of(row) for row in connection.execute(wanted)]

    def purge(self, before: int) -> int:
        """Delete the scores of runs begun before an instant, but never an entity's newest run.

        A run is retired first, at once; then its rows go in turns, so that nobody waits for long.
        """
        rows = 0
        for run_id in self._retire(before):
            rows += delete_in_turns(self.database, SCORES, SCORES.c.run_id == run_id)
            with self.database.writing() as connection:
                connection.execute(delete(RUNS).where(RUNS.c.id == run_id))
        return rows

    def _retire(self, before: int) -> list[int]:
        with self.database.writing() as connection:
            entities = connection.scalars(select(RUNS.c.entity).distinct()).all()
            newest = [connection.scalar(newest_first(e).limit(1)) for e in entities]
            old = (RUNS.c.started_at < before) & RUNS.c.id.not_in([n for n in newest if n])
            # its identity is free again: the same night may be scored anew
            change = update(RUNS).where(old, RUNS.c.state != "retired")
            freed = RUNS.c.identity + ":retired"
            connection.execute(change.values(state="retired", identity=freed))
            retired = select(RUNS.c.id).where(RUNS.c.state == "retired")
            return list(connection.scalars(retired))


def one(connection: Connection, run_id: int) -> Run:
    """A run that is there."""
    return run_of(connection.execute(select(*_COLUMNS).where(RUNS.c.id == run_id)).one())
