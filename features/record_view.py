"""One record as features see it: the view of ``features.timeline`` on plain numbers.

A column of one row costs numpy as much as one of a thousand, and a record asks some three hundred
times. Here each spine-level column is the one number (or word) itself, so that the catalogue's own
definitions run on it unchanged: ``view.seen("activities").count(30)`` is a float. Columns of whole
tables stay arrays. Both views give the same features to the bit (tests/test_record_view.py).

A *place* is the group of an id in an event index, a *row* its row in a table; -1 is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from features import asof_kernels
from features.asof import EventIndex, days_since, in_days, past
from features.schema import TABLES
from features.tables import DAY, NAT, Bools, Coded, Floats, Ints, Tables
from features.timeline import (
    WINDOWS,
    Timeline,
    Where,
    at_rows,
    instants_at,
    read_instant,
    read_number,
)

_EVER = int(np.iinfo(np.int64).max)


@dataclass(frozen=True, slots=True)
class RecordWindow:
    """The events one record can see: positions lo … hi - 1. As ``asof.EventWindow``."""

    events: EventIndex
    place: int
    cutoff: int
    lo: int
    hi: int

    @staticmethod
    def of(events: EventIndex, place: int, cutoff: int) -> RecordWindow:
        """What is seen of a place's events from the cutoff; nothing of place -1."""
        if place < 0:
            return RecordWindow(events, place, cutoff, 0, 0)
        lo, end = events.starts.item(place), events.starts.item(place + 1)
        hi = asof_kernels.before_one(events.known, lo, end, cutoff) if end > lo else lo
        return RecordWindow(events, place, cutoff, lo, hi)

    def select(self, keep: Bools) -> RecordWindow:
        """What is seen of the events whose table row is marked in ``keep``."""
        return RecordWindow.of(self.events.select(keep), self.place, self.cutoff)

    def _left(self, days: float) -> int:
        """Position after the last event that has left the window.

        An event seen is known, so it has left as soon as it occurred before cutoff - days.
        """
        if self.hi == self.lo:
            return self.hi
        events, since = self.events, self.cutoff - round(days * DAY)
        if not events.late:
            found: int = asof_kernels.before_one(events.occurred, self.lo, self.hi, since)
            return found
        gone: int = asof_kernels.gone_one(events.occurred, self.lo, self.hi, since)
        return self.lo + gone

    def count(self, days: float | None = None) -> float:
        """The number of events, in the last ``days`` if given."""
        return float(self.hi - (self.lo if days is None else self._left(days)))

    def _summed(self, values: Floats, days: float | None) -> tuple[float, float]:
        if self.hi == self.lo:
            return 0.0, 0.0
        events, width = self.events, _EVER if days is None else round(days * DAY)
        found: tuple[float, float] = asof_kernels.summed_one(
            values, events.rows, events.occurred, self.lo, self.hi, self.cutoff, width
        )
        return found

    def total(self, values: Floats, days: float | None = None) -> float:
        """Sum of the known ``values`` (one a table row); 0 where there are none."""
        return self._summed(values, days)[0]

    def mean(self, values: Floats, days: float | None = None) -> float:
        """Mean of the known ``values``; NaN where there are none."""
        total, n = self._summed(values, days)
        return total / n if n > 0 else np.nan

    def last(self) -> int:
        """Table row of the event that occurred last; -1 where none is seen."""
        return self._row(self._latest()) if self.hi > self.lo else -1

    def first_known(self) -> int:
        """Table row of the place's first event, seen or not; -1 where it has none."""
        starts = self.events.starts
        if self.place < 0 or starts.item(self.place) == starts.item(self.place + 1):
            return -1
        return self._row(starts.item(self.place))

    def since_last(self) -> float:
        """Days since the last occurrence; NaN where none is seen."""
        return self._days(self._latest()) if self.hi > self.lo else np.nan

    def since_first(self) -> float:
        """Days since the first occurrence; NaN where none is seen."""
        if self.hi == self.lo:
            return np.nan
        events = self.events
        return self._days(events.earliest.item(self.hi - 1) if events.late else self.lo)

    def distinct(self, codes: Ints, days: float | None = None) -> float:
        """How many different ``codes`` (one a table row; negative is missing) are seen."""
        if self.hi == self.lo:
            return 0.0
        events, since = self.events, NAT if days is None else self.cutoff - round(days * DAY)
        return float(
            asof_kernels.distinct_one(codes, events.rows, events.occurred, self.lo, self.hi, since)
        )

    def _latest(self) -> int:
        events, last = self.events, self.hi - 1
        return events.latest.item(last) if events.late else last

    def _row(self, position: int) -> int:
        return self.events.rows.item(position)

    def _days(self, position: int) -> float:
        return in_days(self.cutoff - self.events.occurred.item(position))  # type: ignore[return-value,arg-type]


