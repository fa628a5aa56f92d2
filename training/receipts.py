"""Receipts and the base rate, made from matured predictions of rows the model had not seen.

The rule of the base-rate shift: rates of matured snapshots before the newest period and in it, the
difference with Newcombe's interval (1998, method 10: from the two Wilson intervals). Each rate's n
is divided by its design effect, the variance by entities over that by rows (Kish 1965), because
snapshots of one entity share its fate. The rate has shifted when the interval leaves zero out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.tables import Bools, Floats, Instants, Ints, instant_text
from training.measures import bins_of, numbered, wilson
from training.models.receipts import Band, BaseRate, Receipts

MOST = 10
"""Bands at most."""

FEWEST = 30
"""Entities a band needs; with fewer than twice as many there is one band."""


@dataclass(frozen=True)
class Past:
    """Matured predictions (n,): the score, whether it happened, of whom, and when it was made.

    cutoffs  microseconds; zeros for a flat table
    """

    scores: Floats
    hit: Bools
    entities: list[str]
    cutoffs: Instants

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def join(parts: Sequence[Past]) -> Past:
        """Several groups of predictions, one after the other."""
        if not parts:
            return Past(np.empty(0), np.empty(0, bool), [], np.empty(0, np.int64))
        return Past(
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.hit for p in parts]),
            [e for p in parts for e in p.entities],
            np.concatenate([p.cutoffs for p in parts]),
        )


def receipts(past: Past, base_rate: BaseRate | None, flat: bool) -> Receipts:
    """The bands of past predictions: as many of about equal n as have ``FEWEST`` entities each."""
    if not len(past):
        return Receipts([], base_rate)
    numbers, _ = numbered(past.entities)
    ends = ("", "")
    if not flat:
        ends = instant_text(int(past.cutoffs.min())), instant_text(int(past.cutoffs.max()))
    return Receipts(_bands(past, numbers), base_rate, *ends)


def _bands(past: Past, numbers: Ints) -> list[Band]:
    for count in range(MOST, 0, -1):
        place = bins_of(past.scores, count)
        bands = [_band(past, numbers, place == b) for b in np.unique(place)]
        if min(band.entities for band in bands) >= FEWEST:
            return bands
    return bands


def _band(past: Past, numbers: Ints, at: Bools) -> Band:
    scores, n, happened = past.scores[at], int(at.sum()), int(past.hit[at].sum())
    entities, share = len(np.unique(numbers[at])), happened / n
    low, high = wilson(np.array(share * entities), np.array(entities))
    # a mean of equal numbers may round past them
    predicted = float(np.clip(scores.mean(), scores.min(), scores.max()))
    ends = float(scores.min()), float(scores.max())
    return Band(*ends, n, entities, happened, share, float(low), float(high), predicted)


def base_rate(
    training: Bools, of_training: Sequence[str], newest: Bools, of_newest: Sequence[str]
) -> BaseRate | None:
    """Compare the outcomes (n,) of matured snapshots and their entities; None where one is empty.

    The rule is in the module's docstring.
    """
    if not len(training) or not len(newest):
        return None
    p, p_low, p_high = _interval(np.asarray(training, bool), of_training)
    q, q_low, q_high = _interval(np.asarray(newest, bool), of_newest)
    low = q - p - float(np.hypot(q - q_low, p_high - p))
    high = q - p + float(np.hypot(q_high - q, p - p_low))
    return BaseRate(p, q, low, high, len(training), len(newest))


def _interval(hit: Bools, entities: Sequence[str]) -> tuple[float, float, float]:
    """A share and its Wilson interval at the effective n."""
    share = float(hit.mean())
    n = effective(hit, entities)
    low, high = wilson(np.array(share * n), np.array(n))
    return share, float(low), float(high)


def effective(hit: Bools, entities: Sequence[str]) -> float:
    """How many independent rows the rows are worth for their share: between 1 and n.

    n / design effect; where all rows agree nothing is known of how entities differ, and each
    entity counts as one row.
    """
    numbers, count = numbered(entities)
    n, share = len(hit), float(np.mean(hit))
    if count == n:
        return float(n)
    if share in (0.0, 1.0):
        return float(count)
    strays = np.bincount(numbers, weights=hit - share, minlength=count)
    variance = float((strays**2).sum()) * count / max(count - 1, 1)
    return float(np.clip(n * n * share * (1 - share) / max(variance, 1e-300), 1.0, n))
