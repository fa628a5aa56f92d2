"""Point-in-time windows: the only code that compares an instant with a cutoff.

An event that occurred at t and became known at u = max(t, available) is seen from cutoff c when
u < c, and lies in the last w days when also t >= c - w. Seen from c it therefore enters at u and
leaves at max(u, t + w), so a window count is a difference of two ranks:

    #{seen in the window at c} = #{u < c} - #{max(u, t + w) < c}

Both ranks are binary searches in arrays sorted once, for late-arriving events as for punctual ones.
Sums add the events of a window one by one, in their order within the entity, so that an entity's
features do not depend, to the last bit, on who else is in the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from features import asof_kernels
from features.tables import DAY, NAT, Bools, Codes, Floats, Instants, Ints

_NEVER = int(np.iinfo(np.int64).max)


def _dense(codes: Ints) -> Ints:
    """Codes counted from 0, renumbered where they are spread too thin to index an array."""
    low, high = int(codes.min()), int(codes.max())
    if high - low > 4 * len(codes) + 100_000:
        return np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return codes - low


@dataclass(frozen=True)
class EventIndex:
    """Events grouped by entity and sorted by when they became known.

    rows      original row of each event, group by group
    known     max(occurred, available) of each event; occurred likewise
    starts    (groups + 1,): events of group g stand at starts[g] … starts[g + 1] - 1
    """

    rows: Ints
    known: Instants
    occurred: Instants
    starts: Ints

    @staticmethod
    def of(
        codes: Ints, groups: int, occurred: Instants, available: Instants | None = None
    ) -> EventIndex:
        """Sort events; rows with a negative code or no instant are left out.

        codes (n,) entity of each event in 0 … groups - 1; occurred, available (n,) microseconds.
        Ties keep the order of the rows.
        """
        if (occurred == NAT).any():
            codes = np.where(occurred == NAT, np.int64(-1), codes)
        known = occurred if available is None else np.maximum(occurred, available)
        rows, starts = asof_kernels.grouped(codes, groups)
        keys = known[rows]
        asof_kernels.sort_within(keys, rows, starts)
        return EventIndex(rows, keys, keys if available is None else occurred[rows], starts)

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, keep: Bools) -> EventIndex:
        """Only the events whose original row is marked in ``keep``."""
        if not len(self):
            return self
        positions, starts = asof_kernels.kept_positions(keep, self.rows, self.starts)
        known = self.known[positions]
        occurred = known if self.known is self.occurred else self.occurred[positions]
        return EventIndex(self.rows[positions], known, occurred, starts)

    @cached_property
    def late(self) -> bool:
        """Whether any event became known after it occurred."""
        return self.known is not self.occurred and bool((self.known != self.occurred).any())

    @cached_property
    def latest(self) -> Ints:
        """Position of the latest occurrence among those known up to each position."""
        found: Ints = asof_kernels.running_extreme(self.occurred, self.starts, True)
        return found

    @cached_property
    def earliest(self) -> Ints:
        """Position of the earliest occurrence among those known up to each position."""
        found: Ints = asof_kernels.running_extreme(self.occurred, self.starts, False)
        return found

    def leaving(self, days: float) -> Instants:
        """The instants at which the events leave a window of ``days``, rising in each group."""
        leave = self.occurred + round(days * DAY)
        if self.late:
            leave = np.maximum(self.known, leave)
            asof_kernels.sort_within(leave, np.zeros(len(leave), np.int8), self.starts)
        return leave

    def at(self, groups: Ints, cutoffs: Instants) -> EventWindow:
        """What each (group, cutoff) sees; a negative group sees nothing."""
        hi: Ints = asof_kernels.before(self.known, self.starts, groups, cutoffs)
        return EventWindow(self, groups, cutoffs, np.where(groups >= 0, self.starts[groups], 0), hi)


@dataclass(frozen=True)
class EventWindow:
    """The events each spine row can see: positions lo … hi - 1 of its group."""

    events: EventIndex
    groups: Ints
    cutoffs: Instants
    lo: Ints
    hi: Ints

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def any(self) -> Bools:
        """Rows that see at least one event."""
        return self.hi > self.lo

    def select(self, keep: Bools) -> EventWindow:
        """What the same rows see of the events whose table row is marked in ``keep``."""
        return self.events.select(keep).at(self.groups, self.cutoffs)

    def _left(self, days: float) -> Ints:
        """Position after the last event that has left the window."""
        leaving = self.events.leaving(days)
        left: Ints = asof_kernels.before(leaving, self.events.starts, self.groups, self.cutoffs)
        return left

    def count(self, days: float | None = None) -> Floats:
        """(n,) number of events, in the last ``days`` if given."""
        start = self.lo if days is None else self._left(days)
        return (self.hi - start).astype(np.float64)

    def tally(self, codes: Codes, words: Sequence[str], windows: Sequence[float]) -> WordCounts:
        """Counts by word (``codes``, one a table row, index ``words``) in every window at once.

        It looks at every event in sight instead of searching: an entity has few snapshots, so that
        a pass over its events for each is cheaper than a sorted copy for every word and window.
        """
        widths = np.array([round(d * DAY) for d in windows], np.int64)
        counts, last = asof_kernels.tally(
            codes,
            self.events.rows,
            self.events.occurred,
            self.lo,
            self.hi,
            self.cutoffs,
            widths,
            len(words),
        )
        places = {w: i for i, w in enumerate(words)}
        return WordCounts(counts, last, self.cutoffs, places, {d: i for i, d in enumerate(windows)})

    def total(self, values: Floats, days: float | None = None) -> Floats:
        """(n,) sum of the known ``values`` (one a table row); 0 where there are none."""
        return self._summed(values, days)[:, 0]

    def mean(self, values: Floats, days: float | None = None) -> Floats:
        """(n,) mean of the known ``values``; NaN where there are none."""
        total, n = self._summed(values, days).T
        return np.where(n > 0, total / np.maximum(n, 1.0), np.nan)

    def _summed(self, values: Floats, days: float | None) -> Floats:
        """(n, 2) sums and numbers, event by event: a difference of running sums would round."""
        events, start, width = self.events, self.lo, _NEVER
        if days is not None:
            width = round(days * DAY)
            if not events.late:
                start = self._left(days)
        found: Floats = asof_kernels.summed(
            values, events.rows, events.occurred, start, self.hi, self.cutoffs, width
        )
        return found

    def last(self) -> Ints:
        """(n,) table row of the event that occurred last; -1 where none is seen."""
        return self._pick(self.events.latest if self.events.late else None, self.hi - 1)

    def first_known(self) -> Ints:
        """(n,) table row of the group's first event, seen or not; -1 where it has none."""
        lo, starts = self.groups, self.events.starts
        has = (lo >= 0) & (starts[lo + 1] > starts[lo])
        return self._row(np.where(has, starts[lo], -1))

    def _pick(self, running: Ints | None, position: Ints) -> Ints:
        if running is not None and len(running):
            position = running[position]
        return self._row(np.where(self.any, position, -1))

    def _row(self, position: Ints) -> Ints:
        if len(self.events) == 0:
            return np.full(len(self), -1, np.int64)
        return np.where(position >= 0, self.events.rows[position], -1)

    def since_last(self) -> Floats:
        """(n,) days since the last occurrence; NaN where none is seen."""
        return self._days(self.events.latest if self.events.late else None, self.hi - 1)

    def since_first(self) -> Floats:
        """(n,) days since the first occurrence; NaN where none is seen."""
        if not self.events.late:
            return self._days(None, self.lo)
        return self._days(self.events.earliest, self.hi - 1)

    def _days(self, running: Ints | None, position: Ints) -> Floats:
        if len(self.events) == 0:
            return np.full(len(self), np.nan)
        position = np.where(self.any, position, 0)
        at = self.events.occurred[position if running is None else running[position]]
        return np.where(self.any, (self.cutoffs - at) / DAY, np.nan)

    def distinct(self, codes: Ints, days: float | None = None) -> Floats:
        """(n,) how many different ``codes`` (one a table row; negative is missing) are seen."""
        events = self.events if codes.min(initial=0) >= 0 else self.events.select(codes >= 0)
        if len(events) == 0:
            return np.zeros(len(self))
        seen = events.at(self.groups, self.cutoffs)
        here = _dense(codes[events.rows])
        leave = np.full(len(events), _NEVER, np.int64)
        if days is not None:
            leave = np.maximum(events.known, events.occurred + round(days * DAY))
        ends = asof_kernels.superseded(
            here, int(here.max()) + 1, events.known, leave, events.starts
        )
        asof_kernels.sort_within(ends, np.zeros(len(ends), np.int8), events.starts)
        gone = asof_kernels.before(ends, events.starts, self.groups, self.cutoffs)
        left: Floats = (seen.hi - gone).astype(np.float64)
        return left


