"""Bundles with every feature of the catalogue, fitted on random histories: for scoring's tests."""

from __future__ import annotations

from functools import cache

import numpy as np

from features.catalog import build_features, definitions
from features.reference import reference
from features.schema import OUTCOMES, TABLES
from features.spine import Features, Spine
from features.tables import DAY, Coded, Tables, code
from features.timeline import Timeline
from tests.helpers.histories import META, START, history
from training.evaluation.matured_predictions import MaturedPredictions, base_rate, track_record
from training.fit.parts import Recipe, TreeParams, fit_fold
from training.fit.threads import one_blas_thread
from training.models.blend import Blend
from training.models.bundle import Bundle, fit_grades
from training.models.encoding import Encoding
from training.models.outcome import OutcomeModel
from training.models.track_record import TrackRecord
from training.task.questions import Labels

EDGES = (7.0, 14.0, 30.0)
NAMES = {"leads": "lead_conversion", "deals": "deal_close", "accounts": "churn"}


def spine_of(entity: str, tables: Tables, days: tuple[int, ...] = (20, 45, 61)) -> Spine:
    """Every entity of the tables at each of some days."""
    ids = tables[entity].coded(TABLES[entity].key).values
    cutoffs = np.repeat([START + d * DAY for d in days], len(ids)).astype(np.int64)
    return Spine(entity, list(ids) * len(days), cutoffs)


def _joined(parts: list[Features]) -> Features:
    columns: dict[str, np.ndarray | Coded] = {}
    for spec in parts[0].specs:
        found = [p.columns[spec.name] for p in parts]
        if isinstance(found[0], Coded):
            columns[spec.name] = code(w for c in found if isinstance(c, Coded) for w in c.words())
        else:
            columns[spec.name] = np.concatenate([c for c in found if isinstance(c, np.ndarray)])
    ids = [i for p in parts for i in p.spine.ids]
    cutoffs = np.concatenate([p.spine.cutoffs for p in parts])
    return Features(Spine(parts[0].spine.entity, ids, cutoffs), parts[0].specs, columns)


@cache
def training(entity: str) -> Features:
    """Every feature of the catalogue along twelve random histories."""
    specs = [d.spec for d in definitions(entity, META).values()]
    parts = []
    for seed in range(12):
        tables = history(seed)
        parts.append(build_features(Timeline(tables), spine_of(entity, tables), specs))
    return _joined(parts)


@cache
@one_blas_thread  # another process makes the same to the bit
def _model(entity: str) -> tuple[OutcomeModel, dict[str, float], TrackRecord]:
    features = training(entity)
    encoding = Encoding.fit(features, min_count=3)
    X, n, K, J = encoding.matrix(features), len(features), len(EDGES), len(OUTCOMES[entity])
    rng = np.random.default_rng(3)
    event = rng.integers(0, J + 1, n)
    event_bin = np.where(event > 0, rng.integers(0, K, n), K)
    labels = Labels(event, event_bin, np.full(n, K, np.int64), K, J)
    recipe = Recipe(TreeParams(rounds=15, min_data_in_leaf=10, num_leaves=8), l2=1.0)
    fitted = fit_fold(X, labels, features.spine.cutoffs, encoding, recipe)
    blend = Blend(0.7, 0.6, np.full((K, J), 0.1))
    text, covers = fitted.boosted.text, fitted.covers
    model = OutcomeModel(encoding, fitted.linear, fitted.trees, blend, EDGES, text, covers)
    scores, hit = model.score(X), event == 1
    past = MaturedPredictions(scores, hit, features.spine.ids, features.spine.cutoffs)
    ids = features.spine.ids
    half = n // 2
    early = labels.take(np.arange(half))
    rate = base_rate(early, ids[:half], hit[half:], ids[half:], scores[half:])
    return model, fit_grades(scores), track_record(past, rate, flat=False)


def bundle_of(entity: str, tables: Tables) -> Bundle:
    """A bundle whose reference is ``tables``; what it learned is noise, but it is all there."""
    model, grades, past = _model(entity)
    question = {"name": NAMES[entity], "entity": entity, "edges": list(EDGES), "flat": False}
    return Bundle(
        question=question,
        model=model,
        features=[d.spec for d in definitions(entity, META).values()],
        meta=META,
        reference=reference(tables, entity),
        grades=grades,
        baseline=float(model.score(np.full((1, len(model.encoding.names)), np.nan))[0]),
        version="v-test",
        trained_on={"fingerprint": "f" * 64, "rows": 180},
        verdict="noise",
        track_record=past,
    )
