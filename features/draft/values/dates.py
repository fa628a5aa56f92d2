"""In which format a column's dates are written, decided from all its words; a tie stays a tie."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from features.ingest.values.clean import EPOCHS, instants
from features.ingest.values.formats import DayOrder, day_order, in_order, order_of
from features.tables import NAT, Floats

_CLOCK = (
    r"(?P<clock>(?P<gap>,? |T)(?P<h>\d{1,2}):\d{2}(?P<s>:\d{2})?(?P<f>\.\d+)?(?P<m> ?[AaPp][Mm])?)?"
)
_PARTS = re.compile(
    r"^(?P<a>\d{1,2})(?P<sep>[/.\-])(?P<b>\d{1,2})(?P=sep)(?P<c>\d{4}|\d{2})" + _CLOCK
)
_YEAR_FIRST = re.compile(r"^\d{4}(?P<sep>[/.])\d{1,2}(?P=sep)\d{1,2}" + _CLOCK)
_ISO = re.compile(r"^\d{4}-\d{1,2}-\d{1,2}")
_MONTH = re.compile(
    r"(?i)\d.*(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|"
    r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec).*\d"
)
_GLANCE = 100
"""So many words show whether months are spelled, and how."""

_NAMED = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%b %d %Y")
_NAMED_CLOCKS = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", ", %I:%M %p")
_RECENT = (946_684_800.0, 2_050_000_000.0)
"""Seconds since 1970 of the years 2000 to 2034."""


@dataclass(frozen=True)
class DateFormat:
    """How dates are written.

    patterns  formats for the mapping; of a tie both orders
    tie       day and month could be either: no value says which
    share     share of the words that the patterns read
    timed     some words have a time of day; offset: they name their zone
    """

    patterns: tuple[str, ...]
    tie: bool
    share: float
    timed: bool
    offset: bool


def date_format(words: Sequence[str], named_date: bool) -> DateFormat | None:
    """The format of a column of dates, None where the words are none.

    ``named_date`` says that the heading speaks of a date: only then are bare numbers counts since
    1970 or a spreadsheet's days.
    """
    patterns, tie = _patterns(words, named_date)
    if not patterns:
        return None
    at = instants(list(words), patterns[:1] if tie else patterns).values
    share = float(np.mean(at != NAT))
    if tie:
        other = instants(list(words), patterns[1:]).values
        share = max(share, float(np.mean(other != NAT)))
    timed = any(re.search(r"\d:\d\d", w) for w in words) or patterns[0] in EPOCHS
    offset = patterns[0] in EPOCHS or sum(_names_zone(w) for w in words) > len(words) / 2
    return DateFormat(patterns, tie, share, timed, offset) if share > 0 else None


def settled(found: DateFormat, orders: set[DayOrder]) -> DateFormat:
    """A tie put into the order that other dates show; left where they show none or two."""
    if not found.tie or len(orders) != 1:
        return found
    return replace(found, patterns=in_order(found.patterns, next(iter(orders))), tie=False)


def order_shown(found: DateFormat) -> DayOrder:
    """Which of day and month is in front; "none" where the format has no such order, or a tie."""
    return "none" if found.tie else order_of(found.patterns[0])


def _names_zone(word: str) -> bool:
    return bool(re.search(r"\d(?:Z|[+-]\d{2}:?\d{2}| UTC| GMT)$", word))


def _patterns(words: Sequence[str], named_date: bool) -> tuple[tuple[str, ...], bool]:
    """Formats, and whether the first two are a tie."""
    parts = [m for w in words if (m := _PARTS.match(w))]
    if len(parts) > len(words) / 2:
        return _numeric(words, parts)
    if sum(bool(_ISO.match(w)) for w in words) > len(words) / 2:
        return ("iso",), False
    first = [m for w in words if (m := _YEAR_FIRST.match(w))]
    if len(first) > len(words) / 2:
        sep = first[0]["sep"]
        clocks = dict.fromkeys(_clock(m) for m in first)
        return tuple(f"%Y{sep}%m{sep}%d{clock}" for clock in clocks), False
    if sum(bool(_MONTH.search(w)) for w in words[:_GLANCE]) > len(words[:_GLANCE]) / 2:
        return _spelled(words), False
    return _counted(words, named_date), False


def _clock(match: re.Match[str]) -> str:
    if not match["clock"]:
        return ""
    hours = "%I" if match["m"] else "%H"
    meridiem = (" %p" if match["m"].startswith(" ") else "%p") if match["m"] else ""
    fraction = ".%f" if match["f"] else ""
    return f"{match['gap']}{hours}:%M{':%S' if match['s'] else ''}{fraction}{meridiem}"


def _numeric(words: Sequence[str], parts: Sequence[re.Match[str]]) -> tuple[tuple[str, ...], bool]:
    sep, lengths = parts[0]["sep"], {len(m["c"]) for m in parts}
    years = [y for y, n in (("%y", 2), ("%Y", 4)) if n in lengths]  # some rows may have the other
    clocks = list(dict.fromkeys(_clock(m) for m in parts))
    if years == ["%y"] and _year_leads(parts):
        return tuple(f"%y{sep}%m{sep}%d{clock}" for clock in clocks), False
    orders = {"day first": ("%d", "%m"), "month first": ("%m", "%d")}
    order = day_order(list(words))
    chosen = [orders[order]] if order in orders else list(orders.values())
    found = tuple(
        f"{a}{sep}{b}{sep}{year}{clock}" for clock in clocks for year in years for a, b in chosen
    )
    if order in orders:
        return found, False
    return found, True


def _year_leads(parts: Sequence[re.Match[str]]) -> bool:
    """Of dates such as 20-10-16: a part beyond 31 is the year, else the one of fewer values."""
    a, c = ([int(m[p]) for m in parts] for p in "ac")
    if max(a) > 31 or max(c) > 31:
        return max(a) > 31 and max(c) <= 31
    return False if len(parts) < 20 else len(set(a)) * 2 < len(set(c)) and max(c) > 12


def _spelled(words: Sequence[str]) -> tuple[str, ...]:
    best, share = "", 0.0
    for named in _NAMED:
        for clock in _NAMED_CLOCKS:
            at = instants(list(words[:_GLANCE]), (named + clock,)).values
            if (found := float(np.mean(at != NAT))) > share:
                best, share = named + clock, found
    return (best,) if share > 0.5 else ()


def _counted(words: Sequence[str], named_date: bool) -> tuple[str, ...]:
    """Counts since 1970, compact days (20250131) or a spreadsheet's serial days."""
    if not all(re.fullmatch(r"\d+(?:[.,]\d+)?", w) for w in words):
        return ()
    if not named_date and not (len(words) > 9 and all(re.fullmatch(r"1\d{12}", w) for w in words)):
        return ()
    counts: Floats = np.array([float(w.replace(",", ".")) for w in words])
    middle = float(np.median(counts))
    if all(re.fullmatch(r"(?:19|20)\d{6}", w) for w in words):
        return ("%Y%m%d",)
    for name, per_unit in EPOCHS.items():
        if _RECENT[0] <= middle * per_unit / 1_000_000 <= _RECENT[1]:
            return (name,)
    return ("iso",) if 30_000 <= middle <= 60_000 else ()
