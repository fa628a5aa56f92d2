"""The usual row, checked without the validation library: a third of what a score cost.

A row that is plainly as the contract wants it is read here; of anything else nothing is said, and
``contract`` reads it again and says what is wrong, if anything is. Both give the same rows
(tests/test_reader.py), but for instants, which here are microseconds already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from features.schema import LARGEST_NUMBER, TABLES, Kind
from features.tables import EARLIEST, LATEST
from serving.scoring.contract import (
    LONGEST_ID,
    LONGEST_WORD,
    MOST_ROWS,
    SINGULAR,
    record_model,
    row_model,
)

Row = dict[str, Any]

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Unusual(Exception):  # noqa: N818  # no error: somebody else reads it
    """This is for the library to read."""


@dataclass(frozen=True)
class RowPlan:
    """What a row of one table may hold.

    kinds     column -> its kind; "stated" for what changes state, numbers too
    required  columns without which there is no row
    used      columns that are kept; the others are checked and left
    custom    the company's own columns
    """

    kinds: Mapping[str, str]
    required: frozenset[str]
    used: frozenset[str]
    custom: Mapping[str, Kind]


@dataclass(frozen=True)
class RecordPlan:
    """What a record may hold: the parts that are one row, and those that are lists of rows."""

    entity: str
    singles: Mapping[str, tuple[str, RowPlan]]
    lists: Mapping[str, tuple[str, RowPlan]]


def record_plan(
    entity: str, unused: Mapping[str, frozenset[str]], custom: Mapping[str, Mapping[str, Kind]]
) -> RecordPlan:
    """The plan of an entity's records, made from the contract's own types."""
    singles: dict[str, tuple[str, RowPlan]] = {}
    lists: dict[str, tuple[str, RowPlan]] = {}
    tables = {single: table for table, single in SINGULAR.items()}
    for name, field in record_model(entity).model_fields.items():
        table = tables.get(name, name)
        plan = _row_plan(table, field.is_required(), unused[table], custom[table])
        (singles if name in tables else lists)[name] = (table, plan)
    return RecordPlan(SINGULAR[entity], singles, lists)


def _row_plan(
    table: str, scored: bool, unused: frozenset[str], custom: Mapping[str, Kind]
) -> RowPlan:
    kinds = {
        c.name: "stated" if table == "changes" and c.kind == "text" else c.kind
        for c in TABLES[table].columns
    }
    fields = row_model(table, scored).model_fields
    required = frozenset(name for name, field in fields.items() if field.is_required())
    return RowPlan(kinds, required, frozenset(kinds.keys() - unused), custom)


def read_rows(plan: RecordPlan, raw: Any, warnings: dict[str, None]) -> dict[str, list[Row]]:
    """The rows of a record, by table; Unusual where it is not plainly right."""
    if type(raw) is not dict or raw.get(plan.entity) is None:
        raise Unusual
    rows: dict[str, list[Row]] = {}
    for name, value in raw.items():
        if name not in plan.singles and name not in plan.lists:
            raise Unusual
        if value is None:
            continue
        if single := plan.singles.get(name):
            rows[single[0]] = [_row(single[1], value, name, warnings)]
        else:
            table, row_plan = plan.lists[name]
            if type(value) is not list or len(value) > MOST_ROWS:
                raise Unusual
            rows[table] = [_row(row_plan, item, f"{name}[]", warnings) for item in value]
    return rows


def _row(plan: RowPlan, raw: Any, spoken: str, warnings: dict[str, None]) -> Row:
    if type(raw) is not dict or not plan.required <= raw.keys():
        raise Unusual
    row: Row = {}
    kinds, used = plan.kinds, plan.used
    for name, value in raw.items():
        if value is None:
            if name in plan.required:
                raise Unusual
            if name not in kinds and name != "custom":
                raise Unusual
            continue
        kind = kinds.get(name)
        if kind == "category" or kind == "text":
            if type(value) is not str or len(value) > LONGEST_WORD:
                raise Unusual
        elif kind == "instant":
            value = _instant(value)
        elif kind is not None:
            value = _READ[kind](value)
        elif name == "custom" and type(value) is dict:
            continue
        else:
            raise Unusual
        if name in used:
            row[name] = value
    if raw.get("custom"):
        _custom(plan.custom, raw["custom"], row, spoken, warnings)
    return row


def _custom(
    kinds: Mapping[str, Kind],
    given: Mapping[str, Any],
    row: Row,
    spoken: str,
    warnings: dict[str, None],
) -> None:
    for name, value in given.items():
        kind, type_ = kinds.get(name), type(value)
        if kind == "number" and value is not None:
            row[name] = _number(value)
        elif kind == "instant":
            row[name] = _instant(value)
        elif kind is not None and type_ is _PLAIN[kind]:
            if type_ is str and len(value) > LONGEST_WORD:
                raise Unusual
            row[name] = value
        elif value is None and kind is not None:
            continue
        elif kind is None and _is_plain(value) and 0 < len(name) <= LONGEST_ID:
            message = f"{spoken}.custom.{name} is not known to the model and was not used"
            warnings[message] = None
        else:
            raise Unusual


def _is_plain(value: Any) -> bool:
    return type(value) is bool or (type(value) is str and len(value) <= LONGEST_WORD)


_PLAIN: dict[str, type] = {"category": str, "text": str, "boolean": bool, "number": float}
"""What JSON gives for a custom field that is plainly of its kind."""


def _instant(value: Any) -> int:
    if type(value) is not str:
        raise Unusual
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise Unusual from None
    if at.tzinfo is None:
        raise Unusual
    found = (at - _EPOCH) // _MICROSECOND
    if not EARLIEST <= found < LATEST:
        raise Unusual
    return found


def _key(value: Any) -> str:
    if type(value) is int:
        value = str(value)
    if type(value) is not str or not 0 < len(value) <= LONGEST_ID:
        raise Unusual
    return value


def _number(value: Any) -> float:
    if not (type(value) is float or type(value) is int):
        raise Unusual
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        raise Unusual
    return float(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise Unusual
    return value


def _stated(value: Any) -> str:
    if type(value) is float or type(value) is int:
        value = repr(value)
    if type(value) is not str or len(value) > LONGEST_WORD:
        raise Unusual
    return value


_READ = {"key": _key, "ref": _key, "number": _number, "boolean": _boolean, "stated": _stated}
