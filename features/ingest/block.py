"""One source into one table: filled columns, and the beginning of its report."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.calendar_time import zone
from features.ingest.history import long_history, unfold
from features.ingest.joined_source import (
    OWN_OUTCOME,
    JoinedSource,
    ReadPlan,
    conditions_hold,
    read_sheet,
)
from features.ingest.report import SAMPLES, UNKNOWN_SHOWN, BlockReport, tally
from features.ingest.rows import Draft, Loss
from features.ingest.shape import shaped
from features.ingest.values.base import (
    Defaults,
    Filled,
    KindOf,
    Note,
    Values,
    below,
    missing_rows,
    no_values,
)
from features.ingest.values.beside import currency_beside, newest_joined
from features.ingest.values.columns import fill
from features.ingest.values.dates import BOUNDARIES, as_days, midnights
from features.ingest.values.formats import DayOrder, day_order
from features.ingest.values.parse import EITHER_ORDER
from features.ingest.values.placeholders import REASON
from features.schema import OUTCOMES, TABLES, Kind
from features.sources.files import stem
from features.sources.words import Source, WordColumn
from features.tables import NAT, Bools, Instants, Ints, storage

_SHOWN = 200
"""Characters of a ragged record that the report shows."""


@dataclass
class Block:
    """The rows one file gives to one table, before the table's rules."""

    report: BlockReport
    columns: dict[str, Values]
    row: Ints
    newest: Instants | None
    unknown_outcome: Bools
    dateless: Bools
    dates: set[str]
    losses: list[Loss]
    require: tuple[str, ...]
    add_up: tuple[str, ...] = ()


def read_block(
    plan: ReadPlan, main: Source, others: Dict[str, Source], defaults: Defaults, kind_of: KindOf
) -> Block:
    """Fill every column of the block from its file; nothing is rejected but ragged records."""
    report = _begun(plan, main)
    main = shaped(plan, main, report)
    newest = newest_joined(plan, others, defaults, kind_of)
    sheet, report.joins = read_sheet(plan, main, others, newest)
    sheet = _filtered(plan, sheet, report)
    defaults = replace(defaults, order=_day_order(plan, sheet, kind_of))
    base: dict[str, Filled] = {}
    for column in sorted(plan.columns, key=lambda c: c != "outcome"):
        base[column] = _column(plan, column, sheet, defaults, kind_of)
        if column == "outcome":
            sheet = sheet.beside(OWN_OUTCOME[0], base[column].values)
    base = {c: base[c] for c in plan.columns} | currency_beside(plan, sheet, defaults)
    row, columns = sheet.row, {c: f.values for c, f in base.items()}
    unknown = _noted(plan, base, sheet, report)
    if plan.spec.fields:
        columns, record, noted, strange = unfold(plan, sheet, base, defaults, kind_of)
        row = sheet.row[record]
        _noted(plan, noted, sheet, report)
        _not_about_a_field(base, sheet, strange, report)
        unknown = np.zeros(len(row), bool)
    columns = _with_key(plan, columns, row)
    dates = _dated(plan, columns, defaults, kind_of)
    born = TABLES[plan.spec.to].born
    report.out_of_order = _out_of_order(columns.get(born))
    return Block(
        report=report,
        columns=columns,
        row=row,
        newest=_newest(plan, sheet, defaults),
        unknown_outcome=unknown,
        dateless=_dateless(columns.get("closed_at"), _zone(plan, "closed_at", defaults), len(row)),
        dates=dates,
        losses=[] if plan.spec.fields else _losses(base),
        require=plan.spec.require,
        add_up=plan.spec.add_up,
    )


def _day_order(plan: ReadPlan, sheet: JoinedSource, kind_of: KindOf) -> DayOrder:
    """The order of day and month that the file's dates show together: one file has one order."""
    names = {
        spec.source[0]
        for column, specs in plan.columns.items()
        for spec in specs
        if spec.source and storage(kind_of(plan.spec.to, column) or "text") == "instant"
    }
    shown = {day_order(sheet.words[name].values) for name in names}
    clear = shown & {"day first", "month first", "both"}
    return clear.pop() if len(clear) == 1 else "none" if not shown - {"none"} else "either"


