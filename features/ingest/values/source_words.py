"""The words that a mapping means by one column: chosen, weighed, mapped, and nothing parsed yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.joined_source import (
    JoinedSource,
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
from features.ingest.strict import MappingError
from features.ingest.values.base import Defaults, Values, first
from features.sources.words import WordColumn
from features.tables import Bools


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
        found = first(found, _known(sheet.words[name], spec, defaults))
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


def mapped(words: WordColumn, spec: ColumnSpec) -> tuple[WordColumn, Bools]:
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


def only(words: WordColumn, allowed: tuple[str, ...], other: str) -> tuple[WordColumn, Bools]:
    """Canonical words, case apart; any other word becomes ``other`` ("" missing)."""
    lower = pc.utf8_lower(words.values)
    known = pc.is_in(lower, pa.array(allowed))
    values = pc.if_else(known, lower, other)
    empty = pc.equal(values, "").to_numpy(zero_copy_only=False)
    strange = np.append(~known.to_numpy(zero_copy_only=False), False)[words.codes]
    return words.recoded(values, empty), strange
