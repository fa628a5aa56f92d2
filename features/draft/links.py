"""Keys and references: the column that names each row, and those that point to other tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from features.draft.recognise import OWN, fit
from features.draft.values.names import headings, likeness
from features.draft.values.profile import ColumnProfile, FileProfile, codes_of, contained
from features.ingest.values.ids import plain_of
from features.schema import TABLES
from features.tables import Ints

LINES = ("invoices", "deals", "accounts")
"""Tables whose export may have several rows a record: lines of an invoice, products of a deal."""


@dataclass(frozen=True)
class Key:
    """The key of a file's rows: one column, or several together; ``named`` by its heading.

    more  the keys of other files of the same table
    """

    file: FileProfile
    columns: tuple[str, ...]
    distinct: int
    named: bool
    more: tuple[ColumnProfile, ...] = ()

    @cached_property
    def words(self) -> frozenset[str]:
        """Every id there is, of all files of the table."""
        columns = [c for c in (self.column, *self.more) if c is not None]
        return frozenset(w for c in columns for w in c.counts)

    @cached_property
    def _plain(self) -> frozenset[str]:
        return frozenset(_plain(self.words))

    def share(self, column: ColumnProfile) -> float:
        """The share of a column's different values that are ids of the table.

        They are compared as in reading: ``71.0`` is 71, and of ``71;72`` the first counts.
        """
        if len(self.words & column.counts.keys()) == len(column.counts):
            return 1.0 if column.counts else 0.0
        ids = _plain([w.split(";")[0] for w in column.counts])
        return sum(w in self._plain for w in ids) / max(len(ids), 1)

    @property
    def column(self) -> ColumnProfile | None:
        """The column, None where it takes several."""
        return self.file.columns[self.columns[0]] if len(self.columns) == 1 else None

    @property
    def unique(self) -> bool:
        """Whether no two rows share it."""
        return self.distinct == self.file.n

    @property
    def evidence(self) -> str:
        """What speaks for it."""
        rows = f"{self.distinct:,} different values in {self.file.n:,} rows"
        if len(self.columns) > 1:
            return f"no column has a value of its own in each row; together: {rows}"
        return rows if self.unique else f"{rows}: rows of one key are folded together"


def _plain(words: Iterable[str]) -> list[str]:
    return [str(w) for w in plain_of(pa.array(list(words), pa.string())).to_pylist()]


def key_of(file: FileProfile, table: str) -> Key | None:
    """The key of a file as rows of ``table``, None where nothing can be one."""
    name = TABLES[table].key
    best: tuple[float, ColumnProfile] | None = None
    for place, column in enumerate(file.columns.values()):
        named = fit(column, table, name)
        if column.held not in ("number", "category", "text") or (named < 0.6 and not column.unique):
            continue
        share = len(column.counts) / max(file.n, 1)
        if not (column.filled >= 0.5 * file.n or _continued(file, column, table)) or (
            share < 0.1 and table not in LINES and named < 1
        ):
            continue
        if table in LINES and not column.unique and named < 0.6:
            continue
        if not named and (_measured(column) or column.concepts & {"email", "phone", "website"}):
            continue
        own = OWN[table] in column.concepts and bool(column.concepts & {"id", "number"})
        score = 2 * named + share + (0.8 if own and named >= 0.6 else 0.0) - 0.01 * place
        if best is None or score > best[0]:
            best = (score, column)
    if best is not None:
        column = best[1]
        return Key(file, (column.heading,), len(column.counts), fit(column, table, name) >= 0.6)
    return _together(file)


def _continued(file: FileProfile, column: ColumnProfile, table: str) -> bool:
    """Whether rows without a key are further lines of the record above: its cells are empty too."""
    if table not in LINES or not column.present[:1].any():
        return False
    others = [c for c in file.columns.values() if c.heading != column.heading]
    return any(c.filled and not c.present[~column.present].any() for c in others)


def _measured(column: ColumnProfile) -> bool:
    """Numbers with fractions are measured, and no key."""
    held = column.numbers[~np.isnan(column.numbers)]
    return column.held == "number" and bool((held % 1 != 0).any())


def _together(file: FileProfile) -> Key | None:
    """The fewest columns, the most telling first, that have no value together twice."""
    code = np.zeros(file.n, np.int64)
    chosen: list[str] = []
    left = [c for c in file.columns.values() if c.held != "nothing"]
    while left and len(chosen) < 6:
        tried = [(len(np.unique(_paired(code, c))), -i) for i, c in enumerate(left)]
        most, place = max(tried)
        column = left.pop(-place)
        code = np.unique(_paired(code, column), return_inverse=True)[1].astype(np.int64)
        chosen.append(column.heading)
        if most == file.n:
            return Key(file, tuple(chosen), most, False)
    distinct = len(np.unique(code))
    return Key(file, tuple(chosen), distinct, False) if distinct > 0.9 * file.n else None


def _paired(code: Ints, column: ColumnProfile) -> Ints:
    return code * (len(column.words.values) + 1) + codes_of(column) + 1


@dataclass(frozen=True)
class Reference:
    """A column that points to another table.

    via     the other file's column that holds its values, where that is not the key
    share   of its different values that are there; None where the export lacks the table
    named   how well the heading says so
    """

    column: str
    table: str
    share: float | None
    named: float
    via: str = ""


def references(
    file: FileProfile, table: str, keys: dict[str, Key], own_key: Sequence[str]
) -> dict[str, Reference]:
    """Canonical reference -> the column that is it: by heading, by values, or by both."""
    found: list[tuple[float, str, Reference]] = []
    for canonical in TABLES[table].columns:
        if canonical.kind != "ref" or not canonical.references:
            continue
        for column in file.columns.values():
            made = _reference(column, table, canonical.name, canonical.references, keys, own_key)
            if made is not None:
                score = made.named + 2 * (made.share or 0.0) - (0.5 if made.via else 0.0)
                found.append((score, canonical.name, made))
    chosen: dict[str, Reference] = {}
    for _, name, made in sorted(found, key=lambda f: -f[0]):
        if name not in chosen and made.column not in {c.column for c in chosen.values()}:
            chosen[name] = made
    return chosen


def _reference(
    column: ColumnProfile,
    table: str,
    canonical: str,
    target: str,
    keys: dict[str, Key],
    own_key: Sequence[str],
) -> Reference | None:
    named = fit(column, table, canonical)
    if column.heading in own_key and (target == table or not named):
        return None
    if column.held not in ("number", "category", "text") or not column.filled:
        return None
    key = keys.get(target)
    required = _required(table, canonical)
    if len(column.counts) == 1 and column.filled > 1 and not (required and named):
        there = key is not None and bool(named) and key.share(column) == 1.0
        if not there:
            return None  # one record for all: the company that exports, and no reference
    if key is None or key.column is None:
        few = (
            not required
            and target != "owners"
            and len(column.counts) < min(10, 0.1 * column.filled)
        )
        return Reference(column.heading, target, None, named) if named >= 0.6 and not few else None
    share = key.share(column)
    said = named >= 0.3 or _mentions(column, target)
    shown = (required or _telling(column)) and share >= 0.95 and column.held != "number"
    if share >= 0.5 and (said or shown):
        return Reference(column.heading, target, share, named)
    if named >= 0.6:
        via = _other_column(column, key)
        if via:
            return Reference(column.heading, target, via[1], named, via[0])
        if target == table and share < 0.5:
            return None  # names of managers that are no sellers themselves
        return Reference(column.heading, target, share, named)
    return None


def _required(table: str, canonical: str) -> bool:
    """Whether no row of the table is kept without the reference; of an activity one is enough."""
    declared = TABLES[table].column(canonical)
    return (declared is not None and declared.required) or (
        table == "activities" and canonical != "owner_id"
    )


def _telling(column: ColumnProfile) -> bool:
    return len(column.counts) >= 5


def _mentions(column: ColumnProfile, target: str) -> bool:
    return OWN[target] in column.concepts


def _other_column(column: ColumnProfile, key: Key) -> tuple[str, float] | None:
    """Another column of the key's file, with a value of its own in each row, that holds the "
    "values."""
    tried = [
        (contained(column, other), other.heading)
        for other in key.file.columns.values()
        if other.heading not in key.columns and len(other.counts) >= 0.95 * max(other.filled, 1)
    ]
    share, heading = max(tried, default=(0.0, ""))
    return (heading, share) if share >= 0.8 else None


