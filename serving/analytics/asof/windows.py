"""Stretches of time that figures are about: half-open, in UTC, never beyond what is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.tables import Floats
from serving.analytics.asof.columns import days

Period = Literal["", "month", "quarter", "year"]
PERIODS: tuple[Period, ...] = ("", "month", "quarter", "year")
LATEST = 365
"""Days before the instant that a figure is about when no period is asked for."""

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True)
class Window:
    """From ``start`` up to, not including, ``end``; ``over`` is False for a period still running.

    end is the instant until which the window was watched: a running period's is the book's instant.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    name: str = ""
    over: bool = True

    def holds(self, instants: pd.Series) -> pd.Series:
        """Which instants lie inside; a missing one does not."""
        return (instants >= self.start) & (instants < self.end)

    def part(self, start: pd.Series, end: pd.Series) -> Floats:
        """Which share of each stretch of time lies inside."""
        inside = days(
            start.where(start > self.start, self.start), end.where(end < self.end, self.end)
        )
        shares: Floats = np.maximum(inside, 0.0) / days(start, end)
        return shares

    def before(self) -> Window:
        """The window of the same length that ends where this one starts.

        Of a running month, quarter or year it is as much of the last one, from its beginning.
        """
        if not self.name:
            return Window(self.start - (self.end - self.start), self.start)
        start = self.start - pd.DateOffset(months=_MONTHS[self._kind()])
        end = self.start if self.over else min(self.start, start + (self.end - self.start))
        return Window(start, end, self.name)

    def last_year(self) -> Window:
        """The same dates one year earlier."""
        year = pd.DateOffset(years=1)
        return Window(self.start - year, self.end - year, self.name)

    def _kind(self) -> str:
        return "quarter" if "Q" in self.name else "month" if "-" in self.name else "year"


def latest(as_of: pd.Timestamp, days: float = LATEST) -> Window:
    """The ``days`` before an instant."""
    return Window(as_of - pd.Timedelta(days=days), as_of)


def since(start: pd.Timestamp, as_of: pd.Timestamp) -> Window:
    """Everything from ``start`` on; a start that is not before the instant is an error."""
    if start >= as_of:
        raise ValueError(f"the window starts at {start}, not before {as_of}; take an earlier start")
    return Window(start, as_of)


def calendar(kind: Period, first: pd.Timestamp, as_of: pd.Timestamp) -> Iterator[Window]:
    """Every calendar month, quarter or year (UTC) from the one holding ``first``."""
    months = _MONTHS[kind]
    start = pd.Timestamp(first.year, (first.month - 1) // months * months + 1, 1, tz="UTC")
    while start < as_of:
        end = start + pd.DateOffset(months=months)
        yield Window(start, min(end, as_of), name_of(kind, start), end <= as_of)
        start = end


def name_of(kind: str, start: pd.Timestamp) -> str:
    """2025-07, 2025-Q3 or 2025."""
    if kind == "quarter":
        return f"{start.year}-Q{(start.month + 2) // 3}"
    return f"{start.year}-{start.month:02d}" if kind == "month" else str(start.year)
