"""The one look at the newest period: the model beside everything that is easier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from features.tables import Bools, Floats, Ints
from training.config import Config
from training.evaluation.challenge import Challenge
from training.evaluation.curve import curve_table, person_period_nll
from training.evaluation.scoreboard import Comparison, compare, reliability, scoreboard
from training.evaluation.verdict import Verdict, verdict
from training.models.baselines.bg_nbd import BgNbd
from training.models.baselines.methods import baselines, predict_all
from training.models.curves import base_curve
from training.models.outcome import OutcomeModel
from training.task.dataset import TrainingData
from training.task.questions import Labels
from training.task.splits import Fold

MODEL = "embudo"
BASE = "base rate"


@dataclass(frozen=True)
class HoldoutResult:
    """How right the model was on rows it had never seen; every table carries intervals and n.

    board        measures of the model and of every baseline
    curve        predicted against observed at every bin
    reliability  what happened where the scores said so
    comparisons  the paired gains of the model over each baseline
    missing      baselines that could not be made, and why
    rows         rows of the spine that were judged; scores and hit belong to them
    others       scores of the baselines on the same rows, by name
    """

    verdict: Verdict
    board: pd.DataFrame
    curve: pd.DataFrame
    reliability: pd.DataFrame
    comparisons: list[Comparison]
    missing: dict[str, str]
    rows: Ints
    scores: Floats
    hit: Bools
    others: Mapping[str, Floats] = field(default_factory=dict)

    def against(self, tested: Challenge) -> HoldoutResult:
        """This judgement with the test against the champion in its verdict."""
        reconsidered = replace(
            self.verdict,
            sentence=f"{self.verdict.sentence} {tested.sentence}",
            promotable=self.verdict.promotable and tested.passed,
        )
        return replace(self, verdict=reconsidered)

    def value(self, measure: str, model: str = MODEL) -> float:
        """One measure of one model."""
        at = (self.board["model"] == model) & (self.board["measure"] == measure)
        return float(self.board.loc[at, "value"].iloc[0])


def judge_holdout(teaching: TrainingData, model: OutcomeModel, config: Config) -> HoldoutResult:
    """Score the newest period and compare, on the same rows and the same bootstrap draws."""
    newest = teaching.split.newest
    rows = newest.valid_rows
    labels, entities = teaching.labels(rows, newest.valid_end), teaching.entities(rows)
    curves = model.curve(teaching.X[rows])
    hit, scores = labels.hit, curves[:, -1, 0]
    others, missing, base = _others(teaching, newest, rows, config)
    board = scoreboard(hit, {MODEL: scores, **others}, entities, float(base[-1]), config.seed)
    comparisons = [
        compare(hit, scores, p, entities, name, config.seed) for name, p in others.items()
    ]
    against_base = next(c for c in comparisons if c.against == BASE)
    rest = [c for c in comparisons if c.against != BASE]
    return HoldoutResult(
        verdict(against_base, rest),
        _with_likelihood(board, curves, labels, entities, config.seed),
        curve_table(curves[:, :, 0], labels, entities, teaching.question.edges, base, config.seed),
        reliability(hit, scores, entities),
        comparisons,
        missing,
        rows,
        scores,
        hit,
        others,
    )


def _others(
    teaching: TrainingData, newest: Fold, rows: Ints, config: Config
) -> tuple[dict[str, Floats], dict[str, str], Floats]:
    """Scores of the baselines, why the missing ones are missing, and the base curve (K,).

    The base rate is the incidence of all training rows, censored ones included: like the model it
    may learn from cases that are still open. The other baselines are direct classifiers, taught on
    the rows whose horizon had matured by the newest period.
    """
    labels = teaching.labels(newest.train_rows, newest.train_end)
    base = base_curve(labels)[:, 0]
    scores = {BASE: np.full(len(rows), base[-1])}
    matured = labels.matured
    if not matured.any():
        why = "no training row had its whole horizon observed before the newest period"
        return scores, {"direct classifiers": why}, base
    known = teaching.encoding.names, teaching.encoding.categorical
    made = baselines(*known, config.seed)
    if teaching.question.again:
        made.append(BgNbd(teaching.encoding.names, teaching.question.horizon))
    X, hit = teaching.X[newest.train_rows][matured], labels.hit[matured]
    others, missing = predict_all(made, X, hit, teaching.X[rows])
    return scores | others, missing, base


def _with_likelihood(
    board: pd.DataFrame, curves: Floats, labels: Labels, entities: list[str], seed: int
) -> pd.DataFrame:
    nll = person_period_nll(curves, labels, entities, seed)
    row = {
        "model": MODEL,
        "measure": "person_period_nll",
        "value": nll.value,
        "low": nll.low,
        "high": nll.high,
        "n": nll.n,
    }
    return pd.concat([board, pd.DataFrame([row])], ignore_index=True)