def prefixes(column: ColumnProfile, keys: dict[str, Key]) -> dict[str, str]:
    """Table -> how its keys begin, where one column points to several tables by such ids."""
    words = set(column.counts)
    found: dict[str, str] = {}
    seen: set[str] = set()
    for table, key in keys.items():
        if key.column is None or table not in ("leads", "deals", "accounts", "contacts"):
            continue
        mine = words & key.words
        if len(mine) < 0.02 * len(words) or len(mine) > 0.98 * len(words):
            continue
        begin = _common(sorted(mine))
        if begin:
            found[table] = begin
            seen |= mine
    several = len(found) > 1 and len(set(found.values())) == len(found)
    return found if several and len(seen) > 0.8 * len(words) else {}


def _common(words: Sequence[str]) -> str:
    """What all the words begin with, digits apart."""
    first, last = words[0], words[-1]
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    begin = first[:n]
    while begin and begin[-1].isdigit() and len(begin) > 1 and not begin[0].isdigit():
        begin = begin[:-1]
    return begin


def determined(by: ColumnProfile, column: ColumnProfile) -> float:
    """The share of the values of ``by`` that stand with one value of ``column`` only."""
    a, b = codes_of(by), codes_of(column)
    rows = a >= 0
    if not rows.any():
        return 0.0
    pairs = np.unique(np.stack([a[rows], b[rows]]), axis=1)[0]
    return float(np.mean(np.unique(pairs, return_counts=True)[1] == 1))


def fits_key(column: ColumnProfile, table: str) -> bool:
    """Whether the heading is that of the table's key."""
    return any(
        likeness(column.concepts, p, frozenset({OWN[table]})) >= 0.6
        for p in headings()[table][TABLES[table].key]
    )
