"""A question: which entity, which outcomes compete, by when, and what happened next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal, cast

import numpy as np

from features.questions.asked import Asked, Moments
from features.questions.event import Event, known_entity
from features.schema import OUTCOMES
from features.schema import QUESTIONS as ENTITY_OF
from features.spine import Spine
from features.tables import DAY, NAT, Bools, Instants, Ints, Tables


@dataclass(frozen=True)
class Question:
    """One question asked of one entity.

    edges      ends of the bins in days, rising; the last is the horizon
    snapshots  when entities are looked at: "created" once, at birth; "regular" at birth and then
               every ``every_days`` while open
    flat       a table without dates: one snapshot, one bin, the outcome simply happened or not
    without    names of features, or of groups of them, that the owner does not want used
    prior      the share of snapshots that the owner of the data expects to meet the outcome now,
               where that is known better than from history; scores are shifted to it
    order_by   of a flat table: the column whose order divides what teaches from what tests

    A question of the company's own also has:

    event      what is waited for; None: the outcome of the entity's own table
    again      whether the event may come many times, and is asked about from the first one on
    censoring  "end": an entity that closes first has not met the event; "closing": nobody knows
    says       what has happened when it has, in words: "bought again"
    asks       the question as reports ask it
    """

    name: str
    entity: str
    edges: tuple[float, ...]
    snapshots: Literal["created", "regular"] = "regular"
    every_days: float = 30.0
    flat: bool = False
    prior: float | None = None
    without: tuple[str, ...] = ()
    order_by: str = ""
    event: Event | None = None
    again: bool = False
    censoring: Literal["end", "closing"] = "end"
    says: str = ""
    asks: str = ""

    @property
    def asked(self) -> Asked | None:
        """What a question of the company's own is about; None for those every company asks."""
        if self.event is None:
            return None
        return Asked(self.entity, self.event, self.again, self.censoring)

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The competing outcomes modelled, in the words of the entity's table.

        In a flat table only the scored one, and so where nothing competes with an event.
        """
        alone = self.flat or self.again or (self.event is not None and self.censoring == "closing")
        return OUTCOMES[self.entity][:1] if alone else OUTCOMES[self.entity]

    @property
    def target(self) -> str:
        """The outcome that is scored."""
        return self.outcomes[0]

    @property
    def happened(self) -> str:
        """The scored outcome in words, as sentences say it."""
        return self.says or (self.target if self.event is None else self.name.replace("_", " "))

    @property
    def horizon(self) -> float:
        """The horizon in days; nan for a flat table, which has no time."""
        return float("nan") if self.flat else self.edges[-1]

    @property
    def bins(self) -> int:
        """K, the number of bins."""
        return len(self.edges)

    def with_overrides(self, overrides: Mapping[str, Any]) -> Question:
        """This question with the mapping's or configuration's overrides."""
        own = {"event", "again", "censoring", "says", "asks"} if self.event is None else set()
        known = {f.name for f in fields(self)} - {"name", "entity"} - own
        unknown = sorted(set(overrides) - known)
        if unknown:
            raise ValueError(
                f"question {self.name}: unknown settings {', '.join(unknown)}; "
                f"there are {', '.join(sorted(known))}"
            )
        changed = replace(self, **{n: _setting(self.name, n, v) for n, v in overrides.items()})
        if not changed.edges or any(b <= a for a, b in pairwise((0.0, *changed.edges))):
            raise _not_rising(self.name, overrides["edges"])
        return changed


def _setting(question: str, name: str, value: Any) -> Any:
    """One override as its field has it, or an error that says what it may be."""
    if name == "edges":
        if not isinstance(value, list | tuple) or not all(_is_number(e) for e in value):
            raise _not_rising(question, value)
        return tuple(value)
    if name in ("order_by", "says", "asks") and not isinstance(value, str):
        raise ValueError(f"question {question}: {name} is a text, got {value!r}")
    if name == "again" and not isinstance(value, bool):
        raise ValueError(f"question {question}: again is true or false, got {value!r}")
    if name == "censoring" and value not in ("end", "closing"):
        raise ValueError(f'question {question}: censoring is "end" or "closing", got {value!r}')
    if name == "without":
        if not isinstance(value, list | tuple) or not all(isinstance(n, str) for n in value):
            raise ValueError(
                f"question {question}: without is a list of names of features or groups, "
                f'as ["season", "custom_age"]; got {value!r}'
            )
        return tuple(value)
    if name == "every_days" and not (_is_number(value) and value > 0):
        raise ValueError(
            f"question {question}: every_days must be a positive number of days, got {value!r}"
        )
    if name == "snapshots" and value not in ("created", "regular"):
        raise ValueError(
            f'question {question}: snapshots must be "created" or "regular", got {value!r}'
        )
    if name == "prior" and not (_is_number(value) and 0 < value < 1):
        raise ValueError(
            f"question {question}: prior is a share strictly between 0 and 1, got {value!r}"
        )
    return value


def _is_number(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(cast(float, value))


def _not_rising(question: str, edges: Any) -> ValueError:
    return ValueError(
        f"question {question}: edges must be positive and rising days, as [7, 30, 90]; got {edges}"
    )


EDGES = {
    "lead_conversion": (3, 7, 14, 30, 60, 90),
    "deal_close": (7, 14, 30, 60, 90, 180),
    "churn": (14, 30, 60, 90),
}
QUESTIONS: dict[str, Question] = {n: Question(n, e, EDGES[n]) for n, e in ENTITY_OF.items()}
"""The questions every company asks."""

SHARES = (1 / 12, 1 / 6, 1 / 3, 2 / 3, 1.0)
"""Where the bins of a horizon end that states no edges."""


def own_question(name: str, settings: Mapping[str, Any]) -> Question:
    """A question of the company's own, as ``[questions.NAME]`` of its mapping states it.

    ValueError says which setting is missing or wrong, and what may stand there.
    """
    stated = dict(settings)
    for needed in ("entity", "event"):
        if needed not in stated:
            raise ValueError(
                f"question {name}: {needed} is missing; a question of your own states entity, "
                f"event and horizon (days)"
            )
    entity = known_entity(stated.pop("entity"), name)
    event = Event.of(stated.pop("event"), entity, name)
    horizon = stated.pop("horizon", None)
    if (horizon is None) == ("edges" not in stated):
        raise ValueError(f"question {name}: state horizon (days) or edges (days), one of the two")
    if horizon is not None:
        stated["edges"] = _bins(name, horizon)
    made = Question(name, entity, (1.0,), event=event).with_overrides(stated)
    if made.again and entity != "accounts":
        raise ValueError(f"question {name}: again is for customers; entity must be accounts")
    return made


def _bins(name: str, horizon: Any) -> list[float]:
    if not (_is_number(horizon) and horizon > 0):
        raise ValueError(f"question {name}: horizon is a number of days, got {horizon!r}")
    days = [round(horizon * share) for share in SHARES[:-1]]
    return [*sorted({float(d) for d in days if 0 < d < horizon}), float(horizon)]


@dataclass(frozen=True)
class Labels:
    """What happened after each spine row; see docs/architecture.md, "The matrix and the labels".

    event      (n,) int64: 0 open or censored, j = the j-th outcome of the question
    event_bin  (n,) int64: the bin of the event, K when there is none
    observed   (n,) int64: how many leading bins were fully observed
    """

    event: Ints
    event_bin: Ints
    observed: Ints
    bins: int
    outcomes: int

    def __len__(self) -> int:
        return len(self.event)

    def take(self, rows: Ints) -> Labels:
        """The labels at ``rows``."""
        return Labels(
            self.event[rows], self.event_bin[rows], self.observed[rows], self.bins, self.outcomes
        )

    @staticmethod
    def join(parts: Sequence[Labels]) -> Labels:
        """The labels of several groups of rows, one after the other."""
        return Labels(
            np.concatenate([p.event for p in parts]),
            np.concatenate([p.event_bin for p in parts]),
            np.concatenate([p.observed for p in parts]),
            parts[0].bins,
            parts[0].outcomes,
        )

    @property
    def matured(self) -> Bools:
        """Rows whose whole horizon was observed."""
        return self.observed >= self.bins

    @property
    def hit(self) -> Bools:
        """Rows where the scored outcome happened in an observed bin."""
        hit: Bools = (self.event == 1) & (self.event_bin < self.observed)
        return hit

    def person_periods(self) -> tuple[Ints, Ints, Ints]:
        """Rows i, bins k and labels y of every (snapshot, bin) entered and fully observed."""
        last = np.minimum(self.event_bin + 1, self.observed)
        rows = np.repeat(np.arange(len(self), dtype=np.int64), last)
        starts = np.repeat(np.cumsum(last) - last, last)
        bins = np.arange(len(rows), dtype=np.int64) - starts
        y = np.where(bins == self.event_bin[rows], self.event[rows], 0)
        return rows, bins, y


def rows_of(tables: Tables, spine: Spine) -> Ints:
    """Row of each spine entity in its table; an unknown id is an error."""
    table = tables[spine.entity]
    keys = table.coded(_key(spine.entity))
    where = {keys.values[c]: i for i, c in enumerate(keys.codes) if c >= 0}
    try:
        return np.fromiter((where[i] for i in spine.ids), np.int64, len(spine))
    except KeyError as missing:
        raise KeyError(f"{spine.entity} holds no row with key {missing}") from None


def _key(entity: str) -> str:
    return {"leads": "lead_id", "deals": "deal_id", "accounts": "account_id"}[entity]


def outcome_codes(tables: Tables, question: Question) -> Ints:
    """(n,) outcome of each row of the entity table: 0 none, j the question's j-th outcome."""
    outcome = tables[question.entity].coded("outcome")
    places = [
        question.outcomes.index(v) + 1 if v in question.outcomes else 0 for v in outcome.values
    ]
    lookup = np.array([*places, 0], np.int64)  # the last place answers code -1, missing
    return lookup[outcome.codes]


