"""A training run, top to bottom: teach, tune, learn, judge, bundle, and what to keep of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from features.reference import reference
from features.tables import Floats, Ints, Tables, instant_text
from training.config import Config
from training.evaluation.challenge import challenge
from training.evaluation.holdout import MODEL, HoldoutResult, judge_holdout
from training.evaluation.matured_predictions import MaturedPredictions, base_rate, track_record
from training.fit.ensemble import PARTS
from training.fit.learn import Learned, learn, refit
from training.fit.season import without_idle_season
from training.fit.threads import one_blas_thread
from training.fit.tune import Tuned, fold_data, tune
from training.leaks import Finding, audit, refuse
from training.leaks import table as leak_table
from training.models.attribution import merge
from training.models.bundle import Bundle, fit_grades
from training.models.outcome import OutcomeModel
from training.models.track_record import TrackRecord
from training.registry import plots
from training.registry.runs import TrainingRun
from training.reports.model.page import model_page
from training.reports.model.subject import Subject
from training.reports.model.weak import paired
from training.task.dataset import TrainingData, question_of, teach

EXPLAINED = 2000
"""Rows of the newest period that the effects are drawn from."""


@dataclass(frozen=True)
class Trained:
    """One trained question: what is registered, and what was seen on the way.

    learned  the judged model; the bundle holds the same procedure on all rows (``refit``)
    """

    run: TrainingRun
    teaching: TrainingData
    learned: Learned
    judgement: HoldoutResult

    @property
    def bundle(self) -> Bundle:
        """The deployed unit."""
        return self.run.bundle


@one_blas_thread
def train(
    tables: Tables,
    name: str,
    config: Config,
    at: datetime,
    *,
    mapping: str = "",
    champion: Bundle | None = None,
    folder: Path | None = None,
    progress: bool = False,
) -> Trained:
    """Train one question on a canonical data set.

    at      when the run is made: it names the version, and nothing else depends on it
    mapping text of the mapping the data were read with, kept with the run
    champion the judged model of the version that answers now, which has not seen the newest rows
             (``registry.judged``): the new one must be at least as good to be promotable
    folder  where the Optuna study is kept, so that an interrupted run resumes; None: in memory

    ValueError (with what to do) where the data cannot answer: no outcomes, one class only, no row
    before the newest period, nothing that could be a feature. LeakError, which is one too, where a
    column tells the outcome and the mapping does not acknowledge it by name.
    """
    question = question_of(name, tables)
    leaks = audit(tables, question)
    refuse(leaks, tables.meta.acknowledged)
    teaching = without_idle_season(teach(tables, question, config))
    fingerprint = tables.fingerprint()
    folds = fold_data(teaching)
    study = _study(name, fingerprint, teaching, config)
    tuned = tune(
        folds,
        teaching.encoding,
        config,
        timed=not question.flat,
        study=study,
        folder=folder,
        progress=progress,
    )
    learned = learn(teaching, folds, tuned.recipe, config, progress)
    judgement = judge_holdout(teaching, learned.model, config)
    if champion is not None:
        judgement = judgement.against(challenge(teaching, judgement, champion, fingerprint, config))
    judged = _judged_bundle(teaching, learned, judgement, fingerprint, at)
    bundle = _shipped(judged, teaching, refit(teaching, learned, config))
    return Trained(
        _run(bundle, judged, teaching, tuned, learned, judgement, leaks, config, mapping),
        teaching,
        learned,
        judgement,
    )


def _study(name: str, fingerprint: str, teaching: TrainingData, config: Config) -> str:
    """The same problem has the same study; any other data or setting begins a new one.

    How many trials, and for how long, is no part of it, so that asking for more continues.
    """
    asked = {k: v for k, v in asdict(config).items() if k not in ("trials", "minutes", "threads")}
    problem = f"{fingerprint} {teaching.question} {teaching.encoding.names} {asked}"
    return f"{name}-{hashlib.sha256(problem.encode()).hexdigest()[:16]}"


def _shipped(judged: Bundle, teaching: TrainingData, model: OutcomeModel) -> Bundle:
    """The judged bundle with the model that has learned from all rows."""
    end = teaching.split.newest.valid_end
    taught = {
        "snapshots": len(teaching.spine),
        "entities": len(set(teaching.spine.ids)),
        "until": "" if teaching.question.flat else instant_text(end),
    }
    return replace(
        judged,
        model=model,
        baseline=float(expit(model.baseline_log_odds)),
        trained_on=judged.trained_on | taught,
    )


def _judged_bundle(
    teaching: TrainingData,
    learned: Learned,
    judgement: HoldoutResult,
    fingerprint: str,
    at: datetime,
) -> Bundle:
    question, split = teaching.question, teaching.split
    model = learned.model
    return Bundle(
        question={
            **asdict(question),
            "edges": list(question.edges),
            "outcomes": list(question.outcomes),
            "without": list(question.without),
            "event": None if question.event is None else question.event.to_json(),
        },
        model=model,
        features=teaching.features.specs,
        meta=teaching.tables.meta,
        reference=reference(teaching.tables, question.entity),
        grades=fit_grades(learned.scores),
        baseline=float(expit(model.baseline_log_odds)),
        version=f"{question.name}-{at:%Y%m%d-%H%M%S}-{fingerprint[:8]}",
        trained_on={
            "fingerprint": fingerprint,
            "snapshots": len(split.newest.train_rows),
            "entities": len(set(teaching.entities(split.newest.train_rows))),
            "until": split.table()["train_end"].iloc[-1],
            "data_until": teaching.tables.meta.as_of,
            "made_at": at.isoformat(timespec="seconds"),
        },
        metrics={
            row["measure"]: {k: row[k] for k in ("value", "low", "high", "n", "baseline")}
            for row in _finite(judgement.board[judgement.board["model"] == MODEL])
        },
        verdict=judgement.verdict.sentence,
        promotable=judgement.verdict.promotable,
        track_record=_receipts(teaching, learned, judgement),
    )


def _receipts(teaching: TrainingData, learned: Learned, judgement: HoldoutResult) -> TrackRecord:
    """How past scores turned out: those of the folds, and of the newest period once judged."""
    rows, newest = judgement.rows, teaching.split.newest
    entities = teaching.entities(rows)
    judged = MaturedPredictions(judgement.scores, judgement.hit, entities, teaching.cutoffs(rows))
    labels = teaching.labels(newest.train_rows, newest.train_end)
    taught = teaching.entities(newest.train_rows)
    rate = base_rate(labels, taught, judgement.hit, entities, judgement.scores)
    return track_record(
        MaturedPredictions.join([learned.past, judged]), rate, teaching.question.flat
    )


def _finite(board: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows with NaN as None: JSON has no NaN."""
    rows = board.astype(object).where(board.notna(), None).to_dict("records")
    return [{str(k): v for k, v in row.items()} for row in rows]


