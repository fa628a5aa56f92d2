"""What an export's columns hold: kinds and formats, decided from all values of a column."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.draft.values.dates import DateFormat, date_format, order_shown, settled
from features.draft.values.names import CODES, Concepts, concepts, tokens
from features.ingest.joined_source import trimmed
from features.ingest.values.clean import FALSE, TRUE, instants, numbers
from features.ingest.values.currencies import beside
from features.ingest.values.formats import DayOrder, decimal_mark, durations
from features.ingest.values.placeholders import none_of
from features.sources.files import read, read_header, stem
from features.sources.words import WordColumn
from features.tables import NAT, Bools, Floats, Instants, Ints

Held = Literal["nothing", "instant", "boolean", "number", "category", "text"]

PLACEHOLDERS = (
    *("select", "please select", "--none--", "-- none --", "(blank)", "n/a", "#n/a", "null"),
    *("nan", "nat", "undefined", "not set", "-", "--", "0000-00-00", "0000-00-00 00:00:00"),
    *("seleccionar", "seleccione", "bitte wahlen", "bitte wählen", "selezionare", "k.a.", "s/d"),
    *("n.d.", "n/d", "s.d.", "k. a.", "sin datos", "keine angabe", "non disponibile"),
)
"""Words that stand for nothing in whatever column."""

WEAK_PLACEHOLDERS = ("none", "na", "unknown", "keine", "ninguno", "nessuno")
"""Words that stand for nothing where they are found among numbers or dates."""

SCALES = {"micros": 1e-6, "cents": 0.01, "centavos": 0.01, "centimos": 0.01, "centesimi": 0.01}
"""Words of a heading that say in which part of a unit of money its amounts are."""

YES = ("ja", "si", "sí", "oui", "sim", "wahr", "verdadero", "vero", "x")
NO = ("nein", "non", "nao", "não", "falsch", "falso", "faux")
_SAMPLE = 5_000
MONEY = (
    "euro",
    "euros",
    "dollar",
    "dollars",
    "pounds",
    "reais",
    "kr",
    "rs",
    "fr",
    "lei",
    "rp",
    "rm",
)
_OF_DAYS = frozenset(
    [
        "date",
        "created",
        "modified",
        "due",
        "paid",
        "issued",
        "start",
        "end",
        "close",
        "won",
        "lost",
        "convert",
        "churn",
        "renew",
    ]
)
_OF_NUMBERS = frozenset(
    ["amount", "revenue", "price", "mrr", "quantity", "number", "count", "days", "ratio", "id"]
)
"""Concepts of headings below which bare numbers are days; and below which they are none."""

_LETTERS = re.compile(r"[A-Za-z]{2,}")
_MONEY = re.compile(
    r"(?:€|£|\$|¥|₹|R\$|\b(?:EUR|USD|GBP|CHF|BRL|MXN|CAD|AUD|JPY|SEK|NOK|DKK|PLN)\b)"
)
_THREE = re.compile(r"-?\d{1,3}\.\d{3}")


@dataclass(frozen=True)
class ColumnProfile:
    """One column: its heading, its words, and what they are.

    held      the kind of the words (placeholders apart); ``dates`` how dates are written
    missing   placeholder words that stand in it
    symbols   currency signs and codes beside its numbers
    lasting   some of its numbers are durations (1h30): ``numbers`` are minutes then
    """

    heading: str
    words: WordColumn
    held: Held
    dates: DateFormat | None = None
    missing: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    yes_no: tuple[tuple[str, str], ...] = ()
    ambiguous_thousands: bool = False
    lasting: bool = False

    @property
    def concepts(self) -> Concepts:
        """The concepts of its heading."""
        return concepts(self.heading)

    @cached_property
    def present(self) -> Bools:
        """(n,) whether the row has a word that is no placeholder."""
        gone = pc.is_in(pc.utf8_lower(self.words.values), pa.array(self.missing, pa.string()))
        ok = np.append(~np.asarray(gone.to_numpy(zero_copy_only=False), bool), False)
        return np.asarray(ok[self.words.codes])

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.words)

    @cached_property
    def counts(self) -> dict[str, int]:
        """Word -> rows, the most frequent first, placeholders apart."""
        found = self.words.counts(self.present)
        order = np.argsort(-found, kind="stable")
        texts = self.words.values.take(pa.array(order[found[order] > 0])).to_pylist()
        return dict(zip(texts, found[order].tolist(), strict=False))

    @property
    def filled(self) -> int:
        """Rows that have a value."""
        return int(self.present.sum())

    @property
    def scale(self) -> float:
        """What a number is to be multiplied by, as its heading says: 0.01 for cents."""
        return scale_of(self.heading)

    @property
    def unique(self) -> bool:
        """Whether every row has a value of its own."""
        return self.n > 0 and self.filled == self.n == len(self.counts)

    @cached_property
    def at(self) -> Instants:
        """(n,) the instants of a column of dates, as if in UTC; NAT where there is none."""
        assert self.dates is not None, self.heading
        read = instants(self.words.values.to_pylist(), self.dates.patterns).values
        return np.where(self.present, np.append(read, NAT)[self.words.codes], NAT)

    @cached_property
    def numbers(self) -> Floats:
        """(n,) the numbers; NaN where there is none."""
        texts = self.words.values
        read = numbers(texts, decimal_mark(texts.to_pylist()), scale=self.scale).values
        if self.lasting:
            read = np.where(np.isnan(read), durations(texts) / 60, read)
        return np.where(self.present, np.append(read, np.nan)[self.words.codes], np.nan)


@dataclass(frozen=True)
class FileProfile:
    """One file of the export."""

    path: Path
    delimiter: str
    columns: dict[str, ColumnProfile] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name without its suffix, as a mapping's ``from`` has it."""
        return stem(self.path)

    @property
    def n(self) -> int:
        """Rows."""
        return next((c.n for c in self.columns.values()), 0)

    @property
    def concepts(self) -> Concepts:
        """The concepts of its name."""
        return concepts(self.name)


