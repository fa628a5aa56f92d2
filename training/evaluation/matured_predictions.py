"""Receipts and the base rate, made from matured predictions of rows the model had not seen.

The rule of the base-rate shift. In training: the incidence of the outcome by the horizon among all
snapshots, those still open included (Aalen & Johansen 1978). In the newest period: the share of its
snapshots, all of them matured. Either gets a Wilson interval at its effective n (as many
independent rows as would vary as much, entity by entity, because snapshots of one entity share its
fate), and their difference Newcombe's interval (1998, method 10). The rate has shifted when that
leaves zero out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.tables import Bools, Floats, Instants, Ints, instant_text
from training.evaluation.measures import bins_of, draws, numbered, summed
from training.models.curves import entered
from training.models.track_record import BaseRate, ReliabilityBin, TrackRecord
from training.stats.incidence import aalen_johansen
from training.stats.intervals import wilson
from training.task.questions import Labels

MOST = 10
"""Bands at most."""

DRAWS = 200
"""Bootstrap draws of a variance."""

FEWEST = 30
"""Entities a band needs; with fewer than twice as many there is one band."""


@dataclass(frozen=True)
class MaturedPredictions:
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
    def join(parts: Sequence[MaturedPredictions]) -> MaturedPredictions:
        """Several groups of predictions, one after the other."""
        if not parts:
            return MaturedPredictions(np.empty(0), np.empty(0, bool), [], np.empty(0, np.int64))
        return MaturedPredictions(
            np.concatenate([p.scores for p in parts]),
            np.concatenate([p.hit for p in parts]),
            [e for p in parts for e in p.entities],
            np.concatenate([p.cutoffs for p in parts]),
        )


def track_record(past: MaturedPredictions, base_rate: BaseRate | None, flat: bool) -> TrackRecord:
    """The bands of past predictions: as many of about equal n as have ``FEWEST`` entities each."""
    if not len(past):
        return TrackRecord([], base_rate)
    numbers, _ = numbered(past.entities)
    ends = ("", "")
    if not flat:
        ends = instant_text(int(past.cutoffs.min())), instant_text(int(past.cutoffs.max()))
    return TrackRecord(_bands(past, numbers), base_rate, *ends)


def _bands(past: MaturedPredictions, numbers: Ints) -> list[ReliabilityBin]:
    for count in range(MOST, 0, -1):
        place = bins_of(past.scores, count)
        bands = [_band(past, numbers, place == b) for b in np.unique(place)]
        if min(band.entities for band in bands) >= FEWEST:
            return bands
    return bands


def _band(past: MaturedPredictions, numbers: Ints, at: Bools) -> ReliabilityBin:
    scores, n, happened = past.scores[at], int(at.sum()), int(past.hit[at].sum())
    entities, share = len(np.unique(numbers[at])), happened / n
    low, high = wilson(share * entities, entities)
    # a mean of equal numbers may round past them
    predicted = float(np.clip(scores.mean(), scores.min(), scores.max()))
    ends = float(scores.min()), float(scores.max())
    return ReliabilityBin(*ends, n, entities, happened, share, float(low), float(high), predicted)


def base_rate(
    training: Labels,
    of_training: Sequence[str],
    newest: Bools,
    of_newest: Sequence[str],
    scores: Floats,
) -> BaseRate | None:
    """Compare what became of training snapshots with the outcomes (n,) of the newest period's.

    scores (n,) are what the model said of the newest. None where nothing was observed of one of
    them. The rule is in the module's docstring.
    """
    if not len(newest) or not training.observed.any():
        return None
    p, size = _incidence(training, of_training)
    p_low, p_high = wilson(p * size, size)
    q = float(np.mean(newest))
    n = effective(np.asarray(newest, bool), of_newest)
    q_low, q_high = wilson(q * n, n)
    low = q - p - float(np.hypot(q - q_low, p_high - p))
    high = q - p + float(np.hypot(q_high - q, p - p_low))
    return BaseRate(p, q, low, high, len(training), len(newest), float(np.mean(scores)))


def _incidence(labels: Labels, entities: Sequence[str]) -> tuple[float, float]:
    """Incidence of the scored outcome by the horizon, and its effective n by the bootstrap."""
    numbers, count = numbered(entities)
    bins, outcomes = labels.bins, labels.outcomes
    seen = entered(labels)[:, None] > np.arange(bins)
    happened = seen & (labels.event_bin[:, None] == np.arange(bins))
    kinds = [happened & (labels.event[:, None] == j + 1) for j in range(outcomes)]
    columns = np.concatenate([seen, *kinds], axis=1).astype(np.float64)
    sums = summed(columns, numbers, count)
    share = float(_by_horizon(sums.sum(axis=0, keepdims=True), bins)[0])
    drawn = [_by_horizon(weights @ sums, bins) for weights in draws(count, 0, DRAWS)]
    variance = float(np.concatenate(drawn).var())
    if not variance > 0:
        return share, float(count)
    return share, float(np.clip(share * (1 - share) / variance, 1.0, len(labels)))


def _by_horizon(counts: Floats, bins: int) -> Floats:
    """(b,) incidence by the last bin from counts (b, K at risk, then K of each outcome)."""
    events = np.moveaxis(counts[:, bins:].reshape(len(counts), -1, bins), 1, 2)
    return aalen_johansen(counts[:, :bins], events)[:, -1, 0]


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
