"""What the forecast's page is about, and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from features.calendar_time import day_text
from features.tables import DAY
from training.charts.dates import MONTHS
from training.charts.numbers import SPACE, UNKNOWN, compact, count, percent
from training.forecast.backtest.forecast_record import ForecastRecord
from training.forecast.data.periods import Period
from training.forecast.publish.outputs import ForecastOutputs

STREAMS = {
    "bookings": "bookings",
    "recurring": "recurring revenue",
    "total": "bookings and recurring",
}


@dataclass(frozen=True)
class ForecastSubject:
    """A forecast with its record, and the names of owners (owner_id -> name)."""

    found: ForecastOutputs
    record: ForecastRecord
    owners: Mapping[str, str]

    @property
    def main(self) -> Period:
        """The period the page is about: the first quarter that runs, else the first period."""
        made = self.found.forecast
        left = [p for p in made.periods if not p.over(made.origin)]
        return next((p for p in left if p.kind == "quarter"), left[0])

    @property
    def stream(self) -> str:
        """The stream the page begins with."""
        return self.found.forecast.streams[0]

    @property
    def currency(self) -> str:
        """The currency, or words for one without a name."""
        return self.found.forecast.currency or "units"

    def day(self, at: int) -> str:
        """The company's day of an instant in short: "1 Jan 2026"."""
        text = day_text(at, self.found.forecast.periods[0].zone)
        return f"{int(text[8:10])} {MONTHS[int(text[5:7]) - 1]} {text[:4]}"

    def whole(self, stream: str) -> pd.DataFrame:
        """The whole company's rows of a stream, all parts."""
        table = self.found.forecast.table
        return table[(table["stream"] == stream) & (table["dimension"] == "all")]

    def money(self, value: float) -> str:
        """An amount in a sentence, to three digits, with its currency."""
        return f"{compact(value)}{SPACE}{self.currency}" if math.isfinite(value) else UNKNOWN

    def goal(self, period: str) -> dict[str, float]:
        """The whole company's row of the outlook; empty where there is none."""
        rows = self.found.outlook
        rows = rows[(rows["dimension"] == "all") & (rows["period"] == period)]
        return {str(k): v for k, v in rows.iloc[0].items()} if len(rows) else {}

    def named(self, dimension: str, value: str) -> str:
        """A value as a reader knows it: an owner by name."""
        return self.owners.get(value, value) if dimension == "owner" else value


def period_name(period: Period) -> str:
    """A period in words: "Jan 2026", or a quarter as it is named, "Q1 2026", "Q1 FY2026"."""
    if period.kind == "month":
        return f"{MONTHS[int(period.name[5:7]) - 1]} {period.name[:4]}"
    year, quarter = period.name.rsplit("-", 1)
    return f"{quarter} {year}"


def middle(start: int, end: int) -> float:
    """The middle of a span, in days since 1970."""
    return (start + end) / 2 / DAY


def amount(value: float) -> str:
    """An amount in a table."""
    return count(value) if value is not None and math.isfinite(value) else UNKNOWN


def chance(share: float) -> str:
    """A chance from draws: never a certainty."""
    if not math.isfinite(share):
        return UNKNOWN
    if share < 0.005:
        return f"< 1{SPACE}%" if share > 0 else f"0{SPACE}%"
    if share > 0.995:
        return f"> 99{SPACE}%"
    return percent(share, 0)


def times(value: float) -> str:
    """A multiple."""
    return f"{value:.1f}{SPACE}×" if math.isfinite(value) else UNKNOWN