def _losses(filled: Dict[str, Filled]) -> list[Loss]:
    """The values of each column that could not be read; row i of the sheet is the block's."""
    found = []
    for column, one in filled.items():
        for note in one.notes:
            if note.reason == EITHER_ORDER:
                rows = np.flatnonzero(note.rows)
                found.append(Loss("repaired", note.reason, rows, column))
                continue
            rows = np.flatnonzero(note.rows & missing_rows(one.values))
            if len(rows) and note.reason != REASON:
                found.append(Loss("repaired", note.reason, rows, column, note.words.take(rows)))
    return found


def _newest(plan: ReadPlan, sheet: JoinedSource, defaults: Defaults) -> Instants | None:
    if not plan.newest or plan.spec.fields:
        return None
    values = fill(plan.newest, "instant", sheet, defaults, "", "").values
    assert not isinstance(values, WordColumn)
    return values.astype(np.int64)


def _begun(plan: ReadPlan, main: Source) -> BlockReport:
    wide = len(plan.fields) if plan.fields and not long_history(plan) else 1
    used = set(plan.needed()[""])
    report = BlockReport(
        block=plan.spec.name,
        table=plan.spec.to,
        file=plan.header.path.name,
        encoding=main.header.encoding,
        delimiter=main.header.delimiter,
        undecodable=main.replaced,
        rows=len(main.row) + len(main.ragged),
        per_row=wide,
        absent=plan.absent,
        unused=[n for n in plan.header.names if n not in used],
    )
    samples = [
        {"row": r.row, "cells": r.found, "expected": r.expected, "text": r.text[:_SHOWN]}
        for r in main.ragged[:SAMPLES]
    ]
    reason = "not as many cells as the header"
    tally(report.rejected, reason, len(main.ragged) * wide, samples)
    return report


def _filtered(plan: ReadPlan, sheet: JoinedSource, report: BlockReport) -> JoinedSource:
    for test in plan.where:
        keep = conditions_hold(sheet, [test])
        words = sheet.words[test.column[0]]
        gone = np.flatnonzero(~keep)
        samples = [
            {"row": int(sheet.row[r]), test.column[0]: w}
            for r, w in zip(gone[:SAMPLES], words.texts(gone[:SAMPLES]), strict=True)
        ]
        reason = f"by the mapping's where: {test.column[0]}"
        tally(report.left_out, reason, len(gone) * report.per_row, samples)
        sheet = sheet.select(keep)
    return sheet


def _column(
    plan: ReadPlan, column: str, sheet: JoinedSource, defaults: Defaults, kind_of: KindOf
) -> Filled:
    """One column; a Parquet file's instants are ISO 8601 whatever the mapping's formats are."""
    if not plan.header.delimiter:
        defaults = replace(defaults, dates=("iso", *defaults.dates))
    kind: Kind = kind_of(plan.spec.to, column) or "text"
    return fill(plan.columns[column], kind, sheet, defaults, plan.spec.to, column)


def _noted(
    plan: ReadPlan, filled: Dict[str, Filled], sheet: JoinedSource, report: BlockReport
) -> Bools:
    """Report what was noted of each column; the rows whose outcome is unknown."""
    key = filled.get(TABLES[plan.spec.to].key)
    keys = key.values if key is not None and isinstance(key.values, WordColumn) else None
    unknown = np.zeros(len(sheet), bool)
    for column, one in filled.items():
        for note in one.notes:
            reason = f"{column}: {note.reason}"
            n = int(note.rows.sum())
            tally(report.repaired, reason, n, _samples(note, sheet, keys))
        for note in one.unknown:
            _count(report, column, note)
            if column == "outcome" and plan.spec.to in OUTCOMES and "canonical" in note.reason:
                unknown |= note.rows
    return unknown


def _samples(note: Note, sheet: JoinedSource, keys: WordColumn | None) -> list[dict[str, object]]:
    rows = np.flatnonzero(note.rows)[:SAMPLES]
    found: list[dict[str, object]] = [{"row": int(sheet.row[r])} for r in rows]
    for sample, r, word in zip(found, rows, note.words.texts(rows), strict=True):
        if keys is not None:
            sample["key"] = keys.texts([int(r)])[0]
        sample["value"] = word
    return found


def _count(report: BlockReport, column: str, note: Note) -> None:
    """The unknown words of a column, the most frequent first."""
    counts = note.words.counts(note.rows)
    known = report.unknown.setdefault(column, {})
    for code in np.argsort(-counts, kind="stable")[:UNKNOWN_SHOWN]:
        if counts[code] and len(known) < UNKNOWN_SHOWN:
            word = note.words.values[int(code)].as_py()
            known[word] = known.get(word, 0) + int(counts[code])


