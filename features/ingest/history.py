"""Field histories as rows of ``changes``: long ones (one row a field) and wide ones (snapshots)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.joined_source import JoinedSource, ReadPlan, Specs, constant
from features.ingest.spec import ColumnSpec
from features.ingest.values.base import Defaults, Filled, KindOf, Values, below, take
from features.ingest.values.columns import fill
from features.ingest.values.source_words import present_words
from features.schema import Kind
from features.sources.words import WordColumn
from features.tables import NAT, Bools, Instants, Ints


def change_text(values: Values) -> WordColumn:
    """Values as the text ``changes`` holds: shortest numbers, ISO 8601 instants, words."""
    if isinstance(values, WordColumn):
        return values
    unique, codes = np.unique(values, return_inverse=True)
    if values.dtype == np.int64:
        texts = [str(np.datetime64(int(v), "us")) + "Z" for v in unique]
        missing = unique == NAT
    else:
        texts = [repr(float(v)).removesuffix(".0") for v in unique]
        missing = np.isnan(unique)
    words = WordColumn(codes.astype(np.int32), pa.array(texts, pa.string()))
    return words.recoded(words.values, missing)


def long_history(plan: ReadPlan) -> bool:
    """Whether the block's records name the field they are about."""
    return any(spec.named for specs in plan.fields.values() for spec in specs)


def unfold(
    plan: ReadPlan,
    sheet: JoinedSource,
    base: dict[str, Filled],
    defaults: Defaults,
    kind_of: KindOf,
) -> tuple[dict[str, Values], Ints, dict[str, Filled], Bools]:
    """The block's rows of ``changes``.

    Returns the columns, the sheet's record of each row, what was noted of the values by field,
    and the records of a long history whose field the mapping does not name.
    """
    parts: list[dict[str, Values]] = []
    records: list[Ints] = []
    noted: dict[str, Filled] = {}
    seen = np.zeros(len(sheet), bool)
    for field, specs in plan.fields.items():
        kind = kind_of(plan.spec.of, field) or "text"
        rows, sides = _one_field(plan, sheet, base, specs, kind, defaults)
        seen |= np.isin(np.arange(len(sheet)), rows)
        noted[field] = sides["value"]
        columns = {c: take(f.values, rows) for c, f in base.items() if c not in sides}
        columns |= {side: change_text(take(f.values, rows)) for side, f in sides.items()}
        columns["entity"] = constant(plan.spec.of, len(rows))
        columns["field"] = constant(field, len(rows))
        parts.append(columns)
        records.append(rows)
    whole = {c: below([p[c] for p in parts]) for c in parts[0]}
    return whole, np.concatenate(records), noted, ~seen


def _one_field(
    plan: ReadPlan,
    sheet: JoinedSource,
    base: dict[str, Filled],
    specs: Specs,
    kind: Kind,
    defaults: Defaults,
) -> tuple[Ints, dict[str, Filled]]:
    """The records about one field, and its values parsed as what the field is."""
    of = plan.spec.of
    if not specs[0].named:
        return np.arange(len(sheet)), {"value": fill(specs, kind, sheet, defaults, of, "")}
    named = np.zeros(len(sheet), bool)
    for spec in specs:
        named |= _says(base["field"].values, spec)
    sides: dict[str, Filled] = {}
    for side in ("value", "old_value"):
        if side in plan.columns:
            raw = present_words(plan.columns[side][0], sheet, defaults)
            held = JoinedSource(
                {"": WordColumn(np.where(named, raw.codes, -1), raw.values)}, sheet.row
            )
            one = replace(specs[0], source=("",), named=())
            sides[side] = fill((one,), kind, held, defaults, of, "")
    return np.flatnonzero(named).astype(np.int64), sides


def _says(field: Values, spec: ColumnSpec) -> Bools:
    assert isinstance(field, WordColumn)
    names = pa.array([n.strip().lower() for n in spec.named])
    known = pc.is_in(pc.utf8_lower(field.values), names).to_numpy(zero_copy_only=False)
    return np.asarray(np.append(known, False)[field.codes])


def unchanged(
    key: Ints, changed_at: Instants, value: WordColumn, old: WordColumn
) -> tuple[Bools, WordColumn]:
    """Rows that repeat the value the field already had, and every row's value before.

    ``key`` numbers the (entity, entity_id, field); rows of one instant keep their order.
    """
    order = np.lexsort((np.arange(len(key)), changed_at, key))
    both = below([value, old])
    assert isinstance(both, WordColumn)
    now, stated = both.codes[: len(key)][order], both.codes[len(key) :][order]
    first = np.append(True, key[order][1:] != key[order][:-1])[: len(key)]
    previous = np.where(first, stated, np.append(-1, now[:-1])[: len(key)])
    before = np.where(stated >= 0, stated, previous)
    same, old_codes = np.zeros(len(key), bool), np.full(len(key), -1, np.int32)
    same[order] = now == previous
    old_codes[order] = before
    return same, WordColumn(old_codes, both.values)
