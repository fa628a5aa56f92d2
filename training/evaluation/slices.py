"""The same measures on parts of the rows: by grade, by month, by segment; and which part is weak.

Every part has its n and its interval, and a part of fewer than ``FEWEST`` entities is left out:
what a handful of cases did says nothing about the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from features.tables import NAT, Bools, Floats, Instants, Ints
from training.charts.numbers import rough
from training.evaluation import measures
from training.evaluation.measures import DRAWS, Ranked
from training.stats.intervals import wilson

FEWEST = 30
"""Entities below which a part is not judged."""

Entities = Ints | Sequence[str]


def by_part(
    hit: Bools,
    p: Floats,
    entities: Entities,
    parts: Sequence[str | None],
    base: float,
    fewest: int = FEWEST,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Predicted against observed in each part, in order of first appearance.

    parts  (n,) the part of each matured row, None where it is not known (left out)
    base   the base rate known at training time, for the gain

    Columns: part, n, entities, outcomes (rows), predicted, observed, low, high (of observed), gap
    (predicted - observed), gap_low, gap_high, gain (nats a row over the base rate), gain_low,
    gain_high, auc, auc_low, auc_high, promised (``promised_auc``). Intervals by bootstrap over
    the part's entities; the observed share's is Wilson's, as in ``evaluate.reliability``.
    """
    numbers, _ = measures.numbered(entities)
    p = measures.kept_inside(p)
    rows = []
    for part in dict.fromkeys(name for name in parts if name is not None):
        at = np.flatnonzero(np.array([name == part for name in parts]))
        if len(np.unique(numbers[at])) >= fewest:
            rows.append({"part": part, **_row(hit[at], p[at], numbers[at], base, seed, draws)})
    return pd.DataFrame(rows, columns=["part", *_COLUMNS])


_COLUMNS = [
    *("n", "entities", "outcomes", "predicted", "observed", "low", "high"),
    *("gap", "gap_low", "gap_high", "gain", "gain_low", "gain_high"),
    *("auc", "auc_low", "auc_high", "promised"),
]


def _row(
    hit: Bools, p: Floats, numbers: Ints, base: float, seed: int, draws: int
) -> dict[str, float]:
    numbers, count = measures.numbered(numbers)
    constant = np.full(len(p), measures.kept_inside(np.array([base]))[0])
    gain = measures.log_losses(hit, constant) - measures.log_losses(hit, p)
    columns = np.column_stack([np.ones(len(p)), p - hit, gain])
    sums, ranked = measures.summed(columns, numbers, count), Ranked(hit, p, numbers)
    drawn = []
    for weights in measures.draws(count, seed, draws):
        s = weights @ sums
        drawn.append(np.column_stack([s[:, 1:] / s[:, :1], ranked.measure(weights)[:, 0]]))
    values = np.concatenate(drawn)
    share = float(hit.mean())
    low, high = wilson(share * count, count)
    row: dict[str, float] = {
        "n": len(p),
        "entities": count,
        "outcomes": int(hit.sum()),
        "predicted": float(p.mean()),
        "observed": share,
        "low": float(low),
        "high": float(high),
    }
    auc = float(ranked.measure(np.ones((1, count)))[0, 0])
    points = {"gap": float((p - hit).mean()), "gain": float(gain.mean()), "auc": auc}
    for name, column in (("gap", 0), ("gain", 1), ("auc", 2)):
        ends = measures.interval(values[:, column])
        row |= {name: points[name], f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return row | {"promised": promised_auc(p)}


def promised_auc(p: Floats) -> float:
    """The AUC that scores p (n,) would have if they were right; NaN for fewer than two rows.

    Σ_{i≠j} p_i (1 - p_j) [p_i > p_j, half for a tie] / Σ_{i≠j} p_i (1 - p_j): the model-based
    concordance (van Klaveren et al. 2016). A part with scores close together promises little, so
    its low AUC alone is no failing.
    """
    order = np.argsort(p, kind="stable")
    levels, place = np.unique(p[order], return_inverse=True)
    hits = np.bincount(place, weights=p[order], minlength=len(levels))
    misses = np.bincount(place, weights=1 - p[order], minlength=len(levels))
    below = np.cumsum(misses) - misses
    own = float((p * (1 - p)).sum())  # a row is no pair with itself
    right = float((hits * (below + misses / 2)).sum()) - own / 2
    pairs = float(hits.sum() * misses.sum()) - own
    return right / pairs if len(p) > 1 and pairs > 0 else float("nan")


def months(cutoffs: Instants) -> list[str | None]:
    """The month of each cutoff as "2024-03" (UTC); None where there is no date."""
    stamps = np.where(cutoffs == NAT, 0, cutoffs).astype("datetime64[us]").astype("datetime64[M]")
    return [None if c == NAT else str(m) for c, m in zip(cutoffs, stamps, strict=True)]


def quarter_of_values(values: Floats) -> list[str | None]:
    """The quarter of the rows each number falls in, as its range; None where missing or flat."""
    known = values[np.isfinite(values)]
    edges = np.unique(np.quantile(known, [0, 0.25, 0.5, 0.75, 1])) if len(known) else np.empty(0)
    if len(edges) < 3:
        return [None] * len(values)
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    names = [f"{rough(a)} to {rough(b)}" for a, b in pairwise(edges)]
    return [names[i] if np.isfinite(v) else None for i, v in zip(place, values, strict=True)]


def rates(
    hit: Bools, entities: Entities, parts: Sequence[str | None], fewest: int = 1
) -> pd.DataFrame:
    """The observed share in each part: part, n, entities, outcomes, observed, low, high (Wilson).

    For the history before the newest period, where the model has taught itself and a prediction
    would flatter it.
    """
    numbers, _ = measures.numbered(entities)
    rows = []
    for part in dict.fromkeys(name for name in parts if name is not None):
        at = np.flatnonzero(np.array([name == part for name in parts]))
        cases, share = len(np.unique(numbers[at])), float(hit[at].mean())
        if cases >= fewest:
            low, high = wilson(share * cases, cases)
            found = (part, len(at), cases, int(hit[at].sum()), share, float(low), float(high))
            rows.append(found)
    names = ["part", "n", "entities", "outcomes", "observed", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def weaknesses(parts: pd.DataFrame, gap: float) -> pd.DataFrame:
    """The parts (as ``by_part``) where the model fails, worst first, with the failing in ``how``.

    gap: predicted - observed over all rows; what is off everywhere is no failing of a part. A part
    is weak where a whole interval says so: it does worse than the base rate, the mean prediction is
    too high or too low by more than ``gap``, or the AUC lies below what the scores promise.
    """
    checks = {
        "worse than the base rate": parts["gain_high"] < 0,
        "too high": parts["gap_low"] > max(gap, 0.0),
        "too low": parts["gap_high"] < min(gap, 0.0),
        "sorts worse than promised": parts["auc_high"] < parts["promised"],
    }
    said = [
        ", ".join(name for name, failing in checks.items() if bool(failing.iloc[i]))
        for i in range(len(parts))
    ]
    found = parts.assign(how=said, cost=parts["gap"].abs() * parts["n"])
    return found[found["how"] != ""].sort_values("cost", ascending=False).drop(columns="cost")


def month_middle(month: str) -> float:
    """The middle of a month "2024-03" in days since 1970, for an axis of time."""
    start = np.datetime64(month, "M")
    days = (start.astype("datetime64[D]"), (start + 1).astype("datetime64[D]"))
    return float(days[0].astype(np.int64) + days[1].astype(np.int64)) / 2