def _run(
    bundle: Bundle,
    judged: Bundle,
    teaching: TrainingData,
    tuned: Tuned,
    learned: Learned,
    judgement: HoldoutResult,
    leaks: list[Finding],
    config: Config,
    mapping: str,
) -> TrainingRun:
    rows, effects, values = _explained(teaching, learned, judgement)
    specs = teaching.features.specs
    groups, merged = merge(effects, [s.group for s in specs])
    importance = np.abs(merged).mean(axis=0)
    tables = {
        "receipts": pd.DataFrame([b.to_answer() for b in bundle.track_record.bands]),
        "curve": judgement.curve,
        "reliability": judgement.reliability,
        "comparisons": pd.DataFrame([c.to_json() for c in judgement.comparisons]),
        "trials": pd.DataFrame(tuned.trials),
        "leaks": leak_table(leaks),
        "importance": pd.DataFrame({"group": groups, "mean_abs_log_odds": importance}).sort_values(
            "mean_abs_log_odds", ascending=False
        ),
    }
    figures = {
        "importance": plots.importance(merged, groups),
        "summary": plots.beeswarm(effects, values, [s.name for s in specs]),
        "reliability": plots.reliability(judgement.reliability),
        "curve": plots.curve(judgement.curve),
    }
    missing = [f"baseline left out: {k}: {why}" for k, why in judgement.missing.items()]
    notes = [*teaching.notes, *missing, *_shift_note(bundle), judgement.verdict.sentence]
    subject = Subject(
        judged, teaching, judgement, rows, values, effects, notes, tables["leaks"], config.seed
    )
    return TrainingRun(
        bundle,
        judgement.board,
        teaching.split.table(),
        params=_params(config, learned),
        tags={"question": bundle.name, "word": judgement.verdict.word},
        mapping=mapping,
        notes=notes,
        tables=tables | {"comparisons_by_part": paired(subject)},
        figures=figures,
        model=MODEL,
        report=model_page(subject),
        judged=judged,
    )


def _shift_note(bundle: Bundle) -> list[str]:
    """Whether the base rate holds; a table without dates was divided by chance and cannot say."""
    rate = bundle.track_record.base_rate
    return [] if rate is None or bundle.question["flat"] else [rate.sentence]


def _explained(
    teaching: TrainingData, learned: Learned, judgement: HoldoutResult
) -> tuple[Ints, Floats, Floats]:
    """At most EXPLAINED rows (m,) of the newest period, their effects and their values (m, F)."""
    rows = judgement.rows
    if len(rows) > EXPLAINED:
        rows = np.sort(np.random.default_rng(0).choice(rows, EXPLAINED, replace=False))
    values = teaching.X[rows]
    return rows, learned.model.explain(values)[2], values


def _params(config: Config, learned: Learned) -> Mapping[str, Any]:
    recipe, blend, weights = learned.recipe, learned.model.blend, learned.stack.weights
    trees = {f"trees.{k}": v for k, v in asdict(recipe.trees).items()}
    return {
        **asdict(config),
        **trees,
        "linear.l2": recipe.l2,
        "half_life_days": recipe.half_life_days,
        "blend.a": blend.a,
        "blend.b": blend.b,
        **{f"weight.{part}": float(w) for part, w in zip(PARTS, weights, strict=True)},
    }
