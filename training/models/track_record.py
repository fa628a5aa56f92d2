"""Receipts: how scores like this one turned out, from past scores whose whole horizon is over.

A band holds past scores next to one another, about as many as any other band. Which band a score
falls into depends on nothing but the score, and a higher score never falls into a lower band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from features.tables import Floats, Ints
from training.models.prior import restated


@dataclass(frozen=True)
class ReliabilityBin:
    """Past scores from ``low_score`` to ``high_score``, and what happened.

    n, entities  snapshots, and the entities they were of
    happened     snapshots where the scored outcome came by the horizon; share = happened / n
    low, high    95 % Wilson interval of the share, counting entities: several snapshots of one
                 entity share its fate
    predicted    mean of the scores
    restated     whether a stated prior has moved scores and shares; n and happened stay what was
                 counted, and share is no longer their quotient
    """

    low_score: float
    high_score: float
    n: int
    entities: int
    happened: int
    share: float
    low: float
    high: float
    predicted: float
    restated: bool = False

    @property
    def calibrated(self) -> bool:
        """Whether what was said can be what happened: the interval holds the mean score."""
        return self.low <= self.predicted <= self.high

    def at_prior(self, shift: float) -> ReliabilityBin:
        """The band in a world whose base rate alone differs, by ``shift`` in log-odds.

        Bayes' rule moves the odds of scores and of shares alike, so that what was calibrated stays
        so. ``predicted`` moves as one score: within a band the scores differ little.
        """
        names = ("low_score", "high_score", "share", "low", "high", "predicted")
        moved: dict[str, Any] = {name: restated(getattr(self, name), shift) for name in names}
        return replace(self, **moved, restated=True)

    def to_answer(self) -> dict[str, Any]:
        """The receipt as an answer gives it; ``from`` and ``to`` are the band's scores."""
        return {
            "n": self.n,
            "happened": self.happened,
            "share": self.share,
            "low": self.low,
            "high": self.high,
            "from": self.low_score,
            "to": self.high_score,
            "predicted": self.predicted,
            "calibrated": self.calibrated,
            "restated": self.restated,
        }


@dataclass(frozen=True)
class BaseRate:
    """Share of snapshots with the outcome by the horizon: in training and in the newest period.

    training   the incidence among all of them, those still open included: what the model learned
    low, high  95 % interval of newest - training, by entities; the rule is in
               ``training.evaluation.matured_predictions``
    n_training, n_newest  snapshots on either side
    expected   mean score of the newest period: the rate that the model itself expects lately, and
               what a stated prior takes the place of
    """

    training: float
    newest: float
    low: float
    high: float
    n_training: int
    n_newest: int
    expected: float

    @property
    def differs(self) -> bool:
        """Whether the difference is beyond chance: its interval leaves zero out."""
        return not self.low <= 0 <= self.high

    @property
    def sentence(self) -> str:
        """The comparison in words, for the run's notes."""
        rates = f"{self.newest:.1%} in the newest period against {self.training:.1%} in training"
        span = f"difference {self.low * 100:+.1f} to {self.high * 100:+.1f} points"
        if not self.differs:
            return f"The base rate holds: {rates} ({span})."
        return (
            f"The base rate has shifted: {rates} ({span}); the model expected "
            f"{self.expected:.1%}. State a prior to correct the probabilities, or train again "
            f"when more of the new period has matured."
        )

    def to_answer(self) -> dict[str, Any]:
        """What an answer says of it."""
        return {
            "training": self.training,
            "newest": self.newest,
            "expected": self.expected,
            "differs": self.differs,
        }


@dataclass(frozen=True)
class TrackRecord:
    """What a bundle knows of its own past.

    bands         by rising score; none where no past score has matured
    base_rate     None where nothing was observed in training or in the newest period
    since, until  ISO instants of the first and the last snapshot; "" for a flat table
    """

    bands: list[ReliabilityBin] = field(default_factory=list)
    base_rate: BaseRate | None = None
    since: str = ""
    until: str = ""

    def places(self, scores: Floats) -> Ints:
        """(n,) band of each score (n,): the last one that begins at or below it, else the first."""
        found = np.searchsorted(self._begins, scores, side="right") - 1
        places: Ints = np.maximum(found, 0).astype(np.int64)
        return places

    def of(self, scores: Floats) -> Sequence[ReliabilityBin | None]:
        """The band of each score (n,); None where there are no bands."""
        if not self.bands:
            return [None] * len(scores)
        return [self.bands[b] for b in self.places(scores).tolist()]

    def at_prior(self, shift: float) -> TrackRecord:
        """The record in a world whose base rate alone differs, by ``shift`` in log-odds."""
        return replace(self, bands=[band.at_prior(shift) for band in self.bands])

    @cached_property
    def _begins(self) -> Floats:
        return np.array([band.low_score for band in self.bands])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; what is kept is what was counted, never restated."""
        state = asdict(self)
        for band in state["bands"]:
            del band["restated"]
        return state

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> TrackRecord:
        """The inverse of ``to_json``."""
        rate = None if state["base_rate"] is None else BaseRate(**state["base_rate"])
        bands = [ReliabilityBin(**band) for band in state["bands"]]
        return TrackRecord(bands, rate, state["since"], state["until"])