def profiled(path: Path) -> FileProfile:
    """Read a whole file and look at every column."""
    header = read_header(path)
    source = read(header, header.names)
    columns = {name: column_profile(name, source.words[name]) for name in header.names}
    return FileProfile(path, header.delimiter, columns)


def settled_days(files: Sequence[FileProfile]) -> list[FileProfile]:
    """The files with each tie of day and month decided by other dates of its file, else of all."""
    everywhere = {order for file in files for order in _orders(file)}
    return [_settled(file, _orders(file) or everywhere) for file in files]


def _orders(file: FileProfile) -> set[DayOrder]:
    held = [c.dates for c in file.columns.values() if c.dates is not None and c.held == "instant"]
    return {order_shown(d) for d in held} - {"none"}


def _settled(file: FileProfile, orders: set[DayOrder]) -> FileProfile:
    columns = {
        name: c if c.dates is None else replace(c, dates=settled(c.dates, orders))
        for name, c in file.columns.items()
    }
    return replace(file, columns=columns)


def column_profile(heading: str, words: WordColumn) -> ColumnProfile:
    """What a column holds."""
    words = trimmed(words)
    used = np.unique(words.codes[words.codes >= 0])
    texts = words.values.take(pa.array(used)).to_pylist()
    missing = _placeholders(texts)
    real = [w for w in texts if w.lower() not in missing]
    strong = [w for w in real if w.lower() not in WEAK_PLACEHOLDERS]
    sample = _spread(strong)
    if not sample:
        weak = tuple(w.lower() for w in real)
        return ColumnProfile(heading, words, "nothing", missing=(*missing, *weak))
    found = _kind(heading, words, sample, real)
    if found["held"] in ("number", "instant"):
        missing = (*missing, *(w.lower() for w in real if w.lower() in WEAK_PLACEHOLDERS))
    return ColumnProfile(heading, words, missing=missing, **found)  # type: ignore[arg-type]


def _placeholders(texts: Sequence[str]) -> tuple[str, ...]:
    """Words for nothing, in small letters; ``False`` where it is no answer (as Odoo writes it)."""
    zeros = none_of(pa.array(texts, pa.string()))
    found = [
        w.lower()
        for w, zero in zip(texts, zeros, strict=True)
        if w.lower() in PLACEHOLDERS or (zero and w[:2] == "00")
    ]
    answers = {*TRUE, *YES, *FALSE, *NO}
    if any(w.lower() == "false" for w in texts) and not all(w.lower() in answers for w in texts):
        found.append("false")
    return tuple(dict.fromkeys(found))


