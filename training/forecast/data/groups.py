"""The values a whole is divided by: owners, teams, regions, segments, products."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from features.tables import Floats
from training.forecast.data.random import Small

OTHER = "(other)"
"""The smallest values together, where a dimension has more than are shown."""

Words = Mapping[str, list[str]]
"""Dimension -> the word of each of n rows."""


class Groups:
    """The values of each dimension that an origin knows, numbered one dimension after the other.

    dimensions those asked for in which any word is known; values (D,) lists of words
    """

    def __init__(
        self, dimensions: Sequence[str], parts: Sequence[tuple[Words, Floats]], most: int
    ) -> None:
        """``parts``: the words of some rows and the weight (n,) by which the largest are kept."""
        self.dimensions = tuple(dimensions)
        self.values = [_values([(w[d], x) for w, x in parts], most) for d in self.dimensions]
        self.first = np.concatenate([[0], np.cumsum([len(v) for v in self.values])]).astype(int)

    @property
    def size(self) -> int:
        """How many groups there are, over all dimensions."""
        return int(self.first[-1])

    def numbers(self, words: Words, n: int) -> Small:
        """(n, D) group numbers of n rows; a value beyond the kept ones is "other"."""
        out = np.zeros((n, len(self.dimensions)), np.int32)
        for turn, dimension in enumerate(self.dimensions):
            place = {v: i for i, v in enumerate(self.values[turn])}
            other = place.get(OTHER, 0)
            out[:, turn] = [place.get(w, other) + self.first[turn] for w in words[dimension]]
        return out

    def part(self, sums: Floats, dimension: str) -> Floats:
        """The rows of ``sums`` (G, …) that belong to one dimension."""
        turn = self.dimensions.index(dimension)
        return sums[self.first[turn] : self.first[turn + 1]]

    @staticmethod
    def union(several: Sequence[Groups]) -> Groups:
        """The dimensions that all of them have, with the values of any."""
        shared = [d for d in several[0].dimensions if all(d in g.dimensions for g in several)]
        made = Groups((), [], 1)
        made.dimensions = tuple(shared)
        made.values = [sorted({v for g in several for v in g.of(d)}) for d in shared]
        made.first = np.concatenate([[0], np.cumsum([len(v) for v in made.values])]).astype(int)
        return made

    def of(self, dimension: str) -> list[str]:
        """The values of one dimension."""
        return self.values[self.dimensions.index(dimension)]

    def spread(self, theirs: Groups, sums: Floats) -> Floats:
        """Sums (G', …) by another's groups, as sums by these; a value they lack is 0."""
        out = np.zeros((self.size, *sums.shape[1:]))
        for turn, dimension in enumerate(self.dimensions):
            place = {v: i + int(self.first[turn]) for i, v in enumerate(self.values[turn])}
            for value, row in zip(theirs.of(dimension), theirs.part(sums, dimension), strict=True):
                out[place[value]] = row
        return out


def _values(columns: Sequence[tuple[list[str], Floats]], most: int) -> list[str]:
    """The words there are, by alphabet; beyond ``most`` only the weightiest, and "other"."""
    mass: dict[str, float] = {}
    for words, weights in columns:
        for word, value in zip(words, weights.tolist(), strict=True):
            mass[word] = mass.get(word, 0.0) + abs(value)
    if len(mass) <= most:
        return sorted(mass)
    largest = sorted(mass, key=lambda w: (-mass[w], w))[: most - 1]
    return [*sorted(largest), OTHER]
