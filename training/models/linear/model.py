"""The learner's linear part: a multinomial ridge on hazards, its coefficients shared by the bins.

    linear_kj(x) = alpha_kj + beta_j · z(x)

z(x) has mean zero over the training rows, so alpha is the margin of the average row and every
original column's contribution is a deviation from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from features.tables import Bools, Floats, Ints
from training.models.curves import LabelArrays
from training.models.encoding import Encoding

if TYPE_CHECKING:
    from training.models.linear.ridge import Design

_NUMBERS = ("columns", "low", "high", "compressed", "mean", "scale", "missing")

TAIL = 0.005
"""The TAIL and 1 - TAIL quantiles of the training rows are a number's usual range, its scale."""

REACH = 3.0
"""Numbers are followed this many usual ranges beyond the usual one, and held there.

So the linear part follows a column that drifts (range 0 to 10 in training, 14 next year: read as
14), while a mistyped 1e9 counts as 40.
"""

SKEWED = 1.0
"""A column without negatives and skewness above this is compressed by log(1 + x)."""

RARE = 0.005
"""A missing indicator is used where the missing share lies between RARE and 1 - RARE."""

BLOCK = 16_384
"""Rows handled at a time."""


@dataclass(frozen=True)
class Numbers:
    """How N number columns become comparable: limited, compressed, centred, scaled; missing is 0.

    columns (N,) their places in the matrix; low, high (N,) where values are held; compressed (N,)
    whether log1p follows; mean (N,) of what is then present, scale (N,) of its usual range;
    missing (N,) the missing share
    """

    columns: Ints
    low: Floats
    high: Floats
    compressed: Bools
    mean: Floats
    scale: Floats
    missing: Floats

    @staticmethod
    def fit(X: Floats, columns: list[int]) -> Numbers:
        """Learn from the training matrix (n, F)."""
        return Numbers._of(X, columns, _number)

    @staticmethod
    def plain(X: Floats, columns: list[int]) -> Numbers:
        """Centred and scaled only, as a plain logistic regression would; limited like ``fit``."""
        return Numbers._of(X, columns, _plain_number)

    @staticmethod
    def _of(X: Floats, columns: list[int], learn: Callable[[Floats], tuple[float, ...]]) -> Numbers:
        learnt = [learn(column) for column in np.ascontiguousarray(X.T[columns])]
        parts = np.array(learnt, np.float64).reshape(len(columns), 6).T
        low, high, compressed, mean, scale, missing = parts
        places = np.array(columns, np.int64)
        return Numbers(places, low, high, compressed > 0, mean, scale, missing)

    @property
    def flagged(self) -> Bools:
        """(N,) whether being missing has a coefficient of its own."""
        flagged: Bools = (self.missing >= RARE) & (self.missing <= 1 - RARE)
        return flagged

    def standard(self, X: Floats) -> tuple[Floats, Bools]:
        """Standardised values (n, N), 0 where missing, and where they are missing (n, N)."""
        values = X[:, self.columns]
        missing = np.isnan(values)
        _standardise(values, self.low, self.high, self.compressed, self.mean, self.scale)
        return values, missing


@njit(cache=True)
def _standardise(
    values: Floats, low: Floats, high: Floats, compressed: Bools, mean: Floats, scale: Floats
) -> None:
    """``Numbers.standard`` in place: numpy's steps cost one record as much as a hundred."""
    for i in range(values.shape[0]):
        for f in range(values.shape[1]):
            value = min(max(values[i, f], low[f]), high[f])
            if compressed[f]:
                value = math.log1p(value)
            values[i, f] = 0.0 if np.isnan(values[i, f]) else (value - mean[f]) / scale[f]


