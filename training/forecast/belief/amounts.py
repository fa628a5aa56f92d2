"""What a deal books against what it shows: change factors drawn from recent wins of its like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Ints
from training.forecast.data.random import Small

FEWEST = 25
"""Wins a pool must hold; a smaller one is joined with the next coarser."""
HORIZONS = (30.0, 90.0)
"""Days from the look to the win that part the pools: a longer way leaves more time for cuts."""
TAIL = 0.005
"""Factors are held between these quantiles of all of them: a typing error is not a habit."""


@dataclass(frozen=True)
class AmountChanges:
    """Pools of factors booked / amount as of an earlier look, by stage, by whether the amount had
    been changed before, and by days to the win; coarser where wins are few.

    pools  key -> factors; keys are (stage, changed, horizon), (stage, horizon), (horizon,) and ()
    """

    pools: dict[tuple[str, ...], Floats]

    @staticmethod
    def of(factors: Floats, stage: Sequence[str], changed: Ints, days: Floats) -> AmountChanges:
        """Learn from m looks at deals that were later won; ``days`` from the look to the win."""
        good = np.isfinite(factors) & (factors >= 0)
        rows = np.flatnonzero(good)
        held = factors[rows]
        if len(held):
            held = np.clip(held, *np.quantile(held, [TAIL, 1 - TAIL]))
        found: dict[tuple[str, ...], list[float]] = {}
        for value, row in zip(held.tolist(), rows.tolist(), strict=True):
            for key in keys(stage[row], int(changed[row]), horizon(days[row])):
                found.setdefault(key, []).append(value)
        pools = {k: np.sort(v) for k, v in found.items() if len(v) >= FEWEST or k == ()}
        return AmountChanges(pools or {(): np.ones(1)})

    def pool(self, stage: str, changed: int, days: float) -> tuple[str, ...]:
        """The finest pool there is for a deal won in so many days."""
        tried = keys(stage, changed, horizon(days))
        return next((key for key in tried if key in self.pools), ())

    @property
    def mean(self) -> float:
        """The mean factor of all wins."""
        every = self.pools.get((), np.ones(1))
        return float(every.mean())


def horizon(days: float) -> str:
    """The name of a stretch of days to the win."""
    return str(int(np.searchsorted(HORIZONS, days)))


def keys(stage: str, changed: int, stretch: str) -> list[tuple[str, ...]]:
    """From the finest pool to the coarsest."""
    return [(stage, str(changed), stretch), (stage, stretch), (stretch,), ()]


@dataclass(frozen=True)
class FactorPools:
    """Factors of all pools end to end: pool p is starts[p] … starts[p + 1] - 1."""

    factors: Floats
    starts: Ints

    @staticmethod
    def of(pools: Sequence[Floats]) -> FactorPools:
        """Lay pools end to end; none may be empty."""
        starts = np.concatenate([[0], np.cumsum([len(p) for p in pools])]).astype(np.int64)
        return FactorPools(np.concatenate([*pools, np.empty(0)]), starts)

    @property
    def means(self) -> Floats:
        """The mean of each pool."""
        sums = np.add.reduceat(self.factors, self.starts[:-1])
        means: Floats = sums / np.diff(self.starts)
        return means


def factor_pools(
    changes: AmountChanges,
    stage: Sequence[str],
    changed: Ints,
    days: Floats,
    missing: Sequence[str | None],
    wins: Floats,
    wins_like: Sequence[str],
) -> tuple[FactorPools, Small]:
    """The pools, and which one each deal draws from in each cell (n, C).

    days     (C,) from the origin to the middle of each cell
    missing  the likeness (product) of a deal that states no amount, else None: such a deal counts
             as 1 and draws a whole amount from recent ``wins`` of its like, else of all
    """
    order = sorted(changes.pools)
    place = {key: i for i, key in enumerate(order)}
    made = [changes.pools[key] for key in order]
    whole = _by_likeness(wins, wins_like)
    where = {like: len(made) + i for i, like in enumerate(sorted(whole))}
    made += [whole[like] for like in sorted(whole)]
    rows: dict[tuple[str, int], list[int]] = {}
    out = np.zeros((len(stage), len(days)), np.int32)
    for i, kind in enumerate(zip(stage, changed.tolist(), strict=True)):
        like = missing[i]
        if like is not None:
            out[i] = where.get(like, where[""])
            continue
        if kind not in rows:
            rows[kind] = [place[changes.pool(*kind, d)] for d in days.tolist()]
        out[i] = rows[kind]
    return FactorPools.of(made), out


def _by_likeness(wins: Floats, like: Sequence[str]) -> dict[str, Floats]:
    """Amounts of wins by their like where there are enough; all of them under ""."""
    groups: dict[str, list[float]] = {}
    for word, value in zip(like, wins.tolist(), strict=True):
        groups.setdefault(word, []).append(value)
    found = {w: np.sort(v) for w, v in groups.items() if len(v) >= FEWEST and w}
    return {**found, "": np.sort(wins) if len(wins) else np.zeros(1)}
