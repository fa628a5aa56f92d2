"""The law of the blend: on generated worlds it loses to none of its parts.

    python -m benchmarks.worlds [--worlds 200] [--most 100000] [--seed 7]

Every world has a history, which is divided by rolling origins as in training, and a tomorrow. The
parts are fitted on the folds and on all of the history; the weights are learned out of fold.
Kinds of world: *calm*; *level* (the base rate drifts); *slopes* (the columns' effects drift);
*range* (numbers leave the range they had in the history); *regime* (the last tenth of the history
and tomorrow follow other effects and another level). Outcomes: 15 to ``--most``, even in
logarithms.

Loss is the expected log loss of the score F_1(H) tomorrow, in nats a row, over outcomes drawn from
the known truth: no luck of the draw is in it. The law: the blend's mean loss is, averaged over the
kinds, at most 0.001 nats above the part that is the best of its kind, and at most 0.005 in the
worst kind.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm

from features.tables import DAY, Floats, Instants, Ints
from training.evaluation.measures import kept_inside
from training.fit.ensemble import PARTS, assemble, fit_parts
from training.fit.learn import combine, unseen_of
from training.fit.parts import Recipe, TreeParams
from training.fit.tune import FoldData
from training.models.curves import incidence
from training.models.encoding import Encoding
from training.task.questions import Labels
from training.task.splits import TooLittleDataError, rolling_origins

KINDS = ("calm", "level", "slopes", "range", "regime")
HISTORY, TOMORROW, BIN_DAYS = 720.0, 90.0, 15.0
LEAST = 15
TESTED = 4_000
BLEND = "blend"
RECIPE = Recipe(TreeParams(0.1, 8, 3, 50, 0.8, 1.0, 100))


@dataclass(frozen=True)
class World:
    """Rows in the order of time: X (n, F), cutoffs in microseconds, the true margins (n, K, J), and
    what happened and when, as bins and instants."""

    X: Floats
    cutoffs: Instants
    margins: Floats
    event: Ints
    event_bin: Ints
    at: Instants

    def labels(self, rows: Ints, end: int) -> Labels:
        """What was known of ``rows`` at ``end``."""
        bins, outcomes = self.margins.shape[1:]
        ends = self.cutoffs[rows, None] + np.round(BIN_DAYS * DAY) * np.arange(1, bins + 1)
        known = (self.event[rows] > 0) & (self.at[rows] < end)
        event = np.where(known, self.event[rows], 0)
        event_bin = np.where(known, self.event_bin[rows], bins)
        return Labels(event, event_bin, (ends <= end).sum(axis=1), bins, outcomes)


ENCODING = Encoding(
    ["a", "b", "c", "d", "spend", "visits", "word", "noise"], {"word": ["p", "q", "r", "s"]}, []
)


def world(kind: str, outcomes: int, seed: int) -> World:
    """A world with about so many scored outcomes in its history."""
    random = np.random.default_rng(seed)
    rate = random.uniform(0.05, 0.35)
    bins, competing = [(1, 1), (3, 1), (3, 2)][random.integers(3)]
    past = int(np.ceil(outcomes / rate))
    day = np.concatenate(
        [
            random.uniform(0, HISTORY, past),
            random.uniform(HISTORY, HISTORY + TOMORROW, TESTED),
        ]
    )
    day.sort()
    X, margins = _drawn(kind, day, rate, bins, competing, random)
    event, event_bin, at = _happen(margins, day, random)
    return World(X, np.round(day * DAY).astype(np.int64), margins, event, event_bin, at)


def _drawn(
    kind: str, day: Floats, rate: float, bins: int, competing: int, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """The columns and the true margins of rows on these days."""
    n, age = len(day), day / HISTORY
    Z = random.normal(size=(n, 6))
    if kind == "range":
        Z[:, :2] += 2.5 * age[:, None] * random.choice([-1.0, 1.0], 2)
    word = random.integers(0, 5, n)
    signal = random.uniform(0, 1.2)
    slopes = [random.normal(0, signal, (2, 6)) / np.sqrt(3) for _ in range(2)]
    share = {"slopes": age, "regime": (age > 0.9).astype(float)}.get(kind, np.zeros(n))
    effects = [Z @ s.T + signal * _bends(Z, random) for s in slopes]
    eta = (1 - share)[:, None] * effects[0] + share[:, None] * effects[1]
    eta += random.normal(0, signal / 2, 5)[word][:, None]
    level = np.log(rate / (1 - rate)) - np.log(bins)
    moved = random.choice([-1.0, 1.0]) * {"level": 1.5 * age, "regime": 1.0 * share}.get(kind, 0.0)
    margins = (eta[:, :competing] + np.reshape(level + moved, (-1, 1)))[:, None, :]
    X = np.column_stack(
        [Z[:, :4], np.exp(Z[:, 4]), np.expm1(np.abs(Z[:, 5])), word, random.random(n)]
    )
    X[random.random(n) < 0.15, 3] = np.nan
    X[word == 4, 6] = np.nan
    return X, np.repeat(margins, bins, axis=1)


def _bends(Z: Floats, random: np.random.Generator) -> Floats:
    """(n, 1) what no line can follow: a product and a step."""
    strength = random.uniform(0, 1, 2)
    bent: Floats = strength[0] * Z[:, 0] * Z[:, 2] + strength[1] * (Z[:, 1] > 0.5)
    return bent[:, None]


def _happen(
    margins: Floats, day: Floats, random: np.random.Generator
) -> tuple[Ints, Ints, Instants]:
    n, bins = margins.shape[:2]
    event, event_bin = np.zeros(n, np.int64), np.full(n, bins, np.int64)
    for k in range(bins):
        odds = np.concatenate([np.ones((n, 1)), np.exp(margins[:, k])], axis=1)
        reached = np.cumsum(odds / odds.sum(axis=1, keepdims=True), axis=1)
        drawn = (random.random((n, 1)) > reached[:, :-1]).sum(axis=1)
        now = (event == 0) & (drawn > 0)
        event[now], event_bin[now] = drawn[now], k
    at = (day + BIN_DAYS * (np.minimum(event_bin, bins - 1) + random.random(n))) * DAY
    return event, event_bin, np.round(at).astype(np.int64)


def losses(made: World, recipe: Recipe = RECIPE) -> dict[str, float]:
    """Expected log loss tomorrow of every part and of the blend, all taught on the history."""
    bins = made.margins.shape[1]
    end = int((HISTORY + TOMORROW + bins * BIN_DAYS) * DAY) + 1
    horizon = bins * BIN_DAYS
    split = rolling_origins(made.cutoffs, end, horizon, 4, newest_days=TOMORROW)
    folds = [
        FoldData(
            made.X[f.train_rows],
            made.labels(f.train_rows, f.train_end),
            made.cutoffs[f.train_rows],
            made.X[f.valid_rows],
            made.labels(f.valid_rows, f.valid_end),
            made.cutoffs[f.valid_rows],
        )
        for f in split.folds
        if _both(made.labels(f.train_rows, f.train_end))
        and _both(made.labels(f.valid_rows, f.valid_end))
    ]
    rows, test = split.newest.train_rows, split.newest.valid_rows
    taught = made.labels(rows, split.newest.train_end)
    parts = fit_parts(made.X[rows], taught, made.cutoffs[rows], ENCODING, recipe)
    unseen = [unseen_of(fold, ENCODING, recipe) for fold in folds]
    stack = combine(unseen, taught, timed=True)
    edges = tuple(BIN_DAYS * (k + 1) for k in range(bins))
    model = assemble(ENCODING, edges, parts, stack, made.X[rows], taught)
    truth = incidence(made.margins[test])[:, -1, 0]
    found = {
        name: _expected(truth, incidence(margins)[:, -1, 0])
        for name, margins in zip(PARTS, parts.margins(made.X[test]), strict=True)
    }
    return {**found, BLEND: _expected(truth, model.score(made.X[test]))}


def _both(labels: Labels) -> bool:
    _, _, y = labels.person_periods()
    return bool((y > 0).any() and (y == 0).any())


def _expected(truth: Floats, score: Floats) -> float:
    q = kept_inside(score)
    return float(-(truth * np.log(q) + (1 - truth) * np.log1p(-q)).mean())


def run(
    worlds: int, most: int, seed: int, progress: bool = False, least: int = LEAST
) -> pd.DataFrame:
    """One row a world: kind, outcomes, then the loss of every part and of the blend."""
    found = []
    for number in tqdm(range(worlds), unit="world", disable=not progress):
        random = np.random.default_rng([seed, number])
        kind = KINDS[number % len(KINDS)]
        outcomes = round(float(np.exp(random.uniform(np.log(least), np.log(most)))))
        try:
            found.append(
                {"kind": kind, "outcomes": outcomes}
                | losses(world(kind, outcomes, int(random.integers(1 << 31))))
            )
        except (TooLittleDataError, ValueError) as why:
            tqdm.write(
                f"world {number} ({kind}, {outcomes} outcomes) cannot be learned from: {why}"
            )
    return pd.DataFrame(found)


def by_kind(found: pd.DataFrame) -> pd.DataFrame:
    """Mean losses of each kind, its best part, and the blend's distance from it in nats."""
    means = found.drop(columns="outcomes").groupby("kind").mean().reindex(KINDS)
    parts = means[list(PARTS)]
    return means.assign(
        best=parts.idxmin(axis=1),
        above=means[BLEND] - parts.min(axis=1),
        worlds=found["kind"].value_counts(),
    )


def main() -> None:
    """Run the worlds and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=200)
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    found = run(asked.worlds, asked.most, asked.seed, progress=True)
    table = by_kind(found)
    print(table.round(4).to_string())
    above = table["above"]
    print(f"\nabove the best part: mean {above.mean():.4f}, worst kind {above.max():.4f}")
    sizes = pd.cut(found["outcomes"], [0, 50, 200, 1_000, 10_000, np.inf])
    print(
        found.drop(columns=["kind", "outcomes"])
        .groupby(sizes, observed=True)
        .mean()
        .round(4)
        .to_string()
    )


if __name__ == "__main__":
    main()
