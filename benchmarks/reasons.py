"""What exact reasons cost: path tables against LightGBM's pred_contrib, one thread each.

``python -m benchmarks.reasons`` explains the same rows with both, block by block in turn, so that
whatever else the machine does falls on both. About two minutes, nearly all of them LightGBM's.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import lightgbm as lgb
import numpy as np

from training.models.trees.forest import Floats, Ints
from training.models.trees.model import Trees, leaf_covers

FEATURES = 20
CATEGORIES = [0, 1]
TRAINING_ROWS = 20_000
BLOCKS = 10


@dataclass(frozen=True)
class Case:
    """One model and how many rows of it are explained; with several bins, two outcomes."""

    name: str
    depth: int
    leaves: int
    rows: int
    bins: int = 1


@dataclass(frozen=True)
class Result:
    """Rows per second, microseconds of one record (both: ours, LightGBM's), largest difference."""

    case: Case
    speed: tuple[float, float]
    ratio: float
    one_record: tuple[float, float]
    difference: float
    load_seconds: float
    table_bytes: int


def records(rows: int, seed: int) -> tuple[Floats, Floats]:
    """X (rows, FEATURES), two categories and a tenth missing, and the log-odds behind it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES))
    X[:, 0], X[:, 1] = rng.integers(0, 12, rows), rng.integers(0, 5, rows)
    signal = np.isin(X[:, 0], [1, 3, 7]) + X[:, 2] * X[:, 3] + np.sin(2 * X[:, 4])
    signal += 0.5 * X[:, 5] * (X[:, 1] == 2)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, signal


def trained(case: Case) -> tuple[Any, Ints | None]:
    """A booster of 300 trees, and with several bins its covers."""
    X, signal = records(TRAINING_ROWS, seed=1)
    rng = np.random.default_rng(2)
    bins = rng.integers(0, case.bins, len(X))
    params: dict[str, Any] = {"max_depth": case.depth, "num_leaves": case.leaves}
    params |= {"verbose": -1, "num_threads": 1, "learning_rate": 0.05, "objective": "binary"}
    y = (rng.random(len(X)) < 1 / (1 + np.exp(-signal))).astype(np.int64)
    if case.bins > 1:
        X = np.column_stack([X, bins])
        y[(y == 0) & (rng.random(len(X)) < 0.1 + 0.1 * bins)] = 2
        params |= {"objective": "multiclass", "num_class": 3}
    data = lgb.Dataset(X, y, categorical_feature=CATEGORIES)
    booster = lgb.train(params, data, 100 if case.bins > 1 else 300)
    return booster, leaf_covers(booster, X, bins, case.bins) if case.bins > 1 else None


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """How long it took, and what it gave."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def in_turn(ours: Callable[[], Any], theirs: Callable[[], Any], times: int) -> tuple[float, float]:
    """Median microseconds of both, called alternately."""
    took = [(seconds(ours)[0], seconds(theirs)[0]) for _ in range(times)]
    mine, their = np.median(took, axis=0) * 1e6
    return float(mine), float(their)


def measure(case: Case) -> Result:
    """Explain ``case.rows`` rows with both, a tenth of them at a time."""
    booster, covers = trained(case)
    text, outcomes = booster.model_to_string(), 2 if case.bins > 1 else 1
    Trees.from_text(text, FEATURES, case.bins, outcomes, covers)  # compiles at its first call
    load, trees = seconds(lambda: Trees.from_text(text, FEATURES, case.bins, outcomes, covers))

    def native(X: Floats) -> Floats:
        """Without the restriction a record is one row for every bin."""
        if case.bins > 1:
            every_bin = np.tile(np.arange(case.bins, dtype=np.float64), len(X))[:, None]
            X = np.hstack([np.repeat(X, case.bins, axis=0), every_bin])
        contributions: Floats = booster.predict(X, pred_contrib=True, num_threads=1)
        return contributions

    X, _ = records(case.rows, seed=3)
    trees.contributions(X[:2])
    took, difference = [], 0.0
    for block in np.array_split(X, BLOCKS):
        mine, ours = seconds(partial(trees.contributions, block))
        their, theirs = seconds(partial(native, block))
        took.append((mine, their))
        if case.bins == 1:
            difference = max(difference, float(np.abs(ours[:, 0, 0] - theirs[:, :-1]).max()))
    spent = np.array(took)
    one = X[:1].copy()
    return Result(
        case,
        speed=(case.rows / spent[:, 0].sum(), case.rows / spent[:, 1].sum()),
        ratio=float(np.median(spent[:, 1] / spent[:, 0])),
        one_record=in_turn(lambda: trees.contributions(one), lambda: native(one), 200),
        difference=difference if case.bins == 1 else np.nan,
        load_seconds=load,
        table_bytes=trees.table_bytes,
    )


def line(result: Result) -> str:
    """One row of the printed table."""
    case, (mine, their), (one, their_one) = result.case, result.speed, result.one_record
    difference = "other game" if np.isnan(result.difference) else f"{result.difference:.1e}"
    return (
        f"{case.name:<34}{case.rows:>8,}{mine:>10,.0f}{their:>10,.0f}{result.ratio:>7.1f}x"
        f"{difference:>12}{one:>9.0f}{their_one:>10.0f}{their_one / one:>7.1f}x"
        f"{result.load_seconds:>7.2f}{result.table_bytes / 1e6:>8.1f}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the headline case")
    rows = parser.parse_args(arguments).rows
    few = max(rows // 20, BLOCKS)
    cases = [
        Case("300 trees, depth 5, 31 leaves", 5, 31, rows),
        Case("300 trees, depth 4, 16 leaves", 4, 16, few),
        Case("300 trees, depth 6, 31 leaves", 6, 31, few),
        Case("300 trees, no depth, 31 leaves", -1, 31, few // 2),
        Case("3 x 100 trees, depth 4, 6 bins", 4, 16, few // 5, bins=6),
    ]
    sys.stdout.write(
        f"{'':<42}{'rows per second':>20}{'':>20}{'one record, us':>19}\n"
        f"{'model':<34}{'rows':>8}{'tables':>10}{'LightGBM':>10}{'ratio':>8}{'difference':>12}"
        f"{'tables':>9}{'LightGBM':>10}{'ratio':>8}{'load s':>7}{'MB':>8}\n"
    )
    for case in cases:
        sys.stdout.write(line(measure(case)) + "\n")
        sys.stdout.flush()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(
        "ratio: median over the interleaved blocks. MB: the path tables. With bins LightGBM\n"
        "explains a record as one row per bin, and gives the bin a share: another game.\n"
        f"peak memory of the whole run: {peak:,.0f} MB\n"
    )


if __name__ == "__main__":
    main()
