"""The simulation, the baselines as far as they have been right, and a range that learns.

At an origin every way's past losses are known for periods that were over by then. Ways are averaged
by quantiles (each quantile is the weighted mean of theirs) with weights

    w_m ∝ prior_m · (loss_m / loss_simulation)^-POWER,

the ratio of losses shrunk towards ``WORSE`` with ``SHRUNK`` periods: with little evidence the
simulation speaks almost alone. Then a conformal step (Vovk and others, 2005; adaptive in the manner
of Gibbs and Candès, 2021): where the actual values of past periods fell in this combination's own
ranges says how far its quantiles move, shrunk to not at all. Both weigh past periods by how near
they are in distance to the period's end and in time, and each period counts once, however many
origins asked about it. Nothing that was not over by the origin is looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from features.tables import DAY, Bools, Floats, Instants
from training.forecast.backtest.cells import MODEL, SIMULATION
from training.forecast.backtest.scoring import LEVELS, QUANTILES, pinball

POWER = 5.0
"""How strongly a smaller loss speaks: half the loss, 32 times the weight."""
WORSE = 1.3
"""A way nobody has seen is taken to lose so much more than the simulation."""
SHRUNK = 5.0
"""Periods of evidence that weigh as much as what was taken before."""
OTHERS = 0.4
"""Prior weight of all the other ways together, the simulation's being 1."""
HALF_LIFE = 270.0
"""Days after which a past period counts half."""
SURE = 8.0
"""Periods of evidence that the stated ranges weigh in the conformal step."""
FARTHEST = 5.0
"""Half-ranges beyond which a past actual value counts no further."""
LEFT_OUT = ("people's commit", "people's best case")
"""People's calls are shown beside the forecast and never enter it."""

_NORMAL = ndtri((np.arange(99) + 0.5) / 99) / ndtri(LEVELS[2])
"""Where actual values fall in half-ranges when the ranges are right."""


@dataclass(frozen=True)
class Combined:
    """The combination of one stream at every target (origin and period), in the order of targets.

    targets    stream, origin, period, kind, ahead, start, end, weeks, closed, actual
    quantiles  (n, levels) after both steps; plain (n, levels) before the conformal step
    methods    the ways; weights (n, methods), 0 for a way without an answer
    moved      (n, levels) where the quantiles went, in half-ranges: -1, 0 and 1 where nothing moved
    evidence   (n,) periods that the conformal step has learned from
    """

    targets: pd.DataFrame
    quantiles: Floats
    plain: Floats
    methods: tuple[str, ...]
    weights: Floats
    moved: Floats
    evidence: Floats

    def cells(self) -> pd.DataFrame:
        """Cells of the method ``MODEL``, as a backtest scores them."""
        columns = dict(zip(QUANTILES, self.quantiles.T, strict=True))
        return self.targets.assign(method=MODEL, point=self.quantiles[:, 1], **columns)


def combined(cells: pd.DataFrame) -> list[Combined]:
    """Combine each stream's ``cells``: columns as ``Backtest.cells``, the simulation among them."""
    found = []
    for _, part in cells.groupby("stream", sort=False):
        if (part["method"] == SIMULATION).any():
            found.append(_combined(part))
    return found


def _combined(cells: pd.DataFrame) -> Combined:
    keys = ["origin", "period"]
    ours = cells[cells["method"] == SIMULATION].sort_values(keys)
    given = [c for c in cells.columns if c in TARGET]
    targets = ours[given].reset_index(drop=True)
    methods = (SIMULATION, *(m for m in pd.unique(cells["method"]) if m not in NOT_COMBINED))
    answers = np.full((len(methods), len(targets), len(LEVELS)), np.nan)
    place = pd.MultiIndex.from_frame(targets[keys])
    for m, method in enumerate(methods):
        rows = cells[cells["method"] == method].set_index(keys)[list(QUANTILES)]
        answers[m] = rows[~rows.index.duplicated()].reindex(place).to_numpy(np.float64)
    return _steps(targets, methods, answers)


TARGET = (
    *("stream", "data", "origin", "period", "kind", "ahead", "start", "end", "weeks"),
    *("closed", "actual", "mean"),
)
NOT_COMBINED = (SIMULATION, MODEL, *LEFT_OUT)


def _steps(targets: pd.DataFrame, methods: tuple[str, ...], answers: Floats) -> Combined:
    n = len(targets)
    actual = targets["actual"].to_numpy(np.float64)
    losses = np.stack([pinball(actual, a, LEVELS) for a in answers])
    plain, quantiles, moved = (np.full((n, len(LEVELS)), np.nan) for _ in range(3))
    weights, evidence = np.zeros((n, len(methods))), np.zeros(n)
    past = _Past.of(targets)
    floor = targets["closed"].to_numpy(np.float64)
    for t in np.argsort(past.origin, kind="stable").tolist():
        nearness = past.nearness(t)
        weights[t] = _weights(losses, answers[:, t], nearness, past)
        plain[t] = np.nansum(weights[t][:, None] * answers[:, t], axis=0)
        known = nearness > 0
        moved[t], evidence[t] = _moves(
            plain[known], actual[known], nearness[known], past.period[known]
        )
        quantiles[t] = np.maximum(_placed(plain[t], moved[t]), floor[t])
    return Combined(targets, quantiles, plain, methods, weights, moved, evidence)


