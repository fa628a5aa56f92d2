"""The reader of a record: JSON becomes rows of canonical tables, or the first fault in words.

A right record is read in one pass over what it brings. Only when a part proves wrong is the record
gone through again in the contract's order, to say which fault comes first and how many there are;
both passes ask the same functions about a value. ``contract`` describes the same form for OpenAPI,
and tests/test_reader.py holds the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from functools import cached_property, partial
from typing import Any
from zoneinfo import ZoneInfo

from features.schema import TABLES, Kind
from features.tables import Meta
from serving.scoring.contract import MOST_ROWS, SINGULAR, id_of, record_model, row_model
from serving.scoring.faults import Fault, RecordFault, fault_among, unknown_field
from serving.scoring.values import (
    LONGEST_ID,
    READ,
    ValueFault,
    custom_value,
    read_instant,
    typed,
)
from serving.scoring.words import ReadWord, WordReader, drop_unknown_outcomes

Row = dict[str, Any]
Warnings = dict[str, None]
Loc = tuple[int | str, ...]
Found = tuple[Loc, str, str]
"""A fault: where, its code, what is wrong."""


@dataclass(frozen=True)
class RowPlan:
    """What a row of one table may hold.

    kinds     column -> its kind; "stated" for what changes state, numbers too
    required  columns without which there is no row
    used      columns that are kept; the others are checked and left
    custom    the company's own columns
    words     how the words of some columns are read
    days_in   the company's zone: a date without a time is one of its days
    """

    kinds: Mapping[str, str]
    required: frozenset[str]
    used: frozenset[str]
    custom: Mapping[str, Kind]
    words: Mapping[str, ReadWord]
    days_in: tzinfo

    @cached_property
    def read(self) -> Mapping[str, Callable[[Any], Any]]:
        """The reader of each kind."""
        return {**READ, "instant": partial(read_instant, days_in=self.days_in)}

    def row(self, raw: Any, spoken: str, warnings: Warnings) -> Row:
        """The row without its gaps, custom fields beside the canonical ones; ValueFault."""
        if type(raw) is not dict:
            raise ValueFault("wrong_type", "must be an object")
        if not self.required <= raw.keys():
            raise ValueFault("missing_field", "this field is required")
        row: Row = {}
        kinds, used, read = self.kinds, self.used, self.read
        for name, value in raw.items():
            kind = kinds.get(name)
            if kind is None:
                if name != "custom":
                    raise ValueFault("unknown_field", "")
                continue
            if value is None and name not in self.required:
                continue
            value = read[kind](value)
            if name in used:
                if type(value) is str:
                    self._word(row, name, value, spoken, warnings)
                else:
                    row[name] = value
        if raw.get("custom") is not None:
            self._custom(raw["custom"], row, spoken, warnings)
        return row

    def _word(self, row: Row, name: str, value: str, spoken: str, warnings: Warnings) -> None:
        """Outer spaces are no part of a word, and an empty word is a missing one."""
        word = value.strip()
        if not word:
            return
        if name in self.words:
            used, warning = self.words[name](word)
            if warning:
                warnings[f"{spoken}.{name}: {warning}"] = None
            if used:
                row[name] = used
            elif name == "outcome":
                row[name] = None  # nobody knows it: not the same as none
        else:
            row[name] = word

    def _custom(self, given: Any, row: Row, spoken: str, warnings: Warnings) -> None:
        if type(given) is not dict:
            raise ValueFault("wrong_type", "must be an object")
        for name, value in given.items():
            if not 0 < len(name) <= LONGEST_ID:
                raise ValueFault("too_long", "")
            custom_value(value)
            kind = self.custom.get(name)
            if kind is None:
                message = f"{spoken}.custom.{name} is not known to the model and was not used"
                warnings[message] = None
            elif value is not None:
                found = typed(kind, value, self.days_in)
                if type(found) is str:
                    self._word(row, name, found, spoken, warnings)
                else:
                    row[name] = found

    def faults(self, raw: Any, loc: Loc) -> Iterator[Found]:
        """All that is wrong with a row, in the contract's order."""
        if type(raw) is not dict:
            yield loc, "wrong_type", "must be an object"
            return
        for name, kind in self.kinds.items():
            if name not in raw:
                if name in self.required:
                    yield (*loc, name), "missing_field", "this field is required"
            elif raw[name] is not None or name in self.required:
                yield from _fault((*loc, name), self.read[kind], raw[name])
        if raw.get("custom") is not None:
            yield from self._custom_faults(raw["custom"], (*loc, "custom"))
        known = [*self.kinds, "custom"]
        for name in raw:
            if name not in self.kinds and name != "custom":
                yield (*loc, name), "unknown_field", unknown_field(name, known)

    def _custom_faults(self, given: Any, loc: Loc) -> Iterator[Found]:
        if type(given) is not dict:
            yield loc, "wrong_type", "must be an object"
            return
        for name, value in given.items():
            if not name:
                at = (*loc, name, "[key]")
                yield at, "too_short", "string should have at least 1 character"
            if len(name) > LONGEST_ID:
                at, most = (*loc, name, "[key]"), f"at most {LONGEST_ID} characters"
                yield at, "too_long", f"string should have {most}"
            yield from _fault((*loc, name), custom_value, value)

    def undeclared(self, raw: Any, loc: Loc) -> Iterator[Found]:
        """Custom values of a right row that are not of the kind their mapping declared."""
        for name, value in (raw.get("custom") or {}).items():
            kind = self.custom.get(name)
            if kind is not None and value is not None:
                yield from _fault(
                    (*loc, "custom", name), lambda v, k=kind: typed(k, v, self.days_in), value
                )


