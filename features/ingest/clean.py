"""Words become values: numbers, booleans, instants. What is no value is missing, and counted.

Every function takes the distinct words of a column and answers for each of them, so that a column
of five million rows costs as much as its vocabulary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.schema import LARGEST_NUMBER
from features.tables import EARLIEST, LATEST, NAT, Bools, Floats, Instants

EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Formats that are a number since 1970-01-01 UTC -> microseconds per unit."""

TRUE = ("true", "yes", "y", "t", "1", "on", "1.0")
FALSE = ("false", "no", "n", "f", "0", "off", "0.0")

_DIGITS = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_ENDLESS = r"(?i:[+-]?(?:nan|inf|infinity|∞))"
_MONEY = r"(?:[A-Z]{3}\s+|[$€£¥₹]\s*)"
_MONEY_AFTER = r"(?:\s+[A-Z]{3}|\s*[$€£¥₹])$"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ].*)?"
_OFFSET = r"[T ].*(?:Z|[+-][0-9]{2}:?[0-9]{2}|[+-][0-9]{2})$"


@dataclass(frozen=True)
class Cleaned:
    """One value a word, and what was wrong.

    values  numbers (NaN missing) or instants (NAT missing)
    faults  reason -> the words it is true of; their value is missing
    repairs reason -> the words whose value was put right by a stated rule
    """

    values: Floats | Instants
    faults: dict[str, Bools]
    repairs: dict[str, Bools] = field(default_factory=dict)


def _text(words: Iterable[str]) -> Any:
    return pa.array(words, pa.string(), from_pandas=True).fill_null("")


def _matches(text: Any, pattern: str) -> Bools:
    found = pc.match_substring_regex(text, f"^(?:{pattern})$")
    return cast(Bools, found.to_numpy(zero_copy_only=False))


def _replace(text: Any, pattern: str, by: str) -> Any:
    return pc.replace_substring_regex(text, pattern, by)


def _ungrouped(text: Any, decimal: str, thousands: str) -> Any:
    """Digits without separators; only whole groups count, so "1,5" is not fifteen."""
    for mark in sorted({thousands, " ", "\u00a0", "\u202f", "'", "\u2019"} - {""}):
        m, point = re.escape(mark), re.escape(decimal)
        pattern = rf"[+-]?[0-9]{{1,3}}(?:{m}[0-9]{{2,3}})*{m}[0-9]{{3}}(?:{point}[0-9]*)?"
        grouped = _matches(text, pattern)
        if grouped.any():
            text = pc.if_else(grouped, pc.replace_substring(text, mark, ""), text)
    if decimal == ".":
        return text
    # a point is no decimal here: "1.5" is not one and a half, nor fifteen
    return pc.replace_substring(pc.replace_substring(text, ".", "?"), decimal, ".")


def numbers(
    words: Iterable[str], decimal: str = ".", thousands: str | None = None, scale: float = 1.0
) -> Cleaned:
    """Numbers from words, times ``scale``.

    Understood: one currency sign or code before or after, thousands in whole groups, ``%`` (a
    hundredth), ``(1,234)`` for a negative amount. A value that is not finite or beyond
    ``LARGEST_NUMBER`` is missing.
    """
    text = _text(words)
    plain = _matches(text, _DIGITS) if decimal == "." else np.zeros(len(text), bool)
    values, endless = _digits(text, plain), np.zeros(len(text), bool)
    if not plain.all():  # the rest is rare, and costs ten passes
        rest = text.filter(pa.array(~plain))
        values[~plain], endless[~plain], plain[~plain] = _written(rest, decimal, thousands)
    values = values * scale
    enormous = plain & ~(np.abs(values) <= LARGEST_NUMBER)
    values[enormous] = np.nan
    return Cleaned(
        values,
        {
            "not a number": ~plain & ~endless,
            "infinite or not a number": endless,
            "beyond 1e15": enormous,
        },
    )


def _digits(text: Any, plain: Bools) -> Floats:
    values = np.full(len(text), np.nan)
    bare = _replace(text.filter(pa.array(plain)), r"^\+", "")
    values[plain] = pc.cast(bare, pa.float64()).to_numpy()
    return values


def _written(text: Any, decimal: str, thousands: str | None) -> tuple[Floats, Bools, Bools]:
    """Numbers as people write them: the values, which are endless, which are numbers at all."""
    thousands = {".": ",", ",": "."}.get(decimal, "") if thousands is None else thousands
    text = pc.replace_substring(text, "\u2212", "-")
    bracketed = _matches(text, r"\(.*\)")
    text = _replace(text, r"^\(|\)$", "")
    percent = _matches(text, r".*%")
    text = _replace(_replace(text, r"\s*%$", ""), _MONEY_AFTER, "")
    text = _replace(text, rf"^([+-]?){_MONEY}", r"\1")
    endless = _matches(text, _ENDLESS)
    text = _ungrouped(text, decimal, thousands)
    plain = _matches(text, _DIGITS)
    values = _digits(text, plain)
    return np.where(bracketed, -values, values) * np.where(percent, 0.01, 1.0), endless, plain


