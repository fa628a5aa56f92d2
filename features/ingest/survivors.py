"""Merged records: what pointed to a record that is gone points to the one that took it in.

An export says which they are in a list of its own (a merge audit: one row a record gone) or on the
records themselves (the ids a survivor took in, or the id of the master on the record that is gone).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Mapping as Dict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.joined_source import Finder, trimmed
from features.ingest.rows import Draft
from features.ingest.strict import MappingError
from features.ingest.table import TableSpec
from features.ingest.values.ids import plain_of
from features.schema import TABLES
from features.sources.files import find, read
from features.sources.words import Header

Pairs = Dict[str, str]
"""Id of a record that is gone -> id of the record it was merged into, both as they are compared."""

_SEVERAL = re.compile(r"[;,|\s]+")


def merged_ids(
    specs: Iterable[TableSpec], files: list[Path], header_of: Callable[[Path], Header]
) -> dict[str, dict[str, str]]:
    """Table -> its merged records, from every list of them that the mapping names."""
    found: dict[str, dict[str, str]] = {}
    for spec in specs:
        for merge in spec.merged:
            where = f"[tables.{spec.name}] merged"
            paths = find(files, merge.source or spec.source)
            if not paths and not merge.optional:
                raise MappingError(f"{where}: no file {' or '.join(merge.source or spec.source)}")
            for path in paths:
                finder = Finder(header_of(path), {})
                names = [finder.find(columns) for columns in (merge.gone, merge.into)]
                if merge.optional and None in names:
                    continue
                gone, into = (finder.need(c, where) for c in (merge.gone, merge.into))
                found.setdefault(spec.to, {}).update(_pairs(header_of(path), gone, into))
    return found


def _pairs(header: Header, gone: str, into: str) -> dict[str, str]:
    """The pairs of one file; a cell may hold several ids that are gone."""
    words = read(header, [gone, into]).words
    cells, survivors = trimmed(words[gone]), trimmed(words[into])
    both = np.flatnonzero((cells.codes >= 0) & (survivors.codes >= 0))
    rows = zip(cells.texts(both), survivors.texts(both), strict=True)
    each = [(one, s) for cell, s in rows for one in _SEVERAL.split(cell) if one]
    left = plain_of(pa.array([g for g, _ in each], pa.string())).to_pylist()
    right = plain_of(pa.array([s for _, s in each], pa.string())).to_pylist()
    return {g: s for g, s in zip(left, right, strict=True) if g != s}


def follow(drafts: Dict[str, Draft], merged: Dict[str, Pairs]) -> None:
    """Point every reference to a record that is gone to its survivor; leave the gone rows out.

    A survivor may have been merged itself: the last of them that the export holds is meant.
    The field history of a record that is gone is not its survivor's and stays where it is.
    """
    for table, pairs in merged.items():
        if table not in drafts:
            continue
        keys = drafts[table].words(TABLES[table].key).values
        by_plain = dict(zip(plain_of(keys).to_pylist(), keys.to_pylist(), strict=True))
        survivors = {
            gone: by_plain[last] for gone in pairs if (last := _last(gone, pairs, by_plain)) != gone
        }
        if not survivors:
            continue
        for draft in drafts.values():
            for column in TABLES[draft.name].columns:
                if column.references == table and column.name in draft.columns:
                    _point(draft, column.name, survivors)
        key = drafts[table].words(TABLES[table].key)
        gone = pc.is_in(plain_of(key.values), pa.array(list(survivors)))
        rows = np.append(np.asarray(gone.to_numpy(zero_copy_only=False)), False)[key.codes]
        drafts[table].drop("left_out", rows, "merged into another record")


def _last(gone: str, pairs: Pairs, known: Dict[str, str]) -> str:
    """The last record of a chain of merges that the export holds; ``gone`` itself if none.

    A chain that comes back to where it was says nothing, and is not followed.
    """
    last, at, seen = gone, gone, {gone}
    while at := pairs.get(at, ""):
        if at in seen:
            return gone
        seen.add(at)
        last = at if at in known else last
    return last


def _point(draft: Draft, column: str, survivors: Dict[str, str]) -> None:
    words = draft.words(column)
    place = pc.index_in(plain_of(words.values), pa.array(list(survivors)))
    changed = np.asarray(place.is_valid().to_numpy(zero_copy_only=False))
    rows = np.append(changed, False)[words.codes]
    if not rows.any():
        return
    draft.note("repaired", rows, f"{column}: merged records, linked to the survivor", (column,))
    survivor = pa.array(list(survivors.values()), pa.string()).take(place)
    values = pc.coalesce(survivor, words.values)
    draft.columns[column] = words.recoded(values, np.zeros(len(values), bool))