def next_outcome(tables: Tables, question: Question, spine: Spine) -> tuple[Ints, Instants]:
    """(n,) outcome that comes next at each spine row, and when; 0 and NAT where none does."""
    rows = rows_of(tables, spine)
    if not question.again or question.event is None:
        closed = tables[question.entity].instant("closed_at")[rows]
        return np.where(closed == NAT, 0, outcome_codes(tables, question)[rows]), closed
    moments = Moments.of(tables, question.entity, question.event)
    at = moments.next(rows, spine.cutoffs)
    return (at != NAT).astype(np.int64), at


def ever(tables: Tables, question: Question) -> tuple[Ints, Instants]:
    """(n,) outcome of each row of the entity table and when: of many events the second one."""
    if not question.again or question.event is None:
        return outcome_codes(tables, question), tables[question.entity].instant("closed_at")
    moments = Moments.of(tables, question.entity, question.event)
    at = moments.next(np.arange(moments.n), moments.first + 1)
    at = np.where(moments.first == NAT, np.int64(NAT), at)
    return (at != NAT).astype(np.int64), at


def label(tables: Tables, question: Question, spine: Spine, data_end: int) -> Labels:
    """What happened to each spine row up to ``data_end`` (microseconds, exclusive).

    Half-open time: an outcome counts in [cutoff, cutoff + horizon). Nothing after ``data_end`` is
    looked at, so the labels at a past origin are those that were known there.
    """
    n, bins = len(spine), question.bins
    if question.flat:
        hit = (outcome_codes(tables, question)[rows_of(tables, spine)] == 1).astype(np.int64)
        ones = np.ones(n, np.int64)
        return Labels(hit, np.where(hit == 1, 0, 1), ones, 1, 1)
    codes, closed = next_outcome(tables, question, spine)
    ends = spine.cutoffs[:, None] + _edges(question)[None, :]
    known = (codes > 0) & (closed != NAT) & (closed < data_end) & (closed >= spine.cutoffs)
    event_bin = np.where(known, (closed[:, None] >= ends).sum(axis=1), bins)
    event = np.where(event_bin < bins, codes, 0)
    end = np.full(n, data_end, np.int64)
    if question.event is not None and question.censoring == "closing":
        over = tables[question.entity].instant("closed_at")[rows_of(tables, spine)]
        end = np.where((codes == 0) & (over != NAT), np.minimum(over, end), end)
    observed = (ends <= end[:, None]).sum(axis=1)
    return Labels(event, event_bin, observed, bins, len(question.outcomes))


def _edges(question: Question) -> Instants:
    return np.array([round(e * DAY) for e in question.edges], np.int64)
