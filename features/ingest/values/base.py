"""Columns of values while an export is read, and what a mapping says of every one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from features.ingest.values.formats import DayOrder
from features.schema import Kind
from features.sources.words import WordColumn, joined_words
from features.tables import NAT, Bools, Floats, Instants, storage

Values = Floats | Instants | WordColumn
"""A column: numbers, instants in microseconds, or words."""


KindOf = Callable[[str, str], Kind | None]
"""Table and column -> the column's kind, None where there is no such column."""


@dataclass(frozen=True)
class Defaults:
    """What the mapping says of every column that does not say otherwise.

    decimal  "" where it is decided from each column's words
    currency  of the reports; "" where none is stated
    assumed_dates  the formats of dates are a preset's, and nobody's statement about this export
    order    of day and month in the file's dates, for columns that do not show their own
    """

    zone: str = "UTC"
    dates: tuple[str, ...] = ("iso",)
    missing: tuple[str, ...] = ()
    decimal: str = ""
    thousands: str | None = None
    company_zone: str = "UTC"
    currency: str = ""
    assumed_dates: bool = False
    order: DayOrder = "none"


@dataclass(frozen=True)
class Note:
    """Something true of some rows, and the words that stood there."""

    reason: str
    rows: Bools
    words: WordColumn


@dataclass
class Filled:
    """A column of ``n`` values.

    notes    what was made missing or put right
    unknown  rows whose word the mapping does not know, and those words
    """

    values: Values
    notes: list[Note] = field(default_factory=list)
    unknown: list[Note] = field(default_factory=list)


def missing_rows(values: Values) -> Bools:
    """Which rows hold no value."""
    if isinstance(values, WordColumn):
        return np.asarray(values.codes < 0)
    if values.dtype == np.int64:
        return np.asarray(values == NAT)
    return np.asarray(np.isnan(values))


def no_values(kind: Kind, n: int) -> Values:
    """A column of ``n`` missing values."""
    if storage(kind) == "number":
        return np.full(n, np.nan)
    if storage(kind) == "instant":
        return np.full(n, NAT, np.int64)
    return WordColumn(np.full(n, -1, np.int32), pa.array([], pa.string()))


def take(values: Values, rows: Any) -> Values:
    """The values at ``rows`` (positions or a mask)."""
    return values.take(rows) if isinstance(values, WordColumn) else values[rows]


def below(parts: Sequence[Values]) -> Values:
    """Columns of one kind, one below the other."""
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], WordColumn):
        return joined_words([p for p in parts if isinstance(p, WordColumn)])
    return np.concatenate([p for p in parts if not isinstance(p, WordColumn)])


def first(high: Values, low: Values) -> Values:
    """``high`` where it has a value, else ``low``."""
    rows = np.arange(len(high))
    rows = np.where(missing_rows(high), rows + len(high), rows)
    return take(below([high, low]), rows)
