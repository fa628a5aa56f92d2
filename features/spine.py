"""Whom a feature describes and when: the spine, and the features along it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np

from features.rows_asof import RowsAsOf
from features.schema import TABLES
from features.tables import NAT, Coded, Floats, Instants, Ints, Tables


@dataclass(frozen=True)
class Spine:
    """The (entity, cutoff) rows asked for: ``ids[i]`` as it was just before ``cutoffs[i]``."""

    entity: str
    ids: list[str]
    cutoffs: Instants

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Ints) -> Spine:
        """The spine at ``rows``."""
        return Spine(self.entity, [self.ids[r] for r in rows], self.cutoffs[rows])


@dataclass(frozen=True)
class FeatureSpec:
    """What one feature is, for the glossary, the bundle and the reasons.

    group   the reason the feature is summed into ("activity recency"); related columns share it
    own     whether a seller can influence it (a call can be made; an industry cannot be changed)
    title   its short name, a phrase with blanks: "Calls in the last {days} days"
    fills   what stands in the title's blanks: {"days": "30"}; a phrase is translated once for all
    absent  what a missing value states as a fact ("No call yet"); "" where it only means not known
    """

    name: str
    entity: str
    kind: Literal["number", "category"]
    meaning: str
    unit: str
    source: str
    group: str
    own: bool = False
    title: str = ""
    fills: Mapping[str, str] = field(default_factory=dict, hash=False)
    absent: str = ""

    @property
    def short(self) -> str:
        """The title in English, its blanks filled; the meaning where none was declared."""
        if not self.title:
            return self.meaning.removesuffix(".")
        return capitalized(self.title.format(**self.fills))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> FeatureSpec:
        """The inverse of ``to_json``."""
        return FeatureSpec(**state)


def capitalized(text: str) -> str:
    """A text with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


Value = float | str | None
"""A feature of one record: a number (NaN where missing), or a category's word."""


@dataclass(frozen=True)
class FeatureRows:
    """The features of a few records, each by name: what ``Features`` holds as columns."""

    specs: list[FeatureSpec]
    rows: list[dict[str, Value]]

    def __len__(self) -> int:
        return len(self.rows)

    def value(self, name: str, row: int) -> Value:
        """A feature's value of one row; None where it is missing."""
        value = self.rows[row][name]
        return None if value != value else value


@dataclass(frozen=True)
class Features:
    """Feature columns along a spine, in the order of ``specs``."""

    spine: Spine
    specs: list[FeatureSpec]
    columns: dict[str, Floats | Coded]

    def __len__(self) -> int:
        return len(self.spine)

    def value(self, name: str, row: int) -> Value:
        """A feature's value of one row; None where it is missing."""
        column = self.columns[name]
        if isinstance(column, Coded):
            return column.word(row)
        value = float(column[row])
        return None if np.isnan(value) else value

    def take(self, rows: Ints) -> Features:
        """The features at ``rows``."""
        columns: dict[str, Floats | Coded] = {
            n: c.take(rows) if isinstance(c, Coded) else c[rows] for n, c in self.columns.items()
        }
        return Features(self.spine.take(rows), self.specs, columns)


def everyone(tables: Tables, entity: str, cutoff: int) -> Spine:
    """Every entity of a table that was in the CRM before ``cutoff`` (NAT: every one)."""
    table = tables[entity]
    keys, rows = table.coded(TABLES[entity].key), np.arange(table.n)
    if cutoff != NAT:
        rows = np.flatnonzero(RowsAsOf.of(table).in_crm(cutoff))
    cutoffs = np.full(len(rows), cutoff, np.int64)
    return Spine(entity, [keys.values[c] for c in keys.codes[rows]], cutoffs)
