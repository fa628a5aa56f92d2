"""How a column is written, decided from all its words: numbers, dates, durations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.tables import Bools, Floats

DayOrder = Literal["day first", "month first", "either", "both", "none"]
"""What numeric dates show: days above 12 in front, behind, nowhere, in both places; no dates."""

SECONDS = {
    "milliseconds": 0.001,
    "seconds": 1.0,
    "minutes": 60.0,
    "hours": 3_600.0,
    "days": 86_400.0,
}
"""Units of time that a column may be in."""

_AROUND = r"[^0-9.,]*"
_LOOSE = r"[0-9]+{mark}(?:[0-9]{{1,2}}|[0-9]{{4,}})"
"""Not three digits behind the mark: those could be a thousand."""

_GROUPS = r"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+{mark}[0-9]+"
_COMMA, _POINT = (
    f"{_AROUND}(?:{_LOOSE.format(mark=mark)}|{_GROUPS.format(mark=mark, group=group)}){_AROUND}"
    for mark, group in ((",", r"\."), (r"\.", ","))
)
_GROUPED = rf"^{_AROUND}[0-9]{{1,3}}(?:\.[0-9]{{3}})+{_AROUND}$"
_SLASHED = r"^'?(?P<a>[0-9]{1,2})[/.\-](?P<b>[0-9]{1,2})[/.\-](?:[0-9]{4}|[0-9]{2})(?:\D.*)?$"
_BEGINS = r"^'?[0-9]{1,2}[/.\-]"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_CLOCK = r"^(?P<h>[0-9]+):(?P<m>[0-5][0-9]):(?P<s>[0-5][0-9](?:\.[0-9]+)?)$"
_TWO = r"^(?P<a>[0-9]+):(?P<b>[0-5][0-9])$"
_ISO = rf"^(?i)PT(?:(?P<h>{_NUMBER})H)?(?:(?P<m>{_NUMBER})M)?(?:(?P<s>{_NUMBER})S)?$"
_SPOKEN = (
    rf"^(?i)(?:(?P<h>{_NUMBER}) ?h(?:rs?|ours?)?\.?)? ?"
    rf"(?:(?P<m>{_NUMBER}) ?(?:m|mins?|minutes?)\.?)? ?"
    rf"(?:(?P<s>{_NUMBER}) ?(?:s|secs?|seconds?)\.?)?$"
)
_HALF = r"^(?i)(?P<h>[0-9]+) ?h ?(?P<m>[0-5][0-9])$"


def _count(text: Any, pattern: str) -> int:
    return int(pc.sum(pc.match_substring_regex(text, f"^(?:{pattern})$")).as_py() or 0)


def decimal_mark(words: Iterable[str]) -> str:
    """The decimal mark of a column that states none: "," where only that explains some words.

    ``12,50`` and ``1.234,5`` can only be read with a comma, ``12.50`` and ``1,234.5`` only with
    a point; ``1,234`` with either. Words of both kinds, or of neither, leave the point.
    """
    text = pa.array(words, pa.string())
    if not pc.any(pc.match_substring(text, ",")).as_py():
        return "."
    return "," if _count(text, _COMMA) and not _count(text, _POINT) else "."


def grouped_by_points(words: Iterable[str]) -> Bools:
    """Words such as ``R$ 3.000``: groups of three behind points, and no other mark.

    All false where a word of the column shows that the point is its decimal mark.
    """
    text = pa.array(words, pa.string())
    found = pc.match_substring_regex(text, _GROUPED)
    none = np.zeros(len(text), bool)
    return none if _count(text, _POINT) else np.asarray(found.to_numpy(zero_copy_only=False))


SHORTEST = 6
"""Characters of the shortest date with a day, a month and a year: 1/2/25."""


def day_order(words: Iterable[str]) -> DayOrder:
    """Which of day and month is in front in numeric dates such as 26/06/2025."""
    text = pa.array(words, pa.string())
    if _years_first(text):
        return "none"
    # a look at the first characters spares other dates the groups of the whole pattern
    text = text.filter(pc.match_substring_regex(text, _BEGINS))
    found = pc.extract_regex(text, _SLASHED).drop_null()
    if not len(found):
        return "none"
    front, behind = (
        bool(pc.max(pc.cast(pc.struct_field(found, part), pa.int64())).as_py() > 12)
        for part in ("a", "b")
    )
    if front and behind:
        return "both"
    return "day first" if front else "month first" if behind else "either"


def _years_first(text: Any) -> bool:
    """Whether every word that is long enough for a date begins as 2025-: no pattern is needed then.

    Read from the bytes themselves, for a column of instants has as many words as rows.
    """
    _, ends, data = text.buffers()
    if data is None or not len(text):
        return True
    at = np.frombuffer(ends, np.int32)[text.offset : text.offset + len(text) + 1]
    held = np.frombuffer(data, np.uint8)
    begins = at[:-1][np.diff(at) >= SHORTEST]
    digits = (held[begins + i] - ord("0") < 10 for i in range(4))  # unsigned: others are beyond
    return bool(np.logical_and.reduce([*digits, held[begins + 4] == ord("-")]).all())


def order_of(pattern: str) -> DayOrder:
    """The order in which a strptime pattern has day and month, both numbers and before the year."""
    day, month = pattern.find("%d"), pattern.find("%m")
    year = max(pattern.find("%Y"), pattern.find("%y"))
    if min(day, month) < 0 or year < max(day, month):
        return "none"
    return "day first" if day < month else "month first"


def _swapped(pattern: str) -> str:
    return pattern.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m")


def in_order(formats: Sequence[str], order: DayOrder) -> tuple[str, ...]:
    """The formats that a column of this order can have been written in.

    Where the words show an order, patterns of the other order are turned round: one column is
    never read in two orders. ``either`` and ``both`` leave what is stated.
    """
    if order not in ("day first", "month first"):
        return tuple(formats)
    turned = (f if order_of(f) in (order, "none") else _swapped(f) for f in formats)
    return tuple(dict.fromkeys(turned))


def undecided(formats: Sequence[str], order: DayOrder) -> bool:
    """Whether both orders are stated and no word tells which is meant."""
    return order == "either" and {"day first", "month first"} <= {order_of(f) for f in formats}


CLOCKS = {"%H:%M": 60.0, "%M:%S": 1.0}
"""Formats of a duration in two parts -> seconds in the second of them."""

LONGEST_HOURS = 24
"""A two-part duration whose first part is greater is in minutes: no call takes so many hours."""


def two_parts(words: Iterable[str], stated: Sequence[str] = ()) -> str:
    """Whether ``12:30`` is hours or minutes: as stated, else as the column shows, else ""."""
    found = pc.extract_regex(pa.array(words, pa.string()), _TWO).drop_null()
    for clock in stated:
        if clock in CLOCKS:
            return clock
    if not len(found):
        return ""
    first = pc.cast(pc.struct_field(found, "a"), pa.int64())
    return "%M:%S" if pc.max(first).as_py() > LONGEST_HOURS else ""


def two_part_clocks(words: Iterable[str]) -> Bools:
    """Which words are written as ``12:30``."""
    found = pc.match_substring_regex(pa.array(words, pa.string()), _TWO)
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def durations(words: Iterable[str], stated: Sequence[str] = ()) -> Floats:
    """Seconds from ``00:15:30``, ``1h30``, ``1 h 30 min``, ``45 min``, ``PT45M``; else NaN.

    ``12:30`` is read as ``stated`` (``CLOCKS``) or as the column shows; else it may be hours or
    minutes, and is not read.
    """
    text = pc.utf8_trim_whitespace(pa.array(words, pa.string()))
    seconds = np.full(len(text), np.nan)
    if clock := two_parts(text, stated):
        found = pc.extract_regex(text, _TWO)
        a, b = (_number(pc.struct_field(found, part)) for part in ("a", "b"))
        seconds = (60.0 * a + b) * CLOCKS[clock]
    for pattern in (_CLOCK, _HALF, _ISO, _SPOKEN):
        parts = [
            (p, w) for p, w in (("h", 3_600.0), ("m", 60.0), ("s", 1.0)) if f"<{p}>" in pattern
        ]
        found = pc.extract_regex(text, pattern)
        held = np.stack([_number(pc.struct_field(found, part)) for part, _ in parts])
        some = ~np.isnan(held).all(axis=0)
        total = np.array([w for _, w in parts]) @ np.nan_to_num(held)
        seconds = np.where(np.isnan(seconds) & some, total, seconds)
    return seconds


def _number(part: Any) -> Floats:
    """A part of a duration as a number, NaN where it is not said."""
    there = pc.fill_null(pc.not_equal(part, ""), False)
    nothing = pa.scalar(None, pa.string())
    held = pc.cast(pc.if_else(there, part, nothing), pa.float64())
    return np.asarray(held.to_numpy(zero_copy_only=False), np.float64)
