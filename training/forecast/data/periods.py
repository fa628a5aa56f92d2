"""Months and quarters, of the company's time zone: what a forecast is asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from features.calendar_time import zone as zone_of
from features.tables import DAY

Kind = Literal["month", "quarter"]
MONTHS = {"month": 1, "quarter": 3}


@dataclass(frozen=True, order=True)
class Period:
    """A calendar month, or a quarter of the fiscal year; half-open, microseconds UTC.

    zone  whose months these are
    """

    start: int
    end: int
    kind: Kind
    name: str
    zone: str = "UTC"

    @property
    def days(self) -> float:
        """Its length."""
        return (self.end - self.start) / DAY

    def over(self, at: int) -> bool:
        """Whether it has ended at an instant."""
        return self.end <= at

    @property
    def first_month(self) -> int:
        """The number of its first month (``month_of``); its middle is in it whatever the zone."""
        return month_of(self.start + 14 * DAY)

    @property
    def months(self) -> tuple[int, ...]:
        """The numbers of its months."""
        return tuple(range(self.first_month, self.first_month + MONTHS[self.kind]))


def month_of(at: int, zone: str = "UTC") -> int:
    """The month an instant lies in, counted from January of year 0."""
    return int(zone_of(zone).month(np.array([at]))[0])


def month_start(month: int, zone: str = "UTC") -> int:
    """The first instant of a numbered month."""
    return int(zone_of(zone).month_start(np.array([month]))[0])


def month(number: int, zone: str = "UTC") -> Period:
    """A numbered month, such as "2026-01"."""
    name = f"{number // 12:04d}-{number % 12 + 1:02d}"
    return Period(month_start(number, zone), month_start(number + 1, zone), "month", name, zone)


def quarter(number: int, fiscal_start: int = 1, zone: str = "UTC") -> Period:
    """The fiscal quarter that holds a numbered month.

    ``fiscal_start`` is the month (1 to 12) the fiscal year begins in. A fiscal year that is not the
    calendar year is named by the year it ends in: "FY2026-Q1".
    """
    if not 1 <= fiscal_start <= 12:
        raise ValueError(f"fiscal_start must be a month from 1 to 12, got {fiscal_start}")
    since = number - (fiscal_start - 1)
    first = number - since % 3
    year, place = since // 12, since % 12 // 3 + 1
    name = f"{year:04d}-Q{place}" if fiscal_start == 1 else f"FY{year + 1:04d}-Q{place}"
    return Period(month_start(first, zone), month_start(first + 3, zone), "quarter", name, zone)


def periods(
    origin: int, months: int, quarters: int, fiscal_start: int = 1, zone: str = "UTC"
) -> tuple[Period, ...]:
    """The running month and the next ones, then the running quarter and the next ones.

    ``months`` and ``quarters`` are how many of each, the running one included.
    """
    now = month_of(origin, zone)
    return (
        *(month(now + i, zone) for i in range(months)),
        *(quarter(now + 3 * i, fiscal_start, zone) for i in range(quarters)),
    )


def cells(asked: Sequence[Period]) -> tuple[Period, ...]:
    """The months that the periods are made of, from the first to the last."""
    if not asked:
        raise ValueError("no period is asked about; set months or quarters above 0")
    first = min(p.months[0] for p in asked)
    last = max(p.months[-1] for p in asked)
    return tuple(month(number, asked[0].zone) for number in range(first, last + 1))


def named(name: str, fiscal_start: int = 1, zone: str = "UTC") -> Period:
    """The period of a name, "2026-01", "2026-Q1" or (of a fiscal year) "FY2026-Q1"."""
    found = re.fullmatch(r"(?:FY)?(\d{4})-(?:Q([1-4])|(0[1-9]|1[0-2]))", name)
    if found is None:
        raise ValueError(f"{name!r} is no period; write a month as 2026-01, a quarter as 2026-Q1")
    year = int(found[1])
    if found[3]:
        made = month(year * 12 + int(found[3]) - 1, zone)
    else:
        first = year - (fiscal_start > 1)
        number = first * 12 + fiscal_start - 1 + 3 * (int(found[2]) - 1)
        made = quarter(number, fiscal_start, zone)
    if made.name != name:
        raise ValueError(f"{name!r} is no period here; did you mean {made.name!r}?")
    return made
