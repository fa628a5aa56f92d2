"""A small report whose every number is known: fixed scores and effects on a table made by rule."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from features.frames import from_frames
from features.tables import Bools, CustomField, Ints, Meta, Tables
from tests.helpers.bundles import made_bundle
from training.config import Config
from training.evaluation.curve import curve_table
from training.evaluation.holdout import MODEL, HoldoutResult
from training.evaluation.scoreboard import compare, reliability, scoreboard
from training.evaluation.verdict import verdict
from training.models.encoding import Encoding
from training.models.track_record import BaseRate, ReliabilityBin, TrackRecord
from training.reports.model.subject import Subject
from training.task.dataset import TrainingData, question_of, teach

PLANS = ("basic", "plus", "<b>pro & co</b>")
"""The last one would be markup if anything forgot to escape it."""


def tables(dated: bool) -> Tables:
    """600 accounts with a plan and a number of visits; every eighth on average leaves."""
    rng = np.random.default_rng(11)
    n = 600
    visits, plan = rng.integers(0, 30, n).astype(float), rng.integers(0, 3, n)
    chance = 1 / (1 + np.exp(1.2 + 0.08 * visits - 0.9 * (plan == 2)))
    left = rng.random(n) < chance
    frame = pd.DataFrame(
        {
            "account_id": [f"A{i:03d}" for i in range(n)],
            "visits": np.where(rng.random(n) < 0.05, np.nan, visits),
            "plan": [PLANS[p] for p in plan],
            "outcome": ["churned" if gone else None for gone in left],
        }
    )
    custom = [
        CustomField("visits", "number", True, "visits"),
        CustomField("plan", "category", True),
    ]
    meta = Meta("", "EUR", {"accounts": custom}, mapping="small <table>")
    if dated:
        born = pd.Timestamp("2023-01-01", tz="UTC") + pd.to_timedelta(np.arange(n), unit="D")
        life = pd.to_timedelta(rng.integers(1, 89, n), unit="D")
        frame["created_at"] = frame["customer_at"] = born
        frame["closed_at"] = (born + life).where(left)
        question = {"snapshots": "created", "edges": [30, 90]}
        meta = replace(meta, as_of="2024-11-01T00:00:00+00:00", questions={"churn": question})
    return from_frames({"accounts": frame}, meta)


def judged(teaching: TrainingData, rows: Ints, hit: Bools | None = None) -> dict[str, Any]:
    """What a judgement of ``rows`` holds, by fixed scores; ``hit`` in place of what happened."""
    labels, entities = (
        teaching.labels(rows, teaching.split.newest.valid_end),
        teaching.entities(rows),
    )
    at = teaching.encoding.names.index("custom_visits")
    visits = np.nan_to_num(teaching.X[rows, at], nan=15.0)
    scores = np.round(1 / (1 + np.exp(0.9 + 0.09 * visits)), 3)
    hit = labels.hit if hit is None else hit
    others = {
        "base rate": np.full(len(rows), 0.12),
        "naive Bayes": np.clip(scores * 2.5, 0.001, 0.999),
        "logistic": np.clip(scores + 0.02, 0, 1),
    }
    bins = teaching.question.bins
    curves = scores[:, None] * np.linspace(1 / bins, 1, bins)[None, :]
    base = np.linspace(0.12 / bins, 0.12, bins)
    found = [compare(hit, scores, p, entities, name) for name, p in others.items()]
    return {
        "verdict": verdict(found[0], found[1:]),
        "board": scoreboard(hit, {MODEL: scores, **others}, entities, 0.12),
        "curve": curve_table(curves, labels, entities, teaching.question.edges, base),
        "reliability": reliability(hit, scores, entities, 5),
        "comparisons": found,
        "missing": {"recency sort": "no column to sort by"},
        "rows": rows,
        "scores": scores,
        "hit": hit,
        "others": others,
    }


@cache
def subject(dated: bool = False) -> Subject:
    """The subject of the report, flat or with dates."""
    made = tables(dated)
    teaching = teach(made, question_of("churn", made), Config(folds=2))
    judgement = HoldoutResult(**judged(teaching, teaching.split.newest.valid_rows))
    values = teaching.X[judgement.rows]
    encoding: Encoding = teaching.encoding
    effects = np.zeros(values.shape)
    visits, plan = (encoding.names.index(n) for n in ("custom_visits", "custom_plan"))
    effects[:, visits] = 0.6 - 0.04 * np.nan_to_num(values[:, visits])
    effects[:, plan] = 0.1 * values[:, plan] - 0.2
    band = ReliabilityBin(0.02, 0.2, 300, 300, 30, 0.1, 0.07, 0.14, 0.11)
    bundle = replace(
        made_bundle(),
        question={"name": "churn", "entity": "accounts", "edges": list(teaching.question.edges)},
        model=replace(made_bundle().model, encoding=encoding),
        features=teaching.features.specs,
        meta=made.meta,
        grades={"A": 0.25, "B": 0.15, "C": 0.06, "D": 0.0},
        baseline=0.1,
        version="churn-20240101-000000-small",
        trained_on={"fingerprint": "f" * 64, "made_at": "2024-01-01T00:00:00+00:00"},
        track_record=TrackRecord([band], BaseRate(0.12, 0.13, -0.03, 0.05, 480, 120, 0.12)),
    )
    findings = pd.DataFrame(
        [
            ("accounts.plan", "green", "nothing found", "Nothing found.", ""),
            ("accounts.visits", "amber", "much rests on it", "31 % is known alone.", "ask when."),
        ],
        columns=["column", "colour", "check", "sentence", "what_to_do"],
    )
    rows = judgement.rows
    notes = [*teaching.notes, "baseline left out: recency sort: no column to sort by"]
    return Subject(bundle, teaching, judgement, rows, values, effects, notes, findings)
