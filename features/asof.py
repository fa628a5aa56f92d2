"""Point-in-time windows: the only code that compares an instant with a cutoff.

An event that occurred at t and became known at u = max(t, available) is seen from cutoff c when
u < c, and lies in the last w days when also t >= c - w. Seen from c it therefore enters at u and
leaves at max(u, t + w), so a window count is a difference of two ranks:

    #{seen in the window at c} = #{u < c} - #{max(u, t + w) < c}

Both ranks are binary searches in arrays sorted once, for late-arriving events as for punctual ones,
and sums are the same difference of prefix sums. Prefix sums restart at every entity, so an
entity's features do not depend, to the last bit, on who else is in the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit

from features.tables import DAY, NAT, Bools, Floats, Instants, Ints

_NEVER = np.iinfo(np.int64).max
_SHORT = 24  # runs this short are sorted by insertion, longer ones merged


@njit(cache=True, nogil=True)
def _group(codes: Any, groups: int) -> Any:
    """Stable counting sort: the rows of each group, and where each group starts."""
    starts = np.zeros(groups + 1, np.int64)
    for code in codes:
        if code >= 0:
            starts[code + 1] += 1
    for g in range(groups):
        starts[g + 1] += starts[g]
    rows = np.empty(starts[groups], np.int64)
    place = starts[:-1].copy()
    for row in range(len(codes)):
        code = codes[row]
        if code >= 0:
            rows[place[code]] = row
            place[code] += 1
    return rows, starts


@njit(cache=True, nogil=True)
def _insert(keys: Any, order: Any, lo: int, hi: int) -> None:
    for i in range(lo + 1, hi):
        key, item, j = keys[i], order[i], i - 1
        while j >= lo and keys[j] > key:
            keys[j + 1], order[j + 1] = keys[j], order[j]
            j -= 1
        keys[j + 1], order[j + 1] = key, item


@njit(cache=True, nogil=True)
def _merge(keys: Any, order: Any, lo: int, middle: int, hi: int, key: Any, item: Any) -> None:
    """Merge two sorted neighbours; ``key`` and ``item`` are room for the left one."""
    if keys[middle - 1] <= keys[middle]:
        return
    left = middle - lo
    key[:left], item[:left] = keys[lo:middle], order[lo:middle]
    i, j, place = 0, middle, lo
    while i < left:
        if j < hi and keys[j] < key[i]:
            keys[place], order[place] = keys[j], order[j]
            j += 1
        else:
            keys[place], order[place] = key[i], item[i]
            i += 1
        place += 1


@njit(cache=True, nogil=True)
def _sort_within(keys: Any, order: Any, starts: Any) -> None:
    """Sort ``order`` (and ``keys`` with it) within each group by key, stably and in place."""
    largest = 0
    for g in range(len(starts) - 1):
        largest = max(largest, starts[g + 1] - starts[g])
    key, item = np.empty(largest, keys.dtype), np.empty(largest, order.dtype)
    for g in range(len(starts) - 1):
        lo, hi = starts[g], starts[g + 1]
        for run in range(lo, hi, _SHORT):
            _insert(keys, order, run, min(run + _SHORT, hi))
        width = _SHORT
        while width < hi - lo:
            for run in range(lo, hi - width, 2 * width):
                _merge(keys, order, run, run + width, min(run + 2 * width, hi), key, item)
            width *= 2


@njit(cache=True, nogil=True)
def _select(keep: Any, rows: Any, starts: Any) -> Any:
    """Positions of the events whose row is kept, and where their groups start."""
    kept = np.zeros(len(starts), np.int64)
    for g in range(len(starts) - 1):
        kept[g + 1] = kept[g]
        for i in range(starts[g], starts[g + 1]):
            kept[g + 1] += keep[rows[i]]
    positions = np.empty(kept[-1], np.int64)
    place = 0
    for i in range(len(rows)):
        if keep[rows[i]]:
            positions[place] = i
            place += 1
    return positions, kept


@njit(cache=True, nogil=True)
def _before(sorted_keys: Any, starts: Any, groups: Any, instants: Any) -> Any:
    """Position after the last key of each row's group that is < its instant."""
    out = np.empty(len(groups), np.int64)
    for i in range(len(groups)):
        g = groups[i]
        if g < 0:
            out[i] = 0
            continue
        lo, hi = starts[g], starts[g + 1]
        while lo < hi:
            middle = (lo + hi) >> 1
            if sorted_keys[middle] < instants[i]:
                lo = middle + 1
            else:
                hi = middle
        out[i] = lo
    return out


