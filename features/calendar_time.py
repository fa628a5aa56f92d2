"""Calendar arithmetic: days, months and quarters of a time zone, and steps from date to date.

Instants are microseconds since 1970 UTC, NAT where missing. A *wall* time is what a clock in the
zone shows, counted the same way; a day is a number since 1970, a month a number since January of
year 0. A day begins at its first instant, also where the clock change skips or repeats midnight.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Instants = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NAT = int(np.iinfo(np.int64).min)
"""The missing instant."""

DAY = 86_400_000_000
"""One day in microseconds."""

_SECOND = 1_000_000
_FIRST, _LAST = -2_208_988_800, 7_258_118_400
"""1900 and 2200 in seconds: no instant of the tables lies outside."""
_LOOK = 7 * 86_400
"""Changes of a zone's offset lie further apart than this many seconds."""
_YEAR_0 = 1970 * 12
_ORDINAL = 719_163
"""The day 1970-01-01 as ``datetime.date`` counts."""

Unit = Literal["day", "month"]


@dataclass(frozen=True)
class Zone:
    """A time zone: from ``changes[i]`` (rising) on its clocks are ``offsets[i + 1]`` ahead of UTC.

    changes (k,), offsets (k + 1,) microseconds.
    """

    name: str
    changes: Instants
    offsets: Ints

    def wall(self, at: Instants) -> Instants:
        """What clocks in the zone show at instants."""
        at = np.asarray(at, np.int64)
        shown = at + self.offsets[np.searchsorted(self.changes, at, side="right")]
        return np.where(at == NAT, NAT, shown)

    def instant(self, wall: Instants) -> Instants:
        """The first instant at which clocks show a time or, where it was skipped, a later one."""
        wall = np.asarray(wall, np.int64)
        place = np.searchsorted(self.changes + self.offsets[:-1], wall, side="right")
        at = wall - self.offsets[place]
        if len(self.changes):
            earliest = self.changes[np.maximum(place - 1, 0)]
            at = np.where(place > 0, np.maximum(at, earliest), at)
        return np.where(wall == NAT, NAT, at)

    def day(self, at: Instants) -> Ints:
        """The day each instant lies in; meaningless where missing."""
        return self.wall(at) // DAY

    def day_start(self, day: Ints) -> Instants:
        """The first instant of days."""
        return self.instant(np.asarray(day, np.int64) * DAY)

    def day_after(self, at: Instants) -> Instants:
        """The first instant of the day after each instant's: when a date's day has ended."""
        at = np.asarray(at, np.int64)
        return np.where(at == NAT, NAT, self.day_start(self.day(at) + 1))

    def month(self, at: Instants) -> Ints:
        """The month each instant lies in; meaningless where missing. Of one instant an int."""
        if isinstance(at, int):
            return self._month_of_one(at)
        return month_of_day(self.day(at))

    def month_start(self, month: Ints) -> Instants:
        """The first instant of months. Of one month an int."""
        if isinstance(month, int):
            return _month_start(self.name, month)
        return self.day_start(first_day(month))

    def _month_of_one(self, at: int) -> int:
        """``month`` without arrays, which cost a single record 20 times as much."""
        if at == NAT:
            return 0
        wall = at + self.offsets.item(bisect_right(self._changes, at))
        day = date.fromordinal(wall // DAY + _ORDINAL)
        return day.year * 12 + day.month - 1

    @cached_property
    def _changes(self) -> list[int]:
        found: list[int] = self.changes.tolist()
        return found


@lru_cache(maxsize=32)
def zone(name: str) -> Zone:
    """The zone of an IANA name ("" is UTC), its changes 1900 to 2200; unknown is ValueError."""
    if name in ("", "UTC"):
        return Zone("UTC", np.empty(0, np.int64), np.zeros(1, np.int64))
    try:
        rules = ZoneInfo(name)
    except (KeyError, OSError) as problem:  # zoneinfo raises either for a name it does not find
        raise ValueError(f"no time zone {name!r}; write it as Europe/Berlin") from problem
    changes, offsets = [], [_offset(rules, _FIRST)]
    for start in range(_FIRST, _LAST, _LOOK):
        if _offset(rules, start + _LOOK) != offsets[-1]:
            changes.append(_change(rules, start, start + _LOOK))
            offsets.append(_offset(rules, start + _LOOK))
    at, ahead = np.array(changes, np.int64) * _SECOND, np.array(offsets, np.int64) * _SECOND
    return Zone(name, at, ahead)


@lru_cache(maxsize=1024)
def _month_start(name: str, month: int) -> int:
    return int(zone(name).month_start(np.array([month]))[0])


def _offset(rules: ZoneInfo, second: int) -> int:
    found = datetime.fromtimestamp(second, UTC).astimezone(rules).utcoffset()
    assert found is not None
    return round(found.total_seconds())


def _change(rules: ZoneInfo, low: int, high: int) -> int:
    """The first second with the offset of ``high``, by halving."""
    new = _offset(rules, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _offset(rules, middle) == new else (middle, high)
    return high


def day_text(at: int, name: str = "UTC") -> str:
    """The day of an instant in a zone: "2024-03-01"."""
    return str(np.datetime64(int(zone(name).day(np.array([at]))[0]), "D"))


def month_of_day(day: Ints) -> Ints:
    """The months that days lie in."""
    days = np.asarray(day, np.int64).astype("datetime64[D]")
    return days.astype("datetime64[M]").astype(np.int64) + _YEAR_0


def first_day(month: Ints) -> Ints:
    """The first day of months."""
    months = (np.asarray(month, np.int64) - _YEAR_0).astype("datetime64[M]")
    return months.astype("datetime64[D]").astype(np.int64)


def day_in_month(day: Ints) -> Ints:
    """The place of days in their months, from 1."""
    return np.asarray(day, np.int64) - first_day(month_of_day(day)) + 1


def days_in_month(month: Ints) -> Ints:
    """The length of months."""
    return first_day(np.asarray(month, np.int64) + 1) - first_day(month)


@dataclass(frozen=True)
class Step:
    """From one date to the next: so many days, or so many months on one day of the month.

    ``Step(1, "month")`` with the anchor 31 goes 31 January, 28 or 29 February, 31 March; a year is
    12 months, a quarter 3, a week 7 days.
    """

    n: int
    unit: Unit

    def later(self, day: Ints, times: Ints, anchor: Ints) -> Ints:
        """Days ``times`` steps after ``day``; ``anchor`` is the day of the month aimed at."""
        return later(day, np.asarray(times) * self.n, self.unit == "month", anchor)


def later(day: Ints, n: Ints, monthly: Bools | bool, anchor: Ints) -> Ints:
    """Days that lie ``n`` days after ``day`` or, where ``monthly``, ``n`` months.

    In months the day aimed at is ``anchor`` (1 to 31), or the month's last where it is shorter.
    """
    day, n = np.asarray(day, np.int64), np.asarray(n, np.int64)
    month = month_of_day(day) + np.where(monthly, n, 0)
    aimed = first_day(month) + np.minimum(anchor, days_in_month(month)) - 1
    return np.where(monthly, aimed, day + n)
