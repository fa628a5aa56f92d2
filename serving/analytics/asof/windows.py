"""Stretches of time that figures are about: half-open, of the company's calendar, never beyond
what is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.calendar_time import zone
from features.tables import Floats
from serving.analytics.asof.columns import days

Period = Literal["", "month", "quarter", "year"]
PERIODS: tuple[Period, ...] = ("", "month", "quarter", "year")
LATEST = 365
"""Days before the instant that a figure is about when no period is asked for."""

_MONTHS = {"month": 1, "quarter": 3, "year": 12}


@dataclass(frozen=True)
class Calendar:
    """The company's months, quarters and years: its time zone and the month its year begins in."""

    zone: str = "UTC"
    fiscal_start: int = 1

    def month(self, at: pd.Timestamp) -> int:
        """The number of the month an instant lies in."""
        return int(zone(self.zone).month(np.array([at.value // 1000]))[0])

    def start(self, month: int) -> pd.Timestamp:
        """The first instant of a numbered month."""
        at = zone(self.zone).month_start(np.array([month]))[0]
        return pd.Timestamp(int(at), unit="us", tz="UTC")

    def year_before(self, at: pd.Timestamp) -> pd.Timestamp:
        """The same date and time of day there, one year earlier."""
        return (at.tz_convert(self.zone) - pd.DateOffset(years=1)).tz_convert("UTC")


@dataclass(frozen=True)
class Window:
    """From ``start`` up to, not including, ``end``; ``over`` is False for a period still running.

    end is the instant until which the window was watched: a running period's is the as-of instant.
    """

    start: pd.Timestamp
    end: pd.Timestamp
    name: str = ""
    over: bool = True
    company: Calendar = Calendar()

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
        start = self.company.start(self.company.month(self.start) - _MONTHS[self._kind()])
        end = self.start if self.over else min(self.start, start + (self.end - self.start))
        return Window(start, end, self.name, company=self.company)

    def last_year(self) -> Window:
        """The same dates one year earlier."""
        start, end = (self.company.year_before(at) for at in (self.start, self.end))
        return Window(start, end, self.name, company=self.company)

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


def calendar(
    kind: Period, first: pd.Timestamp, as_of: pd.Timestamp, company: Calendar | None = None
) -> Iterator[Window]:
    """Every month, or quarter or year of the fiscal year, from the one holding ``first``."""
    company = company or Calendar()
    months, lead = _MONTHS[kind], company.fiscal_start - 1
    number = (company.month(first) - lead) // months * months + lead
    while (start := company.start(number)) < as_of:
        end = company.start(number + months)
        name = name_of(kind, number, company.fiscal_start)
        yield Window(start, min(end, as_of), name, end <= as_of, company)
        number += months


def name_of(kind: str, month: int, fiscal_start: int = 1) -> str:
    """2025-07, 2025-Q3 or 2025; a fiscal year that is not the calendar's is named by its end."""
    if kind == "month":
        return f"{month // 12}-{month % 12 + 1:02d}"
    since = month - (fiscal_start - 1)
    year = f"{since // 12}" if fiscal_start == 1 else f"FY{since // 12 + 1}"
    return f"{year}-Q{since % 12 // 3 + 1}" if kind == "quarter" else year
