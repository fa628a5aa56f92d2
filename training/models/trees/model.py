"""The scored form of a LightGBM model: margins per bin and outcome, and what each feature adds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from training.models.trees import paths
from training.models.trees.between import trees_between
from training.models.trees.forest import Floats, Forest, Ints, parse
from training.models.trees.regions import cut, shares
from training.models.trees.shapley import Paths

_ROWS_AT_ONCE = 65_536


def leaf_covers(booster: Any, X: Floats, bin_of_row: Ints, bins: int) -> Ints:
    """How many training rows of each bin reach each leaf: (trees, leaves of the largest tree, K).

    ``X`` is what the booster was trained on, the bin column included when ``bins`` > 1;
    ``bin_of_row`` (n,) is 0 … K-1. ValueError where they disagree.
    """
    where = np.asarray(bin_of_row, dtype=np.int64)
    if where.shape != (len(X),) or (len(where) and not 0 <= where.min() <= where.max() < bins):
        raise ValueError(
            f"bin_of_row must give each of the {len(X)} rows a bin of 0 … {bins - 1}, "
            f"got shape {where.shape}" + (f", {where.min()} … {where.max()}" if where.size else "")
        )
    model = booster.model_to_string()
    leaves = max(int(line[11:]) for line in model.splitlines() if line.startswith("num_leaves="))
    trees = model.count("\nTree=")
    covers = np.zeros(trees * leaves * bins, dtype=np.int64)
    cell_of_tree = np.arange(trees) * leaves
    for start in range(0, len(X), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        leaf = booster.predict(X[rows], pred_leaf=True).reshape(-1, trees).astype(np.int64)
        cell = (leaf + cell_of_tree) * bins + where[rows, None]
        covers += np.bincount(cell.ravel(), minlength=len(covers))
    return covers.reshape(trees, leaves, bins)


def margins_of(text: str, X: Floats, bins: int, outcomes: int) -> Floats:
    """Margins (n, K, J) of rows X (n, F) by a booster's text, without what reasons need.

    The same as ``Trees.from_text(…).margins(X)``, for models that are only judged.
    """
    classes = outcomes + 1 if outcomes > 1 else 1
    X = _readable(X)
    raw = np.zeros((len(X), bins, classes))
    paths.margins(parse(text, X.shape[1], bins, classes), X, raw)
    return _against_open(raw)


@dataclass(frozen=True)
class Trees:
    """A boosted model restricted to each of its K bins; J competing outcomes, F features.

    The margin of outcome j is its class's raw score minus that of class 0 (open); with one outcome
    it is the raw score. ``baseline`` (K, J) is the mean margin under the covers of each bin.
    """

    features: int
    bins: int
    outcomes: int
    baseline: Floats
    _forest: Forest = field(repr=False)
    _paths: Paths = field(repr=False)

    @classmethod
    def from_text(
        cls,
        text: str,
        features: int,
        bins: int,
        outcomes: int,
        covers: npt.NDArray[Any] | None = None,
    ) -> Trees:
        """Read ``booster.model_to_string()``.

        ``covers`` are ``leaf_covers``; None stands for LightGBM's own counts, which know no bins
        and so need ``bins`` == 1. ValueError where text, sizes and covers do not fit together.
        """
        if outcomes < 1:
            raise ValueError(f"outcomes must be at least 1, got {outcomes}")
        forest = parse(text, features, bins, outcomes + 1 if outcomes > 1 else 1)
        share, reach = shares(forest, _per_leaf(forest, covers, bins))
        classes = outcomes + 1 if outcomes > 1 else 1
        tree_of_leaf = np.repeat(np.arange(len(forest.root)), np.diff(forest.tree_leaf))
        raw = np.zeros((classes, bins))
        np.add.at(raw, tree_of_leaf % classes, reach * forest.value[:, None])
        baseline = _against_open(raw.T)
        return cls(features, bins, outcomes, baseline, forest, cut(forest, share))

    @property
    def table_bytes(self) -> int:
        """Memory the path tables take."""
        return int(self._paths.table.nbytes)

    def margins(self, X: Floats) -> Floats:
        """Margins (n, K, J) of rows X (n, F): NaN missing, categories as codes.

        ValueError where X is not (n, F).
        """
        X = self._rows(X)
        classes = self.outcomes + 1 if self.outcomes > 1 else 1
        raw = np.zeros((len(X), self.bins, classes))
        paths.margins(self._forest, X, raw)
        return _against_open(raw)

    def contributions(self, X: Floats) -> Floats:
        """What each feature adds to each margin, (n, K, J, F): baseline + their sum = margins.

        Exact Shapley values, path-dependent: Lundberg et al. 2018, alg. 2. ValueError as margins.
        """
        X = self._rows(X)
        out = np.empty((len(X), self.bins, self.outcomes, self.features))
        paths.explain(self._forest, self._paths, X, _UNUSED, True, out)
        return out

    def attributions(self, X: Floats, weights: Floats) -> Floats:
        """Contributions summed over bins and outcomes with ``weights`` (n, K, J): (n, F).

        The same as ``(weights[..., None] * contributions(X)).sum((1, 2))``, never that large.
        ValueError as margins, or where weights are not (n, K, J).
        """
        X = self._rows(X)
        weights = _readable(weights)
        if weights.shape != (len(X), self.bins, self.outcomes):
            expected = (len(X), self.bins, self.outcomes)
            raise ValueError(f"weights must be (n, K, J) = {expected}, got {weights.shape}")
        out = np.empty((len(X), 1, 1, self.features))
        paths.explain(self._forest, self._paths, X, weights, False, out)
        return out[:, 0, 0]

    def between(self, before: Floats, after: Floats, weights: Floats) -> Floats:
        """What each feature did to the margins from ``before`` to ``after``: (n, F), as weighted.

        ``before`` and ``after`` are (n, F), ``weights`` (n, K, J). Exact Shapley values of the game
        between the two records; a feature with one value in both has exactly 0.
        """
        before, after = self._rows(before), self._rows(after)
        return trees_between(self._forest, before, after, _readable(weights))

    def _rows(self, X: Floats) -> Floats:
        X = _readable(X)
        if X.ndim != 2 or X.shape[1] != self.features:
            raise ValueError(f"X must be (n, {self.features}) without the bin, got {X.shape}")
        return X


_UNUSED = np.zeros((0, 0, 0))


def _readable(values: Floats) -> Floats:
    """C order and writable: to the compiler a read-only array is another type, compiled anew."""
    values = np.ascontiguousarray(values, dtype=np.float64)
    return values if values.flags.writeable else values.copy()


def _against_open(raw: Floats) -> Floats:
    """Class scores (…, J + 1) to margins (…, J): minus class 0; a lone class is its margin."""
    if raw.shape[-1] == 1:
        return raw
    margins: Floats = raw[..., 1:] - raw[..., :1]
    return margins


def _per_leaf(forest: Forest, covers: npt.NDArray[Any] | None, bins: int) -> Floats:
    """Covers as (leaves of all trees, K)."""
    if covers is None:
        if bins != 1:
            raise ValueError(f"{bins} bins need covers: pass leaf_covers(...) of the training rows")
        return forest.leaf_rows[:, None]
    leaves = np.diff(forest.tree_leaf)
    expected = (len(leaves), int(leaves.max()), bins)
    if covers.shape != expected:
        raise ValueError(f"covers must be (trees, leaves, K) = {expected}, got {covers.shape}")
    if not np.all(covers >= 0):
        raise ValueError("covers are counts of rows and cannot be negative or missing")
    own = np.arange(expected[1]) < leaves[:, None]
    return covers[own].astype(np.float64)
