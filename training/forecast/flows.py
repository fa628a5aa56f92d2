"""A stream of amounts in time: what was booked or invoiced, when, and its sums over periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Instants
from training.forecast.periods import month_of, month_start


@dataclass(frozen=True)
class Flow:
    """Amounts (n,) in the reporting currency at rising instants (n,).

    begin  the first instant the data tell of; a month that began before it is not whole
    """

    stream: str
    at: Instants
    amount: Floats
    begin: int

    @staticmethod
    def of(stream: str, at: Instants, amount: Floats, begin: int) -> Flow:
        """A flow from amounts in any order."""
        order = np.argsort(at, kind="stable")
        return Flow(stream, at[order], amount[order], begin)

    def total(self, start: int, end: int) -> float:
        """What fell in [start, end)."""
        return self.between(start, end)[0]

    def between(self, start: int, end: int) -> tuple[float, int]:
        """What fell in [start, end), and in how many amounts."""
        low, high = np.searchsorted(self.at, [start, end], side="left").tolist()
        return float(self.amount[low:high].sum()), high - low

    @property
    def first_month(self) -> int:
        """The number of the first month that the data tell of from its first instant on."""
        number = month_of(self.begin)
        return number if month_start(number) == self.begin else number + 1

    def months(self, first: int, end: int) -> Floats:
        """(end - first,) the totals of the months numbered first … end - 1."""
        edges = np.array([month_start(m) for m in range(first, end + 1)], np.int64)
        sums = np.append(0.0, np.cumsum(self.amount))
        found: Floats = np.diff(sums[np.searchsorted(self.at, edges, side="left")])
        return found

    def whole_months(self, origin: int) -> Floats:
        """The totals of all whole months that are over at the origin, oldest first."""
        last = month_of(origin)
        return self.months(self.first_month, max(last, self.first_month))
