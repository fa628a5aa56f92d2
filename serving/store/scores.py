"""Scores: written by a run in whole blocks, read one entity at a time, or as one distribution."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from serving.store.engine import Database, delete_in_turns, hold_gate, unless_there
from serving.store.runs import Run, newest_first, one
from serving.store.schema import DETAILS, ERASED, RUNS, SCORES, STALE

Subject = Callable[[str, str], str]
"""(entity, id) -> keyed hash."""


@dataclass(frozen=True)
class ScoreRow:
    """One entity's score as a run writes it; reasons, curve and receipt as an answer gives them.

    label, owner_id, stage, amount: as known at the cutoff, None where not known. amount is in the
    data set's one currency.
    """

    id: str
    probability: float
    grade: str
    baseline: float
    others: float
    curve: list[dict[str, float]]
    reasons: list[dict[str, Any]]
    receipt: dict[str, Any] | None
    label: str | None = None
    owner_id: str | None = None
    stage: str | None = None
    amount: float | None = None


@dataclass(frozen=True)
class StoredScore:
    """One entity's score as the store gives it; instants in microseconds.

    cutoff      what it knows is from before then; None for a flat question
    scored_at   when its run was finished
    current     whether it is of the entity's newest run; False: the entity was not open then
    newest      the cutoff of the newest run
    stale_at    when something happened to the entity that the score does not know, else None
    """

    entity: str
    id: str
    model: str
    version: str
    outcome: str
    lang: str
    cutoff: int | None
    scored_at: int
    current: bool
    newest: int | None
    stale_at: int | None
    score: ScoreRow


@dataclass(frozen=True)
class Distribution:
    """How many scores of a run fall into each band: ``counts[i]`` from ``edges[i]`` on.

    Scores below the first edge count in the first band, as ``training.models.track_record`` has it.
    """

    run: Run
    edges: tuple[float, ...]
    counts: tuple[int, ...]

    @property
    def n(self) -> int:
        """All of them."""
        return sum(self.counts)


class Scores:
    """The scores of a store."""

    def __init__(self, database: Database, subject: Subject) -> None:
        self.database, self.subject = database, subject

    def write(self, run: Run, start: int, rows: Sequence[ScoreRow]) -> Run:
        """Write the block that begins at ``start``, whole or not at all, and say where the run is.

        Where somebody else has written the block meanwhile nothing is done: the run that comes back
        says from where to go on. An entity erased since the run began is left out.
        """
        stop = start + len(rows)
        here = (RUNS.c.id == run.id) & (RUNS.c.done == start) & (RUNS.c.state == "open")
        with self.database.writing() as connection:
            hold_gate(connection)
            if connection.execute(update(RUNS).where(here).values(done=stop)).rowcount:
                gone = _erased(connection, run)
                kept = [
                    _columns(run, start + place, row)
                    for place, row in enumerate(rows)
                    if not gone or self.subject(run.entity, row.id) not in gone
                ]
                if kept:
                    connection.execute(insert(SCORES), [score for score, _ in kept])
                    connection.execute(insert(DETAILS), [details for _, details in kept])
            return one(connection, run.id)

    def latest(
        self, entity: str, entity_id: str, within: Connection | None = None
    ) -> StoredScore | None:
        """The entity's newest score; None where no finished run holds one."""
        found = self._of(entity, entity_id, 1, within)
        return found[0] if found else None

    def history(self, entity: str, entity_id: str, limit: int = 30) -> list[StoredScore]:
        """The entity's scores, the newest first."""
        return self._of(entity, entity_id, limit)

    def mark_stale(
        self, entity: str, entity_id: str, at: int, within: Connection | None = None
    ) -> None:
        """Note that something happened to the entity at an instant (the latest counts)."""
        place = (STALE.c.entity == entity) & (STALE.c.entity_id == entity_id)
        with self.database.writing(within) as connection:
            row = {"entity": entity, "entity_id": entity_id, "at": at}
            connection.execute(unless_there(connection, STALE), row)
            connection.execute(update(STALE).where(place, STALE.c.at < at).values(at=at))

    def rows(self, run: Run) -> Iterator[ScoreRow]:
        """A run's scores in the order they were written, a few at a time."""
        after = -1
        while True:
            wanted = whole_scores(SCORES.c.run_id == run.id, SCORES.c.position > after)
            with self.database.reading() as connection:
                some = connection.execute(wanted.order_by(SCORES.c.position).limit(1_000)).all()
            if not some:
                return
            yield from map(score_of, some)
            after = some[-1].position

    def distribution(self, model: str, version: str, edges: Sequence[float]) -> Distribution | None:
        """The newest finished run of a version, counted in bands; None where there is none.

        edges: the lowest score of each band, rising; those of a bundle are
        ``[band.low_score for band in bundle.receipts.bands]``.
        """
        mine = (RUNS.c.model == model) & (RUNS.c.version == version) & (RUNS.c.state == "finished")
        rank = (RUNS.c.as_of.desc(), RUNS.c.finished_at.desc(), RUNS.c.id.desc())
        with self.database.reading() as connection:
            run_id = connection.scalar(select(RUNS.c.id).where(mine).order_by(*rank).limit(1))
            if run_id is None:
                return None
            counts = connection.execute(_counted(run_id, edges)).all()
            found = dict(map(tuple, counts))
            banded = tuple(int(found.get(b, 0)) for b in range(max(len(edges), 1)))
            return Distribution(one(connection, run_id), tuple(edges), banded)

    def purge(self, before: int) -> int:
        """Forget what happened before an instant to entities; runs are purged by ``Runs``."""
        return delete_in_turns(self.database, STALE, STALE.c.at < before)

    def erase(self, entity: str, entity_id: str, within: Connection) -> dict[str, int]:
        """Delete every score of an entity, of open runs also."""
        counts = {}
        for name, table in (("scores", SCORES), ("stale", STALE)):
            own = table.c.entity.startswith(f"{entity}.", autoescape=True)  # own questions
            mine = ((table.c.entity == entity) | own) & (table.c.entity_id == entity_id)
            counts[name] = within.execute(delete(table).where(mine)).rowcount
        return counts

    def _of(
        self, entity: str, entity_id: str, limit: int, within: Connection | None = None
    ) -> list[StoredScore]:
        with self.database.reading(within) as connection:
            newest = connection.execute(newest_first(entity).limit(1)).first()
            if newest is None:
                return []
            found = connection.execute(_history(entity, entity_id).limit(limit)).all()
            return [_stored(row, newest) for row in found]


