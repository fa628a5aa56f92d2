"""How far the learner is from the truth: the demo CRM's newest period, all three questions.

    python -m benchmarks.truth [--size medium] [--seeds 7] [--trials 12]

Log loss of the model beside that of the true probabilities, on the same rows; the excess is also
given in expectation over the outcomes (-mean p log q + (1 - p) log(1 - q)), which removes the luck
of the draw. Planted copies of entities have no truth and are left out. Calibration slope with its
interval, and the largest gap between mean prediction and what happened, and between mean prediction
and mean truth, over the bins of the curve.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from features.demo import Demo, generate
from features.frames import from_frames
from features.tables import Floats, Ints
from training.config import Config
from training.evaluation.measures import kept_inside, log_losses, recalibrate
from training.fit.pipeline import Trained, train

BASE_RATE, MODEL = "base rate", "embudo"


def with_truth(demo: Demo, trained: Trained) -> tuple[Ints, Floats]:
    """Positions among the judged rows that have a truth, and their (n, K) true incidence."""
    name, spine = trained.bundle.name, trained.teaching.spine.take(trained.judgement.rows)
    known = set(demo.truth.loc[demo.truth["question"] == name, "entity_id"])
    at = np.flatnonzero([i in known for i in spine.ids])
    some = spine.take(at)
    return at, demo.true_curve(name, some.ids, some.cutoffs)[:, 0]


def against_truth(demo: Demo, trained: Trained) -> dict[str, float | str | int]:
    """One row of the table."""
    judged, teaching = trained.judgement, trained.teaching
    at, truth = with_truth(demo, trained)
    p, q, hit = kept_inside(truth[:, -1]), kept_inside(judged.scores[at]), judged.hit[at]
    curve = trained.learned.model.curve(teaching.X[judged.rows[at]])[:, :, 0]
    best, ours = log_losses(hit, p).mean(), log_losses(hit, q).mean()
    expected = -(p * np.log(q) + (1 - p) * np.log(1 - q)).mean()
    floor = -(p * np.log(p) + (1 - p) * np.log(1 - p)).mean()
    board = judged.board[judged.board["measure"] == "calibration_slope"]
    slope = board[board["model"] == MODEL].iloc[0]
    return {
        "question": trained.bundle.name,
        "n": len(hit),
        "base rate": judged.value("log_loss", BASE_RATE),
        "model": ours,
        "truth": best,
        "excess %": 100 * (ours / best - 1),
        "expected excess %": 100 * (expected / floor - 1),
        "slope": f"{slope['value']:.2f} [{slope['low']:.2f}, {slope['high']:.2f}]",
        "slope of truth": recalibrate(hit, p)[1],
        "max gap, points": 100 * judged.curve["gap"].abs().max(),
        "max gap to truth, points": 100 * float(np.abs((curve - truth).mean(axis=0)).max()),
        "verdict": judged.verdict.word,
    }


def main() -> None:
    """Train every question on every seed and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="medium")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7])
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--question", nargs="+", default=["lead_conversion", "deal_close", "churn"])
    asked = parser.parse_args()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    rows = []
    for seed in asked.seeds:
        demo = generate(seed=seed, size=asked.size, as_of=at)
        tables = from_frames(demo.frames, demo.meta)
        for name in asked.question:
            trained = train(tables, name, Config(trials=asked.trials), at, progress=True)
            rows.append({"seed": seed, **against_truth(demo, trained)})
            print(pd.DataFrame(rows[-1:]).round(4).to_string(index=False), flush=True)
    print(f"\nsize {asked.size}, {asked.trials} trials")
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    main()
