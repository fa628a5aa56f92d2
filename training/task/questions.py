"""The three questions: who is asked about, which outcomes compete, by when, and what happened."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Literal, cast

import numpy as np

from features.schema import OUTCOMES
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
    """

    name: str
    entity: str
    edges: tuple[float, ...]
    snapshots: Literal["created", "regular"] = "regular"
    every_days: float = 30.0
    flat: bool = False
    prior: float | None = None
    without: tuple[str, ...] = ()

    @property
    def outcomes(self) -> tuple[str, ...]:
        """The competing outcomes modelled; in a flat table only the scored one."""
        return OUTCOMES[self.entity][:1] if self.flat else OUTCOMES[self.entity]

    @property
    def target(self) -> str:
        """The outcome that is scored."""
        return self.outcomes[0]

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
        known = {f.name for f in fields(self)} - {"name", "entity"}
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


QUESTIONS: dict[str, Question] = {
    q.name: q
    for q in (
        Question("lead_conversion", "leads", (3, 7, 14, 30, 60, 90)),
        Question("deal_close", "deals", (7, 14, 30, 60, 90, 180)),
        Question("churn", "accounts", (14, 30, 60, 90)),
    )
}


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


def label(tables: Tables, question: Question, spine: Spine, data_end: int) -> Labels:
    """What happened to each spine row up to ``data_end`` (microseconds, exclusive).

    Half-open time: an outcome counts in [cutoff, cutoff + horizon). Nothing after ``data_end`` is
    looked at, so the labels at a past origin are those that were known there.
    """
    rows = rows_of(tables, spine)
    codes = outcome_codes(tables, question)[rows]
    n, bins = len(spine), question.bins
    if question.flat:
        hit = (codes == 1).astype(np.int64)
        ones = np.ones(n, np.int64)
        return Labels(hit, np.where(hit == 1, 0, 1), ones, 1, 1)
    closed = tables[question.entity].instant("closed_at")[rows]
    ends = spine.cutoffs[:, None] + _edges(question)[None, :]
    known = (codes > 0) & (closed != NAT) & (closed < data_end) & (closed >= spine.cutoffs)
    event_bin = np.where(known, (closed[:, None] >= ends).sum(axis=1), bins)
    event = np.where(event_bin < bins, codes, 0)
    observed = (ends <= data_end).sum(axis=1)
    return Labels(event, event_bin, observed, bins, len(question.outcomes))


def _edges(question: Question) -> Instants:
    return np.array([round(e * DAY) for e in question.edges], np.int64)
