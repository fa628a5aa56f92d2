"""Choosing the recipe: Optuna for the trees, a grid for the ridge, both judged out of fold."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from features.tables import Floats, Instants
from training.config import Config
from training.fit.parts import Recipe, TreeParams, decay, fit_trees
from training.models.curves import loss
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel
from training.task.dataset import TrainingData
from training.task.questions import Labels

RIDGES = (1.0, 10.0, 100.0, 1000.0)
MOST_ROUNDS = 2_000
"""Rounds that tuning may reach; early stopping ends nearly all of them before."""

MOST_LEAVES = 24_000
"""Leaves of all trees together, which bounds what reasons cost with every score; half of them with
more than one bin, where a leaf answers several margins: 1,500 rounds of 16 leaves for a flat table,
250 for six bins of two competing outcomes (three classes, so three trees a round)."""

HALF_LIVES = (0.0, 730.0, 365.0, 180.0)
"""Days after which a row counts half; 0 stands for never."""


@dataclass(frozen=True)
class FoldData:
    """One fold's rows, ready to fit and to judge."""

    X: Floats
    labels: Labels
    cutoffs: Instants
    X_valid: Floats
    labels_valid: Labels
    cutoffs_valid: Instants


def fold_data(teaching: TrainingData) -> list[FoldData]:
    """The folds' matrices and labels, each labelled with what was known at its ends."""
    return [
        FoldData(
            teaching.X[f.train_rows],
            teaching.labels(f.train_rows, f.train_end),
            teaching.cutoffs(f.train_rows),
            teaching.X[f.valid_rows],
            teaching.labels(f.valid_rows, f.valid_end),
            teaching.cutoffs(f.valid_rows),
        )
        for f in teaching.split.folds
    ]


@dataclass(frozen=True)
class Tuned:
    """The chosen recipe and what was tried: one row a trial."""

    recipe: Recipe
    trials: list[dict[str, Any]]


def tune(
    folds: list[FoldData],
    encoding: Encoding,
    config: Config,
    *,
    timed: bool,
    study: str = "",
    folder: Path | None = None,
    progress: bool = False,
) -> Tuned:
    """Choose tree settings and half-life by Optuna, then the ridge's strength on a grid.

    The loss is the mean validation loss of a person-period over the newest ``config.tune_folds`` of
    the folds, which are the likest to tomorrow. Hopeless trials are pruned after a fold. With
    ``folder`` the study is kept in a journal there and a run that was interrupted resumes: each
    trial's sampler is seeded by its number, so the trials of a resumed run are those of an
    uninterrupted one. A journal that holds more trials than are asked for gives the first of them,
    so what is chosen does not depend on what was asked before. With ``config.minutes`` no trial but
    the first begins after so long, so what is chosen depends on the machine.
    """
    if not folds:
        return Tuned(Recipe(seed=config.seed), [])
    folds = folds[-config.tune_folds :]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    kept = optuna.create_study(
        study_name=study or "in memory",
        storage=_storage(folder),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
        load_if_exists=True,
    )
    _forget_interrupted(kept)
    objective = _objective(folds, encoding, config, timed)
    done = len(_finished(kept))
    if done == 0 and not kept.get_trials(states=(TrialState.WAITING,)):
        kept.enqueue_trial(_defaults(timed))
    bar = tqdm(total=config.trials - done, desc="  tuning", unit="trial", disable=not progress)

    def next_trial(study: optuna.Study, _: FrozenTrial) -> None:
        study.sampler = optuna.samplers.TPESampler(seed=config.seed + len(_finished(study)))
        bar.update()

    kept.sampler = optuna.samplers.TPESampler(seed=config.seed + done)
    seconds = None if config.minutes is None else 60 * config.minutes
    if done == 0:  # whatever the time, there is one recipe to choose
        kept.optimize(objective, 1, callbacks=[next_trial])
    if (left := config.trials - max(done, 1)) > 0:
        kept.optimize(objective, left, seconds, callbacks=[next_trial])
    bar.close()
    tried = _finished(kept)[: config.trials]
    best = min((t for t in tried if t.state == TrialState.COMPLETE), key=_loss)
    params, half_life = _suggested(best.params)
    trees = replace(params, rounds=best.user_attrs["rounds"])
    l2 = _best_ridge(folds, encoding, half_life, progress)
    recipe = Recipe(trees, l2, half_life, config.seed)
    return Tuned(recipe, [_row(number, t) for number, t in enumerate(tried)])


def _loss(trial: FrozenTrial) -> float:
    return math.inf if trial.value is None else trial.value


