"""How right forecasts were: pinball loss, percentage error, bias and coverage, with n and interval.

Weekly origins ask about one period again and again, so their errors go together. The intervals are
therefore bootstrapped over blocks: all cells whose period ends in one calendar quarter are drawn
together, or (in a benchmark of many data sets) all cells of one data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from features.tables import DAY, Bools, Floats, Ints
from training.evaluation import measures
from training.forecast.data.periods import month_of

LEVELS = (0.1, 0.5, 0.9)
"""The grid of the pinball loss; the outer two are the ends of the 80 % range."""
QUANTILES = ("q0", "q1", "q2")
MEASURES = ("pinball", "pinball_stated", "ape", "bias", "mean_bias", "coverage")
BUCKETS = (1, 2, 4, 8, 13, 26)
"""Weeks to the period's end are shown up to these."""
FEWEST_BLOCKS = 3
"""Blocks without which there is no interval."""
DRAWS = 1000


def pinball(actual: Floats, quantiles: Floats, levels: Sequence[float]) -> Floats:
    """(n,) mean over the levels of max(t (y - q), (t - 1) (y - q)), in the unit of ``actual``.

    quantiles (n, levels). Koenker and Bassett 1978; half of it at 0.5 is the absolute error / 2.
    """
    t = np.asarray(levels, np.float64)
    error = np.asarray(actual, np.float64)[:, None] - np.asarray(quantiles, np.float64)
    loss: Floats = np.maximum(t * error, (t - 1) * error).mean(axis=1)
    return loss


