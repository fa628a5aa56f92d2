"""The canonical tables in memory: numpy columns, one shape for a data set and for one record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from features.calendar_time import DAY as DAY
from features.calendar_time import NAT as NAT
from features.calendar_time import zone
from features.schema import LARGEST_NUMBER, TABLES, Kind

Floats = npt.NDArray[np.float64]
Instants = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Coded:
    """Words as integers: ``codes[i]`` indexes ``values``; -1 is missing."""

    codes: Codes
    values: list[str]

    def words(self) -> list[str | None]:
        """The words themselves, None where missing."""
        return [self.values[c] if c >= 0 else None for c in self.codes]

    def word(self, row: int) -> str | None:
        """The word at one row; None where it is negative or missing."""
        place = self.codes.item(row) if 0 <= row < len(self.codes) else -1
        return self.values[place] if place >= 0 else None

    def take(self, rows: Ints) -> Coded:
        """The words at ``rows``; a negative row is missing. Of one row, an int, its word."""
        if isinstance(rows, int):
            return self.word(rows)
        if len(self.codes) == 0:
            return Coded(np.full(len(rows), -1, np.int32), self.values)
        return Coded(np.where(rows >= 0, self.codes[rows], np.int32(-1)), self.values)


def code(words: Iterable[str | None]) -> Coded:
    """Encode words in order of first appearance."""
    seen: dict[str, int] = {}
    codes = [-1 if w is None else seen.setdefault(w, len(seen)) for w in words]
    return Coded(np.array(codes, np.int32), list(seen))


def micros(at: datetime | str) -> int:
    """An instant in microseconds since 1970 UTC; a time without a zone is an error."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    if at.tzinfo is None:
        raise ValueError(f"an instant needs a time zone, got {at!s}; write it as {at!s}+00:00")
    return (at - _EPOCH) // _MICROSECOND


_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)

EARLIEST = micros("1900-01-01T00:00:00+00:00")
LATEST = micros("2200-01-01T00:00:00+00:00")
"""Instants that a CRM can mean lie from the first up to, not including, the second; others
are typing errors, or placeholders such as 9999-12-31."""


def instant_text(at: int) -> str:
    """The ISO 8601 text of an instant in microseconds, to the second."""
    return f"{np.datetime64(at // 1_000_000, 's')}Z"


@dataclass(frozen=True)
class CustomField:
    """A column the company added itself; ``fixed`` says that it does not change after birth."""

    name: str
    kind: Kind
    fixed: bool = False
    unit: str = ""
    label: str = ""


@dataclass(frozen=True)
class Consequence:
    """Something that reading lost, blanked, repaired or could not link, and what that does.

    code     what it is, for ``acknowledged``: "outcome_lost:deals.lost"
    columns  "table.column" that it touches: figures and models of these carry it
    rows, of how many rows it is true of, and of how many
    text     what was found, one sentence; effect what it does, one sentence
    wrong    True: what rests on these columns is wrong by construction and is not shown
    """

    code: str
    columns: tuple[str, ...]
    rows: int
    of: int
    text: str
    effect: str
    wrong: bool = False

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> Consequence:
        """The inverse of ``dataclasses.asdict``."""
        return Consequence(**{**state, "columns": tuple(state["columns"])})

    @property
    def grade(self) -> str:
        """ "wrong" or "warning"."""
        return "wrong" if self.wrong else "warning"

    def touches(self, column: str) -> bool:
        """Whether it is about a "table.column", or about its whole table."""
        return column in self.columns or f"{column.partition('.')[0]}.*" in self.columns

    def to_text(self) -> str:
        """What was found and what it does, in two sentences."""
        return f"{self.text}: {self.effect}"