@dataclass(frozen=True)
class WordCounts:
    """How often each word was seen by each spine row, and when last.

    counts (n, words, windows + 1), the last place being all time; last (n, words), NAT for never.
    A word that no event has was never seen.
    """

    counts: npt.NDArray[np.int32]
    last: Instants
    cutoffs: Instants
    words: dict[str, int]
    windows: dict[float, int]

    def count(self, word: str = "", days: float | None = None) -> Floats:
        """(n,) events of the word, in the last ``days`` if given."""
        if word not in self.words:
            return np.zeros(len(self.cutoffs))
        window = -1 if days is None else self.windows[days]
        return self.counts[:, self.words[word], window].astype(np.float64)

    def since_last(self, word: str = "") -> Floats:
        """(n,) days since the word's last event; NaN where there is none."""
        if word not in self.words:
            return np.full(len(self.cutoffs), np.nan)
        return days_since(self.last[:, self.words[word]], self.cutoffs)


# Features are written for columns and run for a single record, too (features.record): there a
# column is one plain number, for which numpy's functions would take a hundred times as long.


def where(condition: Bools, a: Any, b: Any) -> Any:
    """``np.where``, of a single record's numbers too."""
    if isinstance(condition, bool):
        return a if condition else b
    return np.where(condition, a, b)


def missing(values: Floats) -> Bools:
    """``np.isnan``, of a single record's number too."""
    unknown: Bools = values != values
    return unknown


def past(instants: Instants, cutoffs: int | Instants) -> Bools:
    """Which instants are known and lie before their cutoff."""
    known: Bools = (instants != NAT) & (instants < cutoffs)
    return known


def later(a: Instants, b: Instants) -> Instants:
    """The later of two instants, missing where either is."""
    return np.where((a == NAT) | (b == NAT), np.int64(NAT), np.maximum(a, b))


def days_since(instants: Instants, cutoffs: Instants) -> Floats:
    """Days from a fact to the cutoff; NaN where it is missing or not yet known."""
    return where(past(instants, cutoffs), in_days(cutoffs - instants), np.nan)  # type: ignore[no-any-return]


def days_until(plans: Instants, cutoffs: Instants) -> Floats:
    """Days from the cutoff to a planned instant (negative: overdue); NaN where missing.

    For plans only (an expected close date): their value, not their coming true, is known.
    """
    return where(plans == NAT, np.nan, in_days(plans - cutoffs))  # type: ignore[no-any-return]


def in_days(micros: Ints) -> Floats:
    """Microseconds as days."""
    if isinstance(micros, int):
        return float(micros) / DAY  # rounded once here, as a column is
    return micros / DAY