@njit(cache=True, nogil=True)
def _prefix_sums(values: Any, starts: Any) -> Any:
    """Sums up to and with each position, restarting at every group; NaN counts as nothing."""
    out = np.empty(len(values), np.float64)
    for g in range(len(starts) - 1):
        total = 0.0
        for i in range(starts[g], starts[g + 1]):
            if not np.isnan(values[i]):
                total += values[i]
            out[i] = total
    return out


@njit(cache=True, nogil=True)
def _running_extreme(occurred: Any, starts: Any, latest: bool) -> Any:
    """Position of the latest (or earliest) occurrence among those up to each position."""
    out = np.empty(len(occurred), np.int64)
    for g in range(len(starts) - 1):
        best = starts[g]
        for i in range(starts[g], starts[g + 1]):
            if latest:
                if occurred[i] >= occurred[best]:
                    best = i
            elif occurred[i] < occurred[best]:
                best = i
            out[i] = best
    return out


@njit(cache=True, nogil=True)
def _superseded(codes: Any, words: int, known: Any, leave: Any, starts: Any) -> Any:
    """When each event stops being the one that keeps its code (0 … words - 1) in sight.

    The sight of a code ends at the latest leave so far, or passes on to the code's next event.
    """
    ends = np.empty(len(codes), np.int64)
    keeper = np.full(words, -1, np.int64)  # the event that keeps each code in sight
    latest = np.empty(words, np.int64)
    for g in range(len(starts) - 1):
        for i in range(starts[g], starts[g + 1]):
            word, before = codes[i], keeper[codes[i]]
            if before >= starts[g]:
                ends[before] = min(latest[word], known[i])
                latest[word] = max(latest[word], leave[i])
            else:
                latest[word] = leave[i]
            keeper[word] = i
        for i in range(starts[g], starts[g + 1]):
            if keeper[codes[i]] == i:
                ends[i] = latest[codes[i]]
    return ends


def _dense(codes: Ints) -> Ints:
    """Codes counted from 0, renumbered where they are spread too thin to index an array."""
    low, high = int(codes.min()), int(codes.max())
    if high - low > 4 * len(codes) + 100_000:
        return np.unique(codes, return_inverse=True)[1].astype(np.int64)
    return codes - low


@dataclass(frozen=True)
class Leaving:
    """Events by the instant they leave a window: instants, prefix order (None: unchanged)."""

    instants: Instants
    order: Ints | None


@dataclass(frozen=True)
class Events:
    """Events grouped by entity and sorted by when they became known.

    rows      original row of each event, group by group
    known     max(occurred, available) of each event; occurred likewise
    starts    (groups + 1,): events of group g stand at starts[g] … starts[g + 1] - 1
    """

    rows: Ints
    known: Instants
    occurred: Instants
    starts: Ints
    _sums: list[tuple[Floats, Floats]] = field(default_factory=list, repr=False)

    @staticmethod
    def of(
        codes: Ints, groups: int, occurred: Instants, available: Instants | None = None
    ) -> Events:
        """Sort events; rows with a negative code or no instant are left out.

        codes (n,) entity of each event in 0 … groups - 1; occurred, available (n,) microseconds.
        Ties keep the order of the rows.
        """
        if (occurred == NAT).any():
            codes = np.where(occurred == NAT, np.int64(-1), codes)
        known = occurred if available is None else np.maximum(occurred, available)
        rows, starts = _group(codes, groups)
        keys = known[rows]
        _sort_within(keys, rows, starts)
        return Events(rows, keys, keys if available is None else occurred[rows], starts)

    def __len__(self) -> int:
        return len(self.rows)

    def select(self, keep: Bools) -> Events:
        """Only the events whose original row is marked in ``keep``."""
        positions, starts = _select(keep, self.rows, self.starts)
        known = self.known[positions]
        occurred = known if self.known is self.occurred else self.occurred[positions]
        return Events(self.rows[positions], known, occurred, starts)

    def sums(self, values: Floats) -> Floats:
        """Prefix sums of ``values`` (one a table row), kept while the same values are asked for."""
        if not self._sums or self._sums[0][0] is not values:
            self._sums[:] = [(values, _prefix_sums(values[self.rows], self.starts))]
        return self._sums[0][1]

    @cached_property
    def late(self) -> bool:
        """Whether any event became known after it occurred."""
        return self.known is not self.occurred and bool((self.known != self.occurred).any())

    @cached_property
    def latest(self) -> Ints:
        """Position of the latest occurrence among those known up to each position."""
        found: Ints = _running_extreme(self.occurred, self.starts, True)
        return found

    @cached_property
    def earliest(self) -> Ints:
        """Position of the earliest occurrence among those known up to each position."""
        found: Ints = _running_extreme(self.occurred, self.starts, False)
        return found

    def leaving(self, days: float) -> Leaving:
        """The events by the instant at which they leave a window of ``days``."""
        leave = self.occurred + round(days * DAY)
        if not self.late:
            return Leaving(leave, None)
        leave = np.maximum(self.known, leave)
        order = np.arange(len(leave), dtype=np.int64)
        _sort_within(leave, order, self.starts)
        return Leaving(leave, order)

    def at(self, groups: Ints, cutoffs: Instants) -> Seen:
        """What each (group, cutoff) sees; a negative group sees nothing."""
        hi: Ints = _before(self.known, self.starts, groups, cutoffs)
        return Seen(self, groups, cutoffs, np.where(groups >= 0, self.starts[groups], 0), hi)


