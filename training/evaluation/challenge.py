"""The challenger against the champion: the paired test that a promotion asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from features.catalog import build_features
from features.tables import NAT, Bools, Floats, Ints, micros
from features.timeline import Timeline
from training.config import Config
from training.evaluation.scoreboard import Comparison, compare
from training.models.bundle import Bundle
from training.task.dataset import TrainingData

FEWEST = 30
"""Rows that neither model has learned from, below which a comparison says nothing."""


@dataclass(frozen=True)
class Challenge:
    """Whether the new model is at least as good as the champion, and what that rests on.

    passed  False only where the test was made and the champion did better
    """

    champion: str
    passed: bool
    sentence: str
    comparison: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return asdict(self)


class Judged(Protocol):
    """The judged rows of the spine, whether the outcome happened, and the new model's scores."""

    @property
    def rows(self) -> Ints: ...
    @property
    def hit(self) -> Bools: ...
    @property
    def scores(self) -> Floats: ...


def challenge(
    teaching: TrainingData, judgement: Judged, champion: Bundle, fingerprint: str, config: Config
) -> Challenge:
    """Compare on the rows of the newest period that the champion never learned from.

    The new model passes where its log loss there is not above the champion's. Where no such rows
    exist the test cannot be made, and only the verdict of the new model counts.
    """
    rows = _unseen(teaching, judgement, champion, fingerprint)
    if len(rows) < FEWEST:
        why = f"only {len(rows)} rows of the newest period are new to it" if len(rows) else _seen()
        return Challenge(champion.version, True, f"Not compared with the champion: {why}.")
    try:
        theirs = _scores(teaching, champion, judgement.rows[rows])
    except (ValueError, TypeError) as cannot:
        sentence = f"Not compared with the champion: it cannot read these data ({cannot})."
        return Challenge(champion.version, True, sentence)
    entities = teaching.entities(judgement.rows[rows])
    found = compare(
        judgement.hit[rows], judgement.scores[rows], theirs, entities, "champion", config.seed
    )
    passed = found.log_loss.value >= 0
    return Challenge(champion.version, passed, _said(found, passed), found.to_json())


def _seen() -> str:
    return "it learned from rows of this period"


def _said(found: Comparison, passed: bool) -> str:
    e = found.log_loss
    word = "At least as good as" if passed else "Worse than"
    return (
        f"{word} the champion: gain {e.value:.4f} nats of log loss a row ({e.low:.4f} to "
        f"{e.high:.4f}) on {e.n} rows that neither had seen."
    )


def _unseen(teaching: TrainingData, judgement: Judged, champion: Bundle, fingerprint: str) -> Ints:
    """Positions among the judged rows that the champion did not learn from."""
    if teaching.question.flat:
        # the split is by seeded chance: only the same data, divided alike, were held out alike
        same = champion.trained_on.get("fingerprint") == fingerprint
        return np.arange(len(judgement.rows) if same else 0, dtype=np.int64)
    until = champion.trained_on.get("until", "")
    learned = micros(until) if until else NAT
    return np.flatnonzero(teaching.spine.cutoffs[judgement.rows] >= learned)


def _scores(teaching: TrainingData, champion: Bundle, rows: Ints) -> Floats:
    """The champion's scores (n,) of these rows, from features built as it knows them."""
    features = build_features(
        Timeline(teaching.tables), teaching.spine.take(rows), champion.features
    )
    return champion.model.score(champion.model.encoding.matrix(features))