def _not_about_a_field(
    base: Dict[str, Filled], sheet: JoinedSource, strange: Bools, report: BlockReport
) -> None:
    """Records of a long history about fields that the mapping does not name are left out."""
    if not strange.any():
        return
    field = base["field"].values
    assert isinstance(field, WordColumn)
    note = Note("", strange & (field.codes >= 0), field)
    _count(report, "field", note)
    rows = np.flatnonzero(strange)
    samples: list[dict[str, object]] = [{"row": int(sheet.row[r])} for r in rows[:SAMPLES]]
    tally(report.left_out, "a field that the mapping does not name", len(rows), samples)


def _with_key(plan: ReadPlan, columns: dict[str, Values], row: Ints) -> dict[str, Values]:
    """The columns with a key; one that is not mapped is block, file, record and field."""
    key = TABLES[plan.spec.to].key
    if key in columns:
        return columns
    file, name = stem(plan.header.path), plan.spec.name
    name = name if name == file else f"{name}.{file}"
    parts = [pa.array([name] * len(row), pa.string()), pc.cast(pa.array(row), pa.string())]
    if plan.spec.fields:
        field = columns["field"]
        assert isinstance(field, WordColumn)
        parts.append(field.values.take(pa.array(field.codes)))
    made = pc.binary_join_element_wise(*parts, "-")
    return {key: WordColumn(np.arange(len(row), dtype=np.int32), made), **columns}


def _out_of_order(born: Values | None) -> int:
    """How many rows are earlier than the dated row before them."""
    if born is None or isinstance(born, WordColumn):
        return 0
    at = born[born != NAT]
    return int((at[1:] < at[:-1]).sum())


def _zone(plan: ReadPlan, column: str, defaults: Defaults) -> str:
    specs = plan.columns.get(column, ())
    return next((s.zone for s in specs if s.zone), defaults.zone)


def _dateless(at: Values | None, name: str, n: int) -> Bools:
    if at is None or isinstance(at, WordColumn):
        return np.zeros(n, bool)
    return midnights(at.astype(np.int64), zone(name))


def _dated(
    plan: ReadPlan, columns: dict[str, Values], defaults: Defaults, kind_of: KindOf
) -> set[str]:
    """The columns that hold days, each made the first instant of its day where the company is."""
    found = set()
    for column, values in columns.items():
        kind = kind_of(plan.spec.to, column) or "text"
        if isinstance(values, WordColumn) or storage(kind) != "instant" or column in BOUNDARIES:
            continue
        stated = column in plan.spec.custom_dates
        read, company = _zone(plan, column, defaults), defaults.company_zone
        days = as_days(values.astype(np.int64), zone(read), zone(company), stated)
        if days is not None:
            columns[column] = days
            found.add(column)
    return found


def draft(table: str, blocks: Sequence[Block], kind_of: KindOf) -> Draft:
    """The blocks of one table, one below the other; what a block lacks is missing there."""
    names = list(dict.fromkeys(c for b in blocks for c in b.columns))
    columns = {}
    for name in names:
        kind = kind_of(table, name) or "text"
        columns[name] = below([b.columns.get(name, no_values(kind, len(b.row))) for b in blocks])
    block = np.concatenate([np.full(len(b.row), i) for i, b in enumerate(blocks)]).astype(np.int64)
    newest = [b.newest for b in blocks if b.newest is not None]
    required = dict.fromkeys(c for b in blocks for c in b.require)
    return Draft(
        name=table,
        columns=columns,
        block=block,
        row=np.concatenate([b.row for b in blocks]),
        blocks=[b.report for b in blocks],
        alive=np.ones(len(block), bool),
        newest=np.concatenate(newest) if len(newest) == len(blocks) else None,
        unknown_outcome=np.concatenate([b.unknown_outcome for b in blocks]),
        dateless=np.concatenate([b.dateless for b in blocks]),
        dates=set().union(*(b.dates for b in blocks)),
        losses=[
            replace(loss, rows=loss.rows + int(first))
            for b, first in zip(blocks, np.searchsorted(block, range(len(blocks))), strict=True)
            for loss in b.losses
        ],
        add_up=tuple(dict.fromkeys(c for b in blocks for c in b.add_up)),
        lacking={
            c: missing_rows(columns[c]) & np.isin(block, _requiring(blocks, c)) for c in required
        },
    )


def _requiring(blocks: Sequence[Block], column: str) -> list[int]:
    return [i for i, b in enumerate(blocks) if column in b.require]
