"""The model beside every baseline, part by part: paired gains by month and by segment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from features.tables import Bools, Floats
from training.evaluation import measures
from training.evaluation.slices import FEWEST

COLUMNS = ["column", "part", "n", "entities", "against", "gain", "low", "high"]


def paired_gains(
    hit: Bools,
    p: Floats,
    others: Mapping[str, Floats],
    entities: Sequence[str],
    partings: Sequence[tuple[str, Sequence[str | None]]],
    seed: int = 0,
    draws: int = 300,
) -> pd.DataFrame:
    """How many nats of log loss a row ``p`` (n,) gains over each other score, in every part.

    others    name -> scores (n,) of the same matured rows
    partings  (column, the part of each row; None where it is not known, which is left out)

    One row a part of at least ``FEWEST`` entities and other score: ``COLUMNS``; positive is better,
    low and high are the paired 95 % interval by a bootstrap over the part's entities.
    """
    names = list(others)
    ours = measures.log_losses(hit, measures.kept_inside(p))
    losses = [measures.log_losses(hit, measures.kept_inside(others[n])) for n in names]
    gains = np.column_stack([loss - ours for loss in losses]) if names else np.empty((len(p), 0))
    rows = [
        {"column": column, "part": part, **row}
        for column, parts in partings
        for part in dict.fromkeys(name for name in parts if name is not None)
        for row in _part(gains, names, entities, _rows(parts, part), seed, draws)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(parts: Sequence[str | None], part: str) -> list[int]:
    return [i for i, name in enumerate(parts) if name == part]


def _part(
    gains: Floats,
    names: Sequence[str],
    entities: Sequence[str],
    rows: list[int],
    seed: int,
    draws: int,
) -> list[dict[str, object]]:
    numbers, count = measures.numbered([entities[r] for r in rows])
    if count < FEWEST:
        return []
    here = gains[rows]
    sums = measures.summed(np.column_stack([np.ones(len(rows)), here]), numbers, count)
    drawn = np.concatenate([w @ sums for w in measures.draws(count, seed, draws)])
    shares = drawn[:, 1:] / drawn[:, :1]
    means = here.mean(axis=0)
    ends = [measures.interval(shares[:, j]) for j in range(len(names))]
    return [
        {
            "n": len(rows),
            "entities": count,
            "against": name,
            "gain": float(mean),
            "low": low,
            "high": high,
        }
        for name, mean, (low, high) in zip(names, means, ends, strict=True)
    ]
