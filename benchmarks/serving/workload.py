"""One model and one list of records, written in every contestant's own form.

A flat table of made-up customers: 20 columns, two of words, a tenth missing. The model is the
booster alone (the blend gives the linear part no weight), so that every contestant computes the
same number, which is compared before a time is quoted.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

from features.frames import from_frames
from features.reference import reference
from features.tables import CustomField, Meta, Tables
from training.config import Config
from training.fit.parts import Recipe, TreeParams, fit_fold
from training.models.blend import Blend
from training.models.bundle import Bundle, fit_grades, write
from training.models.outcome import OutcomeModel
from training.task.dataset import question_of, teach

ROWS, RECORDS = 8_000, 200
WORDS = {
    "sector": [f"sector {i}" for i in range(12)],
    "plan": ["basic", "plus", "team", "business", "enterprise"],
}
NUMBERS = [f"measure_{i:02}" for i in range(18)]
TREES = TreeParams()
"""200 trees of depth 4 and 15 leaves: what training starts from."""


@dataclass(frozen=True)
class Workload:
    """Where each contestant finds its model, and the bodies of its requests (bytes each)."""

    folder: Path
    bodies: dict[str, list[bytes]]
    expected: list[float]

    @property
    def bundles(self) -> Path:
        """The folder of bundles of our service."""
        return self.folder / "bundles"


def customers(seed: int = 1) -> Tables:
    """The table, with who left."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(ROWS, len(NUMBERS))).round(3)
    words = {name: rng.integers(0, len(values), ROWS) for name, values in WORDS.items()}
    signal = np.isin(words["sector"], [1, 3, 7]) + X[:, 2] * X[:, 3] + np.sin(2 * X[:, 4])
    signal += 0.5 * X[:, 5] * (words["plan"] == 2) - 1
    left = rng.random(ROWS) < 1 / (1 + np.exp(-signal))
    X[rng.random(X.shape) < 0.1] = np.nan
    frame = pd.DataFrame({"account_id": [f"A{i:05}" for i in range(ROWS)]})
    frame["outcome"] = np.array([None, "churned"], object)[left.astype(np.int64)]
    for name, codes in words.items():
        frame[name] = np.array(WORDS[name])[codes]
    frame[NUMBERS] = X
    fields = [CustomField(name, "category", fixed=True) for name in WORDS]
    fields += [CustomField(name, "number", fixed=True) for name in NUMBERS]
    return from_frames({"accounts": frame}, Meta(currency="EUR", custom={"accounts": fields}))


def prepare(folder: Path) -> Workload:
    """Train, and write each contestant's model and requests below ``folder``."""
    tables = customers()
    teaching = teach(tables, question_of("churn", tables), Config())
    rows = teaching.split.newest.train_rows
    labels = teaching.labels(rows, teaching.split.newest.train_end)
    encoding = teaching.encoding
    parts = fit_fold(teaching.X[rows], labels, teaching.cutoffs(rows), encoding, Recipe(TREES))
    blend = Blend(0.0, 1.0, np.zeros((1, 1)))
    edges, text = teaching.question.edges, parts.boosted.text
    model = OutcomeModel(encoding, parts.linear, parts.trees, blend, edges, text, parts.covers)
    bundle = Bundle(
        question=asdict(teaching.question),
        model=model,
        features=teaching.features.specs,
        meta=tables.meta,
        reference=reference(tables, "accounts"),
        grades=fit_grades(model.score(teaching.X[rows])),
        baseline=float(model.score(np.full((1, len(encoding.names)), np.nan))[0]),
        version="benchmark",
        trained_on={},
    )
    write(bundle, folder / "bundles" / "churn")
    (folder / "model.txt").write_text(text, encoding="utf-8")
    (folder / "columns.json").write_bytes(orjson.dumps(_columns(encoding)))
    newest = teaching.split.newest.valid_rows[:RECORDS]
    expected = model.score(teaching.X[newest]).tolist()
    ids = [teaching.spine.ids[row] for row in newest]
    bodies = _bodies(tables, ids, encoding.names, teaching.X[newest])
    return Workload(folder, bodies, expected)


def _columns(encoding: Any) -> dict[str, dict[str, int] | None]:
    """Each column in the booster's order; of a column of words also their codes."""
    return {
        name.removeprefix("custom_"): {word: i + 1 for i, word in enumerate(encoding.levels[name])}
        if name in encoding.levels
        else None
        for name in encoding.names
    }


def _bodies(tables: Tables, ids: list[str], names: list[str], X: Any) -> dict[str, list[bytes]]:
    records = [_record(tables, key) for key in ids]
    ours = [
        {"records": [{"account": {"account_id": key, "custom": record}}]}
        for key, record in zip(ids, records, strict=True)
    ]
    numbers = [[None if np.isnan(v) else float(v) for v in row] for row in X]
    columns = [name.removeprefix("custom_") for name in names]
    frames = [{"dataframe_split": {"columns": columns, "data": [row]}} for row in numbers]
    return {
        "explained": [orjson.dumps(body) for body in ours],
        "plain": [orjson.dumps({**body, "reasons": 0}) for body in ours],
        "stock": [orjson.dumps({"records": [record]}) for record in records],
        "mlflow": [orjson.dumps(frame) for frame in frames],
    }


def _record(tables: Tables, key: str) -> dict[str, Any]:
    """A customer's own columns as JSON values; what is missing is left out."""
    table = tables["accounts"]
    row = table.coded("account_id").values.index(key)
    found: dict[str, Any] = {name: table.coded(name).words()[row] for name in WORDS}
    found |= {name: float(table.number(name)[row]) for name in NUMBERS}
    return {name: value for name, value in found.items() if value == value and value is not None}
