"""What a file shows though the mapping is silent: the currency of amounts, a join's newest."""

from __future__ import annotations

from collections.abc import Mapping as Dict

import numpy as np

from features.ingest.joined_source import JoinedSource, ReadPlan, amounts_without_currency
from features.ingest.spec import ColumnSpec
from features.ingest.values.base import Defaults, Filled, KindOf, Note
from features.ingest.values.columns import fill
from features.ingest.values.currencies import is_currencies, of_amounts
from features.sources.words import Source, WordColumn
from features.tables import NAT, Ints, storage


def currency_beside(plan: ReadPlan, sheet: JoinedSource, defaults: Defaults) -> dict[str, Filled]:
    """The currency of amounts whose mapping names none: a column of it, else what their cells say.

    Nothing where all are the reporting one, or no reporting one is stated.
    """
    amounts = amounts_without_currency(plan.spec.to, plan.columns)
    if not amounts or not defaults.currency or plan.spec.fields:
        return {}
    if plan.beside:
        found = fill(
            (ColumnSpec(source=(plan.beside,)),), "category", sheet, defaults, "", "currency"
        ).values
        assert isinstance(found, WordColumn)
        if is_currencies(found, defaults.currency):
            return {"currency": _noted_currency(found, f"taken from the column {plan.beside}")}
    for spec in (spec for column in amounts for spec in plan.columns[column] if spec.source):
        beside = of_amounts(sheet.words[spec.source[0]], defaults.currency)
        if beside is not None:
            return {
                "currency": _noted_currency(beside, f"taken from the cells of {spec.source[0]}")
            }
    return {}


def _noted_currency(words: WordColumn, reason: str) -> Filled:
    return Filled(words, [Note(reason, words.codes >= 0, words)])


def newest_joined(
    plan: ReadPlan, others: Dict[str, Source], defaults: Defaults, kind_of: KindOf
) -> dict[str, Ints]:
    """The order of each joined file's rows by its ``newest``; else by its one date that is used."""
    found = {}
    for join, _ in plan.joins:
        names = join.newest or _joined_dates(plan, join.prefix, kind_of)
        if len(names) == 1:
            right = others[join.prefix]
            sheet = JoinedSource({"": right.words[names[0]]}, right.row)
            found[join.prefix] = _ranks(sheet, defaults)
    return found


def _joined_dates(plan: ReadPlan, prefix: str, kind_of: KindOf) -> tuple[str, ...]:
    """The columns of a joined file that an instant of the table is read from."""
    names = {
        spec.source[0].removeprefix(f"{prefix}.")
        for column, specs in plan.columns.items()
        if storage(kind_of(plan.spec.to, column) or "text") == "instant"
        for spec in specs
        if spec.source and spec.source[0].startswith(f"{prefix}.")
    }
    return tuple(names)


def _ranks(sheet: JoinedSource, defaults: Defaults) -> Ints:
    """Dates as they follow one another; where none can be read, numbers; missing comes first."""
    specs = (ColumnSpec(source=("",)),)
    at = fill(specs, "instant", sheet, defaults, "", "").values
    assert not isinstance(at, WordColumn)
    if (at != NAT).any():
        return at.astype(np.int64)
    held = fill(specs, "number", sheet, defaults, "", "").values
    assert not isinstance(held, WordColumn)
    return np.unique(np.nan_to_num(held, nan=-np.inf), return_inverse=True)[1].astype(np.int64)