@dataclass(frozen=True)
class _Past:
    """What of the targets was over at each origin, and how near it is to a target."""

    origin: Instants
    end: Instants
    weeks: Floats
    kind: np.typing.NDArray[np.object_]
    period: np.typing.NDArray[np.int64]
    known: Bools

    @staticmethod
    def of(targets: pd.DataFrame) -> _Past:
        return _Past(
            targets["origin"].to_numpy(np.int64),
            targets["end"].to_numpy(np.int64),
            targets["weeks"].to_numpy(np.float64),
            targets["kind"].to_numpy(object),
            pd.factorize(targets["period"])[0].astype(np.int64),
            targets["actual"].notna().to_numpy(np.bool_),
        )

    def nearness(self, t: int) -> Floats:
        """(n,) weight of each target in what is known at target t's origin; 0: not over then.

        Twice the distance to the period's end, or a period of the other kind, halves it.
        """
        over = self.known & (self.end <= self.origin[t])
        far = np.abs(np.log2((self.weeks + 2.0) / (self.weeks[t] + 2.0)))
        old = (self.origin[t] - self.end) / DAY / HALF_LIFE
        found: Floats = np.where(over, 0.5 ** (far + old + (self.kind != self.kind[t])), 0.0)
        return found

    def once(self, weight: Floats) -> Floats:
        """The weights, so that each period counts as much as its weightiest target."""
        most, total = np.zeros((2, int(self.period.max()) + 1))
        np.maximum.at(most, self.period, weight)
        np.add.at(total, self.period, weight)
        share = np.divide(most, total, out=np.zeros_like(most), where=total > 0)
        found: Floats = weight * share[self.period]
        return found


def _weights(losses: Floats, answers: Floats, nearness: Floats, past: _Past) -> Floats:
    """(methods,) weights that sum to 1; the simulation is the first method."""
    there = np.asarray(~np.isnan(answers).any(axis=1), np.bool_)
    others = max(int(there[1:].sum()), 1)
    found = np.where(there, OTHERS / others, 0.0)
    found[0] = 1.0
    for m in np.flatnonzero(there)[1:].tolist():
        both = ~np.isnan(losses[m]) & ~np.isnan(losses[0])
        weight = past.once(np.where(both, nearness, 0.0))
        periods = weight.sum()
        ratio = 1.0
        if periods > 0:
            theirs, ours = (np.nan_to_num(loss) @ weight for loss in (losses[m], losses[0]))
            ratio = float(np.clip(theirs / max(ours, 1e-300), 0.1, 10.0)) if theirs > 0 else 0.1
        log = (periods * np.log(ratio) + SHRUNK * np.log(WORSE)) / (periods + SHRUNK)
        found[m] *= np.exp(-POWER * log)
    weights: Floats = found / found.sum()
    return weights


def _moves(
    plain: Floats, actual: Floats, nearness: Floats, period: np.typing.NDArray[np.int64]
) -> tuple[Floats, float]:
    """(levels,) where the quantiles go, in half-ranges, and from how many periods that is known."""
    low, middle, high = plain.T if len(plain) else np.empty((3, 0))
    off = actual - middle
    least = 0.01 * np.maximum(np.abs(middle), 1e-9)
    half = np.where(off > 0, np.maximum(high - middle, least), np.maximum(middle - low, least))
    scores = np.clip(off / half, -FARTHEST, FARTHEST)
    weight = nearness.copy()
    for one in np.unique(period):
        rows = period == one
        weight[rows] *= nearness[rows].max() / nearness[rows].sum()
    values = np.concatenate([scores, _NORMAL])
    every = np.concatenate([weight, np.full(len(_NORMAL), SURE / len(_NORMAL))])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(every[order]) - every[order] / 2
    found: Floats = np.interp(LEVELS, reached / every.sum(), values[order])
    return found, float(weight.sum())


def _placed(plain: Floats, moved: Floats) -> Floats:
    """The quantiles of one target moved by so many half-ranges of their side."""
    below, above = plain[1] - plain[0], plain[2] - plain[1]
    found: Floats = plain[1] + np.where(moved > 0, moved * above, moved * below)
    return np.sort(found)


def listened(found: Sequence[Combined]) -> pd.DataFrame:
    """stream, origin, period, method, weight: how much of each way is in each answer."""
    frames = []
    for one in found:
        keys = one.targets[["stream", "origin", "period"]]
        for m, method in enumerate(one.methods):
            frames.append(keys.assign(method=method, weight=one.weights[:, m]))
    return pd.concat(frames, ignore_index=True)
