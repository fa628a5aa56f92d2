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

from features.ingest.values.currencies import CODES
from features.schema import LARGEST_NUMBER
from features.tables import EARLIEST, LATEST, NAT, Bools, Floats, Instants, micros

EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Formats that are a number since 1970-01-01 UTC -> microseconds per unit."""

TRUE = ("true", "yes", "y", "t", "1", "on", "1.0")
FALSE = ("false", "no", "n", "f", "0", "off", "0.0")

_DIGITS = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_ENDLESS = r"(?i:[+-]?(?:nan|inf|infinity|∞))"
_SIGN = r"(?:(?:R|A|C|S|US|CA|AU|NZ|HK|MX)?\$|[€£¥₹₽₩₺₪฿₴₦₱₫])"
_NAME = r"(?i:[a-z]{3}|euros|dollars?|pounds?|reais|kr\.?|zł|kč|ft|lei|fr\.|rs\.?|rp\.?|rm)"
_CODE = f"(?:{'|'.join(sorted(CODES))})"
_MONEY = rf"(?:{_SIGN}\s*|{_CODE}\s*|{_NAME}\s+)"
_MONEY_AFTER = rf"(?:\s*{_SIGN}|\s*{_CODE}|\s+{_NAME})$"
_SERIAL = r"[2-7][0-9]{4}(?:[.,][0-9]+)?"
NEAREST = 100_000_000_000
"""Microseconds from 1970 within which a count is no date: 45672 is a serial day, not a second."""
_OURS = (micros("1985-01-01T00:00:00+00:00"), micros("2100-01-01T00:00:00+00:00"))
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

    Understood: one currency sign, code or word before or after, thousands in whole groups, ``%``
    (a hundredth, where no ``scale`` already says so), ``(1,234)`` and ``1,234-`` for a negative
    amount, the apostrophe that keeps a spreadsheet from computing (``'-70``). A value that is not
    finite or beyond ``LARGEST_NUMBER`` is missing.
    """
    text = _text(words)
    plain = _matches(text, _DIGITS) if decimal == "." else np.zeros(len(text), bool)
    values, endless = _digits(text, plain), np.zeros(len(text), bool)
    if not plain.all():  # the rest is rare, and costs ten passes
        rest = text.filter(pa.array(~plain))
        values[~plain], endless[~plain], plain[~plain] = _written(
            rest, decimal, thousands, percent=0.01 if scale == 1.0 else 1.0
        )
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


def _written(
    text: Any, decimal: str, thousands: str | None, percent: float
) -> tuple[Floats, Bools, Bools]:
    """Numbers as people write them: the values, which are endless, which are numbers at all."""
    thousands = {".": ",", ",": "."}.get(decimal, "") if thousands is None else thousands
    text = _replace(pc.replace_substring(text, "\u2212", "-"), "^['\u2019]", "")
    negative = _matches(text, r"[^(]*\(.*\).*|.*[0-9]\s*-")
    text = _replace(_replace(text, r"[()]", ""), r"([0-9])\s*-$", r"\1")
    hundredths = _matches(text, r".*%")
    text = _replace(_replace(text, r"\s*%$", ""), _MONEY_AFTER, "")
    text = _replace(text, rf"^([+-]?){_MONEY}", r"\1")
    endless = _matches(text, _ENDLESS)
    text = _ungrouped(text, decimal, thousands)
    plain = _matches(text, _DIGITS)
    values = _digits(text, plain)
    # "-(5)" would say it twice
    plain &= ~(negative & (values < 0))
    values = np.where(negative, -values, values) * np.where(hundredths, percent, 1.0)
    return np.where(plain, values, np.nan), endless, plain


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
    """Counts since 1970; beyond what an instant can hold, or within ``NEAREST`` of 1970, none.

    The unit is the column's: 1736937000 is in 2025 as seconds, not in 1970 as milliseconds.
    """
    counts = text.filter(pa.array(some))
    plain = _digits(counts, _matches(counts, _DIGITS))
    held = plain * _unit(plain, per_unit)
    fits = (np.abs(held) < LATEST) & ((np.abs(held) > NEAREST) | (plain == 0))
    return np.where(fits, np.where(fits, held, 0.0), float(NAT)).astype(np.int64)


def _unit(counts: Floats, stated: int) -> int:
    """Microseconds per unit: the stated, unless only another one puts the column in our time."""
    middle = np.nanmedian(counts) if np.isfinite(counts).any() else 0.0
    for unit in (stated, *EPOCHS.values()):
        if _OURS[0] <= middle * unit < _OURS[1]:
            return unit
    return stated


def _serial(text: Any, some: Bools, zone: str) -> tuple[Instants, Bools]:
    """A spreadsheet's serial days: 45672.4375 is 2025-01-15 10:30; to the second, as it shows."""
    words = pc.replace_substring(text.filter(pa.array(some)), ",", ".")
    days = _digits(words, _matches(words, _SERIAL))
    whole = np.round(np.where(np.isnan(days), 0.0, days) * 86_400).astype("M8[s]")
    wall = pd.DatetimeIndex(whole) - pd.Timedelta(days=25_569)
    return _local(wall.where(~np.isnan(days)), zone)


def _formatted(text: Any, some: Bools, pattern: str, zone: str) -> tuple[Instants, Bools]:
    if pattern in EPOCHS:
        return _epoch(text, some, EPOCHS[pattern]), np.zeros(int(some.sum()), bool)
    if pattern == "serial":
        return _serial(text, some, zone)
    if pattern == "iso":
        return _iso(text.filter(pa.array(some)), zone)
    parsed = _parsed(text, some, pattern, "%z" in pattern)
    if "%z" in pattern:
        return _micros(parsed), np.zeros(len(parsed), bool)
    return _local(parsed, zone)


def instants(words: Iterable[str], formats: Sequence[str] = ("iso",), zone: str = "UTC") -> Cleaned:
    """Instants (microseconds, UTC) from words by the first of ``formats`` that fits.

    A format is ``iso``, one of ``EPOCHS``, or strptime's; ``zone`` holds where the text has none.
    ISO 8601 and a spreadsheet's serial days (1954 to 2119) are read whatever is stated.
    Before 1900 and from 2200 on an instant is impossible and becomes missing.
    """
    text = _text(words)
    at = np.full(len(text), NAT, np.int64)
    touched, serial = np.zeros(len(text), bool), np.zeros(len(text), bool)
    # counts come last: 45672 is a day of 2025, not a moment of 1970
    counts = [f for f in formats if f in EPOCHS]
    stated = [f for f in formats if f not in EPOCHS]
    for pattern in dict.fromkeys((*stated, "iso", "serial", *counts)):
        left = at == NAT
        if pattern in ("iso", "serial") and pattern not in stated:
            left &= _matches(text, _ISO if pattern == "iso" else _SERIAL)
        if left.any():
            at[left], touched[left] = _formatted(text, left, pattern, zone)
            serial |= left & (at != NAT) & (pattern == "serial")
    unread = at == NAT
    early, late = ~unread & (at < EARLIEST), at >= LATEST
    at[early | late] = NAT
    return Cleaned(
        at,
        {"not a date in the stated formats": unread, "before 1900": early, "after 2199": late},
        {
            "touched by a clock change": touched & (at != NAT),
            "a spreadsheet's serial day": serial & (at != NAT),
        },
    )
