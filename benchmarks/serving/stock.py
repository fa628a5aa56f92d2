"""The stock BentoML service: what its documentation leads one to write for a LightGBM model.

A typed record becomes a DataFrame, the booster predicts, ``shap.TreeExplainer`` explains; two
workers. LightGBM gets one thread: with its default of all cores this service is slower by half.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import bentoml
import lightgbm as lgb
import numpy as np
import pandas as pd
import shap
from pydantic import BaseModel, create_model

FOLDER = Path(os.environ["BENCH_FOLDER"])
COLUMNS: dict[str, dict[str, int] | None] = json.loads((FOLDER / "columns.json").read_text())
_FIELDS: dict[str, Any] = {
    name: ((str if words else float) | None, None) for name, words in COLUMNS.items()
}
Record: Any = create_model("Record", **_FIELDS)


class Reason(BaseModel):
    """A column and its effect in log-odds."""

    feature: str
    effect: float


class Scored(BaseModel):
    """A probability and the five largest reasons."""

    probability: float
    baseline: float
    reasons: list[Reason]


@bentoml.service(name="stock", workers=2)
class Stock:
    """Scores records with reasons."""

    def __init__(self) -> None:
        self.booster = lgb.Booster(model_file=str(FOLDER / "model.txt"))
        self.explainer = shap.TreeExplainer(self.booster)

    @bentoml.api  # type: ignore[untyped-decorator]
    def score(self, records: list[Record]) -> list[Scored]:
        """One answer a record."""
        frame = pd.DataFrame([record.model_dump() for record in records])[list(COLUMNS)]
        for name, words in COLUMNS.items():
            frame[name] = frame[name].map(words) if words else frame[name].astype(float)
        probability = self.booster.predict(frame, num_threads=1)
        effects = self.explainer.shap_values(frame)
        baseline = float(np.ravel(self.explainer.expected_value)[-1])
        return [
            Scored(
                probability=p,
                baseline=baseline,
                reasons=[
                    Reason(feature=frame.columns[i], effect=row[i])
                    for i in np.argsort(-np.abs(row))[:5]
                ],
            )
            for p, row in zip(probability, effects, strict=True)
        ]