def _number(column: Floats) -> tuple[float, ...]:
    """low, high, compressed, mean, scale, missing share of one column."""
    present = column[~np.isnan(column)]
    missing = 1 - len(present) / max(len(column), 1)
    if len(present) == 0:
        return 0.0, 0.0, 0.0, 0.0, 1.0, missing
    low, high = np.quantile(present, [TAIL, 1 - TAIL])
    if low == high:  # a rare value is all the column has to say: keep it
        low, high = present.min(), present.max()
    usual = np.clip(present, low, high)
    compressed = low >= 0 and _skewness(usual) > SKEWED
    reach = REACH * (high - low)
    least, most = 0.0 if compressed else low - reach, high + reach
    limited = np.clip(present, least, most)
    if compressed:
        usual, limited = np.log1p(usual), np.log1p(limited)
    # the scale is the usual rows', so that one absurd value does not flatten all others
    return least, most, compressed, limited.mean(), usual.std() or 1.0, missing


def _plain_number(column: Floats) -> tuple[float, ...]:
    """``_number`` without compression, on the scale of all values within the limits."""
    present = column[~np.isnan(column)]
    if len(present) == 0:
        return _number(column)
    low, high = np.quantile(present, [TAIL, 1 - TAIL])
    if low == high:
        low, high = present.min(), present.max()
    reach = REACH * (high - low)
    limited = np.clip(present, low - reach, high + reach)
    missing = 1 - len(present) / len(column)
    return low - reach, high + reach, False, limited.mean(), limited.std() or 1.0, missing


def _skewness(values: Floats) -> float:
    centred = values - values.mean()
    squared = centred * centred
    spread = float(np.sqrt(squared.mean()))
    return float((squared @ centred) / len(values) / spread**3) if spread > 0 else 0.0


@dataclass(frozen=True)
class CategoryLevels:
    """Where C category columns find their levels among L slots: other, level 1, 2, …, missing."""

    columns: Ints
    starts: Ints
    sizes: Ints

    @staticmethod
    def fit(encoding: Encoding) -> CategoryLevels:
        """The slots of an encoding's category columns."""
        columns = np.array(encoding.categorical, np.int64)
        sizes = encoding.sizes[columns] + 2
        return CategoryLevels(columns, np.cumsum(sizes) - sizes, sizes)

    def slots(self, X: Floats) -> Ints:
        """(n, C) slot of each category."""
        codes = X[:, self.columns]
        slots: Ints = self.starts + np.where(np.isnan(codes), self.sizes - 1, codes).astype(
            np.int64
        )
        return slots


