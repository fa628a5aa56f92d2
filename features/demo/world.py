"""What a simulated kind of entity leaves behind: its chain, its path, and rows of the CRM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.demo.chain import Chain, Path, States
from features.demo.draw import DemoPeriod, Rng, instants, long_keys, within, words
from features.schema import ACTIVITY_KINDS, DIRECTIONS
from features.tables import DAY, NAT, Floats, Instants, Ints

MOVES = ("", *DIRECTIONS)
RESULTS = ("", "answered", "no answer")
Number = TypeVar("Number", np.int64, np.float64)
LATE_SHARE = 0.06
"""Share of web and e-mail rows that the CRM learns of hours to days late; no other row is late."""


@dataclass(frozen=True)
class World:
    """One kind of entity: who they are, how they live, and how they lived.

    entity    its canonical table; question  the name in training.task.questions
    ids       (n,) keys; a row here is a position in them
    owners    (n,) position of the owner
    """

    question: str
    entity: str
    ids: list[str]
    owners: Ints
    chain: Chain
    path: Path

    def closed_at(self, rng: Rng) -> Instants:
        """An instant in the day of each outcome; NAT while open."""
        at = within(rng, self.path.closed_day)
        return np.where(self.path.outcome > 0, at, NAT)


@dataclass
class Moves:
    """State changes along a world's path: a row for each day lived through.

    rows, days     the entity and the day
    before, after  the state at the midnights that begin and end the day
    """

    rows: Ints
    days: Ints
    before: States
    after: States

    @staticmethod
    def of(path: Path) -> Moves:
        """The days that were lived through to the next midnight."""
        here = np.flatnonzero(path.lived)
        return Moves(path.rows[here], path.days[here], path.state[here], path.state[here + 1])

    def emit(self, rng: Rng, rate: Floats) -> Ints:
        """Positions of the days with an event, repeated by how many: Poisson by state ``rate``."""
        return np.repeat(np.arange(len(self.rows)), rng.poisson(rate[self.before]))


@dataclass(frozen=True)
class Batch:
    """Activities of one kind: row (n,) of the world, instant, and properties by name."""

    world: str
    kind: str
    rows: Ints
    at: Instants
    direction: str = ""
    numbers: Mapping[str, Floats] = field(default_factory=dict)
    result: Ints | None = None


def emitted(
    rng: Rng, world: str, moves: Moves, kind: str, rate: Floats, direction: str = ""
) -> Batch:
    """Activities at a daily rate by state; they tell nothing that the state does not."""
    at = moves.emit(rng, rate)
    n = len(at)
    numbers: dict[str, Floats] = {}
    result = None
    if kind == "web":
        numbers["pages"] = rng.geometric(0.3, n).astype(np.float64)
    if kind in ("call", "meeting"):
        minutes: Floats = rng.gamma(2.0, 6.0 if kind == "call" else 20.0, n)
        numbers["duration"] = minutes.round(1)
    if kind == "call":
        result = 1 + (rng.random(n) < 0.55).astype(np.int64)
    return Batch(
        world, kind, moves.rows[at], within(rng, moves.days[at]), direction, numbers, result
    )


def activity_frame(
    rng: Rng,
    batches: Sequence[Batch],
    worlds: Mapping[str, World],
    owner_ids: Sequence[str],
    calendar: DemoPeriod,
) -> pd.DataFrame:
    """The table ``activities``, in the order in which things happened."""
    order = np.argsort(np.concatenate([b.at for b in batches]), kind="stable")

    def joined(parts: Sequence[npt.NDArray[Number]]) -> npt.NDArray[Number]:
        return np.concatenate(parts)[order]

    at = joined([b.at for b in batches])
    kind = joined([np.full(len(b.rows), ACTIVITY_KINDS.index(b.kind)) for b in batches])
    columns: dict[str, pd.Series] = {"activity_id": long_keys("v", len(at))}
    for name in ("lead", "deal", "account"):
        rows = joined([b.rows if b.world == name else np.full(len(b.rows), -1) for b in batches])
        columns[f"{name}_id"] = words(rows, worlds[name].ids)
    owner = joined([worlds[b.world].owners[b.rows] for b in batches])
    columns["owner_id"] = words(owner, owner_ids)
    columns["kind"] = words(kind, ACTIVITY_KINDS)
    move = joined([np.full(len(b.rows), MOVES.index(b.direction)) for b in batches])
    columns["direction"] = words(move - 1, DIRECTIONS)
    nothing = [np.zeros(len(b.rows), np.int64) for b in batches]
    result = joined(
        [z if b.result is None else b.result for b, z in zip(batches, nothing, strict=True)]
    )
    columns["outcome"] = words(result - 1, RESULTS[1:])
    for number in ("duration", "pages", "sessions"):
        columns[number] = pd.Series(
            joined([b.numbers.get(number, np.full(len(b.rows), np.nan)) for b in batches])
        )
    columns["occurred_at"] = instants(at)
    columns["available_at"] = instants(_late(rng, at, kind))
    frame = pd.DataFrame(columns)
    return frame[_known(columns["available_at"], calendar)].reset_index(drop=True)


def _late(rng: Rng, at: Instants, kind: Ints) -> Instants:
    """When the CRM learnt of each activity: NAT at once, else two hours to four days later."""
    slow = np.isin(kind, [ACTIVITY_KINDS.index("web"), ACTIVITY_KINDS.index("email")])
    late = slow & (rng.random(len(at)) < LATE_SHARE)
    delay = (rng.uniform(2 / 24, 4, len(at)) * DAY).astype(np.int64) // 1_000_000 * 1_000_000
    return np.where(late, at + delay, NAT)


def _known(available: pd.Series, calendar: DemoPeriod) -> pd.Series:
    """An export cannot hold what was not yet known when it was made."""
    end = pd.Timestamp(calendar.end, unit="D", tz="UTC")
    return available.isna() | (available < end)


@dataclass(frozen=True)
class Edits:
    """Rows of ``changes`` of one field: row (n,), instant, value and old value as text."""

    world: str
    fieldname: str
    rows: Ints
    at: Instants
    value: pd.Series
    old_value: pd.Series


def change_frame(edits: Sequence[Edits], worlds: Mapping[str, World]) -> pd.DataFrame:
    """The table ``changes``, in the order in which things changed."""
    at = np.concatenate([e.at for e in edits])
    order = np.argsort(at, kind="stable")
    sizes = [len(e.rows) for e in edits]
    which = np.repeat(np.arange(len(edits)), sizes)
    ids = [words(e.rows, worlds[e.world].ids) for e in edits]
    columns = {
        "entity": words(which, [f"{e.world}s" for e in edits]),
        "entity_id": pd.concat(ids, ignore_index=True),
        "field": words(which, [e.fieldname for e in edits]),
        "value": pd.concat([e.value for e in edits], ignore_index=True),
        "old_value": pd.concat([e.old_value for e in edits], ignore_index=True),
        "changed_at": instants(at),
    }
    frame = pd.DataFrame(columns).iloc[order].reset_index(drop=True)
    frame.insert(0, "change_id", long_keys("c", len(frame)))
    return frame