def _erased(connection: Connection, run: Run) -> set[str]:
    """The subjects erased since the run began: what it read of them is older than that."""
    since = (ERASED.c.entity == run.entity) & (ERASED.c.at >= run.started_at)
    return set(connection.scalars(select(ERASED.c.subject).where(since)))


def _history(entity: str, entity_id: str) -> Select[Any]:
    names = ("model", "version", "outcome", "lang", "cutoff", "finished_at", "as_of")
    happened = (STALE.c.entity == SCORES.c.entity) & (STALE.c.entity_id == SCORES.c.entity_id)
    return (
        whole_scores(SCORES.c.entity == entity, SCORES.c.entity_id == entity_id)
        .add_columns(*(RUNS.c[n] for n in names), STALE.c.at.label("stale_at"))
        .join(RUNS, RUNS.c.id == SCORES.c.run_id)
        .outerjoin(STALE, happened)
        .where(RUNS.c.state == "finished")
        .order_by(RUNS.c.as_of.desc(), RUNS.c.finished_at.desc(), RUNS.c.id.desc())
    )


def _stored(row: Row[Any], newest: Row[Any]) -> StoredScore:
    stale = row.stale_at if row.stale_at is not None and row.stale_at >= row.as_of else None
    return StoredScore(
        row.entity,
        row.entity_id,
        row.model,
        row.version,
        row.outcome,
        row.lang,
        row.cutoff,
        row.finished_at,
        row.run_id == newest.id,
        newest.cutoff,
        stale,
        score_of(row),
    )


def whole_scores(*which: ColumnElement[bool]) -> Select[Any]:
    """Scores with their details, for ``score_of``."""
    same = (DETAILS.c.run_id == SCORES.c.run_id) & (DETAILS.c.entity_id == SCORES.c.entity_id)
    details = (DETAILS.c[name] for name in ("curve", "reasons", "receipt"))
    return select(SCORES, *details).select_from(SCORES.join(DETAILS, same)).where(*which)


def _columns(run: Run, position: int, row: ScoreRow) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row's columns of ``SCORES`` and of ``DETAILS``."""
    key = {"run_id": run.id, "entity_id": row.id}
    details = {name: _json(getattr(row, name)) for name in ("curve", "reasons", "receipt")}
    score = {
        "entity": run.entity,
        "position": position,
        "probability": row.probability,
        "grade": row.grade,
        "baseline": row.baseline,
        "others": row.others,
        "label": row.label,
        "owner_id": row.owner_id,
        "stage": row.stage,
        "amount": row.amount,
        "sought": f"{row.id} {row.label or ''}".casefold(),
    }
    return key | score, key | details


def score_of(row: Row[Any]) -> ScoreRow:
    """The score of a row of ``whole_scores``."""
    return ScoreRow(
        row.entity_id,
        row.probability,
        row.grade,
        row.baseline,
        row.others,
        orjson.loads(row.curve),
        orjson.loads(row.reasons),
        orjson.loads(row.receipt),
        row.label,
        row.owner_id,
        row.stage,
        row.amount,
    )


def _counted(run_id: int, edges: Sequence[float]) -> Select[Any]:
    # the last band that begins at or below the score: the highest edge is asked first
    begins = [(SCORES.c.probability >= edges[b], b) for b in reversed(range(1, len(edges)))]
    band = (case(*begins, else_=0) if begins else literal(0)).label("band")
    return select(band, func.count()).where(SCORES.c.run_id == run_id).group_by(band)


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
