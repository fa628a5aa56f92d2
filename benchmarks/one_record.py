"""One record end to end, JSON in, JSON out, reasons included: ours against a DataFrame pipeline.

    python -m benchmarks.one_record [--records 40] [--rounds 5]

Both get the same requests: open leads of the demo CRM with their activities and changes. Both give
probability, curve and reasons; ours also checks the contract and puts the reasons into words. The
features of the two are compared before a time is quoted; rounds over all requests alternate, and
the ratio of the medians is printed. One thread each.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import orjson
import pandas as pd

from benchmarks.frames_pipeline import FramesPipeline
from features.demo import generate
from features.frames import from_frames
from features.reference import reference
from features.tables import DAY, Coded, Tables, micros
from serving.scoring.batch import open_ids
from serving.scoring.predictor import Predictor, exact_text
from serving.scoring.sample import record_of
from serving.scoring.scorer import Scorer
from training.config import Config
from training.fit.parts import Recipe, TreeParams, fit_fold
from training.models.blend import Blend
from training.models.bundle import Bundle, fit_grades
from training.models.outcome import OutcomeModel
from training.task.dataset import question_of, teach


def bundle_of(tables: Tables) -> Bundle:
    """A model of the demo's leads: the usual trees and linear part, nothing tuned."""
    teaching = teach(tables, question_of("lead_conversion", tables), Config(max_snapshots=8000))
    rows = teaching.split.newest.train_rows
    labels = teaching.labels(rows, teaching.split.newest.train_end)
    recipe = Recipe(TreeParams(rounds=100))
    parts = fit_fold(teaching.X[rows], labels, teaching.cutoffs(rows), teaching.encoding, recipe)
    blend = Blend(0.5, 0.5, np.zeros((labels.bins, labels.outcomes)))
    edges, text = teaching.question.edges, parts.boosted.text
    model = OutcomeModel(
        teaching.encoding, parts.linear, parts.trees, blend, edges, text, parts.covers
    )
    return Bundle(
        question=asdict(teaching.question),
        model=model,
        features=teaching.features.specs,
        meta=tables.meta,
        reference=reference(tables, "leads"),
        grades=fit_grades(model.score(teaching.X[rows])),
        baseline=0.0,
        version="benchmark",
        trained_on={},
    )


def requests(tables: Tables, scorer: Scorer, cutoff: int, n: int) -> list[bytes]:
    """Requests of n open leads drawn at random among those with activities and changes."""
    ids = np.random.default_rng(1).permutation(open_ids(scorer, tables, cutoff))
    made: list[bytes] = []
    for key in ids.tolist():
        record = record_of(tables, "leads", key)
        if len(record.get("activities", [])) > 3 and "changes" in record and len(made) < n:
            made.append(orjson.dumps({"as_of": exact_text(cutoff), "records": [record]}))
    return made


def differences(predictor: Predictor, frames: FramesPipeline, raw: bytes) -> list[str]:
    """The features in which the two disagree."""
    body = orjson.loads(raw)
    record = predictor.reader.read(0, body["records"][0])
    cutoff, scorer = micros(body["as_of"]), predictor.scorer
    timeline = scorer.timeline(predictor.reader.tables([record]))  # type: ignore[list-item]
    ours = scorer.features(timeline, [record.id or ""], cutoff, scorer.history)
    theirs = frames.features(body["records"][0], pd.Timestamp(body["as_of"]))
    wrong = []
    for spec in ours.specs:
        column = ours.columns[spec.name]
        mine = column.words()[0] if isinstance(column, Coded) else column[0]
        other = theirs[spec.name].iloc[0] if spec.name in theirs else None
        if not _same(mine, other):
            wrong.append(f"{spec.name}: {mine} and {other}")
    return wrong


def _same(mine: object, other: object) -> bool:
    if pd.isna(mine) or pd.isna(other):  # type: ignore[call-overload]
        return bool(pd.isna(mine) and pd.isna(other))  # type: ignore[call-overload]
    if isinstance(mine, str):
        return mine == other
    return bool(np.isclose(float(mine), float(other), rtol=1e-9))  # type: ignore[arg-type]


def timed(work: Callable[[bytes], object], raw: bytes) -> tuple[float, float]:
    """Milliseconds of one call: by the clock, and of the processor (both sides use one thread)."""
    start, busy = time.perf_counter(), time.thread_time()
    work(raw)
    return (time.perf_counter() - start) * 1000, (time.thread_time() - busy) * 1000


def main() -> None:
    """Make the demo, compare, time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    demo = generate()
    tables = from_frames(demo.frames, demo.meta)
    bundle = bundle_of(tables)
    predictor, cutoff = Predictor(Scorer(bundle)), micros(demo.meta.as_of) - 30 * DAY
    frames = FramesPipeline(bundle, tables)
    asked = requests(tables, predictor.scorer, cutoff, chosen.records)
    wrong = {w.partition(":")[0]: w for raw in asked for w in differences(predictor, frames, raw)}
    for raw in asked:
        mine = predictor.answer(orjson.loads(raw), 0, "check")["results"][0]["probability"]
        other = orjson.loads(frames.answer(raw))["probability"]
        if not np.isclose(mine, other, rtol=1e-9):
            raise SystemExit(f"the two disagree: {mine} and {other}")
    agree = len(bundle.features) - len(wrong)
    print(f"{agree} of {len(bundle.features)} features agree, and every probability")
    print("\n".join(wrong.values()))

    def ours(raw: bytes) -> bytes:
        return orjson.dumps(predictor.answer(orjson.loads(raw), 0, "benchmark"))

    gc.collect()
    gc.freeze()  # as the service does once its models are loaded
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "frames": []}
    for turn in range(chosen.rounds + 1):
        for name, work in (("ours", ours), ("frames", frames.answer)):
            took = [timed(work, raw) for raw in asked]
            times[name] += took if turn else []  # the first round warms up
    size = statistics.median(len(raw) for raw in asked)
    print(f"{len(asked)} leads, median request {size / 1024:.1f} KiB")
    medians = {name: np.median(took, axis=0) for name, took in times.items()}
    for name, (clock, processor) in medians.items():
        print(f"{name:>7}: median {clock:8.2f} ms by the clock, {processor:8.2f} ms of processor")
    by_clock, of_processor = medians["frames"] / medians["ours"]
    print(
        f"one record end to end: {by_clock:.0f} x by the clock, {of_processor:.0f} x of processor"
    )


if __name__ == "__main__":
    main()