@dataclass(frozen=True)
class LinearModel:
    """The fitted linear part.

    alpha (K, J); slope, gap (J, N) of a number's standardised value and of its being missing;
    level (J, L) of each slot, centred: a column's levels average 0 over the training rows
    """

    features: int
    numbers: Numbers
    words: CategoryLevels
    alpha: Floats
    slope: Floats
    gap: Floats
    level: Floats

    @staticmethod
    def fit(
        X: Floats,
        labels: LabelArrays,
        encoding: Encoding,
        weights: Floats,
        l2: float,
        numbers_of: Callable[[Floats, list[int]], Numbers] = Numbers.fit,
    ) -> LinearModel:
        """Fit on the person-periods of n training rows.

        X        (n, F) of ``encoding``
        weights  (n,), one a row: all its person-periods count so much
        l2       precision of the normal prior of every coefficient (per standard deviation of a
                 number, per level of a category), > 0; alpha has none but one pseudo person-period
                 a bin, ending as all person-periods together do: an empty bin stays finite
        numbers_of  how numbers become comparable
        """
        useful = set(encoding.names) - set(encoding.useless)
        categories = set(encoding.categorical)
        numbers = [f for f, n in enumerate(encoding.names) if n in useful and f not in categories]
        model = LinearModel(
            len(encoding.names),
            numbers_of(X, numbers),
            CategoryLevels.fit(encoding),
            *([np.empty(0)] * 4),
        )
        from training.models.linear.ridge import fit_ridge  # noqa: PLC0415  # scipy's, for fitting

        design = model._design(X)
        alpha, beta = fit_ridge(design, labels, weights, l2)
        return model._with(alpha, beta, design.mean)

    def _design(self, X: Floats) -> Design:
        """Numbers as they are; levels and missing indicators as a sparse matrix of ones."""
        from training.models.linear.ridge import Design  # noqa: PLC0415

        values, missing = self.numbers.standard(X)
        slots = self.words.slots(X)
        flags = missing[:, self.numbers.flagged]
        return Design.of(values, slots, int(self.words.sizes.sum()), flags)

    def _with(self, alpha: Floats, beta: Floats, mean: Floats) -> LinearModel:
        """The model with beta (J, N + L + flags) and the means of the levels and flags."""
        N, L = len(self.numbers.columns), int(self.words.sizes.sum())
        gap = np.zeros((len(beta), N))
        gap[:, self.numbers.flagged] = beta[:, N + L :]
        level = beta[:, N : N + L].copy()
        for start, size in zip(self.words.starts, self.words.sizes, strict=True):
            slots = slice(start, start + size)
            level[:, slots] -= level[:, slots] @ mean[slots][:, None]
        return replace(self, alpha=alpha, slope=beta[:, :N], gap=gap, level=level)

    def plus(self, other: LinearModel, mine: float, theirs: float) -> LinearModel:
        """mine · this model + theirs · ``other``, which is linear in the same columns again."""

        def joined(of: str) -> Floats:
            return np.concatenate(
                [mine * getattr(self, of), theirs * getattr(other, of)], axis=1, dtype=np.float64
            )

        pairs = [(k, getattr(self.numbers, k), getattr(other.numbers, k)) for k in _NUMBERS]
        numbers = Numbers(**{k: np.concatenate([a, b]) for k, a, b in pairs})
        alpha = mine * self.alpha + theirs * other.alpha
        level = mine * self.level + theirs * other.level
        return LinearModel(
            self.features, numbers, self.words, alpha, joined("slope"), joined("gap"), level
        )

    @property
    def baseline(self) -> Floats:
        """(K, J) margins of the average training row (every row counting once)."""
        return self.alpha

    def contributions(self, X: Floats) -> Floats:
        """(n, J, F) what each original column adds to the margins, the same in every bin."""
        out = np.zeros((len(X), len(self.slope), self.features))
        values, missing = self.numbers.standard(X)
        share, places = self.numbers.missing, self.numbers.columns
        slope, gap = np.ascontiguousarray(self.slope), np.ascontiguousarray(self.gap)
        _add_numbers(values, missing, share, slope, gap, places, out)
        out[:, :, self.words.columns] = self.level[:, self.words.slots(X)].transpose(1, 0, 2)
        return out

    def margins(self, X: Floats) -> Floats:
        """(n, K, J) margins: the baseline and all contributions."""
        margins = np.empty((len(X), *self.alpha.shape))
        for start in range(0, len(X), BLOCK):
            block = slice(start, start + BLOCK)
            margins[block] = self.alpha + self.contributions(X[block]).sum(axis=2)[:, None, :]
        return margins

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types; numbers survive the round trip exactly."""
        return {
            "features": self.features,
            "numbers": {k: getattr(self.numbers, k).tolist() for k in _NUMBERS},
            "words": {k: v.tolist() for k, v in vars(self.words).items()},
            **{k: getattr(self, k).tolist() for k in ("alpha", "slope", "gap", "level")},
        }

    @staticmethod
    def from_json(state: Mapping[str, Any]) -> LinearModel:
        """The inverse of ``to_json``."""
        numbers: dict[str, Any] = {
            k: np.array(v, _KINDS.get(k, np.float64)) for k, v in state["numbers"].items()
        }
        words = {k: np.array(v, np.int64) for k, v in state["words"].items()}
        parts = {k: np.array(state[k], np.float64) for k in ("alpha", "slope", "gap", "level")}
        return LinearModel(state["features"], Numbers(**numbers), CategoryLevels(**words), **parts)


_KINDS = {"columns": np.int64, "compressed": np.bool_}


@njit(cache=True)
def _add_numbers(
    values: Floats,
    missing: Bools,
    share: Floats,
    slope: Floats,
    gap: Floats,
    columns: Ints,
    out: Floats,
) -> None:
    """What the N numbers of each row add to ``out`` (n, J, F); a sum of models reads some twice."""
    for i in range(values.shape[0]):
        for j in range(slope.shape[0]):
            for f in range(values.shape[1]):
                gone = (1.0 if missing[i, f] else 0.0) - share[f]
                out[i, j, columns[f]] += values[i, f] * slope[j, f] + gone * gap[j, f]
