"""The words of a column as numbers, booleans or instants, in the one way the column is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from features.ingest.spec import ColumnSpec
from features.ingest.strict import MappingError
from features.ingest.values.base import Defaults
from features.ingest.values.clean import Cleaned, booleans, instants, numbers
from features.ingest.values.currencies import beside
from features.ingest.values.formats import (
    SECONDS,
    day_order,
    decimal_mark,
    durations,
    grouped_by_points,
    in_order,
    two_part_clocks,
    undecided,
)
from features.schema import Kind
from features.sources.words import WordColumn
from features.tables import NAT

EITHER_ORDER = "day and month may be the other way round; read as the preset states"
EITHER_CLOCK = "hours or minutes? state format = %H:%M or %M:%S"


def parse(words: WordColumn, kind: Kind, spec: ColumnSpec, defaults: Defaults) -> Cleaned:
    if kind == "boolean":
        return booleans(words.values)
    if kind == "instant":
        return _dates(words.values, spec, defaults)
    thousands = defaults.thousands if spec.thousands is None else spec.thousands
    decimal = spec.decimal or defaults.decimal
    decided = decimal_mark(words.values) if not decimal and not thousands else decimal or "."
    if decided == "." and not decimal and not thousands and _money_by_points(words):
        decided = ","
    read = numbers(words.values, decided, thousands, spec.scale)
    if not decimal and decided == ",":
        read.repairs["the decimal mark is a comma, as the column shows"] = ~np.isnan(read.values)
    return _with_durations(read, words.values, spec) if spec.unit in SECONDS else read


def _money_by_points(words: WordColumn) -> bool:
    """Whether amounts with a currency beside them show points as thousands: R$ 3.000 is no 3."""
    grouped = grouped_by_points(words.values)
    if not grouped.any():
        return False
    return bool(beside(words.values.filter(pa.array(grouped)), "").drop_null())


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
    if defaults.assumed_dates and not spec.formats and order == "either":
        read.repairs[EITHER_ORDER] = np.asarray(read.values != NAT)
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
    held = durations(words, spec.formats) / SECONDS[spec.unit] * spec.scale
    found = left & ~np.isnan(held)
    clock = two_part_clocks(words) & left & ~found
    faults = {**read.faults, "not a number": left & ~found & ~clock, EITHER_CLOCK: clock}
    return replace(read, values=np.where(found, held, read.values), faults=faults)
