"""One canonical column from the words of a source: mapped, parsed, and every doubt noted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.joined_source import (
    JoinedSource,
    Specs,
    conditions_hold,
    constant,
    together,
    trimmed,
)
from features.ingest.outcomes import (
    CONTRADICTION,
    PARTS,
    UNKNOWN,
    Stage,
    consistent,
    outcome_of,
    to_text,
)
from features.ingest.spec import ColumnSpec
from features.ingest.strict import MappingError, nearest
from features.ingest.values.clean import Cleaned, booleans, instants, numbers
from features.ingest.values.formats import (
    SECONDS,
    DayOrder,
    day_order,
    decimal_mark,
    durations,
    in_order,
    undecided,
)
from features.ingest.values.placeholders import REASON, apart, of_category
from features.schema import ACTIVITY_KINDS, DIRECTIONS, OUTCOMES, TABLES, Kind
from features.sources.words import WordColumn, joined_words
from features.tables import NAT, Bools, Floats, Instants, storage

Values = Floats | Instants | WordColumn
"""A column: numbers, instants in microseconds, or words."""


@dataclass(frozen=True)
class Defaults:
    """What the mapping says of every column that does not say otherwise.

    decimal  "" where it is decided from each column's words
    order    of day and month in the file's dates, for columns that do not show their own
    """

    zone: str = "UTC"
    dates: tuple[str, ...] = ("iso",)
    missing: tuple[str, ...] = ()
    decimal: str = ""
    thousands: str | None = None
    company_zone: str = "UTC"
    currency: str = ""
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
        result.values = one.values if len(specs) == 1 else _first(result.values, one.values)
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


def _first(high: Values, low: Values) -> Values:
    """``high`` where it has a value, else ``low``."""
    rows = np.arange(len(high))
    rows = np.where(missing_rows(high), rows + len(high), rows)
    return take(below([high, low]), rows)


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
    words, unlisted = _mapped(raw, spec)
    unknown = [Note("not in the value map", unlisted, raw)] if unlisted.any() else []
    if storage(kind) != "coded":
        cleaned = apart(_parse(words, kind, spec, defaults), words.values)
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
        words, strange = _only(words, allowed, "other" if "other" in allowed else "")
        if strange.any():
            unknown.append(Note("not a canonical word", strange, raw))
    return Filled(words, notes, unknown)


def _factor(spec: ColumnSpec, sheet: JoinedSource, defaults: Defaults) -> Filled:
    """The numbers a column is multiplied by, written as the column itself is, without its scale."""
    other = replace(spec, source=spec.times, together=(), const="", scale=1.0, times=(), values=())
    return _fill_one(other, "number", sheet, defaults, ())


def present_words(spec: ColumnSpec, sheet: JoinedSource, defaults: Defaults) -> WordColumn:
    """The source's words, trimmed; missing where the mapping says that they are."""
    if spec.const:
        words = constant(spec.const, len(sheet))
    elif spec.together:
        parts = [_known(sheet.words[n[0]], spec, defaults) for n in spec.together]
        words = trimmed(together(parts))
        nothing = np.logical_and.reduce([p.codes < 0 for p in parts])
        words = WordColumn(np.where(nothing, np.int32(-1), words.codes), words.values)
    elif spec.weigh:
        words = _weighed(spec, sheet, defaults)
    else:
        words = _known(sheet.words[spec.source[0]], spec, defaults)
    if spec.starts:
        begins = pc.starts_with(words.values, spec.starts).to_numpy(zero_copy_only=False)
        words = words.without(~begins)
    if spec.when:
        passed = conditions_hold(sheet, spec.when)
        words = WordColumn(np.where(passed, words.codes, np.int32(-1)), words.values)
    return words


def _weighed(spec: ColumnSpec, sheet: JoinedSource, defaults: Defaults) -> WordColumn:
    """won, lost, missing where open, else what is wrong: no canonical word, so the row is unknown.

    A stage that contradicts itself in the export's own list of stages is an error.
    """
    parts = {p: _coalesced(names, spec, sheet, defaults) for p, names in spec.weigh}
    nothing = WordColumn(np.full(len(sheet), -1, np.int32), pa.array([], pa.string()))
    every, inverse = _combined([parts.get(p, nothing) for p in (*PARTS, "of")])
    stages = consistent([Stage.of(row[:4]) for row in every])
    said = [outcome_of(stage) for stage in stages]
    listed = any("." in n for p, names in spec.weigh if p != "of" for n in names)
    if listed:  # a stage that is not in the list of stages, and nothing else tells
        deleted = [bool(row[4]) and not any(row[:4]) for row in every]
        said = [UNKNOWN if gone else word for gone, word in zip(deleted, said, strict=True)]
    wrong = [to_text(s) for s, word in zip(stages, said, strict=True) if word == CONTRADICTION]
    if wrong and listed:
        raise MappingError(
            f"outcome: the stage {wrong[0]} contradicts itself; say in the mapping's outcome, by "
            "`from` and `values`, which stages are won and which are lost"
        )
    words = pa.array(said, pa.string())
    empty = np.array([w == "" for w in said], bool)
    return WordColumn(inverse.astype(np.int32), words).recoded(words, empty)


