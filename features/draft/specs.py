"""How a column is written into the mapping: its name alone, or with format, values, unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from features.draft.model import Spec
from features.draft.values.names import concepts, tokens
from features.draft.values.profile import ColumnProfile
from features.ingest.values.currencies import CODES, beside
from features.schema import ACTIVITY_KINDS

ISO = ("iso",)
_KINDS = {
    **{"call": "call", "email": "email", "meeting": "meeting", "web": "web", "form": "form"},
    **{"task": "task", "note": "note", "usage": "usage", "ticket": "support"},
}
_VISITS = {"visit", "visita", "besuch", "visite", "lunch", "termin"}
_IN = {
    "in",
    "inbound",
    "incoming",
    "eingehend",
    "entrante",
    "entrada",
    "entrata",
    "received",
    "rein",
}
_OUT = {"out", "outbound", "outgoing", "ausgehend", "saliente", "salida", "uscita", "sent", "raus"}
_UNITS = {
    "milliseconds": {"ms", "millis", "milliseconds"},
    "seconds": {"s", "sec", "secs", "seconds", "sekunden", "segundos", "secondi"},
    "hours": {"h", "hours", "stunden", "horas", "ore"},
}


def usual_dates(columns: Iterable[ColumnProfile]) -> tuple[str, ...]:
    """The format that most columns of dates are written in; ties of day and month apart."""
    found = Counter(c.dates.patterns for c in columns if c.dates is not None and not c.dates.tie)
    return found.most_common(1)[0][0] if found else ISO


def spec_of(column: ColumnProfile, dates: tuple[str, ...], name: str = "") -> Spec:
    """The column by its name, with the format or the words where those are its own."""
    spec: dict[str, object] = {"from": name or column.heading}
    if (
        column.dates is not None
        and column.held == "instant"
        and not set(column.dates.patterns) <= set(dates)
    ):
        listed = column.dates.patterns
        spec["format"] = listed[0] if len(listed) == 1 else list(listed)
    if column.held == "number" and column.scale != 1.0:
        spec["scale"] = column.scale
    if column.yes_no:
        spec["values"] = dict(column.yes_no)
    if column.held == "category" and (same := spelled_twice(column) | currency_words(column)):
        spec["values"] = same
    return spec if len(spec) > 1 else str(spec["from"])


def source_of(spec: Spec) -> str:
    """The heading that a spec reads from, "" where it is not one."""
    source = spec.get("from") if isinstance(spec, dict) else spec
    return source if isinstance(source, str) else ""


def spelled_twice(column: ColumnProfile) -> dict[str, str]:
    """Rarer spelling -> usual one, of words that differ in capitals only."""
    if len(column.counts) > 1_000:
        return {}
    usual: dict[str, str] = {}
    same: dict[str, str] = {}
    for word in column.counts:  # the most frequent first
        first = usual.setdefault(word.casefold(), word)
        if first != word:
            same[word] = first
    return same if len(same) <= 20 else {}


def currency_words(column: ColumnProfile) -> dict[str, str]:
    """Words for currencies in a column of codes -> their codes: Euro is EUR."""
    if "currency" not in column.concepts:
        return {}
    words = [w for w in column.counts if w.upper() not in CODES]
    codes = beside(words, "").to_pylist()
    return {w: code for w, code in zip(words, codes, strict=True) if code is not None}


def with_keys(spec: Spec, **keys: object) -> Spec:
    """The spec with more keys."""
    plain = dict(spec) if isinstance(spec, dict) else {"from": spec}
    return {**plain, **keys}


def activity_kind(words: Iterable[str]) -> dict[str, str]:
    """Source word -> canonical kind, for the words that name one."""
    found = {}
    for word in words:
        kinds = [_KINDS[c] for c in _KINDS if c in concepts(word)]
        if kinds:
            found[word] = kinds[0]
        elif set(tokens(word)) & _VISITS:
            found[word] = "meeting"
        elif word.lower() in ACTIVITY_KINDS:
            found[word] = word.lower()
    return found


def directions(words: Iterable[str]) -> dict[str, str]:
    """Source word -> inbound or outbound, for the words that say so."""
    found = {}
    for word in words:
        parts = set(tokens(word))
        if parts & _IN and not parts & _OUT:
            found[word] = "inbound"
        elif parts & _OUT and not parts & _IN:
            found[word] = "outbound"
    return found


def unit_of_time(heading: str) -> str:
    """The unit that a heading of a duration names, minutes where it names none."""
    parts = set(tokens(heading))
    return next((unit for unit, names in _UNITS.items() if parts & names), "minutes")


def folded(values: dict[str, str]) -> dict[str, str]:
    """A value map without entries that repeat another in other capitals."""
    kept: dict[str, str] = {}
    seen: set[str] = set()
    for word, meaning in values.items():
        if word.strip().casefold() not in seen:
            seen.add(word.strip().casefold())
            kept[word] = meaning
    return kept
