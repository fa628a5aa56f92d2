"""From a recipe to a model: out-of-fold margins, the weights of the parts, and the last fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from features.tables import Floats, Instants
from training.config import Config
from training.evaluation.matured_predictions import MaturedPredictions
from training.fit.direct import base_margins
from training.fit.ensemble import PARTS, FittedParts, assemble, fit_parts
from training.fit.parts import Recipe
from training.fit.stack import PartWeights, fit_stack
from training.fit.tune import FoldData
from training.models.curves import incidence
from training.models.encoding import Encoding
from training.models.outcome import OutcomeModel
from training.task.dataset import TrainingData
from training.task.questions import Labels


@dataclass(frozen=True)
class Unseen:
    """Margins (P, n, K, J) of a fold's validation rows by parts that did not see them."""

    parts: Floats
    labels: Labels
    cutoffs: Instants


@dataclass(frozen=True)
class Learned:
    """The model and the recipe it was fitted by.

    scores  of all out-of-fold rows; without folds, of the training rows
    past    of the out-of-fold rows whose horizon is over by the data's end, with what happened;
            empty without folds
    parts   what the model was assembled from, ``stack`` how
    unseen  margins of every fold's validation rows: what the weights were learned on
    """

    model: OutcomeModel
    recipe: Recipe
    scores: Floats
    past: MaturedPredictions
    parts: FittedParts
    stack: PartWeights
    unseen: list[Unseen]


def learn(
    teaching: TrainingData,
    folds: list[FoldData],
    recipe: Recipe,
    config: Config,
    progress: bool = False,
) -> Learned:
    """Learn the weights on margins no part had seen, then the parts on all rows before the newest.

    What is returned is what the newest period judges; ``refit`` makes from it what ships. Without
    folds nothing is known of the parts, and everyone gets the base curve.
    """
    encoding = teaching.encoding
    rows = teaching.split.newest.train_rows
    labels = teaching.labels(rows, teaching.split.newest.train_end)
    bar = tqdm(total=len(folds) + 1, desc="  fitting", unit="fit", disable=not progress)
    unseen = []
    for fold in folds:
        unseen.append(unseen_of(fold, encoding, recipe, config.threads))
        bar.update()
    stack = combine(unseen, labels, not teaching.question.flat, _evidence(teaching))
    X, cutoffs = teaching.X[rows], teaching.cutoffs(rows)
    parts = fit_parts(X, labels, cutoffs, encoding, recipe, config.threads)
    bar.update()
    bar.close()
    model = assemble(encoding, teaching.question.edges, parts, stack, X, labels)
    scores = np.concatenate(
        [incidence(stack.margins(u.parts))[:, -1, 0] for u in unseen] or [np.empty(0)]
    )
    past = _past(teaching, scores)
    if not unseen:
        scores = model.score(X)
    return Learned(model, recipe, scores, past, parts, stack, unseen)


def refit(teaching: TrainingData, learned: Learned, config: Config) -> OutcomeModel:
    """What ships: the recipe that was judged, fitted on every row as known at the data's end.

    The judgement is of the procedure: each of its parts is made here as it was made for the newest
    period, with that period's rows to learn from too. The weights gain the judged parts' margins of
    the newest period as one more fold. Costs one more fit.
    """
    encoding = Encoding.fit(teaching.features, config.min_count, config.max_levels)
    rows = np.arange(len(teaching.spine), dtype=np.int64)
    X, labels = encoding.matrix(teaching.features), teaching.labels(rows, _end(teaching))
    recipe = learned.recipe
    parts = fit_parts(X, labels, teaching.cutoffs(rows), encoding, recipe, config.threads)
    # without folds no part has shown what it knows, and the newest period alone does not decide
    unseen = [*learned.unseen, _newest(teaching, learned)] if learned.unseen else []
    stack = combine(unseen, labels, not teaching.question.flat, _evidence(teaching))
    return assemble(encoding, teaching.question.edges, parts, stack, X, labels)


def _evidence(teaching: TrainingData) -> float:
    """Entities per row: the rows of one entity say much the same."""
    return len(set(teaching.spine.ids)) / max(len(teaching.spine), 1)


def _end(teaching: TrainingData) -> int:
    """The instant at which everything in the data is known."""
    return teaching.split.newest.valid_end


def _newest(teaching: TrainingData, learned: Learned) -> Unseen:
    """The judged parts' margins of the newest period."""
    rows = teaching.split.newest.valid_rows
    labels = teaching.labels(rows, _end(teaching))
    return Unseen(learned.parts.margins(teaching.X[rows]), labels, teaching.cutoffs(rows))


def unseen_of(fold: FoldData, encoding: Encoding, recipe: Recipe, threads: int = 1) -> Unseen:
    """The margins of a fold's validation rows by parts fitted on its training rows."""
    parts = fit_parts(fold.X, fold.labels, fold.cutoffs, encoding, recipe, threads)
    return Unseen(parts.margins(fold.X_valid), fold.labels_valid, fold.cutoffs_valid)


def combine(
    unseen: list[Unseen], labels: Labels, timed: bool, evidence: float = 1.0
) -> PartWeights:
    """The weights of the parts, learned on the folds; without folds the base curve alone."""
    if not unseen:
        return PartWeights(np.eye(len(PARTS))[-1], np.zeros_like(base_margins(labels)))
    sizes = [len(u.labels) for u in unseen]
    return fit_stack(
        np.concatenate([u.parts for u in unseen], axis=1),
        Labels.join([u.labels for u in unseen]),
        np.concatenate([u.cutoffs for u in unseen]),
        np.repeat(np.arange(len(unseen)), sizes),
        timed,
        evidence,
    )


def _past(teaching: TrainingData, scores: Floats) -> MaturedPredictions:
    """The folds' scores with their outcomes, as far as these are known by the data's end.

    scores (n,) of all folds' validation rows, fold after fold. No part had seen the rows; the
    blend's few constants had, as the folds' labels stood before the newest period.
    """
    split = teaching.split
    if not split.folds:
        return MaturedPredictions.join([])
    rows = np.concatenate([fold.valid_rows for fold in split.folds])
    labels = teaching.labels(rows, split.newest.valid_end)
    keep = np.flatnonzero(labels.matured)
    kept = rows[keep]
    return MaturedPredictions(
        scores[keep], labels.hit[keep], teaching.entities(kept), teaching.cutoffs(kept)
    )
