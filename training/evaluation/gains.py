"""What working the list from the top finds: cumulative gains and lift, with intervals.

Sorted by falling score, the first share s of the rows holds the share g(s) of the outcomes. By
chance g(s) = s; lift is g(s) / s. A group of tied scores that crosses s counts in part, so a
constant score is exactly chance and the order of the rows never matters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.tables import Bools, Floats, Ints
from training.evaluation import measures
from training.evaluation.measures import DRAWS

STEPS = 20
"""Points of the curve: every twentieth of the rows."""


def gains_table(
    hit: Bools,
    p: Floats,
    entities: Ints | Sequence[str],
    steps: int = STEPS,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """The share of outcomes found in the top share of rows, by score.

    hit (n,) and p (n,) of matured rows; entities (n,) for the bootstrap, as in ``evaluate``.
    Returns one row a step from 0 to 1: share, captured, low, high, lift, lift_low, lift_high (NaN
    at share 0), n (rows in the top), outcomes (rows with the outcome in all). One class only: NaN.
    """
    numbers, count = measures.numbered(entities)
    grid = np.linspace(0, 1, steps + 1)
    ordered = _Ordered(hit, measures.kept_inside(p), numbers)
    captured = ordered.captured(np.ones((1, count)), grid)[0]
    drawn = np.concatenate([ordered.captured(w, grid) for w in measures.draws(count, seed, draws)])
    ends = [measures.interval(column) for column in drawn.T]
    low, high = (np.array([e[i] for e in ends]) for i in (0, 1))
    table = pd.DataFrame({"share": grid, "captured": captured, "low": low, "high": high})
    for name, column in (("lift", captured), ("lift_low", low), ("lift_high", high)):
        table[name] = measures.ratio(column, grid)
    table["n"] = np.round(grid * len(hit)).astype(np.int64)
    table["outcomes"] = int(np.sum(hit))
    return table


def gains_beside(hit: Bools, scores: Mapping[str, Floats], steps: int = STEPS) -> pd.DataFrame:
    """The gains of several score vectors, without intervals: share, then a column a name."""
    grid = np.linspace(0, 1, steps + 1)
    one, own = np.ones((1, len(hit))), np.arange(len(hit))
    columns = {
        name: _Ordered(hit, measures.kept_inside(p), own).captured(one, grid)[0]
        for name, p in scores.items()
    }
    return pd.DataFrame({"share": grid, **columns})


class _Ordered:
    """Rows by falling score, with the last row of each group of ties."""

    def __init__(self, hit: Bools, p: Floats, numbers: Ints) -> None:
        order = np.argsort(-p, kind="stable")
        falling = p[order]
        self._last = np.flatnonzero(np.r_[falling[1:] != falling[:-1], True][: len(p)])
        self._hit = np.asarray(hit, np.float64)[order]
        self._numbers = numbers[order]

    def captured(self, weights: Floats, grid: Floats) -> Floats:
        """(b, len(grid)) share of outcomes in the top, a row a draw of weights (b, E)."""
        out = np.full((len(weights), len(grid)), np.nan)
        for b, drawn in enumerate(weights):
            w = drawn[self._numbers]
            rows, hits = np.cumsum(w)[self._last], np.cumsum(w * self._hit)[self._last]
            if len(rows) and 0 < hits[-1] < rows[-1]:
                at = np.r_[0.0, rows] / rows[-1]
                out[b] = np.interp(grid, at, np.r_[0.0, hits] / hits[-1])
        return out
