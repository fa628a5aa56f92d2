"""Drift: whether the scores given now are spread as those of the past that the receipts hold.

The population stability index over the bundle's own bands, Σ (p − q) ln(p / q): p the share of
today's scores in a band, q that of the past. From equal populations it is about χ² / n: its 95 %
limit says what chance alone would show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt

from training.models.track_record import ReliabilityBin

MOVING, SHIFTED = 0.1, 0.25
"""The customary limits of the index; below what chance shows neither counts."""

FEWEST = 50
"""Scores below which nothing is said."""

SPREAD = 0.5
"""Added to every band on both sides: an empty one would make the index infinite."""


@dataclass(frozen=True)
class Drift:
    """The index of ``n`` scores over the bands, what chance would show, and the word for it."""

    psi: float
    chance: float
    n: int
    bands: int
    word: str


def drift(bands: Sequence[ReliabilityBin], counts: Sequence[int]) -> Drift | None:
    """The drift of scores counted by band; None where there are too few, or fewer than two bands.

    counts: as many as bands.
    """
    n, past = sum(counts), sum(band.n for band in bands)
    if n < FEWEST or len(bands) < 2:
        return None
    p = _shares(counts)
    q = _shares([band.n for band in bands])
    psi = sum((a - b) * log(a / b) for a, b in zip(p, q, strict=True))
    chance = _chi_square_95(len(bands) - 1) * (1 / n + 1 / past)
    return Drift(psi, chance, n, len(bands), _word(psi, chance))


def _shares(counts: Sequence[int]) -> list[float]:
    whole = sum(counts) + SPREAD * len(counts)
    return [(count + SPREAD) / whole for count in counts]


def _word(psi: float, chance: float) -> str:
    if psi <= max(MOVING, chance):
        return "steady"
    return "moving" if psi <= SHIFTED else "shifted"


def _chi_square_95(k: int) -> float:
    """The 95 % point of χ² with k degrees of freedom, by Wilson and Hilferty (1931)."""
    spread = 2 / (9 * k)
    return float(k * (1 - spread + 1.6448536 * sqrt(spread)) ** 3)
