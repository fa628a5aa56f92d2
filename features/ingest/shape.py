"""Rows of a file before its columns are read: those that go on above, those that hold a list.

A row of a one-to-many export that leaves its parent's cells empty belongs to the row above; a cell
that holds several ids stands for as many rows.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.joined_source import ReadPlan, trimmed
from features.ingest.report import BlockReport, tally
from features.schema import TABLES
from features.sources.words import Source, WordColumn
from features.tables import Bools, Ints

LISTED = r"\s*[;|,]\s*"
"""Between the values of a list in a cell."""


def shaped(plan: ReadPlan, main: Source, report: BlockReport) -> Source:
    """The source with continued rows filled down and lists in a cell as rows, both reported."""
    return _each(plan, _filled_down(plan, main, report), report)


def _filled_down(plan: ReadPlan, main: Source, report: BlockReport) -> Source:
    """Empty cells of ``fill_down`` repeat the row above; without it, those of continued lines."""
    if plan.fill_down:
        names, where = list(plan.fill_down), np.ones(len(main.row), bool)
        reason = f"{', '.join(names)}: empty, as in the row above"
    elif plan.spec.add_up:
        names, where = _continued(plan, main)
        reason = "a further line of the row above, whose cells it leaves empty"
    else:
        return main
    words, changed = dict(main.words), np.zeros(len(main.row), bool)
    for name in names:
        held = trimmed(words[name])
        place = np.where(where & (held.codes < 0), -1, np.arange(len(held.codes)))
        place = np.maximum.accumulate(place)
        filled = held.take(place)
        changed |= (filled.codes >= 0) & (held.codes < 0)
        words[name] = filled
    tally(report.repaired, reason, int(changed.sum()), _rows(main, changed))
    return replace(main, words=words)


def _continued(plan: ReadPlan, main: Source) -> tuple[list[str], Bools]:
    """The columns of the whole record, and the rows that hold nothing but what is added up."""
    added, others = dict[str, None](), dict[str, None]()
    for column, specs in plan.columns.items():
        into = added if column in plan.spec.add_up else others
        for spec in specs:
            into.update(dict.fromkeys(n[0] for n in spec.names() if n[0] in main.words))
    whole = [name for name in others if name not in added]
    if TABLES[plan.spec.to].key not in plan.columns or not whole or not added:
        return [], np.zeros(len(main.row), bool)
    empty = np.logical_and.reduce([trimmed(main.words[n]).codes < 0 for n in whole])
    some = np.logical_or.reduce([trimmed(main.words[n]).codes >= 0 for n in added])
    return whole, np.asarray(empty & some)


def _each(plan: ReadPlan, main: Source, report: BlockReport) -> Source:
    """One row a value of the list in the column ``each``; its key tells them apart: K, K/2, K/3."""
    if not plan.each:
        return main
    held = trimmed(main.words[plan.each])
    lists = pc.split_pattern_regex(pc.utf8_trim(held.values, ";|, "), LISTED)
    sizes = np.append(pc.list_value_length(lists).to_numpy(zero_copy_only=False), 1)[held.codes]
    rows = np.repeat(np.arange(len(held.codes)), sizes)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    starts = np.append(np.asarray(lists.offsets)[:-1], -1)[held.codes[rows]]
    codes = np.where(starts >= 0, starts + nth, -1).astype(np.int32)
    words = {name: column.take(rows) for name, column in main.words.items()}
    words[plan.each] = WordColumn(codes, lists.values)
    key = plan.columns.get(TABLES[plan.spec.to].key, ())
    for name in {spec.source[0] for spec in key if spec.source} - {plan.each}:
        words[name] = _numbered(words[name], nth)
    report.rows += len(rows) - len(main.row)
    report.listed = len(rows) - len(main.row)
    return replace(main, words=words, row=main.row[rows])


def _numbered(key: WordColumn, nth: Ints) -> WordColumn:
    """The key with the place in its list behind it, but for the first."""
    later = np.flatnonzero((nth > 0) & (key.codes >= 0))
    names = [f"{k}/{n + 1}" for k, n in zip(key.texts(later), nth[later].tolist(), strict=True)]
    codes = key.codes.copy()
    codes[later] = len(key.values) + np.arange(len(later), dtype=np.int32)
    return WordColumn(codes, pa.concat_arrays([key.values, pa.array(names, pa.string())]))


def _rows(main: Source, changed: Bools) -> list[dict[str, object]]:
    return [{"row": int(main.row[r])} for r in np.flatnonzero(changed)[:5]]
