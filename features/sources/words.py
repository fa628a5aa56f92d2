"""A file as words: what every source gives, and nothing guessed about what it means."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from features.tables import Bools, Ints

Codes = npt.NDArray[np.int32]
Advance = Callable[[int], object]
"""Told the number of bytes read, for a progress bar."""


class SourceError(ValueError):
    """A file that cannot be read as a table: which one, what was found, what to do."""


@dataclass(frozen=True)
class WordColumn:
    """A column of words: ``codes[i]`` indexes ``values`` (an Arrow string array); -1 is missing."""

    codes: Codes
    values: Any

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, rows: Ints | Bools) -> WordColumn:
        """The words at ``rows``; a negative position is missing."""
        if rows.dtype == np.bool_ or len(self.codes) == 0:
            codes = self.codes[rows] if len(self.codes) else np.full(len(rows), -1, np.int32)
        else:
            codes = np.where(rows >= 0, self.codes[rows], np.int32(-1)).astype(np.int32)
        return WordColumn(codes, self.values)

    def texts(self, rows: Sequence[int] | Ints) -> list[str]:
        """The words at a few ``rows``, "" where missing."""
        codes = [int(self.codes[r]) for r in rows]
        return [self.values[c].as_py() if c >= 0 else "" for c in codes]

    def without(self, missing: Bools) -> WordColumn:
        """The words, those of the vocabulary that are ``missing`` no longer there."""
        gone = np.append(missing, True)[self.codes]
        return WordColumn(np.where(gone, np.int32(-1), self.codes), self.values)

    def counts(self, rows: Bools) -> Ints:
        """How often each word of the vocabulary stands in ``rows``."""
        codes = self.codes[rows]
        return np.bincount(codes[codes >= 0], minlength=len(self.values))

    def recoded(self, values: Any, missing: Bools) -> WordColumn:
        """Every word replaced by its counterpart in ``values``; equal words become one."""
        unique = values.dictionary_encode()
        lookup = np.asarray(unique.indices.to_numpy(zero_copy_only=False), np.int32)
        lookup = np.append(np.where(missing, np.int32(-1), lookup), np.int32(-1))
        return WordColumn(lookup[self.codes].astype(np.int32), unique.dictionary)


def joined_words(parts: Sequence[WordColumn]) -> WordColumn:
    """The columns one below the other."""
    values = pa.concat_arrays([p.values for p in parts]) if parts else pa.array([], pa.string())
    starts = np.cumsum([0, *(len(p.values) for p in parts[:-1])])
    codes = [np.where(p.codes >= 0, p.codes + s, -1) for p, s in zip(parts, starts, strict=True)]
    every = WordColumn(np.concatenate(codes).astype(np.int32), values)
    return every.recoded(values, np.zeros(len(values), bool))


@dataclass(frozen=True)
class Ragged:
    """A record whose number of cells is not the header's; ``row`` counts records from 1."""

    row: int
    expected: int
    found: int
    text: str


@dataclass(frozen=True)
class Header:
    """The columns of one file, and how its bytes become text.

    names      one unique name a column: a name that occurs twice becomes ``name#position``
    duplicates the names that occur more than once -> their positions, counted from 1
    hint       the file's first line is ``sep=…`` and no header
    """

    path: Path
    names: tuple[str, ...]
    duplicates: dict[str, tuple[int, ...]]
    encoding: str = ""
    delimiter: str = ""
    hint: bool = False

    def find(self, name: str) -> str | None:
        """The unique name of column ``name``, None if absent; an ambiguous name is an error."""
        name = name.strip()
        if name in self.duplicates:
            places = self.duplicates[name]
            raise SourceError(
                f"{self.path.name} has the column {name!r} at positions "
                f"{', '.join(map(str, places))}; write {name}#{places[0]} or "
                f"{name}#{places[-1]} in the mapping to pick one"
            )
        return name if name in self.names else None

    def nearest(self, name: str) -> str:
        """The existing name most like ``name``; "" when there is none at all."""
        plain = {n.casefold(): n for n in self.names}
        found = difflib.get_close_matches(name.casefold(), plain, n=1, cutoff=0.0)
        return plain[found[0]] if found else ""


@dataclass(frozen=True)
class Source:
    """One file's records.

    words    the source columns asked for, by unique name
    row      (n,) number of each record in the file, from 1, the header not counted
    ragged   records left out because their cells could not be told apart
    replaced characters that were not text in the file's encoding
    """

    header: Header
    words: dict[str, WordColumn]
    row: Ints
    ragged: list[Ragged] = field(default_factory=list)
    replaced: int = 0


def unique_names(raw: Sequence[str]) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
    """Header cells as unique names, and those that occur more than once with their positions."""
    stripped = [name.strip() or f"#{i}" for i, name in enumerate(raw, 1)]
    places: dict[str, tuple[int, ...]] = {}
    for i, name in enumerate(stripped, 1):
        places[name] = (*places.get(name, ()), i)
    names = (n if len(places[n]) == 1 else f"{n}#{i}" for i, n in enumerate(stripped, 1))
    return tuple(names), {n: p for n, p in places.items() if len(p) > 1}
