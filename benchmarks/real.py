"""The learner beside logistic and plain LightGBM on three public data sets, in the same folds.

    python -m benchmarks.real [--trials 8] [--outer 5] [--seed 7] [--only telco x_education]

Telco churn, X Education and Win-Loss as their mappings in ``examples`` read them: flat tables, so
the folds are drawn by seeded chance, the outcome's share equal in each. For every outer fold the
whole pipeline (teach, tune, blend, fit) is given a data set that holds only the other folds, and
then scores the one held out. The two baselines are taught on the same other folds, in the same
encoding. The outer fold is the one look at unseen rows, so the pipeline keeps back only one row in
a hundred for a look of its own; the baselines learn from these too, which is to our disadvantage.

Log loss in nats a row over the held-out rows of all folds. The gain is the paired difference from
the better of the two baselines (picked on these very rows, again to our disadvantage) with its
95 % bootstrap interval. The bar: no worse on any set, better on at least two.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from features.catalog import build_features
from features.ingest.run import ingest
from features.schema import TABLES
from features.tables import Bools, Coded, Floats, Ints, Table, Tables, read
from features.timeline import Timeline
from training.config import Config
from training.evaluation.measures import log_losses
from training.evaluation.scoreboard import compare
from training.fit.learn import learn
from training.fit.tune import fold_data, tune
from training.models.baselines.logistic import Logistic
from training.models.baselines.methods import PlainLightGBM
from training.task.dataset import question_of, teach
from training.task.questions import Question, outcome_codes
from training.task.snapshots import snapshots

ROOT = Path(__file__).parents[1]
SHARED = Path(os.environ.get("EMBUDO_SHARED", ROOT.parent / "shared"))
SETS = {
    "telco": ("ibm_telco_churn", "churn"),
    "x_education": ("x_education_leads", "lead_conversion"),
    "win_loss": ("ibm_sales_win_loss", "deal_close"),
}
OURS, NO_TIME = "embudo", 0


def outer_folds(hit: Bools, folds: int, seed: int) -> Ints:
    """(n,) the fold of each row, the outcome's share equal in each."""
    rng, fold = np.random.default_rng(seed), np.empty(len(hit), np.int64)
    for rows in (np.flatnonzero(hit), np.flatnonzero(~hit)):
        fold[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return fold


def part(tables: Tables, entity: str, rows: Ints) -> Tables:
    """The data set with only ``rows`` of the entity table."""
    table = tables[entity]
    columns = {
        n: c.take(rows) if isinstance(c, Coded) else c[rows] for n, c in table.columns.items()
    }
    return Tables({**tables.tables, entity: Table(entity, len(rows), columns)}, tables.meta)


def held_out(
    known: Tables, unseen: Tables, question: Question, config: Config
) -> dict[str, Floats]:
    """Scores of ``unseen`` by the pipeline and by the baselines, all taught on ``known`` alone."""
    teaching = teach(known, question, config)
    folds = fold_data(teaching)
    tuned = tune(folds, teaching.encoding, config, timed=False)
    model = learn(teaching, folds, tuned.recipe, config).model
    spine = snapshots(unseen, question, NO_TIME)
    features = build_features(Timeline(unseen), spine, teaching.features.specs)
    X, hit = teaching.encoding.matrix(features), outcome_codes(known, question) == 1
    scores = {OURS: model.score(X)}
    categorical = teaching.encoding.categorical
    for other in (Logistic(categorical, config.seed), PlainLightGBM(categorical, config.seed)):
        scores[other.name] = other.fit(teaching.X, hit).predict(X)
    return scores


def cross_validated(
    tables: Tables, question: Question, config: Config, outer: int
) -> tuple[Bools, Ints, dict[str, Floats]]:
    """What happened (n,), the fold of each row, and every row's score by each model."""
    hit = outcome_codes(tables, question) == 1
    fold = outer_folds(hit, outer, config.seed)
    scores: dict[str, Floats] = {}
    for f in tqdm(range(outer), desc=question.name, unit="fold"):
        inside, outside = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        known, unseen = (
            part(tables, question.entity, inside),
            part(tables, question.entity, outside),
        )
        for name, found in held_out(known, unseen, question, config).items():
            scores.setdefault(name, np.empty(len(hit)))[outside] = found
    return hit, fold, scores


def row_of(
    name: str, hit: Bools, fold: Ints, scores: dict[str, Floats], seed: int
) -> dict[str, Any]:
    """One row of the table."""
    losses = {n: log_losses(hit, p) for n, p in scores.items()}
    means = {n: float(values.mean()) for n, values in losses.items()}
    best = min((n for n in means if n != OURS), key=lambda n: means[n])
    gain = compare(hit, scores[OURS], scores[best], np.arange(len(hit)), best, seed).log_loss
    ahead = losses[best] - losses[OURS]
    word = "better" if gain.low > 0 else "worse" if gain.high < 0 else "no worse"
    return {
        "data set": name,
        "n": len(hit),
        "outcomes": int(hit.sum()),
        **means,
        "gain over the better one": f"{gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
        "folds ahead": int(sum(ahead[fold == f].mean() > 0 for f in np.unique(fold))),
        "word": word,
    }


def load(name: str, folder: Path) -> tuple[Tables, Question]:
    """A public data set as its mapping reads it, and its question."""
    where, asked = SETS[name]
    data = SHARED / "data" / where
    if not data.is_dir():
        raise SystemExit(f"the public data are not at {SHARED}; set EMBUDO_SHARED")
    ingest(data, ROOT / "examples" / where / "mapping.toml", folder / name)
    tables = read(folder / name)
    question = question_of(asked, tables)
    keys = tables[question.entity].coded(TABLES[question.entity].key)
    assert (keys.codes >= 0).all(), "rows of the spine are rows of the table"
    return tables, question


def main() -> None:
    """Run every data set and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--outer", type=int, default=5)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=list(SETS), default=list(SETS))
    asked = parser.parse_args()
    config = Config(trials=asked.trials, seed=asked.seed, threads=asked.threads, newest_share=0.01)
    rows = []
    for name in asked.only:
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            tables, question = load(name, Path(folder))
        found = cross_validated(tables, question, config, asked.outer)
        minutes = (time.perf_counter() - begun) / 60
        rows.append(row_of(name, *found, asked.seed) | {"minutes": minutes})
        print(pd.DataFrame(rows[-1:]).round(4).to_string(index=False), flush=True)
    print(f"\nlog loss in nats a row; {asked.outer} outer folds, {asked.trials} trials in each")
    print(pd.DataFrame(rows).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
