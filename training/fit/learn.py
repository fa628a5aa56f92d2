"""From a recipe to a model: out-of-fold margins, the blend, and the last fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from features.tables import Floats, Instants
from training.config import Config
from training.evaluation.matured_predictions import MaturedPredictions
from training.fit.parts import Parts, Recipe, decay, fit_both, fit_fold
from training.fit.tune import FoldData
from training.models.blend import Blend
from training.models.curves import incidence
from training.models.encoding import Encoding
from training.models.outcome import OutcomeModel
from training.models.trees.model import margins_of
from training.task.dataset import TrainingData
from training.task.questions import Labels


@dataclass(frozen=True)
class Learned:
    """The model and the recipe it was fitted by.

    scores  of all out-of-fold rows; without folds, of the training rows
    past    of the out-of-fold rows whose horizon is over by the data's end, with what happened;
            empty without folds
    boosted the trees as text, also where the blend gives them no weight
    unseen  margins of every fold's validation rows: what the blend was fitted on
    """

    model: OutcomeModel
    recipe: Recipe
    scores: Floats
    past: MaturedPredictions
    boosted: str
    unseen: list[Unseen]


def learn(
    teaching: TrainingData,
    folds: list[FoldData],
    recipe: Recipe,
    config: Config,
    progress: bool = False,
) -> Learned:
    """Fit the blend on margins no part had seen, then the parts on all rows before the newest.

    What is returned is what the newest period judges; ``refit`` makes from it what ships. Without
    folds nothing is known of the parts, and everyone gets the base curve.
    """
    encoding = teaching.encoding
    rows = teaching.split.newest.train_rows
    labels = teaching.labels(rows, teaching.split.newest.train_end)
    bar = tqdm(total=len(folds) + 1, desc="  fitting", unit="fit", disable=not progress)
    unseen = []
    for fold in folds:
        unseen.append(_unseen(fold, teaching, recipe, config))
        bar.update()
    blend, scores = _blend(unseen, labels, recipe)
    parts = fit_fold(
        teaching.X[rows], labels, teaching.cutoffs(rows), encoding, recipe, config.threads
    )
    bar.update()
    bar.close()
    model = _assembled(encoding, teaching.question.edges, parts, blend)
    past = _past(teaching, scores)
    if not unseen:
        scores = model.score(teaching.X[rows])
    return Learned(model, recipe, scores, past, parts.boosted.text, unseen)


def refit(teaching: TrainingData, learned: Learned, config: Config) -> OutcomeModel:
    """What ships: the recipe that was judged, fitted on every row as known at the data's end.

    The judgement is of the procedure: each of its parts is made here as it was made for the newest
    period, with that period's rows to learn from too. The blend gains the judged model's margins of
    the newest period as one more fold. Costs one more fit.
    """
    encoding = Encoding.fit(teaching.features, config.min_count, config.max_levels)
    rows = np.arange(len(teaching.spine), dtype=np.int64)
    X, labels = encoding.matrix(teaching.features), teaching.labels(rows, _end(teaching))
    cutoffs, recipe = teaching.cutoffs(rows), learned.recipe
    parts = fit_fold(X, labels, cutoffs, encoding, recipe, config.threads)
    # without folds no part has shown what it knows, and the newest period alone does not decide
    unseen = [*learned.unseen, _newest(teaching, learned)] if learned.unseen else []
    blend, _ = _blend(unseen, labels, recipe)
    return _assembled(encoding, teaching.question.edges, parts, blend)


def _end(teaching: TrainingData) -> int:
    """The instant at which everything in the data is known."""
    return teaching.split.newest.valid_end


def _newest(teaching: TrainingData, learned: Learned) -> Unseen:
    """The judged model's margins of the newest period, by both parts."""
    rows = teaching.split.newest.valid_rows
    X, labels = teaching.X[rows], teaching.labels(rows, _end(teaching))
    trees = margins_of(learned.boosted, X, labels.bins, labels.outcomes)
    return Unseen(learned.model.linear.margins(X), trees, labels, teaching.cutoffs(rows))


@dataclass(frozen=True)
class Unseen:
    """Margins (n, K, J) of a fold's validation rows by parts that did not see them."""

    linear: Floats
    trees: Floats
    labels: Labels
    cutoffs: Instants


def _unseen(fold: FoldData, teaching: TrainingData, recipe: Recipe, config: Config) -> Unseen:
    linear, boosted = fit_both(
        fold.X, fold.labels, fold.cutoffs, teaching.encoding, recipe, config.threads
    )
    sizes = fold.labels.bins, fold.labels.outcomes
    return Unseen(
        linear.margins(fold.X_valid),
        margins_of(boosted.text, fold.X_valid, *sizes),
        fold.labels_valid,
        fold.cutoffs_valid,
    )


def _blend(unseen: list[Unseen], labels: Labels, recipe: Recipe) -> tuple[Blend, Floats]:
    if not unseen:
        # no part has shown on unseen rows that it knows anything: the base rate answers
        nothing = np.zeros((len(labels), labels.bins, labels.outcomes))
        return Blend.fit(nothing, None, labels), np.empty(0)
    linear = np.concatenate([u.linear for u in unseen])
    trees = np.concatenate([u.trees for u in unseen])
    seen = Labels.join([u.labels for u in unseen])
    # recent folds say more about tomorrow's level when the recipe found that the world moves
    weights = decay(np.concatenate([u.cutoffs for u in unseen]), recipe.half_life_days)
    blend = Blend.fit(linear, trees, seen, weights)
    return blend, incidence(blend.margins(linear, trees))[:, -1, 0]


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


def _assembled(
    encoding: Encoding, edges: tuple[float, ...], parts: Parts, blend: Blend
) -> OutcomeModel:
    """The model; trees without weight are left out, for they would only cost time."""
    silent = blend.b == 0
    return OutcomeModel(
        encoding,
        parts.linear,
        None if silent else parts.trees,
        blend,
        edges,
        "" if silent else parts.boosted.text,
        None if silent else parts.covers,
    )