@dataclass(frozen=True)
class Meta:
    """What the tables cannot say of themselves; written beside them as ``dataset.json``.

    as_of      ISO instant up to which the export is complete (exclusive); "" for a flat table
    currency   the one currency of features and reports
    custom     table -> custom fields
    fixed      table -> mutable canonical columns that, by the mapping's word, do not change
    questions  question -> settings of training.task.questions (edges, snapshots …); the company's
               own ones too
    left_out   table -> columns that are kept for people and reports but never become a feature,
               because they are filled in or changed after the fact
    mapping    name of the mapping the data were read with
    acknowledged  leak-audit findings accepted by name ("leads.tags")
    zone       IANA time zone of the company: its days, months and quarters
    fiscal_start  month (1 to 12) the company's fiscal year begins in
    dates      table -> instant columns that hold dates without a time: the first instant of a day
               in ``zone``, known when that day has ended
    consequences  what reading lost or could not link, and what it does (``Consequence``)
    replayed   entity table -> fields that only ``changes`` hold, and no column: of a record
               that never changed nothing is known, so that nothing is read before the first change
    """

    as_of: str = ""
    currency: str = ""
    custom: dict[str, list[CustomField]] = field(default_factory=dict)
    fixed: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    questions: dict[str, dict[str, Any]] = field(default_factory=dict)
    mapping: str = ""
    acknowledged: list[str] = field(default_factory=list)
    zone: str = "UTC"
    fiscal_start: int = 1
    dates: dict[str, list[str]] = field(default_factory=dict)
    consequences: list[Consequence] = field(default_factory=list)
    replayed: dict[str, list[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> Meta:
        """The inverse of ``to_json``."""
        custom = {t: [CustomField(**f) for f in fields] for t, fields in state["custom"].items()}
        lost = [Consequence.from_json(f) for f in state.get("consequences", [])]
        return Meta(**{**state, "custom": custom, "consequences": lost})

    def consequences_of(self, columns: Iterable[str]) -> list[Consequence]:
        """What was found of any of some "table.column" and not accepted by name."""
        names = list(columns)
        touching = [f for f in self.consequences if any(f.touches(c) for c in names)]
        return [f for f in touching if f.code not in self.acknowledged]

    def kind(self, table: str, column: str) -> Kind | None:
        """Kind of a canonical or custom column, None where there is no such column."""
        declared = TABLES[table].column(column)
        if declared is not None:
            return declared.kind
        return next((f.kind for f in self.custom.get(table, []) if f.name == column), None)


@dataclass(frozen=True)
class Dates:
    """Which instant columns of a table hold days, and when a day becomes known.

    zone  where the day ends; end: the export's (NAT: none): what it holds was known by then
    """

    columns: frozenset[str] = frozenset()
    zone: str = "UTC"
    end: int = NAT

    def known(self, at: Instants) -> Instants:
        """The last instant of each day; a value with a time of day is known at once."""
        there = zone(self.zone)
        ended = there.day_after(at) - 1
        if self.end != NAT:
            ended = np.where(at < self.end, np.minimum(ended, self.end - 1), ended)
        return np.where((at == NAT) | (there.day_start(there.day(at)) != at), at, ended)


@dataclass(frozen=True)
class Table:
    """One table: ``n`` rows; an absent column reads as all missing."""

    name: str
    n: int
    columns: dict[str, Floats | Instants | Coded]
    dates: Dates = Dates()

    def number(self, name: str) -> Floats:
        """A number or boolean column, shape (n,), NaN where missing."""
        found = self.columns.get(name)
        if found is None:
            return np.full(self.n, np.nan) if self.n else _NO_NUMBERS
        return cast(Floats, found)

    def instant(self, name: str) -> Instants:
        """An instant column, shape (n,), microseconds, NAT where missing."""
        found = self.columns.get(name)
        if found is None:
            return np.full(self.n, NAT, np.int64) if self.n else _NO_INSTANTS
        return cast(Instants, found)

    def known(self, name: str) -> Instants:
        """When each fact of an instant column is known, shape (n,): at once; a day when it ends."""
        at = self.instant(name)
        return self.dates.known(at) if name in self.dates.columns else at

    def coded(self, name: str) -> Coded:
        """A key, reference, category or text column."""
        found = self.columns.get(name)
        if found is None:
            return Coded(np.full(self.n, -1, np.int32), []) if self.n else _NO_WORDS
        return cast(Coded, found)

    def has(self, name: str) -> bool:
        """Whether the column holds at least one fact."""
        found = self.columns.get(name)
        if found is None:
            return False
        if isinstance(found, Coded):
            return bool((found.codes >= 0).any())
        if found.dtype == np.int64:
            return bool((found != NAT).any())
        return not bool(np.isnan(found).all())


# a request asks its absent tables some thirty times: nothing can be written into these
_NO_NUMBERS, _NO_INSTANTS = np.empty(0), np.empty(0, np.int64)
_NO_WORDS = Coded(np.empty(0, np.int32), [])
_EMPTY = {name: Table(name, 0, {}) for name in TABLES}

Storage = Literal["number", "instant", "coded"]


def storage(kind: Kind) -> Storage:
    """How a column of this kind is kept in memory."""
    if kind in ("number", "boolean"):
        return "number"
    return "instant" if kind == "instant" else "coded"


@dataclass(frozen=True)
class Tables(Mapping[str, Table]):
    """The canonical tables of one data set or of one request; a missing table reads as empty."""

    tables: dict[str, Table]
    meta: Meta = field(default_factory=Meta)

    def __getitem__(self, name: str) -> Table:
        found = self.tables.get(name) or _EMPTY.get(name)
        if found is None:
            raise KeyError(f"no canonical table {name!r}; there are {', '.join(TABLES)}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.tables)

    def __len__(self) -> int:
        return len(self.tables)

    def fingerprint(self) -> str:
        """sha256 over every table, column and value, and what the data set says of itself."""
        digest = hashlib.sha256(json.dumps(self.meta.to_json(), sort_keys=True).encode())
        for table in sorted(self):
            for name, column in sorted(self[table].columns.items()):
                digest.update(f"\n{table}.{name} {self[table].n}\n".encode())
                if isinstance(column, Coded):
                    digest.update(json.dumps(column.values).encode())
                values = column.codes if isinstance(column, Coded) else column
                digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()


def _numbers(values: Any) -> Floats:
    numbers = np.asarray(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) <= LARGEST_NUMBER, numbers, np.nan)


def _from_arrow(column: pa.ChunkedArray, kind: Kind) -> Floats | Instants | Coded:
    if storage(kind) == "number":
        return _numbers(column.cast(pa.float64()).to_numpy())
    if storage(kind) == "instant":
        raw = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
        return np.asarray(raw.fill_null(NAT).to_numpy(), np.int64)
    words = column.combine_chunks().cast(pa.string()).dictionary_encode()
    codes = np.asarray(words.indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int32)
    return Coded(codes, words.dictionary.to_pylist())


def table_of(name: str, arrow: pa.Table, meta: Meta) -> Table:
    """A table from Arrow columns; one that is neither canonical nor custom is an error."""
    columns: dict[str, Floats | Instants | Coded] = {}
    for column in arrow.column_names:
        kind = meta.kind(name, column)
        if kind is None:
            raise ValueError(
                f"table {name} has a column {column!r} that is neither canonical nor declared "
                f"custom in dataset.json; run `ingest` again or add it to the mapping"
            )
        columns[column] = _from_arrow(arrow.column(column), kind)
    return Table(name, arrow.num_rows, columns, dates_of(name, meta))


def dates_of(name: str, meta: Meta) -> Dates:
    """The date columns of a table of a data set."""
    columns = frozenset(meta.dates.get(name, ()))
    return Dates(columns, meta.zone, micros(meta.as_of) if meta.as_of else NAT)


def read(folder: Path) -> Tables:
    """Read what ``write`` wrote; a folder without ``dataset.json`` is an error that says so."""
    described = folder / "dataset.json"
    if not described.is_file():
        raise FileNotFoundError(
            f"{folder} holds no dataset.json: it is not a canonical data set; make one with "
            f"`python -m features ingest --data … --mapping … --out {folder}`"
        )
    meta = Meta.from_json(json.loads(described.read_text(encoding="utf-8")))
    found = {n: folder / f"{n}.parquet" for n in TABLES if (folder / f"{n}.parquet").is_file()}
    return Tables({n: table_of(n, pq.read_table(p), meta) for n, p in found.items()}, meta)
