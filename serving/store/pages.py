"""A run's scores page by page: found, filtered, sorted in the database, fifty thousand or more."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Connection, Select, and_, func, or_, select

from serving.store.engine import Database
from serving.store.runs import Run, newest_first, one, run_of
from serving.store.schema import RUNS, SCORES
from serving.store.scores import ScoreRow, score_of, whole_scores

Sort = Literal["score", "grade", "owner", "stage", "amount", "label", "id"]

_SORTS: dict[str, ColumnElement[Any]] = {
    "score": SCORES.c.probability,
    "grade": SCORES.c.grade,
    "owner": SCORES.c.owner_id,
    "stage": SCORES.c.stage,
    "amount": SCORES.c.amount,
    "label": SCORES.c.label,
    "id": SCORES.c.entity_id,
}

MOST = 500
"""Rows of one page at most."""


class CursorError(ValueError):
    """A page was asked for that does not follow any; begin again without ``after``."""


@dataclass(frozen=True)
class Filters:
    """Which rows; what is left empty does not filter.

    search   a part of the id or the label, in any case
    least, most, amount_least, amount_most   bounds, themselves included
    """

    search: str = ""
    owner_id: str | None = None
    grades: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    amount_least: float | None = None
    amount_most: float | None = None

    def where(self, run_id: int) -> ColumnElement[bool]:
        """The condition on ``SCORES``."""
        bounds = (
            (self.least, SCORES.c.probability.__ge__),
            (self.most, SCORES.c.probability.__le__),
            (self.amount_least, SCORES.c.amount.__ge__),
            (self.amount_most, SCORES.c.amount.__le__),
            (self.owner_id, SCORES.c.owner_id.__eq__),
        )
        found = [SCORES.c.run_id == run_id, *(put(x) for x, put in bounds if x is not None)]
        if self.grades:
            found.append(SCORES.c.grade.in_(self.grades))
        if self.stages:
            found.append(SCORES.c.stage.in_(self.stages))
        if self.search:
            sought = self.search.casefold()
            found.append(SCORES.c.sought.contains(sought, autoescape=True))
        return and_(*found)


@dataclass(frozen=True)
class Page:
    """Some rows of a run, the number of all that fit, and where the next page begins.

    after is None on the last page; run is None where nothing was scored yet.
    """

    run: Run | None
    rows: list[ScoreRow]
    total: int
    after: str | None


@dataclass(frozen=True)
class Shares:
    """How many rows of a run have each grade, owner and stage; None stands for not known."""

    grades: dict[str | None, int]
    owners: dict[str | None, int]
    stages: dict[str | None, int]


class Pages:
    """The newest run of an entity's question as a list that people page through."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def page(
        self,
        entity: str,
        filters: Filters | None = None,
        sort: Sort = "score",
        falling: bool = True,
        limit: int = 50,
        after: str | None = None,
        skip: int = 0,
    ) -> Page:
        """Rows in order; what is not known comes last, ties by id.

        after: of the page before: a list that was begun stays on its run, whatever is scored
        meanwhile. skip: rows to pass over, for page numbers. CursorError, KeyError (sort).
        """
        column, filters = _SORTS[sort], filters or Filters()
        place = None if after is None else _read_cursor(after, column)
        with self.database.reading() as connection:
            run = _run(connection, entity, place)
            if run is None:
                return Page(None, [], 0, None)
            fits = filters.where(run.id)
            total = connection.scalar(select(func.count()).select_from(SCORES).where(fits)) or 0
            if place is not None:
                fits = and_(fits, _beyond(column, falling, place[1], place[2]))
            limit = min(max(limit, 1), MOST)
            # the few rows first, in short rows, and then their details
            keys = _ordered(select(SCORES.c.entity_id).where(fits), column, falling)
            some = connection.scalars(keys.limit(limit + 1).offset(skip)).all()
            here = whole_scores(SCORES.c.run_id == run.id, SCORES.c.entity_id.in_(some[:limit]))
            rows = connection.execute(_ordered(here, column, falling)).all()
        more = len(some) > limit
        last = [run.id, rows[-1]._mapping[column], rows[-1].entity_id] if more else None
        following = None if last is None else _cursor(last)
        return Page(run, [score_of(row) for row in rows], int(total), following)

    def shares(self, entity: str) -> Shares:
        """What there is to filter by, in the newest run."""
        with self.database.reading() as connection:
            run = _run(connection, entity, None)
            if run is None:
                return Shares({}, {}, {})
            names = (SCORES.c.grade, SCORES.c.owner_id, SCORES.c.stage)
            return Shares(*(_counts(connection, run.id, name) for name in names))


def _counts(connection: Connection, run_id: int, name: ColumnElement[Any]) -> dict[str | None, int]:
    counted = select(name, func.count()).where(SCORES.c.run_id == run_id).group_by(name)
    return {row[0]: row[1] for row in connection.execute(counted.order_by(name))}


def _run(connection: Connection, entity: str, place: list[Any] | None) -> Run | None:
    if place is None:
        newest = connection.execute(newest_first(entity).limit(1)).first()
        return None if newest is None else run_of(newest)
    mine = (RUNS.c.id == place[0]) & (RUNS.c.entity == entity) & (RUNS.c.state == "finished")
    if connection.scalar(select(RUNS.c.id).where(mine)) is None:
        raise CursorError("the list that page was of is no longer kept; begin again")
    return one(connection, place[0])


def _ordered(wanted: Select[Any], column: ColumnElement[Any], falling: bool) -> Select[Any]:
    first = column.desc() if falling else column.asc()
    return wanted.order_by(first.nulls_last(), SCORES.c.entity_id)


def _beyond(
    column: ColumnElement[Any], falling: bool, value: Any, entity_id: str
) -> ColumnElement[bool]:
    """The rows that come after one in the order of ``_ordered``."""
    later = SCORES.c.entity_id > entity_id
    if value is None:
        return and_(column.is_(None), later)
    further = column < value if falling else column > value
    return or_(further, and_(column == value, later), column.is_(None))


def _cursor(place: list[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def _read_cursor(text: str, column: ColumnElement[Any]) -> list[Any]:
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        run_id, value, entity_id = orjson.loads(base64.b64decode(padded, b"-_", validate=True))
    except (UnicodeError, binascii.Error, TypeError, ValueError):
        raise CursorError(_ASTRAY) from None
    known = value is None or isinstance(value, column.type.python_type)
    if type(run_id) is not int or not isinstance(entity_id, str) or not known:
        raise CursorError(_ASTRAY)
    return [run_id, value, entity_id]


_ASTRAY = "`after` is not what a page of this order said; begin again without it"