def _storage(folder: Path | None) -> BaseStorage:
    if folder is None:
        return InMemoryStorage()
    folder.mkdir(parents=True, exist_ok=True)
    # absolute: a lock that a killed run left behind could not be looked at otherwise
    journal = (folder / "studies.log").resolve()
    lock = JournalFileSymlinkLock(str(journal))
    lock.acquire()
    try:
        _drop_torn_line(journal)
    finally:
        lock.release()
    return JournalStorage(JournalFileBackend(str(journal), lock))


def _drop_torn_line(journal: Path) -> None:
    """A run killed while it wrote leaves half a line, after which nothing could be read."""
    if not journal.is_file() or journal.stat().st_size == 0:
        return
    with journal.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))


def _forget_interrupted(study: optuna.Study) -> None:
    """A trial that a killed run left running will never report: mark it failed."""
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def _space(trial: optuna.Trial, timed: bool) -> dict[str, Any]:
    space: dict[str, Any] = {
        "learning_rate": trial.suggest_float("learning_rate", 0.05, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 24),
        "max_depth": trial.suggest_int("max_depth", 2, 5),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 20, 500, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.01, 100.0, log=True),
    }
    if timed:
        space["half_life_days"] = trial.suggest_categorical("half_life_days", HALF_LIVES)
    return space


def _defaults(timed: bool) -> dict[str, Any]:
    given = asdict(TreeParams())
    names = [
        "learning_rate",
        "num_leaves",
        "max_depth",
        "min_data_in_leaf",
        "feature_fraction",
        "lambda_l2",
    ]
    return {n: given[n] for n in names} | ({"half_life_days": 0.0} if timed else {})


def _suggested(space: dict[str, Any]) -> tuple[TreeParams, float | None]:
    half_life = float(space.get("half_life_days", 0.0)) or None
    return TreeParams(**{k: v for k, v in space.items() if k != "half_life_days"}), half_life


def _objective(
    folds: list[FoldData], encoding: Encoding, config: Config, timed: bool
) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        params, half_life = _suggested(_space(trial, timed))
        losses, rounds = [], []
        for step, fold in enumerate(folds):
            most = most_rounds(params, fold.labels.bins, fold.labels.outcomes)
            boosted = fit_trees(
                fold.X,
                fold.labels,
                encoding,
                decay(fold.cutoffs, half_life),
                replace(params, rounds=most),
                seed=config.seed,
                threads=config.threads,
                valid=(fold.X_valid, fold.labels_valid, np.ones(len(fold.X_valid))),
            )
            losses.append(boosted.loss)
            rounds.append(boosted.rounds)
            trial.report(float(np.mean(losses)), step)
            if trial.should_prune() and step + 1 < len(folds):
                raise optuna.TrialPruned
        # the final fit has more rows than the folds had: the most rounds a fold needed
        trial.set_user_attr("rounds", max(1, max(rounds)))
        return float(np.mean(losses))

    return objective


def most_rounds(params: TreeParams, bins: int, outcomes: int) -> int:
    """Rounds within MOST_ROUNDS and MOST_LEAVES: a round grows one tree a class."""
    classes = outcomes + 1 if outcomes > 1 else 1
    leaves = min(params.num_leaves, 2**params.max_depth)
    affordable = MOST_LEAVES if bins == 1 else MOST_LEAVES // 2
    return int(max(1, min(MOST_ROUNDS, affordable // (classes * leaves))))


def _best_ridge(
    folds: list[FoldData], encoding: Encoding, half_life: float | None, progress: bool
) -> float:
    def judged(l2: float) -> float:
        return sum(_ridge_loss(fold, encoding, half_life, l2) for fold in folds)

    grid = tqdm(RIDGES, desc="  ridge", unit="fit", disable=not progress)
    losses = {l2: judged(l2) for l2 in grid}
    return min(losses, key=lambda l2: losses[l2])


def _ridge_loss(fold: FoldData, encoding: Encoding, half_life: float | None, l2: float) -> float:
    fitted = LinearModel.fit(fold.X, fold.labels, encoding, decay(fold.cutoffs, half_life), l2)
    margins = fitted.margins(fold.X_valid)
    return loss(margins, fold.labels_valid, np.ones(len(fold.X_valid)))[0]


def _row(number: int, trial: FrozenTrial) -> dict[str, Any]:
    """One finished trial; numbered among the finished ones, for interrupted ones left no trace."""
    return {
        "trial": number,
        "state": trial.state.name.lower(),
        "loss": trial.value if trial.state == TrialState.COMPLETE else None,
        "rounds": trial.user_attrs.get("rounds"),
        **json.loads(json.dumps(trial.params)),
    }
