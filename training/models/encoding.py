"""Features become one matrix of floats, the same for a data set and for one record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from features.spine import FeatureRows, Features
from features.tables import Coded, Floats, Ints


@dataclass(frozen=True)
class Encoding:
    """Which column of the matrix is which feature, and what its words are called there.

    names    the F columns, in order
    levels   the words of each category column: the i-th is code i + 1
    useless  columns that held one and the same value (or none) in every training row; they stay in
             the matrix, so that its shape does not depend on the data
    """

    names: list[str]
    levels: dict[str, list[str]]
    useless: list[str]

    @staticmethod
    def fit(features: Features, min_count: int = 10, max_levels: int = 64) -> Encoding:
        """Learn the columns and levels from training rows.

        A word seen fewer than ``min_count`` times, or beyond the ``max_levels`` most frequent,
        shares code 0 with the words never seen.
        """
        names = [spec.name for spec in features.specs]
        levels = {
            spec.name: _frequent(_category(features, spec.name), min_count, max_levels)
            for spec in features.specs
            if spec.kind == "category"
        }
        matrix = Encoding(names, levels, []).matrix(features)
        useless = [name for f, name in enumerate(names) if _constant(matrix[:, f])]
        return Encoding(names, levels, useless)

    def without(self, names: Collection[str]) -> Encoding:
        """The encoding of the other columns."""
        return Encoding(
            [n for n in self.names if n not in names],
            {n: words for n, words in self.levels.items() if n not in names},
            [n for n in self.useless if n not in names],
        )

    @cached_property
    def categorical(self) -> list[int]:
        """Positions of the category columns."""
        return [f for f, name in enumerate(self.names) if name in self.levels]

    @cached_property
    def sizes(self) -> Ints:
        """(F,) number of levels of each column, 0 for a number."""
        return np.array([len(self.levels.get(name, ())) for name in self.names], np.int64)

    @cached_property
    def _codes(self) -> dict[str, _Codes]:
        return {n: _Codes(words) for n, words in self.levels.items()}

    def matrix(self, features: Features | FeatureRows) -> Floats:
        """(n, F) numbers as they are, categories as codes 1, 2, … (0 = other), NaN missing.

        Columns are found by name: their order in ``features`` and further columns do not matter; a
        column that is absent, of the other kind or infinite is an error.
        """
        if isinstance(features, FeatureRows):
            matrix = np.array([self._row(row) for row in features.rows], np.float64)
        else:
            matrix = self._columns(features)
        if np.isinf(matrix).any():
            names = [self.names[f] for f in np.flatnonzero(np.isinf(matrix).any(axis=0))]
            raise ValueError(
                f"infinite values in {', '.join(names)}: a feature that cannot be computed "
                f"(a ratio to zero, say) is missing; let it give NaN"
            )
        return matrix

    def _columns(self, features: Features) -> Floats:
        matrix = np.empty((len(features), len(self.names)))
        for f, name in enumerate(self.names):
            codes = self._codes.get(name)
            if codes is None:
                matrix[:, f] = _number(features, name)
            else:
                matrix[:, f] = _code(_category(features, name), codes)
        return matrix

    def _row(self, row: Mapping[str, Any]) -> list[float]:
        """One record's row, whose features are made by the same definitions as its specs."""
        known = self._codes
        return [
            _coded(row[name], known[name]) if name in known else row[name] for name in self.names
        ]

    def decoded(self, X: Floats) -> npt.NDArray[np.object_]:
        """(n, F) a matrix for people: codes as words (0 is "other"), missing as None."""
        shown = X.astype(object)
        for f in self.categorical:
            words = ["other", *self.levels[self.names[f]]]
            shown[:, f] = [None if np.isnan(c) else words[int(c)] for c in X[:, f]]
        shown[np.isnan(X)] = None
        return shown

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {"names": self.names, "levels": self.levels, "useless": self.useless}

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> Encoding:
        """The inverse of ``to_json``."""
        return Encoding(**state)


def _column(features: Features, name: str) -> Floats | Coded:
    try:
        return features.columns[name]
    except KeyError:
        raise ValueError(
            f"the model knows a feature {name!r} that these features lack (they are "
            f"{', '.join(features.columns) or 'none'}); use the code the model was trained with, "
            f"or train again"
        ) from None


def _number(features: Features, name: str) -> Floats:
    column = _column(features, name)
    if isinstance(column, Coded):
        raise ValueError(f"feature {name!r} was a number in training, got words; train again")
    return column


def _category(features: Features, name: str) -> Coded:
    column = _column(features, name)
    if not isinstance(column, Coded):
        raise ValueError(f"feature {name!r} was a category in training, got numbers; train again")
    return column


def _frequent(column: Coded, min_count: int, max_levels: int) -> list[str]:
    """Words often enough, most frequent first; ties by alphabet, so row order does not matter.

    Words that differ in case only are one, and called as most rows have it.
    """
    used = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
    spelt: dict[str, dict[str, int]] = {}
    for word, count in zip(column.values, used.tolist(), strict=True):
        of = spelt.setdefault(word.casefold(), {})
        of[word] = of.get(word, 0) + count
    counts = {min(of, key=lambda w: (-of[w], w)): sum(of.values()) for of in spelt.values()}
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return [word for word in ordered if counts[word] >= max(min_count, 1)][:max_levels]


class _Codes(dict[str, float]):
    """Code of each of a column's words, 0 of another; a word in another case is the same word."""

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__({word: i + 1.0 for i, word in enumerate(words)})
        self.folded = {word.casefold(): code for word, code in reversed(self.items())}

    def __missing__(self, word: str) -> float:
        return self.folded.get(word.casefold(), 0.0)


def _code(column: Coded, codes: _Codes) -> Floats | list[float]:
    """The code of each word; the shorter of the rows and the words is looked up."""
    values = column.values
    if len(column.codes) <= len(values):
        return [codes[values[c]] if c >= 0 else np.nan for c in column.codes.tolist()]
    lookup = np.array([*(codes[word] for word in values), np.nan])
    found: Floats = lookup[column.codes]  # the last place answers code -1, missing
    return found


def _coded(word: str | None, codes: _Codes) -> float:
    """The code of one word."""
    return np.nan if word is None else codes[word]


def _constant(column: Floats) -> bool:
    missing = np.isnan(column)
    if missing.any():
        return bool(missing.all())
    return bool((column == column[:1]).all())