_NOTHING = np.empty(0, np.int64)
_NO_EVENTS = EventIndex(_NOTHING, _NOTHING, _NOTHING, np.zeros(1, np.int64))


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """How often each word was seen by one record, and when last. As ``asof.WordCounts``."""

    words: dict[str, int]
    counts: list[list[int]]
    last: list[int]
    cutoff: int

    def count(self, word: str = "", days: float | None = None) -> float:
        """Events of the word, in the last ``days`` if given."""
        place = self.words.get(word)
        if place is None:
            return 0.0
        return float(self.counts[place][-1 if days is None else _WINDOW[days]])

    def since_last(self, word: str = "") -> float:
        """Days since the word's last event; NaN where there is none."""
        place = self.words.get(word)
        if place is None:
            return np.nan
        return days_since(self.last[place], self.cutoff)  # type: ignore[arg-type,return-value]


_WINDOW = {days: i for i, days in enumerate(WINDOWS)}


class RecordView:
    """One entity as it was at its cutoff: ``timeline.View`` of a spine of one row."""

    def __init__(
        self,
        timeline: Timeline,
        entity: str,
        key: str,
        cutoff: int,
        history: Timeline | None = None,
    ) -> None:
        self.timeline, self.history = timeline, history or timeline
        self.tables: Tables = timeline.tables
        self.entity, self.key, self.cutoffs = entity, key, cutoff
        self.rows = timeline.row_of(entity).get(key, -1) if key else -1
        self._seen: dict[tuple[str, str, str, Where, str], RecordWindow] = {}
        self._peers: dict[tuple[str, str, Where, str], RecordWindow] = {}
        self._words: dict[str, str | None] = {}
        self._tallies: dict[str, RecordCounts] = {}
        self._told = frozenset(self.tables["changes"].coded("field").values)
        self.kept: dict[str, Any] = {}

    def __len__(self) -> int:
        return 1

    def _id(self, ref: str) -> str | None:
        """The entity's own id, or the id in its column ``ref``."""
        return self.tables[self.entity].coded(ref).word(self.rows) if ref else self.key

    def row(self, ref: str, table: str) -> int:
        """Row in ``table`` that the entity's column ``ref`` points to; -1 where it sees none."""
        key = self._id(ref)
        row = self.timeline.row_of(table).get(key, -1) if key else -1
        if row < 0:
            return -1
        born = self.tables[table].known(TABLES[table].born).item(row)
        return row if NAT in (born, self.cutoffs) or past(born, self.cutoffs) else -1  # type: ignore[arg-type]

    def seen(
        self, table: str, by: str = "", at: str = "", where: Where = (), ref: str = ""
    ) -> RecordWindow:
        """The rows of ``table`` that the entity can see, grouped by ``by`` (its own key)."""
        by = by or TABLES[self.entity].key
        key = (table, by, at, where, ref)
        window = self._seen.get(key)
        if window is None:
            window = self._seen[key] = self._window(*key)
        return window

    def _window(self, table: str, by: str, at: str, where: Where, ref: str) -> RecordWindow:
        if self.tables[table].n == 0:
            return RecordWindow(_NO_EVENTS, -1, self.cutoffs, 0, 0)
        key = self._id(ref)
        place = self.timeline.place_of(table, by).get(key, -1) if key else -1
        return RecordWindow.of(self.timeline.events(table, by, at, where), place, self.cutoffs)

    def peers(self, by: str, at: str = "", where: Where = (), table: str = "") -> RecordWindow:
        """The company's rows of ``table`` (the entity's own) that share the entity's ``by``."""
        key = (by, at, where, table or self.entity)
        window = self._peers.get(key)
        if window is None:
            word = self.word(by)
            place = self.history.place_of(key[3], by).get(word, -1) if word else -1
            events = self.history.events(key[3], by, at, where)
            window = self._peers[key] = RecordWindow.of(events, place, self.cutoffs)
        return window

    def closed_with(self, outcome: str) -> RecordWindow:
        """The company's rows of the entity's table that closed with an outcome."""
        place = self.history.place_of(self.entity, "outcome").get(outcome, -1)
        events = self.history.events(self.entity, "outcome", "closed_at")
        return RecordWindow.of(events, place, self.cutoffs)

    def tally(self, column: str = "") -> RecordCounts:
        """The entity's activities counted by a word of theirs ("": all together)."""
        counts = self._tallies.get(column)
        if counts is None:
            counts = self._tallies[column] = self._tally(column)
        return counts

    def _tally(self, column: str) -> RecordCounts:
        seen = self.seen("activities")
        if seen.hi == seen.lo:
            return RecordCounts({}, [], [], self.cutoffs)
        activities = self.tables["activities"]
        words = (
            activities.coded(column) if column else Coded(np.zeros(activities.n, np.int32), [""])
        )
        counts, last = asof_kernels.tally(
            words.codes,
            seen.events.rows,
            seen.events.occurred,
            np.array([seen.lo], np.int64),
            np.array([seen.hi], np.int64),
            np.array([self.cutoffs], np.int64),
            _WIDTHS,
            len(words.values),
        )
        places = {word: i for i, word in enumerate(words.values)}
        return RecordCounts(places, counts[0].tolist(), last[0].tolist(), self.cutoffs)

    def settled_late(self) -> RecordWindow:
        """The entity's invoices that were due and then paid, at the later of the two instants."""
        by = TABLES[self.entity].key
        place = self.timeline.place_of("invoices", by).get(self.key, -1)
        return RecordWindow.of(self.timeline.settled(by), place, self.cutoffs)

    def changes(self, column: str) -> RecordWindow:
        """The changes of one of the entity's fields."""
        where = (("entity", self.entity), ("field", column))
        return self.seen("changes", by="entity_id", where=where)

    def _changed(self, column: str) -> bool:
        return column in self._told and len(self.changes(column).events) > 0

    def word(self, column: str) -> str | None:
        """A word of the entity as of the cutoff, replayed where its history is kept."""
        if column not in self._words:
            self._words[column] = self._word(column)
        return self._words[column]

    def _word(self, column: str) -> str | None:
        if self._changed(column):
            changes, table = self.changes(column), self.tables["changes"]
            if (last := changes.last()) >= 0:
                return table.coded("value").word(last)
            if (first := changes.first_known()) >= 0:
                return table.coded("old_value").word(first)
        return self.tables[self.entity].coded(column).word(self.rows)

    def number(self, column: str) -> float:
        """A number of the entity as of the cutoff, replayed where its history is kept."""
        table = self.tables[self.entity]
        there = column in table.columns
        current: Any = at_rows(table.number(column), self.rows) if there else np.nan  # type: ignore[arg-type]
        return self._replayed(column, current, read_number)

    def instant(self, column: str) -> int:
        """An instant of the entity as of the cutoff, replayed where its history is kept."""
        current: Any = instants_at(self.tables[self.entity].instant(column), self.rows)  # type: ignore[arg-type]
        return int(self._replayed(column, current, read_instant))

    def _replayed(self, column: str, current: float, read: Callable[[str], float]) -> float:
        if self._changed(column):
            changes = self.changes(column)
            if (last := changes.last()) >= 0:
                return self.change_values("value", read).item(last)
            if (first := changes.first_known()) >= 0:
                return self.change_values("old_value", read).item(first)
        return current

    def change_values(self, side: str, read: Callable[[str], float]) -> Floats:
        """What every row of ``changes`` states on one side ("value", "old_value"), as numbers."""
        return self.timeline.stated(side, read)


_WIDTHS = np.array([round(days * DAY) for days in WINDOWS], np.int64)
