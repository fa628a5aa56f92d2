"""Fitting the learner's parts: a ridge and boosted trees on the same person-periods.

Only training imports this: scoring needs no LightGBM (``trees.py`` reads the model's text).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np

from features.tables import DAY, Floats, Instants, Ints
from training.models.curves import LabelArrays, pooled_rates
from training.models.encoding import Encoding
from training.models.linear.model import LinearModel
from training.models.trees.model import Trees, leaf_covers

EFFORT = 2.5
"""Boosting stops after EFFORT / learning rate rounds without gain: small steps need more."""

MAX_BIN = 127
"""Histogram bins a column: half of LightGBM's default in half the time, with no loss to be seen."""

DEEPEST = 6
"""Deeper trees would make reasons too dear to give with every score."""


@dataclass(frozen=True)
class TreeParams:
    """How the trees grow; the names are LightGBM's.

    min_data_in_leaf counts person-periods; rounds is an upper bound where a validation set is given
    and training stops after ``stop_after`` rounds without gain: ``patience``, or, where that is
    None, as many as fit the learning rate (50 at 0.05, 13 at 0.2).
    """

    learning_rate: float = 0.05
    num_leaves: int = 15
    max_depth: int = 4
    min_data_in_leaf: int = 50
    feature_fraction: float = 0.8
    lambda_l2: float = 1.0
    rounds: int = 200
    patience: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_depth <= DEEPEST:
            raise ValueError(f"max_depth must be 1 to {DEEPEST}, got {self.max_depth}")
        if self.rounds < 1 or self.num_leaves < 2:
            raise ValueError(
                f"rounds must be at least 1 and num_leaves 2, got {self.rounds}, {self.num_leaves}"
            )

    @property
    def stop_after(self) -> int:
        """Rounds without gain after which boosting stops."""
        return self.patience or math.ceil(EFFORT / self.learning_rate)


@dataclass(frozen=True)
class Recipe:
    """Everything the folds decide about the parts.

    l2              precision of the linear coefficients' prior (``LinearModel.fit``)
    half_life_days  a row so much older than the newest counts half; None counts all alike
    """

    trees: TreeParams = field(default_factory=TreeParams)
    l2: float = 10.0
    half_life_days: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Boosted:
    """A boosted model as text, and its validation loss per person-period (nan without one)."""

    text: str
    rounds: int
    loss: float


@dataclass(frozen=True)
class Parts:
    """The fitted parts; ``boosted`` and ``covers`` are what ``trees`` was read from."""

    linear: LinearModel
    trees: Trees
    boosted: Boosted
    covers: Ints


def decay(cutoffs: Instants, half_life_days: float | None) -> Floats:
    """(n,) weights ½ ^ (age / half-life), the age of a row measured from the newest cutoff."""
    if half_life_days is None or len(cutoffs) == 0:
        return np.ones(len(cutoffs))
    if not half_life_days > 0:
        raise ValueError(f"half_life_days must be positive or None, got {half_life_days}")
    ages = (cutoffs.max() - cutoffs) / DAY
    weights: Floats = 0.5 ** (ages / half_life_days)
    return weights


WHOLE = 200_000
"""Person-periods up to which LightGBM looks at all for its bins (``bin_construct_sample_cnt``):
given at once they make the same bins as row by row, in half the time."""


class Periods(lgb.Sequence):
    """The person-periods of rows X (n, F) as LightGBM reads them: in batches, never all at once.

    With more than one bin the last column is the bin.
    """

    batch_size = 16_384

    def __init__(self, X: Floats, rows: Ints, bins: Ints | None) -> None:
        self.X, self.rows, self.bins = X, rows, bins

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: Any) -> Floats:
        found: Floats = self.X[self.rows[at]]
        if self.bins is None:
            return found.copy()
        return np.concatenate([found, self.bins[at, ..., None]], axis=-1, dtype=np.float64)


def fit_trees(
    X: Floats,
    labels: LabelArrays,
    encoding: Encoding,
    weights: Floats,
    params: TreeParams,
    *,
    seed: int = 0,
    threads: int = 1,
    valid: tuple[Floats, LabelArrays, Floats] | None = None,
    callbacks: Sequence[Callable[[Any], None]] = (),
) -> Boosted:
    """Boost trees on the person-periods of n rows; the same input gives the same text.

    X          (n, F) of ``encoding``; weights (n,), one a row
    valid      X, labels and weights of later rows: stops the training when their loss stops falling
    callbacks  LightGBM callbacks, for pruning hopeless trials

    An outcome that no training row met is given half a person-period, so its hazard is small and
    not zero; rows of one class only are an error. Memory: X once, and a byte a cell of the
    person-periods (1.6 million of 60 columns: 0.3 GB more). Time on one core: 5 s a million
    person-periods to read, then about 25 s per 100 rounds, million person-periods and class.
    """
    pooled_rates(labels, weights)
    data = _dataset(X, labels, weights, encoding, pseudo=True)
    watched = [] if valid is None else [_dataset(*valid, encoding, reference=data)]
    history: dict[str, dict[str, list[float]]] = {}
    stop: list[Callable[[Any], None]] = [
        lgb.early_stopping(params.stop_after, verbose=False),
        lgb.record_evaluation(history),
    ]
    booster = lgb.train(
        _settings(params, labels.outcomes, seed, threads),
        data,
        num_boost_round=params.rounds,
        valid_sets=watched,
        valid_names=["valid"] * len(watched),
        callbacks=[*(stop if watched else []), *callbacks],
    )
    if not watched:
        return Boosted(booster.model_to_string(), booster.current_iteration(), float("nan"))
    losses = [loss for name in history.get("valid", {}).values() for loss in name]
    # nothing to split on ends the training before its first evaluation
    losses = losses or [float(loss) for _, _, loss, *_ in booster.eval_valid()]
    rounds = int(np.argmin(losses)) + 1
    return Boosted(booster.model_to_string(num_iteration=rounds), rounds, float(min(losses)))