@dataclass(frozen=True)
class Seen:
    """The events each spine row can see: positions lo … hi - 1 of its group."""

    events: Events
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

    def _left(self, leaving: Leaving) -> Ints:
        """Position after the last event that has left the window."""
        left: Ints = _before(leaving.instants, self.events.starts, self.groups, self.cutoffs)
        return left

    def count(self, days: float | None = None) -> Floats:
        """(n,) number of events, in the last ``days`` if given."""
        start = self.lo if days is None else self._left(self.events.leaving(days))
        return (self.hi - start).astype(np.float64)

    def total(self, values: Floats, days: float | None = None) -> Floats:
        """(n,) sum of the known ``values`` (one a table row); 0 where there are none."""
        events = self.events
        total = self._prefix(events.sums(values), self.hi)
        if days is None:
            return total
        leaving = events.leaving(days)
        left = self._left(leaving)
        if leaving.order is None:
            gone = events.sums(values)
        else:
            gone = _prefix_sums(values[events.rows[leaving.order]], events.starts)
        total = total - self._prefix(gone, left)
        # an empty window is exactly 0, not the rounding of a difference of sums
        return np.where(self.hi > left, total, 0.0)

    def _prefix(self, sums: Floats, upto: Ints) -> Floats:
        if len(sums) == 0:
            return np.zeros(len(self))
        return np.where(upto > self.lo, sums[upto - 1], 0.0)

    def mean(self, values: Floats, days: float | None = None) -> Floats:
        """(n,) mean of the known ``values``; NaN where there are none."""
        known = (~np.isnan(values)).astype(np.float64)
        n = self.total(known, days)
        return np.where(n > 0, self.total(values, days) / np.maximum(n, 1.0), np.nan)

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
        ends = _superseded(here, int(here.max()) + 1, events.known, leave, events.starts)
        _sort_within(ends, np.zeros(len(ends), np.int8), events.starts)
        gone = _before(ends, events.starts, self.groups, self.cutoffs)
        left: Floats = (seen.hi - gone).astype(np.float64)
        return left


def past(instants: Instants, cutoffs: Instants) -> Bools:
    """Which instants are known and lie before their cutoff."""
    known: Bools = (instants != NAT) & (instants < cutoffs)
    return known


def later(a: Instants, b: Instants) -> Instants:
    """The later of two instants, missing where either is."""
    return np.where((a == NAT) | (b == NAT), np.int64(NAT), np.maximum(a, b))


def days_since(instants: Instants, cutoffs: Instants) -> Floats:
    """Days from a fact to the cutoff; NaN where it is missing or not yet known."""
    days: Floats = (cutoffs - instants) / DAY
    return np.where(past(instants, cutoffs), days, np.nan)


def days_until(plans: Instants, cutoffs: Instants) -> Floats:
    """Days from the cutoff to a planned instant (negative: overdue); NaN where missing.

    For plans only (an expected close date): their value, not their coming true, is known.
    """
    days: Floats = (plans - cutoffs) / DAY
    return np.where(plans == NAT, np.nan, days)