def scored(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with what each measure needs, as sums: a measure is a ratio of two sums.

    cells  actual, point, closed, q0 … q2 and optionally mean. Pinball losses and biases are shares
           of the mean actual of cells of the same kind, so that quarters do not drown months.

    ``pinball`` scores the quantiles, ``pinball_stated`` the same range moved so that its median is
    the number the method states: what it is worth to somebody who takes it at its word, without
    correcting it by its past errors. For the model both are the same.
    """
    out = cells.copy()
    actual, point = out["actual"].to_numpy(np.float64), out["point"].to_numpy(np.float64)
    quantiles = out[list(QUANTILES)].to_numpy(np.float64)
    scale = _scales(out)
    out["loss"] = pinball(actual, quantiles, LEVELS)
    out["pinball"] = out["loss"] / scale
    stated = np.maximum(
        quantiles + (point - quantiles[:, 1])[:, None], out["closed"].to_numpy(np.float64)[:, None]
    )
    out["pinball_stated"] = pinball(actual, stated, LEVELS) / scale
    out["ape"] = np.divide(
        np.abs(point - actual), np.abs(actual), out=np.full(len(out), np.nan), where=actual != 0
    )
    out["bias"] = (point - actual) / scale
    mean = out["mean"].to_numpy(np.float64) if "mean" in out else np.full(len(out), np.nan)
    out["mean_bias"] = (mean - actual) / scale
    inside: Bools = (actual >= quantiles[:, 0]) & (actual <= quantiles[:, 2])
    out["coverage"] = np.where(np.isnan(quantiles).any(axis=1), np.nan, inside)
    return out


def _scales(cells: pd.DataFrame) -> Floats:
    """(n,) the mean actual of the different periods of each cell's stream and kind."""
    keys = [k for k in ("data", "stream", "kind") if k in cells]
    once = cells.drop_duplicates([*keys, "period"])
    mean = once.groupby(keys)["actual"].mean().abs()
    found: Floats = (
        cells[keys]
        .merge(mean.rename("scale").reset_index(), on=keys, how="left")["scale"]
        .to_numpy(np.float64)
    )
    return np.where(found > 0, found, np.nan)


def blocks(cells: pd.DataFrame) -> Ints:
    """(n,) the block of each cell: its data set if there are several, else its calendar quarter."""
    if "data" in cells and cells["data"].nunique() > 1:
        return measures.numbered(cells["data"].astype(str).tolist())[0]
    ends, places = np.unique(cells["end"].to_numpy(np.int64), return_inverse=True)
    last = np.array([month_of(int(end) - 14 * DAY) // 3 for end in ends], np.int64)
    return measures.numbered(last[places])[0]


def summary(cells: pd.DataFrame, by: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Mean of every measure in ``scored`` cells, grouped: a row for each group and measure.

    Columns: ``by``, measure, value, low, high (95 %), n (cells), periods, blocks.
    """
    rows = []
    cells = cells.assign(block=blocks(cells))
    for key, part in cells.groupby(list(by), sort=False, observed=True):
        name = dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True))
        for measure in MEASURES:
            there = part[part[measure].notna()]
            if len(there):
                rows.append({**name, "measure": measure, **_estimate(there, measure, seed)})
    columns = [*by, "measure", "value", "low", "high", "n", "periods", "blocks"]
    return pd.DataFrame(rows, columns=columns)


def by_weeks(cells: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """``summary`` by stream, kind, method and weeks to the period's end ("1", "2", "3-4" …)."""
    pairs = list(zip((0, *BUCKETS[:-1]), BUCKETS, strict=True))
    names = [str(high) if high - low == 1 else f"{low + 1}-{high}" for low, high in pairs]
    edges = [0, *BUCKETS, np.inf]
    cut = pd.cut(cells["weeks"], edges, labels=[*names, f"{BUCKETS[-1] + 1}+"])
    found = cells.assign(to_end=cut.astype(str)).sort_values("weeks", kind="stable")
    return summary(found, ("stream", "kind", "method", "to_end"), seed)


def _estimate(cells: pd.DataFrame, measure: str, seed: int) -> dict[str, float]:
    low, high = ratio_interval(cells, measure, None, seed)
    return {
        "value": float(cells[measure].mean()),
        "low": low,
        "high": high,
        **_counts(cells),
    }


def _counts(cells: pd.DataFrame) -> dict[str, float]:
    periods = set(zip(*(cells[c] for c in ("data", "period") if c in cells), strict=True))
    return {"n": len(cells), "periods": len(periods), "blocks": len(np.unique(_blocks(cells)))}


def _blocks(cells: pd.DataFrame) -> Ints:
    """The blocks as ``summary`` numbered them in all its cells, or those of these cells."""
    return cells["block"].to_numpy(np.int64) if "block" in cells else blocks(cells)


def ratio_interval(
    cells: pd.DataFrame, top: str, bottom: str | None, seed: int = 0
) -> tuple[float, float]:
    """The 95 % interval of sum(top) / sum(bottom), or of the mean of top, over blocks."""
    numbers, count = measures.numbered(_blocks(cells))
    if count < FEWEST_BLOCKS:
        return float("nan"), float("nan")
    under = np.ones(len(cells)) if bottom is None else cells[bottom].to_numpy(np.float64)
    sums = measures.summed(
        np.column_stack([cells[top].to_numpy(np.float64), under]), numbers, count
    )
    drawn = _weights(count, seed) @ sums
    return measures.interval(measures.ratio(drawn[:, 0], drawn[:, 1]))


@lru_cache(maxsize=64)
def _weights(blocks: int, seed: int) -> Floats:
    """(draws, blocks) bootstrap weights: how often each block was drawn."""
    return np.concatenate(list(measures.draws(blocks, seed, DRAWS)))


def compared(
    cells: pd.DataFrame, model: str, seed: int = 0, measure: str = "pinball"
) -> pd.DataFrame:
    """The model's loss beside each other method's, on the cells that both have.

    cells   ``scored`` cells; ``measure`` is "pinball" or "pinball_stated". Columns: method, n,
            periods, blocks, theirs, ours (shares of the mean actual), ratio = ours / theirs, low,
            high (95 %); the hardest to beat first.
    """
    keys = [k for k in ("data", "stream", "origin", "period") if k in cells]
    ours = cells.loc[cells["method"] == model, [*keys, measure]]
    ours = ours.rename(columns={measure: "ours"}).dropna()
    rows = []
    for method, part in cells[cells["method"] != model].groupby("method", sort=False):
        theirs = part.rename(columns={measure: "theirs"}).dropna(subset=["theirs"])
        both = theirs.merge(ours, on=keys)
        if len(both):
            rows.append({"method": method, **_beside(both, seed)})
    columns = ["method", "n", "periods", "blocks", "theirs", "ours", "ratio", "low", "high"]
    found = pd.DataFrame(rows, columns=columns)
    return found.sort_values("ratio", ascending=False, kind="stable", ignore_index=True)


def _beside(both: pd.DataFrame, seed: int) -> Mapping[str, float]:
    low, high = ratio_interval(both, "ours", "theirs", seed)
    theirs, ours = float(both["theirs"].mean()), float(both["ours"].mean())
    ratio = ours / theirs if theirs else float("nan")
    return {
        **_counts(both),
        "theirs": theirs,
        "ours": ours,
        "ratio": ratio,
        "low": low,
        "high": high,
    }
