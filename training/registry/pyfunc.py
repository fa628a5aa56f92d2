"""A logged model as MLflow's own ``pyfunc``: features in, probabilities out, without a pickle.

``mlflow.pyfunc.load_model("models:/churn@champion")`` reads the file ``MLmodel`` beside the bundle,
imports this module (so the project must be importable) and calls ``_load_pyfunc`` with the bundle's
folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
from mlflow import pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

from features.spine import Features, Spine
from features.tables import Coded, Floats, code
from training.models import bundle as bundles
from training.models.bundle import Bundle
from training.models.grades import grade

EXAMPLE = "input_example.json"


class FeatureScorer:
    """Scores frames of features, a row each.

    What it takes are features, not CRM records: the service computes those itself.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def predict(self, frame: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Columns ``probability`` (by the horizon), ``grade``, and one ``by_day_<d>`` for each bin.

        frame: a column for each feature, in any order; one that is absent is missing in every row.
        ValueError where no column is a feature, or a number column holds words.
        """
        del params  # MLflow passes it; this model has none
        curve = self.bundle.model.curve(self._matrix(frame))[:, :, 0]
        days = [f"by_day_{edge:g}" for edge in self.bundle.model.edges]
        out = pd.DataFrame(curve, columns=days, index=frame.index)
        out.insert(0, "grade", grade(curve[:, -1], self.bundle.grades))
        out.insert(0, "probability", curve[:, -1])
        return out

    def _matrix(self, frame: pd.DataFrame) -> Floats:
        specs = self.bundle.features
        if not {spec.name for spec in specs} & set(frame.columns):
            raise ValueError(
                f"no column is a feature of {self.bundle.name}: got {list(frame.columns)[:5]}; "
                f"the features are {', '.join(spec.name for spec in specs)}"
            )
        columns: dict[str, Floats | Coded] = {}
        for spec in specs:
            given = frame.get(spec.name, pd.Series(np.nan, index=frame.index, dtype=object))
            columns[spec.name] = _words(given) if spec.kind == "category" else _numbers(given)
        ids = [str(i) for i in range(len(frame))]
        spine = Spine(specs[0].entity, ids, np.zeros(len(frame), np.int64))
        return self.bundle.model.encoding.matrix(Features(spine, specs, columns))


def _load_pyfunc(data_path: str) -> FeatureScorer:
    """The entry point that MLflow calls, named by MLflow."""
    return FeatureScorer(bundles.read(Path(data_path)))


def write_flavour(bundle: Bundle, folder: Path) -> None:
    """Write ``MLmodel``, its signature and an input example into a folder that holds ``bundle``.

    The example has the most frequent word of each category and no numbers: nobody's data.
    """
    example = _example(bundle)
    split = {"columns": list(example.columns), "data": example.to_numpy(object).tolist()}
    (folder / EXAMPLE).write_bytes(orjson.dumps(split))
    about = {"artifact_path": EXAMPLE, "type": "dataframe", "pandas_orient": "split"}
    model = Model(signature=_signature(bundle), saved_input_example_info=about)
    version = ".".join(map(str, sys.version_info[:3]))
    pyfunc.add_to_model(
        model, loader_module=__name__, data="bundle", python_env=None, python_version=version
    )
    model.save(str(folder / "MLmodel"))


def _signature(bundle: Bundle) -> ModelSignature:
    kinds = {"category": DataType.string, "number": DataType.double}
    inputs: list[ColSpec | TensorSpec] = [
        ColSpec(kinds[s.kind], s.name, required=False) for s in bundle.features
    ]
    outputs: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.double, "probability"),
        ColSpec(DataType.string, "grade"),
    ]
    outputs += [ColSpec(DataType.double, f"by_day_{edge:g}") for edge in bundle.model.edges]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _example(bundle: Bundle) -> pd.DataFrame:
    levels = bundle.model.encoding.levels
    row = [next(iter(levels.get(spec.name, ())), None) for spec in bundle.features]
    return pd.DataFrame([row], columns=[spec.name for spec in bundle.features], dtype=object)


def _numbers(given: pd.Series) -> Floats:
    try:
        return np.asarray(pd.to_numeric(given).to_numpy(float, na_value=np.nan), np.float64)
    except (TypeError, ValueError) as wrong:
        raise ValueError(f"feature {given.name!r} is a number, got words ({wrong})") from wrong


def _words(given: pd.Series) -> Coded:
    return code([None if pd.isna(word) else str(word) for word in given])
