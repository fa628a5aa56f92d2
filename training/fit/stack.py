"""What each part of the learner weighs: blends that compete, forward in time.

A blend is a weight for every part's margins and a level. Several are candidates: each part as it
is, halfway to the base curve, the parts' mean, and blends fitted by likelihood on all earlier rows
or on the newest of them only. Each is asked for the margins of the next block of rows, which it has
not seen, and is believed by its losses there: the share of a candidate is multiplied by its
likelihood, and a small part of all shares is dealt anew after every block (fixed share; Herbster &
Warmuth, *Tracking the Best Expert*, 1998). So a candidate that begins to be right is found within a
block, nothing ever has a share of exactly 0, and the cost of not knowing the best one beforehand is
a few nats in all. The shares' mean of the candidates is a blend again, and by convexity it is no
worse than their mean loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import Floats, Instants, Ints
from training.models.blend import fit_weights
from training.models.curves import loss
from training.task.questions import Labels

BLOCKS = 8
"""Blocks of rows that the candidates are asked for, two in each of four folds."""

FEWEST = 5
"""Outcomes a block needs: with fewer it shows nothing."""

MEMORY = (np.inf, 1.0)
"""Half-lives, in blocks, of the blends that are fitted."""

DEALT = 0.05
"""Part of all shares that is dealt anew after every block."""

BASE = 3.0
"""How often the base curve counts beforehand: with few outcomes it is the hardest to beat."""

MOST = 40_000
"""Rows that decide: more make no difference to a handful of weights."""


@dataclass(frozen=True)
class PartWeights:
    """weights (P,) of the parts' margins and level (K, J): margins = Σ weights · part + level."""

    weights: Floats
    level: Floats

    def margins(self, parts: Floats) -> Floats:
        """(n, K, J) from the parts' margins (P, n, K, J)."""
        combined: Floats = np.tensordot(self.weights, parts, 1) + self.level
        return combined


def fit_stack(
    parts: Floats, labels: Labels, cutoffs: Instants, fold: Ints, timed: bool, evidence: float = 1.0
) -> PartWeights:
    """Learn the weights on margins of rows that no part had seen.

    parts     (P, n, K, J), the last of them the base curve
    fold      (n,) the fold of each row: without time the folds are the blocks
    evidence  nats that a nat of loss counts: entities per row, where one entity gives several rows
    """
    rows = _deciding(len(labels))
    parts, labels, cutoffs, fold = parts[:, rows], labels.take(rows), cutoffs[rows], fold[rows]
    blocks = _blocks(cutoffs, labels) if timed else _renumbered(fold)
    shares = _shares(parts, labels, blocks, timed, evidence)
    made = _candidates(parts, labels, blocks.max() - blocks, timed)
    weights = sum(s * c.weights for s, c in zip(shares, made, strict=True))
    level = sum(s * c.level for s, c in zip(shares, made, strict=True))
    return PartWeights(np.asarray(weights), np.asarray(level))


def _deciding(n: int) -> Ints:
    if n <= MOST:
        return np.arange(n, dtype=np.int64)
    return np.sort(np.random.default_rng(n).choice(n, MOST, replace=False)).astype(np.int64)


def _blocks(cutoffs: Instants, labels: Labels) -> Ints:
    """(n,) the block of each row: equal numbers of rows in the order of time."""
    count = int(np.clip(labels.hit.sum() // FEWEST, 1, BLOCKS))
    ordered = np.sort(cutoffs)
    starts = ordered[[len(ordered) * b // count for b in range(1, count)]]
    return _renumbered(np.searchsorted(starts, cutoffs, side="right").astype(np.int64))


def _renumbered(blocks: Ints) -> Ints:
    """0, 1, 2, … without gaps: many rows of one instant may leave a block empty."""
    return np.unique(blocks, return_inverse=True)[1].astype(np.int64)


def _shares(parts: Floats, labels: Labels, blocks: Ints, timed: bool, evidence: float) -> Floats:
    """(C,) how far each candidate is believed after all blocks."""
    count = int(blocks.max()) + 1
    prior = np.ones(len(_fixed(parts)) + len(_memories(timed)))
    prior[len(parts) - 1] = BASE
    prior /= prior.sum()
    shares = prior
    for block in range(count):
        here = np.flatnonzero(blocks == block)
        taught = np.flatnonzero(blocks < block if timed else blocks != block)
        ages = block - 1 - blocks[taught] if timed else np.zeros(len(taught), np.int64)
        made = _candidates(parts[:, taught], labels.take(taught), ages, timed)
        losses = np.array([_loss(c, parts[:, here], labels.take(here)) for c in made])
        grown = shares * np.exp(-evidence * (losses - losses.min()))
        grown /= grown.sum()
        shares = (1 - DEALT) * grown + DEALT * prior if timed else grown
    return (1 - DEALT) * shares + DEALT * prior


def _loss(candidate: PartWeights, parts: Floats, labels: Labels) -> float:
    return float(loss(candidate.margins(parts), labels, np.ones(len(labels)))[0])


def _memories(timed: bool) -> tuple[float, ...]:
    return MEMORY if timed else MEMORY[:1]


def _candidates(parts: Floats, labels: Labels, ages: Ints, timed: bool) -> list[PartWeights]:
    """The blends that compete, those that are fitted being fitted on these rows.

    ages (n,) blocks since each row; where nothing can be fitted yet the parts' mean stands in.
    """
    fixed = _fixed(parts)
    fitted = [_fitted(parts, labels, ages, half, fixed[-1]) for half in _memories(timed)]
    return [*fixed, *fitted]


def _fixed(parts: Floats) -> list[PartWeights]:
    """Each part as it is, each halfway to the base curve, and the mean of all parts (last)."""
    count, nothing = len(parts), np.zeros(parts.shape[2:])
    alone = np.eye(count)
    half = (alone[:-1] + alone[-1]) / 2
    mean = np.append(np.full(count - 1, 1 / max(count - 1, 1)), 0.0)
    return [PartWeights(w, nothing) for w in [*alone, *half, mean]]


def _fitted(
    parts: Floats, labels: Labels, ages: Ints, half: float, otherwise: PartWeights
) -> PartWeights:
    weights = 0.5 ** (ages / half)
    last = np.minimum(labels.event_bin + 1, labels.observed)
    happened = (labels.event > 0) & (labels.event_bin < last)
    if not 0 < happened.sum() < last.sum():
        return otherwise
    slopes, level = fit_weights(list(parts[:-1]), labels, weights)
    return PartWeights(np.append(slopes, 0.0), level)
