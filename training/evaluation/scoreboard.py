"""How right the scores are, beside what is easier: tables with intervals, n and baseline.

Compute only; the curve before the horizon is in ``evaluate_curve``, drawing in ``plots``, the
decision in ``verdict``. A score is the probability of the scored outcome by the horizon, so it is
measured on matured rows (``Labels.matured``) against ``Labels.hit``. Intervals are 95 %, by a
seeded bootstrap over entities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.tables import Bools, Floats, Ints
from training.evaluation import measures
from training.evaluation.measures import DRAWS, Estimate, Ranked
from training.stats.intervals import wilson

MEASURES = (
    "log_loss",
    "brier",
    "ece",
    "calibration_intercept",
    "calibration_slope",
    "auc",
    "pr_auc",
    "lift_10",
    "lift_20",
)
"""In nats, squared probability, probability, log-odds, ratio, probability, share, ratio, ratio."""

_BINS = 10

Entities = Ints | Sequence[str]


def measure(
    hit: Bools, p: Floats, entities: Entities, base: float, seed: int = 0, draws: int = DRAWS
) -> pd.DataFrame:
    """Every measure of one score vector on matured rows.

    hit (n,) and p (n,): whether the outcome happened, and its predicted probability; entities (n,):
    whose row it is; base: the base rate known at training time.

    Returns one row a measure: measure, value, low, high, n (rows), entities, outcomes (entities
    with the outcome), baseline (the value the base rate has on the same rows; NaN where a constant
    score has none). A measure that the rows do not define (one class only) is NaN. No rows, or a
    score outside 0 … 1, is an error.
    """
    hit, p, numbers, count = _checked(hit, p, entities)
    values = _values(hit, p, numbers, count)
    lows, highs = _intervals(hit, p, numbers, count, values, seed, draws)
    constant = np.full(len(hit), measures.kept_inside(np.array([base]))[0])
    return pd.DataFrame(
        {
            "measure": MEASURES,
            "value": values,
            "low": lows,
            "high": highs,
            "n": len(hit),
            "entities": count,
            "outcomes": _entities(numbers, hit),
            "baseline": _values(hit, constant, numbers, count),
        }
    )


def scoreboard(
    hit: Bools,
    scores: Mapping[str, Floats],
    entities: Entities,
    base: float,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """``measure`` of every score vector by name: a column ``model``, then those of ``measure``."""
    tables = [
        measure(hit, p, entities, base, seed, draws).assign(model=name)
        for name, p in scores.items()
    ]
    board = pd.concat(tables, ignore_index=True)
    return board[["model", *(c for c in board.columns if c != "model")]]


def _checked(hit: Bools, p: Floats, entities: Entities) -> tuple[Bools, Floats, Ints, int]:
    if not len(hit) == len(p) == len(entities):
        raise ValueError(
            f"outcomes, scores and entities must be of one length, "
            f"got {len(hit)}, {len(p)} and {len(entities)}"
        )
    if len(hit) == 0:
        raise ValueError("there are no matured rows to measure; bring a longer history")
    numbers, count = measures.numbered(entities)
    return np.asarray(hit, bool), measures.kept_inside(p), numbers, count


def _entities(numbers: Ints, rows: Bools) -> int:
    return len(np.unique(numbers[rows]))


def _linear(hit: Bools, p: Floats, bins: Ints) -> Floats:
    """(n, 2 + bins) columns whose weighted means give log loss, Brier and the ECE."""
    gaps = np.zeros((len(p), _BINS))
    gaps[np.arange(len(p)), bins] = p - hit
    return np.column_stack([measures.log_losses(hit, p), (p - hit) ** 2, gaps])


def _from_linear(means: Floats) -> Floats:
    """(…, 3): log loss, Brier, ECE = Σ_b |mean of the gap in bin b|."""
    ece = np.abs(means[..., 2:]).sum(-1)
    return np.concatenate([means[..., :2], ece[..., None]], axis=-1)


def _values(hit: Bools, p: Floats, numbers: Ints, count: int) -> Floats:
    linear = _from_linear(_linear(hit, p, measures.bins_of(p, _BINS)).mean(0))
    ranks = Ranked(hit, p, numbers).measure(np.ones((1, count)))[0]
    return np.concatenate([linear, measures.recalibrate(hit, p), ranks])


def _intervals(
    hit: Bools, p: Floats, numbers: Ints, count: int, values: Floats, seed: int, draws: int
) -> tuple[list[float], list[float]]:
    start = values[3:5]
    newton = measures.newton_columns(hit, measures.logits(p), start[0], start[1])
    linear = _linear(hit, p, measures.bins_of(p, _BINS))
    sums = measures.summed(np.column_stack([np.ones(len(p)), linear, newton]), numbers, count)
    ranked = Ranked(hit, p, numbers)
    drawn = []
    for weights in measures.draws(count, seed, draws):
        s = weights @ sums
        means = s[:, 1:-5] / s[:, :1]
        step = measures.newton_step(s[:, -5:-3], s[:, -3:])
        parts = [_from_linear(means), start + step, ranked.measure(weights)]
        drawn.append(np.concatenate(parts, axis=1))
    ends = [measures.interval(column) for column in np.concatenate(drawn).T]
    return [low for low, _ in ends], [high for _, high in ends]


@dataclass(frozen=True)
class Comparison:
    """A score vector against another on the same rows and the same draws; positive = better.

    log_loss  how many nats a row the log loss is lower
    auc       how much the AUC is higher
    outcomes, misses  entities with a row where the outcome happened, and where it did not
    """

    against: str
    log_loss: Estimate
    auc: Estimate
    outcomes: int
    misses: int

    def to_json(self) -> dict[str, Any]:
        """One flat row: against, log_loss(.low, .high), auc(.low, .high), n, outcomes, misses."""
        row: dict[str, Any] = {"against": self.against}
        for name, e in (("log_loss", self.log_loss), ("auc", self.auc)):
            row |= {name: e.value, f"{name}.low": e.low, f"{name}.high": e.high}
        return row | {"n": self.log_loss.n, "outcomes": self.outcomes, "misses": self.misses}


def compare(
    hit: Bools,
    p: Floats,
    other: Floats,
    entities: Entities,
    against: str = "baseline",
    seed: int = 0,
    draws: int = DRAWS,
) -> Comparison:
    """The paired difference between ``p`` and ``other`` (n,) on the same matured rows."""
    hit, p, numbers, count = _checked(hit, p, entities)
    other = _checked(hit, other, entities)[1]
    gain = measures.log_losses(hit, other) - measures.log_losses(hit, p)
    sums = measures.summed(np.column_stack([np.ones(len(p)), gain]), numbers, count)
    ours, theirs = Ranked(hit, p, numbers), Ranked(hit, other, numbers)
    gains, aucs = [], []
    for weights in measures.draws(count, seed, draws):
        s = weights @ sums
        gains.append(s[:, 1] / s[:, 0])
        aucs.append(ours.measure(weights)[:, 0] - theirs.measure(weights)[:, 0])
    one = np.ones((1, count))
    auc = float(ours.measure(one)[0, 0] - theirs.measure(one)[0, 0])
    return Comparison(
        against,
        Estimate(float(gain.mean()), *measures.interval(np.concatenate(gains)), len(hit)),
        Estimate(auc, *measures.interval(np.concatenate(aucs)), len(hit)),
        _entities(numbers, hit),
        _entities(numbers, ~hit),
    )


def reliability(hit: Bools, p: Floats, entities: Entities, bins: int = _BINS) -> pd.DataFrame:
    """What happened where the scores said so: one row a bin of about equal size.

    Columns: score_low, score_high, predicted (mean score), observed (share), low, high (Wilson),
    n, entities. Wilson counts entities, not snapshots: several snapshots share one fate, so the
    interval is as wide as if each entity were one row.
    """
    hit, p, numbers, _ = _checked(hit, p, entities)
    place = measures.bins_of(p, bins)
    rows = []
    for b in np.unique(place):
        at = place == b
        cases, share = len(np.unique(numbers[at])), float(hit[at].mean())
        low, high = wilson(share * cases, cases)
        ends = float(p[at].min()), float(p[at].max()), float(p[at].mean())
        rows.append((*ends, share, float(low), float(high), int(at.sum()), cases))
    names = ["score_low", "score_high", "predicted", "observed", "low", "high", "n", "entities"]
    return pd.DataFrame(rows, columns=names)
