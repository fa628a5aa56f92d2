"""A tuning that is killed: run as ``python -m tests.helpers.interrupted <folder> <fit>``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from features.tables import DAY
from tests.helpers.learning import world
from training.config import Config
from training.fit import tune
from training.fit.parts import Boosted, fit_trees
from training.fit.tune import FoldData, Tuned
from training.models.encoding import Encoding
from training.task.questions import Labels

CONFIG = Config(trials=8, threads=1, folds=2)
STUDY = "a study"


def folds() -> tuple[list[FoldData], Encoding]:
    """Two folds of made-up competing risks, a day a row."""
    made = world(360, bins=2, outcomes=2, seed=4)
    cutoffs = np.arange(len(made.X), dtype=np.int64) * DAY

    def rows(first: int, last: int) -> tuple[Any, Labels, Any]:
        at = np.arange(first, last, dtype=np.int64)
        return made.X[at], made.labels.take(at), cutoffs[at]

    return [FoldData(*rows(0, e), *rows(e, e + 120)) for e in (120, 240)], made.encoding


def tuned(folder: Path | None, config: Config = CONFIG) -> Tuned:
    """The tuning itself, kept in ``folder``."""
    return tune.tune(*folds(), config, timed=True, study=STUDY, folder=folder)


def killed_at(fit: int) -> None:
    """Let the process be killed, as by a power cut, when it is about to fit for the fit-th time."""
    fits = iter(range(1, fit + 1))

    def fatal(*args: Any, **settings: Any) -> Boosted:
        if next(fits) == fit:
            os.kill(os.getpid(), signal.SIGKILL)
        return fit_trees(*args, **settings)

    vars(tune)["fit_trees"] = fatal


if __name__ == "__main__":
    killed_at(int(sys.argv[2]))
    tuned(Path(sys.argv[1]))