def _fault(loc: Loc, read: Any, value: Any) -> Iterator[Found]:
    try:
        read(value)
    except ValueFault as wrong:
        yield loc, wrong.code, wrong.message


@dataclass(frozen=True)
class Part:
    """One part of a record: rows of a table, as a list or a single one."""

    table: str
    many: bool
    required: bool
    plan: RowPlan

    def rows(self, raw: Any, name: str, warnings: Warnings) -> list[Row]:
        """Its rows; ValueFault."""
        if not self.many:
            return [self.plan.row(raw, name, warnings)]
        if type(raw) is not list or len(raw) > MOST_ROWS:
            raise ValueFault("wrong_type", "must be a list")
        spoken, row = f"{name}[]", self.plan.row
        return _once(raw, [row(item, spoken, warnings) for item in raw], self.table, name, warnings)

    def faults(self, raw: Any, name: str) -> Iterator[Found]:
        """All that is wrong with it."""
        if not self.many:
            yield from self.plan.faults(raw, (name,))
        elif type(raw) is not list:
            yield (name,), "wrong_type", "must be a list"
        elif len(raw) > MOST_ROWS:
            message = f"list should have at most {MOST_ROWS} items after validation, not {len(raw)}"
            yield (name,), "too_long", message
        else:
            for i, item in enumerate(raw):
                yield from self.plan.faults(item, (name, i))

    def undeclared(self, raw: Any, name: str) -> Iterator[Found]:
        """As ``RowPlan.undeclared``, of all its rows."""
        if not self.many:
            yield from self.plan.undeclared(raw, (name,))
        else:
            for i, item in enumerate(raw):
                yield from self.plan.undeclared(item, (name, i))


def _once(raw: list[Any], rows: list[Row], table: str, name: str, warnings: Warnings) -> list[Row]:
    """One row a key, as reading has it: identical rows are one, of others the last counts."""
    key = TABLES[table].key
    keys = [str(item[key]).strip() if item.get(key) is not None else "" for item in raw]
    last = {k: i for i, k in enumerate(keys) if k}
    if len(last) + keys.count("") == len(keys):
        return rows
    lost = [i for i, k in enumerate(keys) if k and last[k] != i]
    if other := sum(raw[i] != raw[last[keys[i]]] for i in lost):
        said = f"{other} rows have the {key} of a later one and other values"
        warnings[f"{name}: {said}; the last of each counts"] = None
    gone = set(lost)
    return [r for i, r in enumerate(rows) if i not in gone]


class RecordReader:
    """Reads records of one entity under the custom fields of one data set.

    unused: table -> columns that are checked and left; rates: the currencies that amounts can be
    converted from.
    """

    def __init__(
        self,
        entity: str,
        meta: Meta,
        unused: Mapping[str, frozenset[str]],
        rates: Collection[str] = (),
    ) -> None:
        self.entity, words = entity, WordReader(meta.currency, rates)
        there = ZoneInfo(meta.zone)
        tables = {single: table for table, single in SINGULAR.items()}
        self.parts: dict[str, Part] = {}
        for name, field in record_model(entity).model_fields.items():
            table, needed = tables.get(name, name), field.is_required()
            custom = {f.name: f.kind for f in meta.custom.get(table, [])}
            plan = _row_plan(table, needed, unused[table], custom, words.of(table), there)
            self.parts[name] = Part(table, name not in tables, needed, plan)

    def rows(self, index: int, raw: Any, warnings: Warnings) -> dict[str, list[Row]] | RecordFault:
        """The rows of a record by table, or the first of its faults; adds to ``warnings``."""
        try:
            return self._rows(raw, warnings)
        except ValueFault:
            return RecordFault(index, id_of(self.entity, raw), self._first_fault(index, raw))

    def _rows(self, raw: Any, warnings: Warnings) -> dict[str, list[Row]]:
        if type(raw) is not dict or raw.get(SINGULAR[self.entity]) is None:
            raise ValueFault("wrong_type", "must be an object")
        rows: dict[str, list[Row]] = {}
        for name, value in raw.items():
            part = self.parts.get(name)
            if part is None:
                raise ValueFault("unknown_field", "")
            if value is not None:
                rows[part.table] = part.rows(value, name, warnings)
        drop_unknown_outcomes(rows, self.entity)
        return rows

    def _first_fault(self, index: int, raw: Any) -> Fault:
        prefix = f"records[{index}]"
        found = list(self._faults(raw))
        if found:
            return fault_among(found, prefix)
        undeclared = (
            found
            for name, part in self.parts.items()
            if raw.get(name) is not None
            for found in part.undeclared(raw[name], name)
        )
        return fault_among([next(undeclared)], prefix)

    def _faults(self, raw: Any) -> Iterator[Found]:
        if type(raw) is not dict:
            yield (), "wrong_type", "must be an object"
            return
        for name, part in self.parts.items():
            if name not in raw:
                if part.required:
                    yield (name,), "missing_field", "this field is required"
            elif raw[name] is not None or part.required:
                yield from part.faults(raw[name], name)
        for name in raw:
            if name not in self.parts:
                yield (name,), "unknown_field", unknown_field(name, list(self.parts))


def _row_plan(
    table: str,
    scored: bool,
    unused: frozenset[str],
    custom: Mapping[str, Kind],
    words: Mapping[str, ReadWord],
    days_in: tzinfo,
) -> RowPlan:
    kinds = {
        c.name: "stated" if table == "changes" and c.kind == "text" else c.kind
        for c in TABLES[table].columns
    }
    fields = row_model(table, scored).model_fields
    required = frozenset(name for name, field in fields.items() if field.is_required())
    return RowPlan(kinds, required, frozenset(kinds.keys() - unused), custom, words, days_in)
