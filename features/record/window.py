"""What one record can see of events: ``features.asof``'s windows on plain numbers.

A *place* is the group of an id in an event index, -1 is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features import asof_kernels
from features.asof import EventIndex, days_since, in_days
from features.tables import DAY, NAT, Bools, Floats, Ints
from features.view import WINDOWS

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
NO_EVENTS = EventIndex(_NOTHING, _NOTHING, _NOTHING, np.zeros(1, np.int64))


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
