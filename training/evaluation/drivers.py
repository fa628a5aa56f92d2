"""What moves the scores: sizes of effects, effects against values; from the exact contributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.tables import Floats, Ints
from training.evaluation import measures
from training.evaluation.measures import DRAWS
from training.models.attribution import merge

LEVELS = 8
"""Words of a category shown one by one."""

RARE = "rare or new words"


def importance(
    effects: Floats,
    groups: Sequence[str],
    entities: Ints | Sequence[str],
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Mean size of each reason's effect in log-odds, largest first.

    effects (n, F) as ``OutcomeModel.explain`` gives them; groups: the reason of each column, whose
    columns are summed before the size is taken. Columns: group, size, low, high (bootstrap over
    entities), share (of all sizes), n.
    """
    names, merged = merge(effects, groups)
    sizes = np.abs(merged)
    numbers, count = measures.numbered(entities)
    sums = measures.summed(np.column_stack([np.ones(len(sizes)), sizes]), numbers, count)
    drawn = []
    for weights in measures.draws(count, seed, draws):
        s = weights @ sums
        drawn.append(s[:, 1:] / s[:, :1])
    ends = [measures.interval(column) for column in np.concatenate(drawn).T]
    mean = sizes.mean(axis=0)
    table = pd.DataFrame({"group": names, "size": mean})
    table["low"], table["high"] = [e[0] for e in ends], [e[1] for e in ends]
    table["share"] = mean / mean.sum() if mean.sum() > 0 else np.nan
    table["n"] = len(effects)
    return table.sort_values("size", ascending=False, kind="stable").reset_index(drop=True)


def largest(effects: Floats, most: int) -> list[int]:
    """The columns with the largest mean effect, largest first; those without any are left out."""
    sizes = np.abs(effects).mean(axis=0) if len(effects) else np.zeros(effects.shape[1])
    return [int(f) for f in np.argsort(-sizes, kind="stable")[:most] if sizes[f] > 0]


def ranks(values: Floats) -> Floats:
    """(n,) each value's place among the known ones, 0 lowest to 1 highest; NaN where missing."""
    out = np.full(len(values), np.nan)
    known = np.isfinite(values)
    levels, place = np.unique(values[known], return_inverse=True)
    counts = np.bincount(place, minlength=len(levels))
    middle = np.cumsum(counts) - counts / 2
    out[known] = middle[place] / max(int(known.sum()), 1)
    return out


def by_value(values: Floats, effects: Floats, bins: int = 10) -> pd.DataFrame:
    """Effect of a number by its value: value (mean), effect (mean), low, high (middle 80 %), n.

    One row a bin of about equal size (a value, where there are few), then one with value NaN for
    the missing ones.
    """
    known = np.isfinite(values)
    rows = []
    if known.any():
        levels, place = np.unique(values[known], return_inverse=True)
        if len(levels) > bins:
            place = measures.bins_of(values[known], bins)
        for b in np.unique(place):
            at = place == b
            rows.append(_effect_row(float(values[known][at].mean()), effects[known][at]))
    if not known.all():
        rows.append(_effect_row(float("nan"), effects[~known]))
    return pd.DataFrame(rows, columns=["value", "effect", "low", "high", "n"])


def by_word(values: Floats, effects: Floats, words: Sequence[str]) -> pd.DataFrame:
    """Effect of a category by its word: word, effect (mean), low, high (middle 80 %), n.

    values: codes of ``Encoding.matrix`` (1 is ``words[0]``, NaN missing; 0 is a word too rare or
    never seen in training: ``RARE``). The ``LEVELS`` words most frequent here have their own rows,
    by falling effect; the rest stand together.
    """
    codes, counts = np.unique(values[values > 0], return_counts=True)
    first = codes[np.argsort(-counts, kind="stable")][:LEVELS]
    named = {c: words[int(c) - 1] for c in first.tolist()} | {0.0: RARE}
    said = ["missing" if np.isnan(v) else named.get(v, "all others") for v in np.asarray(values)]
    rows = []
    for word in dict.fromkeys(said):
        at = np.array([s == word for s in said])
        rows.append((word, *_effect_row(0.0, effects[at])[1:]))
    table = pd.DataFrame(rows, columns=["word", "effect", "low", "high", "n"])
    return table.sort_values("effect", ascending=False, kind="stable").reset_index(drop=True)


def _effect_row(value: float, effects: Floats) -> tuple[float, float, float, float, int]:
    low, high = np.quantile(effects, [0.1, 0.9])
    return value, float(effects.mean()), float(low), float(high), len(effects)
