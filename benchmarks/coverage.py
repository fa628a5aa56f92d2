"""Do receipts keep their promise? Their 95 % intervals against the demo CRM's true probabilities.

    python -m benchmarks.coverage [--seeds 200] [--outcomes 0 15 40 120]

For each seed a demo CRM of the small size is drawn, the lead question is learned (default recipe,
nothing tuned: this is about the interval, not the model), and every receipt's interval is held
against the mean true probability of the past scores that the receipt is made of. With --outcomes
the leads are first sampled down to about that many conversions; 0 stands for all of them.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from tqdm import tqdm

from features.demo import Demo, generate
from features.frames import from_frames
from features.tables import Tables
from training.config import Config
from training.evaluation.matured_predictions import MaturedPredictions, track_record
from training.fit.learn import learn
from training.fit.parts import Recipe, TreeParams
from training.fit.threads import one_blas_thread
from training.fit.tune import fold_data
from training.models.track_record import TrackRecord
from training.task.dataset import TrainingData, question_of, teach

QUESTION = "lead_conversion"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def sampled(demo: Demo, outcomes: int, seed: int) -> Tables:
    """The demo's tables with leads sampled down to about ``outcomes`` conversions (0: all)."""
    leads = demo.frames["leads"]
    copies = leads["lead_id"].isin(set(demo.truth["entity_id"]))
    leads = leads[copies]
    share = outcomes / max(int((leads["outcome"] == "converted").sum()), 1)
    if outcomes and share < 1:
        leads = leads[np.random.default_rng(seed).random(len(leads)) < share]
    return from_frames({**demo.frames, "leads": leads}, demo.meta)


@one_blas_thread
def taught(tables: Tables, seed: int) -> tuple[TrainingData, MaturedPredictions]:
    """The question learned, and its past: out-of-fold rows and the newest period."""
    config = Config(seed=seed, threads=1)
    teaching = teach(tables, question_of(QUESTION, tables), config)
    recipe = Recipe(TreeParams(rounds=60), 100.0, None, seed)
    learned = learn(teaching, fold_data(teaching), recipe, config)
    newest = teaching.split.newest
    rows = newest.valid_rows
    hit = teaching.labels(rows, newest.valid_end).hit
    scores = learned.model.score(teaching.X[rows])
    judged = MaturedPredictions(scores, hit, teaching.entities(rows), teaching.cutoffs(rows))
    return teaching, MaturedPredictions.join([learned.past, judged])


def covered(demo: Demo, past: MaturedPredictions, kept: TrackRecord) -> list[dict[str, float]]:
    """One row a band: whether its interval holds its mean truth, and how wide it is."""
    truth = demo.true_curve(QUESTION, past.entities, past.cutoffs)[:, 0, -1]
    place = kept.places(past.scores)
    return [
        {
            "covered": band.low <= truth[place == b].mean() <= band.high,
            "width": band.high - band.low,
            "entities": band.entities,
        }
        for b, band in enumerate(kept.bands)
    ]


def main() -> None:
    """Print one line for each number of outcomes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=1000, help="first seed")
    parser.add_argument("--outcomes", type=int, nargs="+", default=[0, 15, 40, 120])
    asked = parser.parse_args()
    rows: list[dict[str, float]] = []
    for seed in tqdm(range(asked.first, asked.first + asked.seeds), unit="seed"):
        demo = generate(seed=seed, size="small", as_of=AT)
        for outcomes in asked.outcomes:
            teaching, past = taught(sampled(demo, outcomes, seed), seed)
            kept = track_record(past, None, teaching.question.flat)
            rows += [{"outcomes": outcomes, "seed": seed, **r} for r in covered(demo, past, kept)]
    table = (
        pd.DataFrame(rows)
        .groupby("outcomes")
        .agg(
            seeds=("seed", "nunique"),
            bands=("covered", "size"),
            covered=("covered", "mean"),
            width=("width", "mean"),
            entities=("entities", "mean"),
        )
    )
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
