"""One canonical column from the words of a source: mapped, parsed, and every doubt noted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow.compute as pc

from features.ingest.joined_source import JoinedSource, Specs
from features.ingest.spec import ColumnSpec
from features.ingest.strict import MappingError, nearest
from features.ingest.values.base import Defaults, Filled, Note, Values, first, no_values
from features.ingest.values.formats import SECONDS
from features.ingest.values.parse import parse
from features.ingest.values.placeholders import REASON, apart, of_category
from features.ingest.values.source_words import mapped, only, present_words
from features.schema import ACTIVITY_KINDS, DIRECTIONS, OUTCOMES, TABLES, Kind
from features.sources.words import WordColumn
from features.tables import NAT, storage


def fill(
    specs: Specs, kind: Kind, sheet: JoinedSource, defaults: Defaults, table: str, column: str
) -> Filled:
    """The column by the first way that has a value in the row."""
    result = Filled(no_values(kind, len(sheet)))
    for spec in specs:
        one = _fill_one(
            _in_unit(spec, table, column), kind, sheet, defaults, _allowed(table, column)
        )
        if column == "currency":
            one.values = currency_codes(one.values)
        result.notes += one.notes
        result.unknown += one.unknown
        result.values = one.values if len(specs) == 1 else first(result.values, one.values)
    return result


def _in_unit(spec: ColumnSpec, table: str, column: str) -> ColumnSpec:
    """The spec with the scale from its unit of time to the canonical column's, if that has one."""
    declared = TABLES[table].column(column) if table else None
    if declared is None or declared.unit not in SECONDS:
        return spec
    unit = spec.unit or declared.unit
    if unit not in SECONDS:
        raise MappingError(f"{table}.{column}: no unit of time {unit!r}; {nearest(unit, SECONDS)}")
    return replace(spec, unit=unit, scale=spec.scale * SECONDS[unit] / SECONDS[declared.unit])


def currency_codes(values: Values) -> Values:
    """ISO 4217 codes in capitals, as they are written; other words stay as they are."""
    assert isinstance(values, WordColumn)
    code = pc.match_substring_regex(values.values, "^[A-Za-z]{3}$")
    upper = pc.if_else(code, pc.utf8_upper(values.values), values.values)
    return values.recoded(upper, np.zeros(len(upper), bool))


def _allowed(table: str, column: str) -> tuple[str, ...]:
    """The words a canonical column may hold; () where it may hold any."""
    if column == "outcome":
        return OUTCOMES.get(table, ())
    if table == "activities":
        return {"kind": ACTIVITY_KINDS, "direction": DIRECTIONS}.get(column, ())
    return tuple(OUTCOMES) if (table, column) == ("changes", "entity") else ()


def _fill_one(
    spec: ColumnSpec, kind: Kind, sheet: JoinedSource, defaults: Defaults, allowed: tuple[str, ...]
) -> Filled:
    raw = present_words(spec, sheet, defaults)
    words, unlisted = mapped(raw, spec)
    unknown = [Note("not in the value map", unlisted, raw)] if unlisted.any() else []
    if storage(kind) != "coded":
        cleaned = apart(parse(words, kind, spec, defaults), words.values)
        notes = [
            Note(reason, rows, raw)
            for reason, of_word in {**cleaned.faults, **cleaned.repairs}.items()
            if (rows := np.append(of_word, False)[words.codes]).any()
        ]
        missing: Any = NAT if kind == "instant" else np.nan
        values = np.append(cleaned.values, missing)[words.codes]
        if spec.times:
            by = _factor(spec, sheet, defaults)
            values, notes = values * by.values, notes + by.notes
        if spec.inverse:
            values = np.divide(1.0, values, where=values != 0, out=np.full(len(values), np.nan))
        return Filled(values, notes, unknown)
    notes = []
    if kind == "category" and not allowed and spec.missing is None and not spec.const:
        nothing = of_category(words)
        if nothing.any():
            rows = np.append(nothing, False)[words.codes]
            notes = [Note(REASON, rows, raw)] if rows.any() else []
            words = words.without(nothing)
    if allowed:
        words, strange = only(words, allowed, "other" if "other" in allowed else "")
        if strange.any():
            unknown.append(Note("not a canonical word", strange, raw))
    return Filled(words, notes, unknown)


def _factor(spec: ColumnSpec, sheet: JoinedSource, defaults: Defaults) -> Filled:
    """The numbers a column is multiplied by, written as the column itself is, without its scale."""
    other = replace(spec, source=spec.times, together=(), const="", scale=1.0, times=(), values=())
    return _fill_one(other, "number", sheet, defaults, ())
