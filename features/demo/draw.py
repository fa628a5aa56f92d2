"""What the demo draws with: categories and their effects, instants, names, columns of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.tables import DAY, NAT, Codes, Floats, Instants, Ints

Rng = np.random.Generator
Integers = npt.NDArray[np.integer[Any]]
HOUR = DAY // 24
YEAR = 365.25
REGION_OF = {
    "Germany": "DACH",
    "Austria": "DACH",
    "Spain": "Iberia",
    "Mexico": "Americas",
    "United States": "Americas",
}


@dataclass(frozen=True)
class DemoPeriod:
    """The history's days since 1970: first day, the day of the drift, and the end (exclusive)."""

    start: int
    drift: int
    end: int

    def after_drift(self, days: Ints) -> Floats:
        """1 from the drift on, 0 before."""
        return (days >= self.drift).astype(np.float64)


def season(days: Ints, peak: float, size: float, period: float = YEAR) -> Floats:
    """A smooth yearly (or other) wave of height ``size``, highest ``peak`` days into the period."""
    wave: Floats = size * np.cos(2 * np.pi * (days - peak) / period)
    return wave


@dataclass(frozen=True)
class Factor:
    """A category: its levels with the share of entities and the effect in log odds."""

    levels: Mapping[str, tuple[float, float]]

    @property
    def words(self) -> list[str]:
        """The levels."""
        return list(self.levels)

    def draw(self, rng: Rng, n: int) -> Codes:
        """Levels for ``n`` entities."""
        shares = np.array([share for share, _ in self.levels.values()])
        bounds = np.cumsum(shares / shares.sum())[:-1]
        return np.searchsorted(bounds, rng.random(n), side="right").astype(np.int32)

    def effect(self, codes: Codes) -> Floats:
        """The log odds of each entity's level."""
        effects: Floats = np.array([effect for _, effect in self.levels.values()])[codes]
        return effects

    def code(self, word: str) -> int:
        """The code of a level."""
        return self.words.index(word)


def births(rng: Rng, calendar: DemoPeriod, n: int, growth: float = 0.3) -> Instants:
    """``n`` rising instants in working hours, more by ``growth`` at the end, fewer in autumn."""
    days = np.arange(calendar.start, calendar.end)
    weight = 1 + growth * (days - calendar.start) / len(days) + season(days, 75, 0.15)
    chosen = rng.choice(days, n, p=weight / weight.sum())
    return within(rng, np.sort(chosen), 7, 18)


def within(rng: Rng, days: Ints, begin: float = 6, end: float = 20) -> Instants:
    """An instant (whole seconds) in each day between two hours UTC."""
    seconds = rng.integers(int(begin * 3600), int(end * 3600), len(days))
    at: Instants = days * DAY + seconds * 1_000_000
    return at


def day_of(at: Instants) -> Ints:
    """The day of each instant, counted from 1970."""
    return at // DAY


def keys(letter: str, n: int, width: int = 6, first: int = 1) -> list[str]:
    """``n`` keys such as L000001."""
    return [f"{letter}{i:0{width}d}" for i in range(first, first + n)]


def long_keys(letter: str, n: int) -> pd.Series[str]:
    """Keys for tables of millions of rows, such as v17."""
    numbers = pc.cast(pa.array(np.arange(1, n + 1)), pa.string())
    return _series(pc.binary_join_element_wise(letter, numbers, ""))


def words(codes: Integers, values: Sequence[str]) -> pd.Series[str]:
    """A column of words; a negative code is missing."""
    missing = np.asarray(codes) < 0
    indices = pa.array(np.where(missing, 0, codes).astype(np.int32), mask=missing)
    if not len(values):
        return _series(pa.nulls(len(codes), pa.string()))
    dictionary = pa.DictionaryArray.from_arrays(indices, pa.array(list(values), pa.string()))
    return _series(dictionary.cast(pa.string()))


def texts(values: Sequence[str]) -> pd.Series[str]:
    """A column of words as given."""
    return _series(pa.array(list(values), pa.string()))


def _series(array: pa.Array) -> pd.Series[str]:
    return pd.Series(array.to_pandas(), dtype="str")


def instants(at: Instants) -> pd.Series[pd.Timestamp]:
    """A column of instants, microseconds UTC; NAT is missing."""
    stamps = np.where(at == NAT, np.datetime64("NaT"), at.astype("datetime64[us]"))
    return pd.Series(stamps.astype("datetime64[us]")).dt.tz_localize("UTC")


def micros_of(column: pd.Series[pd.Timestamp]) -> Instants:
    """The inverse of ``instants``."""
    return column.dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)


def instant_texts(at: Instants) -> pd.Series[str]:
    """Instants as ISO 8601 text, as ``changes`` holds them after reading."""
    stamps = np.datetime_as_string(at.astype("datetime64[us]"))
    return texts([f"{stamp}Z" for stamp in stamps])


def number_texts(values: Floats) -> pd.Series[str]:
    """Numbers as text."""
    return texts([f"{value:g}" if value < 1e5 else f"{value:.0f}" for value in values])


FIRST = ("Ada", "Bea", "Carla", "Dario", "Elena", "Fabio", "Greta", "Hugo", "Ines", "Jonas", "Wim")
LAST = ("Alba", "Berg", "Costa", "Duarte", "Egger", "Ferri", "Gallo", "Huber", "Jansen", "Keller")
MAKE = ("Aqua", "Blu", "Cobalt", "Delta", "Ember", "Ferro", "Gran", "Halo", "Juno", "Luna", "Nova")
TRADE = ("bank", "care", "data", "farm", "food", "freight", "glass", "grid", "home", "lab", "tex")
FORM = ("GmbH", "SA", "SL", "SpA", "Ltd", "Inc", "BV", "AB")


def people(rng: Rng, n: int) -> list[str]:
    """Names of people."""
    a, b = rng.integers(0, len(FIRST), n), rng.integers(0, len(LAST), n)
    return [f"{FIRST[i]} {LAST[j]}" for i, j in zip(a, b, strict=True)]


def companies(rng: Rng, n: int) -> list[str]:
    """Names of companies; a number keeps namesakes apart."""
    a, b, c = (rng.integers(0, len(x), n) for x in (MAKE, TRADE, FORM))
    number = rng.integers(10, 990, n)
    parts = zip(a, b, number, c, strict=True)
    return [f"{MAKE[i]}{TRADE[j]} {k} {FORM[m]}" for i, j, k, m in parts]
