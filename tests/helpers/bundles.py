"""A small real bundle for the tests: both parts of the learner fitted on 300 made-up leads."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from features.spine import Features, FeatureSpec, Spine
from features.tables import DAY, CustomField, Floats, Meta, code
from training.fit.parts import Recipe, TreeParams, fit_fold
from training.models.blend import Blend
from training.models.bundle import Bundle, fit_grades
from training.models.encoding import Encoding
from training.models.outcome import OutcomeModel
from training.task.questions import Labels

SPECS = [
    FeatureSpec("size", "leads", "number", "people in the company", "people", "leads", "size"),
    FeatureSpec("source", "leads", "category", "where it came from", "", "leads", "source"),
]


def leads(n: int = 300) -> Features:
    """Features of n leads: a number with holes, and a category."""
    rng = np.random.default_rng(5)
    size = np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n))
    source = code(rng.choice(["web", "fair", "référé"], n).tolist())
    spine = Spine("leads", [f"L{i}" for i in range(n)], np.arange(n, dtype=np.int64) * DAY)
    return Features(spine, SPECS, {"size": size, "source": source})


@cache
def _fitted() -> tuple[OutcomeModel, Floats]:
    features = leads()
    encoding = Encoding.fit(features)
    X, n = encoding.matrix(features), len(features)
    hit = np.nan_to_num(X[:, 0]) + np.random.default_rng(6).normal(size=n) > 0.5
    event_bin = np.where(hit, np.arange(n) % 2, 2)
    labels = Labels(hit.astype(np.int64), event_bin, np.full(n, 2, np.int64), 2, 1)
    recipe = Recipe(TreeParams(rounds=5))
    parts = fit_fold(X, labels, features.spine.cutoffs, encoding, recipe)
    blend = Blend(0.5, 0.5, np.zeros((2, 1)))
    made = OutcomeModel(
        encoding, parts.linear, parts.trees, blend, (7.0, 30.0), parts.boosted.text, parts.covers
    )
    return made, X


def made_bundle(**changes: Any) -> Bundle:
    """The bundle, with other values for the fields named."""
    model, X = _fitted()
    score = model.score(X)
    values: dict[str, Any] = {
        "question": {"name": "lead_conversion", "entity": "leads", "edges": [7.0, 30.0]},
        "model": model,
        "features": SPECS,
        "meta": Meta("2024-01-01T00:00:00Z", "EUR", {"leads": [CustomField("fit", "number")]}),
        "reference": {"owner_id": ["a", None], "closed_at": [1, 2], "won": [0.5, 1.0]},
        "grades": fit_grades(score),
        "baseline": 0.25,
        "version": "2024-01-01-abc",
        "trained_on": {"fingerprint": "f" * 64, "rows": 300, "from": "1970-01-01Z"},
        "metrics": {"log_loss": {"value": 0.5, "low": 0.4, "high": 0.6, "n": 100}},
        "verdict": "The model beats the base rate.",
        "promotable": True,
    }
    return Bundle(**{**values, **changes})