def _settings(params: TreeParams, outcomes: int, seed: int, threads: int) -> dict[str, Any]:
    competing = {"objective": "multiclass", "metric": "multi_logloss", "num_class": outcomes + 1}
    single = {"objective": "binary", "metric": "binary_logloss"}
    return {
        **(competing if outcomes > 1 else single),
        "learning_rate": params.learning_rate,
        "num_leaves": min(params.num_leaves, 2**params.max_depth),
        "max_depth": params.max_depth,
        "min_data_in_leaf": params.min_data_in_leaf,
        "feature_fraction": params.feature_fraction,
        "lambda_l2": params.lambda_l2,
        "deterministic": True,
        "force_row_wise": True,
        "max_bin": MAX_BIN,
        "seed": seed,
        "num_threads": threads,
        "verbosity": -1,
    }


def _dataset(
    X: Floats,
    labels: LabelArrays,
    weights: Floats,
    encoding: Encoding,
    reference: lgb.Dataset | None = None,
    pseudo: bool = False,
) -> lgb.Dataset:
    rows, bins, y = labels.person_periods()
    if len(rows) == 0:
        raise ValueError(f"{len(X)} rows hold no fully observed bin; choose rows with more history")
    mass = weights[rows]
    absent = np.setdiff1d(np.arange(1, labels.outcomes + 1), y) if pseudo else np.empty(0, np.int64)
    rows, bins = np.append(rows, rows[[0] * len(absent)]), np.append(bins, bins[[0] * len(absent)])
    periods = Periods(X, rows, bins if labels.bins > 1 else None)
    # A streamed validation set inherits room for its reference's weights and, being unweighted
    # itself, leaves it zero: its loss would be 0 / 0. So it is given whole.
    whole = reference is not None or len(periods) <= WHOLE
    return lgb.Dataset(
        periods[:] if whole else periods,
        np.append(y, absent),
        weight=np.append(mass, np.full(len(absent), 0.5)),
        categorical_feature=encoding.categorical,
        reference=reference,
        params={"max_bin": MAX_BIN, "verbosity": -1},
    )


def count_covers(X: Floats, labels: LabelArrays, text: str) -> Ints:
    """(trees, leaves, K) training person-periods of each bin in each leaf, by ``leaf_covers``."""
    rows, bins, _ = labels.person_periods()
    booster, periods = (
        lgb.Booster(model_str=text),
        Periods(X, rows, bins if labels.bins > 1 else None),
    )
    covers: Ints = np.zeros((), np.int64)
    for start in range(0, len(periods), Periods.batch_size):
        batch = slice(start, start + Periods.batch_size)
        covers = covers + leaf_covers(booster, periods[batch], bins[batch], labels.bins)
    return covers


def fit_both(
    X: Floats,
    labels: LabelArrays,
    cutoffs: Instants,
    encoding: Encoding,
    recipe: Recipe,
    threads: int = 1,
) -> tuple[LinearModel, Boosted]:
    """Fit both parts on training rows X (n, F), their labels and their cutoffs (n,)."""
    weights = decay(cutoffs, recipe.half_life_days)
    linear = LinearModel.fit(X, labels, encoding, weights, recipe.l2)
    boosted = fit_trees(
        X, labels, encoding, weights, recipe.trees, seed=recipe.seed, threads=threads
    )
    return linear, boosted


def fit_fold(
    X: Floats,
    labels: LabelArrays,
    cutoffs: Instants,
    encoding: Encoding,
    recipe: Recipe,
    threads: int = 1,
) -> Parts:
    """``fit_both``, with the trees ready to score and to explain."""
    linear, boosted = fit_both(X, labels, cutoffs, encoding, recipe, threads)
    covers = count_covers(X, labels, boosted.text)
    sizes = X.shape[1], labels.bins, labels.outcomes
    return Parts(linear, Trees.from_text(boosted.text, *sizes, covers), boosted, covers)
