"""Grades: fixed thresholds, so that a grade never depends on who else is in the batch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping

import numpy as np

from features.tables import Floats
from training.models.prior import restated

GRADES = (("A", 0.1), ("B", 0.3), ("C", 0.6))
"""Letter and the share of out-of-fold scores at or above it; D is the rest."""


def fit_grades(scores: Floats) -> dict[str, float]:
    """Lowest score of each letter, from out-of-fold scores (n,): A top 10 %, B to 30 %, C to 60 %.

    No letter is given to more rows than its share: where scores tie across an edge, the tied rows
    fall to the next letter, and a letter left without rows is not used. D begins at 0.
    """
    _require_scores(scores)
    grades: dict[str, float] = {}
    levels, counts = np.unique(scores, return_counts=True)
    share = np.cumsum(counts[::-1])[::-1] / max(len(scores), 1)  # at or above each level
    for letter, most in GRADES:
        fitting = levels[(share <= most + 1e-12) & (levels > 0)]
        if len(fitting) and fitting[0] < min(grades.values(), default=np.inf):
            grades[letter] = float(fitting[0])
    return {**grades, "D": 0.0}


def grade(scores: Floats, grades: Mapping[str, float]) -> list[str]:
    """The letter of each score (n,): the first whose lowest score it reaches."""
    _require_scores(scores)
    letters = sorted(grades, key=lambda letter: grades[letter])
    least = [grades[letter] for letter in letters]
    if len(scores) and scores.min() < least[0]:
        raise ValueError(f"a score of {scores.min()} is below the lowest grade {letters[0]!r}")
    return [letters[bisect_right(least, score) - 1] for score in scores.tolist()]


def at_prior(grades: Mapping[str, float], shift: float) -> dict[str, float]:
    """The lowest scores of a world whose base rate alone differs, by ``shift`` in log-odds.

    A grade compares a record with the company's others, and a prior moves all of them.
    """
    return {letter: restated(least, shift) for letter, least in grades.items()}


def _require_scores(scores: Floats) -> None:
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must be probabilities between 0 and 1; one is missing or outside")
