"""From a combined range back to futures: draws are chosen so that every period has its quantiles.

The combination says what a period's quantiles are; a plan needs deals, groups and months that add
up. So no number is scaled: draws are counted more or less often. Weights near 1 are found that give
every period the shares of draws between its new quantiles (raking: Deming and Stephan, 1940), and
as many draws are then taken by them, the same ones for all parts, months and groups of the stream.
Whatever was chosen, a sum of parts is the whole of the same draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Ints
from training.forecast.backtest.scoring import LEVELS

SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
"""Levels between which the shares of draws are set."""
ROUNDS = 80
FEWEST = 3
"""Draws without which a stretch between two quantiles cannot be weighed up."""
HEAVIEST = 60.0
"""A draw counts at most so many times the usual: more would be one future told over and over."""


@dataclass(frozen=True)
class Steered:
    """Which draws count: ``chosen`` (draws,) numbers of draws, rising; ``effective`` how many
    different equally weighted draws they are worth.
    """

    chosen: Ints
    effective: float


def steer(whole: Floats, asked: Mapping[int, Floats]) -> Steered:
    """Choose draws of ``whole`` (periods, draws) so that periods have the quantiles asked.

    asked  period number -> (3,) quantiles at ``LEVELS``; a period that is over is not in it
    """
    draws = whole.shape[1]
    strata = [_strata(whole[p], quantiles) for p, quantiles in asked.items()]
    usable = [s for s in strata if s is not None]
    weights = np.ones(draws)
    for _ in range(ROUNDS):
        before = weights.copy()
        for place, shares in usable:
            mass = np.bincount(place, weights=weights, minlength=len(shares))
            factor = np.divide(
                shares * weights.sum(), mass, out=np.ones(len(shares)), where=mass > 0
            )
            weights = np.minimum(weights * factor[place], HEAVIEST)
        if np.abs(weights - before).max() < 1e-4:
            break
    total = np.cumsum(weights)
    at = (np.arange(draws) + 0.5) / draws * total[-1]
    chosen = np.minimum(np.searchsorted(total, at), draws - 1).astype(np.int64)
    return Steered(chosen, float(weights.sum() ** 2 / (weights**2).sum()))


HALVES = 5
"""Times that the way to quantiles out of reach is halved, before the draws are left as they are."""


def steer_in_reach(
    whole: Floats, asked: Mapping[int, Floats], fewest: float
) -> tuple[Steered, float]:
    """Go as far towards the quantiles asked as at least a share ``fewest`` of the draws allows.

    Quantiles of several periods can be out of reach together: a handful of futures would then stand
    for all, and what those say of any other period would be chance. Returned: the draws, and the
    share of the way that was gone (1 usually).
    """
    draws = whole.shape[1]
    own = {p: np.quantile(whole[p], LEVELS) for p in asked}
    for share in 0.5 ** np.arange(HALVES):
        towards = {p: own[p] + share * (quantiles - own[p]) for p, quantiles in asked.items()}
        found = steer(whole, towards)
        if found.effective >= fewest * draws:
            return found, float(share)
    return Steered(np.arange(draws, dtype=np.int64), float(draws)), 0.0


def _strata(draws: Floats, quantiles: Floats) -> tuple[Ints, Floats] | None:
    """The stretch each draw lies in, and the share of draws each is to have; None without a range.

    Stretches with too few draws are joined with their neighbour towards the middle.
    """
    own = np.quantile(draws, SHARES)
    low, middle, high = np.quantile(draws, LEVELS)
    if not high > low or not np.isfinite(quantiles).all():
        return None
    below = (quantiles[1] - quantiles[0]) / max(middle - low, 1e-9)
    above = (quantiles[2] - quantiles[1]) / max(high - middle, 1e-9)
    edges = quantiles[1] + np.where(own < middle, (own - middle) * below, (own - middle) * above)
    shares = np.diff([0.0, *SHARES, 1.0])
    place = np.searchsorted(edges, draws, side="left")
    kept = list(range(len(shares)))
    count = np.bincount(place, minlength=len(shares))
    joined = np.arange(len(shares))
    middle_one = len(shares) // 2
    for stretch in (*kept[:middle_one], *reversed(kept[middle_one:])):
        if count[stretch] < FEWEST:
            towards = stretch + (1 if stretch < middle_one else -1)
            joined[joined == stretch] = towards
            count[towards] += count[stretch]
    names, numbers = np.unique(joined, return_inverse=True)
    if len(names) == 1:
        return None
    merged: Floats = np.bincount(numbers, weights=shares, minlength=len(names)).astype(np.float64)
    return numbers[place].astype(np.int64), merged
