"""One value of a record: what JSON gives becomes what a table keeps, or a fault in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from features.schema import LARGEST_NUMBER, Kind
from features.tables import EARLIEST, LATEST
from serving.scoring.faults import NO_INSTANT, TOO_LARGE

LONGEST_ID = 200
LONGEST_WORD = 10_000

EXAMPLE = "2026-03-01T09:30:00Z"

_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class ValueFault(ValueError):  # noqa: N818  # as Fault and RecordFault
    """What is wrong with a value, under a stable code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def read_instant(value: Any, days_in: tzinfo | None = None) -> int:
    """Microseconds of an ISO 8601 instant with a zone.

    A date without a time is a day of the company's zone ``days_in`` and stands for its beginning,
    as in an export; without ``days_in`` it names no zone and is a fault.
    """
    if type(value) is not str:
        raise ValueFault("wrong_type", f"must be ISO 8601 text such as {EXAMPLE}")
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        message = f"not an ISO 8601 instant; write it as {EXAMPLE}"
        raise ValueFault("bad_instant", message) from None
    if at.tzinfo is None and days_in is not None and _DAY.fullmatch(value):
        at = at.replace(tzinfo=days_in)  # the first midnight of two; a skipped one ends the gap
    if at.tzinfo is None:
        message = f"the instant names no time zone; write it as {EXAMPLE}"
        raise ValueFault("instant_without_zone", message)
    found = (at - _EPOCH) // _MICROSECOND
    if not EARLIEST <= found < LATEST:
        raise ValueFault("bad_instant", NO_INSTANT)
    return found


def read_word(value: Any) -> str:
    """Text of bounded length."""
    if type(value) is not str:
        raise ValueFault("wrong_type", "must be text")
    if len(value) > LONGEST_WORD:
        raise ValueFault("too_long", f"string should have at most {LONGEST_WORD} characters")
    return value


def read_key(value: Any) -> str:
    """A key as text; whole numbers are accepted, for some CRMs send their keys as numbers."""
    if type(value) is int:
        value = str(value)
    if type(value) is not str:
        raise ValueFault("wrong_type", "must be text")
    if not value:
        raise ValueFault("too_short", "string should have at least 1 character")
    if len(value) > LONGEST_ID:
        raise ValueFault("too_long", f"string should have at most {LONGEST_ID} characters")
    return value


def read_number(value: Any) -> float:
    """A number that a CRM can mean."""
    if not (type(value) is float or type(value) is int):
        raise ValueFault("wrong_type", "must be a number, without quotes")
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        raise ValueFault("number_too_large", TOO_LARGE)
    return float(value)


def read_boolean(value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise ValueFault("wrong_type", "must be true or false")
    return value


def read_stated(value: Any) -> str:
    """What a change states, as text: CRMs send amounts as numbers."""
    return read_word(repr(value) if type(value) is float or type(value) is int else value)


READ: dict[str, Callable[[Any], Any]] = {
    "key": read_key,
    "ref": read_key,
    "category": read_word,
    "text": read_word,
    "number": read_number,
    "boolean": read_boolean,
    "instant": read_instant,
    "stated": read_stated,
}
"""The reader of each kind of canonical column."""


def custom_value(value: Any) -> Any:
    """A value that any custom field may have."""
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        if len(value) > LONGEST_WORD:
            raise ValueFault("too_long", f"a text has at most {LONGEST_WORD} characters")
        return value
    if not (type(value) is float or type(value) is int):
        raise ValueFault("wrong_type", "must be text, a number, true, false or null")
    if not abs(value) <= LARGEST_NUMBER:
        raise ValueFault("number_too_large", TOO_LARGE)
    return value


def typed(kind: Kind, value: Any, days_in: tzinfo | None = None) -> Any:
    """A custom value of the kind that its mapping declared."""
    type_ = type(value)
    if kind in ("instant", "date"):
        return read_instant(value, days_in)
    if kind in ("category", "text"):
        if type_ is str or type_ is int:
            return str(value)
        raise ValueFault("wrong_type", "the mapping declares this field as text")
    if kind == "number":
        if type_ is float or type_ is int:
            return float(value)
        raise ValueFault("wrong_type", "the mapping declares this field as a number")
    if kind == "boolean" and type_ is not bool:
        raise ValueFault("wrong_type", "the mapping declares this field true or false")
    return value
