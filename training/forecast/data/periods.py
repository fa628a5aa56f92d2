"""Months and quarters: what a forecast is asked about. Final."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from features.tables import DAY, micros

Kind = Literal["month", "quarter"]
MONTHS = {"month": 1, "quarter": 3}


@dataclass(frozen=True, order=True)
class Period:
    """A calendar month, or a quarter of the fiscal year; half-open, microseconds UTC."""

    start: int
    end: int
    kind: Kind
    name: str

    @property
    def days(self) -> float:
        """Its length."""
        return (self.end - self.start) / DAY

    def over(self, at: int) -> bool:
        """Whether it has ended at an instant."""
        return self.end <= at

    @property
    def months(self) -> tuple[int, ...]:
        """The numbers of its months (``month_of``)."""
        return tuple(range(month_of(self.start), month_of(self.end)))


def month_of(at: int) -> int:
    """The month an instant lies in, counted from January of year 0."""
    when = datetime.fromtimestamp(at // DAY * 86_400, UTC)
    return when.year * 12 + when.month - 1


def month_start(month: int) -> int:
    """The first instant of a numbered month."""
    return micros(datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC))


def month(number: int) -> Period:
    """A numbered month, such as "2026-01"."""
    name = f"{number // 12:04d}-{number % 12 + 1:02d}"
    return Period(month_start(number), month_start(number + 1), "month", name)


def quarter(number: int, fiscal_start: int = 1) -> Period:
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
    return Period(month_start(first), month_start(first + 3), "quarter", name)


def periods(origin: int, months: int, quarters: int, fiscal_start: int = 1) -> tuple[Period, ...]:
    """The running month and the next ones, then the running quarter and the next ones.

    ``months`` and ``quarters`` are how many of each, the running one included.
    """
    now = month_of(origin)
    return (
        *(month(now + i) for i in range(months)),
        *(quarter(now + 3 * i, fiscal_start) for i in range(quarters)),
    )


def cells(asked: Sequence[Period]) -> tuple[Period, ...]:
    """The months that the periods are made of, from the first to the last."""
    if not asked:
        raise ValueError("no period is asked about; set months or quarters above 0")
    first = month_of(min(p.start for p in asked))
    last = month_of(max(p.end for p in asked))
    return tuple(month(number) for number in range(first, last))


def named(name: str, fiscal_start: int = 1) -> Period:
    """The period of a name, "2026-01", "2026-Q1" or (of a fiscal year) "FY2026-Q1"."""
    found = re.fullmatch(r"(?:FY)?(\d{4})-(?:Q([1-4])|(0[1-9]|1[0-2]))", name)
    if found is None:
        raise ValueError(f"{name!r} is no period; write a month as 2026-01, a quarter as 2026-Q1")
    year = int(found[1])
    if found[3]:
        made = month(year * 12 + int(found[3]) - 1)
    else:
        first = year - (fiscal_start > 1)
        made = quarter(first * 12 + fiscal_start - 1 + 3 * (int(found[2]) - 1), fiscal_start)
    if made.name != name:
        raise ValueError(f"{name!r} is no period here; did you mean {made.name!r}?")
    return made
