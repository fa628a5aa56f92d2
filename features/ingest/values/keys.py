"""One record written in two ways: references that miss their record are looked up once more."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.rows import Draft
from features.ingest.values.ids import plain_of
from features.ingest.values.placeholders import none_of
from features.schema import TABLES
from features.tables import Bools

_LISTED = r"\s*[;,|].*$"
_IDS = r"^[A-Za-z0-9-]+(?:\s*[;|]\s*[A-Za-z0-9-]+)+$"
"""Several ids in one cell, of a table that the export does not hold."""


def relink(drafts: Dict[str, Draft]) -> None:
    """References that no key equals point to the one key that means the same; both are reported.

    The same are ``71`` and ``71.0``, e-mail addresses in any case, the 15- and the 18-character id
    of Salesforce, and the first of several in one cell (``71;72``). Where two keys mean the same
    the reference stays an orphan. A word such as ``False`` that is no key becomes missing.
    """
    for draft in drafts.values():
        for column in TABLES[draft.name].columns:
            target = drafts.get(column.references) if column.references else None
            if column.kind != "ref" or column.name not in draft.columns:
                continue
            if target is not None:
                keys = target.words(TABLES[target.name].key).values
                _relink(draft, column.name, keys)
            elif column.references:
                _first_of_list(draft, column.name)


def _first_of_list(draft: Draft, column: str) -> None:
    """Of several ids in one cell the first, where no table tells which of them are records."""
    words = draft.words(column)
    several = pc.match_substring_regex(words.values, _IDS)
    held = np.asarray(several.to_numpy(zero_copy_only=False), bool)
    if not held.any():
        return
    rows = np.append(held, False)[words.codes]
    draft.note("repaired", rows, f"{column}: several ids in a cell, the first is meant", (column,))
    first = pc.replace_substring_regex(words.values, _LISTED, "")
    values = pc.if_else(several, first, words.values)
    draft.columns[column] = words.recoded(values, np.zeros(len(values), bool))


def _relink(draft: Draft, column: str, keys: Any) -> None:
    words = draft.words(column)
    strange = np.asarray(pc.invert(pc.is_in(words.values, keys)).to_numpy(zero_copy_only=False))
    if not strange.any():
        return
    found = _second_look(words.values, keys, strange)
    changed = np.asarray(found.is_valid().to_numpy(zero_copy_only=False))
    values = pc.coalesce(found, words.values)
    nothing = strange & none_of(words.values)
    for of_word, reason in (
        (changed, "written otherwise than the key, linked to it"),
        (nothing & ~changed, "a word for none, made missing"),
    ):
        rows = np.append(of_word, False)[words.codes]
        if rows.any():
            draft.note("repaired", rows, f"{column}: {reason}", (column,))
    draft.columns[column] = words.recoded(values, nothing & ~changed)


def _second_look(words: Any, keys: Any, strange: Bools) -> Any:
    """For each strange word the only key of the same meaning, else null."""
    plain = plain_of(keys).dictionary_encode()
    of_plain = np.asarray(plain.indices.to_numpy(zero_copy_only=False), np.int64)
    several = np.bincount(of_plain, minlength=len(plain.dictionary)) > 1
    place = np.zeros(len(plain.dictionary), np.int64)
    place[of_plain] = np.arange(len(keys))
    asked = words.filter(pa.array(strange))
    found = np.full(len(asked), -1, np.int64)
    for form in (asked, pc.replace_substring_regex(asked, _LISTED, "")):
        at = pc.index_in(plain_of(form), plain.dictionary).fill_null(-1)
        at = np.asarray(at.to_numpy(zero_copy_only=False), np.int64)
        hit = (found < 0) & (at >= 0) & ~np.append(several, True)[at]
        found[hit] = place[at[hit]]
    every = np.full(len(words), -1, np.int64)
    every[strange] = found
    return keys.take(pa.array(every, mask=every < 0))