def booleans(words: Iterable[str]) -> Cleaned:
    """1.0 and 0.0 from the words ``TRUE`` and ``FALSE``, without regard to case."""
    folded = pc.utf8_lower(_text(words))
    true, false = (
        pc.is_in(folded, pa.array(known)).to_numpy(zero_copy_only=False) for known in (TRUE, FALSE)
    )
    values = np.where(true, 1.0, np.where(false, 0.0, np.nan))
    return Cleaned(values, {"neither true nor false": ~true & ~false})


def _micros(parsed: Any) -> Instants:
    """Microseconds of a UTC datetime series, NAT where missing."""
    held = pd.DatetimeIndex(parsed).as_unit("us").asi8
    return cast(Instants, np.asarray(held, np.int64))


def _local(naive: Any, zone: str) -> tuple[Instants, Bools]:
    """Wall-clock times in ``zone`` as instants, and which of them the clock change touched.

    A time that the change skipped moves to the end of the gap; a time that happened twice is the
    later of the two: nothing is then known before it happened.
    """
    wall = pd.DatetimeIndex(naive)
    plain = wall.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    touched = np.asarray(plain.isna()) & np.asarray(wall.notna())
    if not touched.any():
        return _micros(plain), touched
    later = np.zeros(len(wall), bool)
    whole = wall.tz_localize(zone, ambiguous=later, nonexistent="shift_forward")
    return _micros(whole), touched


def _iso(text: Any, zone: str) -> tuple[Instants, Bools]:
    """ISO 8601 dates and times; those with an offset keep it, the others are in ``zone``."""
    try:  # the good path: all alike, without offsets
        return _local(pc.cast(text, pa.timestamp("us")).to_pandas(), zone)
    except pa.ArrowInvalid:
        pass  # not an error: the words are looked at one kind after the other
    text = pc.if_else(_matches(text, _ISO), text, "")
    text = _replace(text, r" (?:UTC|GMT)$", "Z")
    text = _replace(text, r"^([0-9-]{10})[T ]([0-9]):", r"\1T0\2:")
    # nanoseconds would narrow the years that pandas can hold
    text = _replace(text, r"(\.[0-9]{6})[0-9]+", r"\1")
    fixed = pc.match_substring_regex(text, _OFFSET).to_numpy(zero_copy_only=False)
    at = np.full(len(text), NAT, np.int64)
    touched = np.zeros(len(text), bool)
    if fixed.any():
        at[fixed] = _micros(_parsed(text, fixed, "ISO8601", True))
    if not fixed.all():
        at[~fixed], touched[~fixed] = _local(_parsed(text, ~fixed, "ISO8601", False), zone)
    return at, touched


def _parsed(text: Any, some: Bools, pattern: str, utc: bool) -> Any:
    words = text.filter(pa.array(some)).to_pandas()
    return pd.to_datetime(words, format=pattern, errors="coerce", utc=utc)


def _epoch(text: Any, some: Bools, per_unit: int) -> Instants:
    """Counts since 1970; those beyond what an instant can hold are none."""
    counts = text.filter(pa.array(some))
    held = _digits(counts, _matches(counts, _DIGITS)) * per_unit
    fits = np.abs(held) < LATEST
    return np.where(fits, np.where(fits, held, 0.0), float(NAT)).astype(np.int64)


def _formatted(text: Any, some: Bools, pattern: str, zone: str) -> tuple[Instants, Bools]:
    if pattern in EPOCHS:
        return _epoch(text, some, EPOCHS[pattern]), np.zeros(int(some.sum()), bool)
    if pattern == "iso":
        return _iso(text.filter(pa.array(some)), zone)
    parsed = _parsed(text, some, pattern, "%z" in pattern)
    if "%z" in pattern:
        return _micros(parsed), np.zeros(len(parsed), bool)
    return _local(parsed, zone)


def instants(words: Iterable[str], formats: Sequence[str] = ("iso",), zone: str = "UTC") -> Cleaned:
    """Instants (microseconds, UTC) from words by the first of ``formats`` that fits.

    A format is ``iso``, one of ``EPOCHS``, or strptime's; ``zone`` holds where the text has none.
    Before 1900 and from 2200 on an instant is impossible and becomes missing.
    """
    text = _text(words)
    at = np.full(len(text), NAT, np.int64)
    touched = np.zeros(len(text), bool)
    for pattern in formats:
        left = at == NAT
        if left.any():
            at[left], touched[left] = _formatted(text, left, pattern, zone)
    unread = at == NAT
    early, late = ~unread & (at < EARLIEST), at >= LATEST
    at[early | late] = NAT
    return Cleaned(
        at,
        {"not a date in the stated formats": unread, "before 1900": early, "after 2199": late},
        {"touched by a clock change": touched & (at != NAT)},
    )