def _coalesced(
    names: Sequence[str], spec: ColumnSpec, sheet: JoinedSource, defaults: Defaults
) -> WordColumn:
    """The first of some columns that has a value in the row."""
    found: Values = _known(sheet.words[names[0]], spec, defaults)
    for name in names[1:]:
        found = _first(found, _known(sheet.words[name], spec, defaults))
    assert isinstance(found, WordColumn)
    return found


def _combined(parts: Sequence[WordColumn]) -> tuple[list[list[str]], Any]:
    """The different rows of words ("" missing), and which of them each row is."""
    codes = np.stack([p.codes for p in parts], axis=1)
    rows, inverse = np.unique(codes, axis=0, return_inverse=True)
    words = [[*p.values.to_pylist(), ""] for p in parts]
    return [[w[c] for w, c in zip(words, r, strict=True)] for r in rows.tolist()], inverse.ravel()


def _known(words: WordColumn, spec: ColumnSpec, defaults: Defaults) -> WordColumn:
    words = trimmed(words)
    nothing = [w.lower() for w in (defaults.missing if spec.missing is None else spec.missing)]
    if not any(nothing):
        return words
    found = pc.is_in(pc.utf8_lower(words.values), pa.array(nothing, pa.string()))
    return words.without(found.to_numpy(zero_copy_only=False))


def _mapped(words: WordColumn, spec: ColumnSpec) -> tuple[WordColumn, Bools]:
    """Words through the value map, and the rows whose word is not in it but should be."""
    nowhere = np.zeros(len(words), bool)
    if not spec.values and spec.default is None:
        return words, nowhere
    lower, result = pc.utf8_lower(words.values), words.values
    left = np.ones(len(result), bool)
    for found, meaning in _matches(lower, spec.values):
        now = found & left
        left &= ~found
        if now.any():
            result = pc.if_else(pa.array(now), meaning, result)
    unlisted = nowhere
    if spec.default is not None:
        result = pc.if_else(pa.array(left), spec.default, result)
        unlisted = np.append(left, False)[words.codes]
    empty = pc.equal(result, "").to_numpy(zero_copy_only=False)
    return words.recoded(result, empty), unlisted


def _matches(lower: Any, values: Sequence[tuple[str, str]]) -> list[tuple[Bools, str]]:
    """Which words each entry of a value map means: exact entries first, then patterns in order."""
    exact = [(w, m) for w, m in values if not set(w) & set("*?")]
    found = [(pc.equal(lower, w), m) for w, m in exact]
    for word, meaning in values:
        if (word, meaning) not in exact:
            pattern = re.escape(word).replace(r"\*", ".*").replace(r"\?", ".")
            found.append((pc.match_substring_regex(lower, f"^(?s:{pattern})$"), meaning))
    return [(np.asarray(f.to_numpy(zero_copy_only=False)), m) for f, m in found]


def _only(words: WordColumn, allowed: tuple[str, ...], other: str) -> tuple[WordColumn, Bools]:
    """Canonical words, case apart; any other word becomes ``other`` ("" missing)."""
    lower = pc.utf8_lower(words.values)
    known = pc.is_in(lower, pa.array(allowed))
    values = pc.if_else(known, lower, other)
    empty = pc.equal(values, "").to_numpy(zero_copy_only=False)
    strange = np.append(~known.to_numpy(zero_copy_only=False), False)[words.codes]
    return words.recoded(values, empty), strange


def _parse(words: WordColumn, kind: Kind, spec: ColumnSpec, defaults: Defaults) -> Cleaned:
    if kind == "boolean":
        return booleans(words.values)
    if kind == "instant":
        return _dates(words.values, spec, defaults)
    thousands = defaults.thousands if spec.thousands is None else spec.thousands
    decimal = spec.decimal or defaults.decimal
    decided = decimal_mark(words.values) if not decimal and not thousands else decimal or "."
    read = numbers(words.values, decided, thousands, spec.scale)
    if not decimal and decided == ",":
        read.repairs["the decimal mark is a comma, as the column shows"] = ~np.isnan(read.values)
    return _with_durations(read, words.values, spec) if spec.unit in SECONDS else read


def _dates(words: Any, spec: ColumnSpec, defaults: Defaults) -> Cleaned:
    """Instants in one order of day and month: the column's own, else the file's, else as stated."""
    stated, own = spec.formats or defaults.dates, day_order(words)
    order = defaults.order if own == "either" and not spec.formats else own
    if undecided(stated, order):
        raise MappingError(
            f"{'/'.join(spec.source) or 'a date'}: both orders of day and month are stated and no "
            "value shows which is meant; state one `format`, such as %d/%m/%Y"
        )
    formats = in_order(stated, order)
    read = instants(words, formats, spec.zone or defaults.zone)
    if formats != tuple(stated):
        reason = f"{order} in dates, as the days above 12 show"
        read.repairs[reason] = np.asarray(read.values != NAT)
    return read


def _with_durations(read: Cleaned, words: Any, spec: ColumnSpec) -> Cleaned:
    """Words such as 1h30 in place of those that are no number, in the column's unit."""
    left = read.faults["not a number"]
    if not left.any():
        return read
    # the scale turns the spec's unit into the column's
    held = durations(words) / SECONDS[spec.unit] * spec.scale
    found = left & ~np.isnan(held)
    faults = {**read.faults, "not a number": left & ~found}
    return replace(read, values=np.where(found, held, read.values), faults=faults)