def scale_of(heading: str) -> float:
    """The scale that a heading states, 1 where it states none."""
    return next((SCALES[t] for t in tokens(heading) if t in SCALES), 1.0)


def _spread(texts: Sequence[str]) -> list[str]:
    """At most ``_SAMPLE`` of the words, from the whole column."""
    return list(texts[:: max(1, len(texts) // _SAMPLE)])


def _kind(heading: str, words: WordColumn, sample: list[str], real: list[str]) -> dict[str, object]:
    folded = {w.lower() for w in real}
    both = bool(folded & {*TRUE, *YES}) and bool(folded & {*FALSE, *NO})
    if folded <= {*TRUE, *FALSE} and (both or folded <= {"true", "false", "yes", "no"}):
        return {"held": "boolean"}
    known_words = folded <= {*TRUE, *FALSE, *YES, *NO} and not folded <= {*TRUE, *FALSE}
    if known_words and (both or folded == {"x"}):
        known = tuple((w, "true" if w in (*TRUE, *YES) else "false") for w in sorted(folded))
        return {"held": "boolean", "yes_no": known}
    meaning = concepts(heading)
    named_date = bool(meaning & _OF_DAYS) and not meaning & _OF_NUMBERS
    dates = date_format(sample, named_date)
    if dates is not None and _nearly_all(dates.share, len(sample), named_date):
        return {"held": "instant", "dates": dates}
    read = numbers(sample, decimal_mark(sample), scale=scale_of(heading)).values
    if "duration" in meaning and np.isnan(read).any():
        lasting = ~np.isnan(np.where(np.isnan(read), durations(sample), read))
        if lasting.mean() >= 0.9:
            return {"held": "number", "lasting": True}
    named_number = bool(meaning & {"amount", "revenue", "price", "mrr", "quantity"})
    shown = _nearly_all(float(np.mean(~np.isnan(read))), len(sample), named_number)
    if shown and not _any_labelled(sample):
        symbols = tuple(dict.fromkeys(m[0] for w in sample if (m := _MONEY.search(w))))
        three = [w for w in sample if "." in w]
        tie = (
            len(three) >= 2
            and all(_THREE.fullmatch(w) for w in three)
            and len(three) > len(sample) / 2
        )
        return {"held": "number", "symbols": symbols, "ambiguous_thousands": tie}
    rows = int((words.codes >= 0).sum())
    lengthy = np.mean([len(w) for w in sample]) > 40
    many = len(real) > max(50, 0.2 * rows)
    return {"held": "text" if lengthy or (many and len(real) > 20) else "category"}


def _nearly_all(share: float, n: int, named: bool) -> bool:
    """Whether enough words are of a kind: nine of ten, or all but one where the heading says so."""
    return share >= 0.9 or (named and n > 3 and share * n >= n - 1.5)


def _any_labelled(sample: Sequence[str]) -> bool:
    """Whether names stand beside numbers, and not currencies only."""
    money = beside(sample, "").is_null().to_numpy(zero_copy_only=False)
    return any(_labelled(w) for w, unknown in zip(sample, money, strict=True) if unknown)


def _labelled(word: str) -> bool:
    """Whether letters stand beside a number that are no currency: "Org 12" is a name."""
    return any(w.upper() not in CODES and w.lower() not in MONEY for w in _LETTERS.findall(word))


def contained(inner: ColumnProfile, outer: ColumnProfile) -> float:
    """The share of the different values of ``inner`` that are values of ``outer``."""
    words = pa.array(list(inner.counts), pa.string())
    if not len(words):
        return 0.0
    found = pc.is_in(words, pa.array(list(outer.counts), pa.string()))
    return float(pc.mean(found.cast(pa.float64())).as_py())


def rows_of(column: ColumnProfile, words: Sequence[str]) -> Bools:
    """(n,) which rows hold one of the words."""
    hit = pc.is_in(column.words.values, pa.array(list(words), pa.string()))
    of_word = np.append(np.asarray(hit.to_numpy(zero_copy_only=False), bool), False)
    return np.asarray(of_word[column.words.codes])


def codes_of(column: ColumnProfile) -> Ints:
    """(n,) a number for every different word, -1 where there is none."""
    return np.where(column.present, column.words.codes, -1).astype(np.int64)
