"""How much the agreement of two rows on a field speaks for their being the same: Fellegi–Sunter.

The weight of a field is log2 of how much likelier its agreement (or disagreement) is between two
rows of one thing than between rows of two: log2(m / u), or log2((1 - m) / (1 - u)). u is known from
the table, for an agreement the share of rows with that very value, so that a rare value says more
(Winkler). m and the share of matches are learned by expectation and maximisation, without labels.

Fellegi & Sunter (1969), A theory for record linkage; Winkler (1988, 2000).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Bools, Floats, Ints

STEPS = 50
"""Of expectation and maximisation; more change nothing that is shown."""
LEAST_M, MOST_M = 0.5, 0.99
"""Rows of one thing agree on a field more often than not, and never always: people mistype."""
FOLLOWS = 0.98
"""A field that agrees this often wherever another does adds nothing to it."""
COPIED = 0.1
"""Share of a table's rows that can be copies; without a bound pairs that are merely alike become
matches where there are none."""


@dataclass(frozen=True)
class MatchField:
    """One field of m candidate pairs.

    agree    (m,) both known and the same; known (m,) both known
    chance   (m,) how often two rows of different things would agree so: the value's share where
             they agree, the mean over values where they do not
    """

    name: str
    agree: Bools
    known: Bools
    chance: Floats

    def weights(self, m: float) -> Floats:
        """(m,) bits for (positive) or against a match; 0 where a value is missing."""
        bits = np.where(self.agree, np.log2(m / self.chance), np.log2((1 - m) / (1 - self.chance)))
        return np.where(self.known, bits, 0.0)


@dataclass(frozen=True)
class Linked:
    """What was learned of candidate pairs: bits by field (m, fields), and the posterior (m,)."""

    bits: Floats
    probability: Floats


def field(name: str, values: Ints, a: Ints, b: Ints) -> MatchField:
    """The comparison of rows a with rows b (m,) on a field of integer codes (-1: missing)."""
    known = values[values >= 0]
    counts = np.bincount(known) if len(known) else np.zeros(1)
    share = counts / max(len(known), 1)
    both = (values[a] >= 0) & (values[b] >= 0)
    agree = both & (values[a] == values[b])
    usual = float(np.clip((share**2).sum(), 1e-9, 1 - 1e-9))
    value = np.clip(share[np.maximum(values[a], 0)], 1e-9, 1 - 1e-9)
    return MatchField(name, agree, both, np.where(agree, value, usual))


def independent(columns: dict[str, Ints]) -> list[str]:
    """The columns of codes (n,) that do not follow from another, as a region from its country.

    Fellegi and Sunter's weights add up only if the fields are independent.
    """
    kept: list[str] = []
    by_levels = sorted(columns, key=lambda name: -len(np.unique(columns[name])))
    for name in by_levels:
        if not any(_follows(columns[name], columns[other]) for other in kept):
            kept.append(name)
    return [name for name in columns if name in kept]


def _follows(codes: Ints, other: Ints) -> bool:
    """Whether two rows that agree on ``other`` agree on ``codes`` nearly always."""
    known = (codes >= 0) & (other >= 0)
    if not known.any():
        return False
    both = other[known] * (codes.max() + 1) + codes[known]
    together, alone = (_pairs(np.unique(c, return_counts=True)[1]) for c in (both, other[known]))
    return alone > 0 and together / alone >= FOLLOWS


def _pairs(counts: Ints) -> float:
    return float((counts * (counts - 1) / 2).sum())


def link(fields: list[MatchField], similarity: Floats, rows: int) -> Linked:
    """Weigh the pairs of a table's ``rows``: fields, and the similarity (m,) of their names.

    The similarity counts in four grades. The names chose the pairs, so how often unlike things are
    that alike is learned with the rest.
    """
    n = len(similarity)
    if n == 0:
        return Linked(np.zeros((0, len(fields) + 1)), np.zeros(0))
    grade = np.digitize(similarity, (0.65, 0.8, 0.999))
    m = np.full(len(fields), 0.9)
    of_same, of_other = np.array([0.1, 0.2, 0.3, 0.4]), np.array([0.7, 0.2, 0.07, 0.03])
    most = min(0.9, COPIED * rows / n)
    share = min(0.1, most)
    for _ in range(STEPS):
        bits = _bits(fields, m, of_same, of_other, grade)
        match = _posterior(bits.sum(axis=1), share)
        share = float(np.clip(match.mean(), 1.0 / (n + 1), most))
        m = np.array([_agreement(f, match) for f in fields])
        of_same, of_other = _by_grade(match, grade), _by_grade(1 - match, grade)
    bits = _bits(fields, m, of_same, of_other, grade)
    return Linked(bits, _posterior(bits.sum(axis=1), share))


def _bits(
    fields: list[MatchField], m: Floats, of_same: Floats, of_other: Floats, grade: Ints
) -> Floats:
    name = np.log2(of_same / of_other)[grade]
    columns = [f.weights(float(own)) for f, own in zip(fields, m, strict=True)]
    return np.stack([name, *columns], axis=1)


def _posterior(bits: Floats, share: float) -> Floats:
    odds = np.log2(share / (1 - share)) + bits
    probability: Floats = 1.0 / (1.0 + np.exp2(-np.clip(odds, -500, 500)))
    return probability


def _agreement(field: MatchField, match: Floats) -> float:
    known = float(match[field.known].sum())
    if known < 1:
        return 0.9
    return float(np.clip(match[field.agree].sum() / known, LEAST_M, MOST_M))


def _by_grade(weight: Floats, grade: Ints) -> Floats:
    """Shares of the four grades, each with one pair more so that none is impossible."""
    counts = np.bincount(grade, weights=weight, minlength=4) + 1.0
    shares: Floats = counts / counts.sum()
    return shares
