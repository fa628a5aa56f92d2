"""The model as shap and MLflow know one: effects that add up, and a pyfunc without a pickle."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest
import shap
from matplotlib import pyplot
from mlflow import pyfunc, set_registry_uri, set_tracking_uri

from tests.helpers.bundles import leads, made_bundle
from training.registry import registry
from training.registry.pyfunc import FeatureScorer
from training.registry.runs import TrainingRun

URI = "models:/lead_conversion@champion"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("registry")
    board = pd.DataFrame(columns=["model", "measure", "value", "low", "high"])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        made = registry.log_run(TrainingRun(made_bundle(), board, pd.DataFrame()), place)
        registry.promote(made.name, made.version, root=place)
    return place


def _frame() -> pd.DataFrame:
    features = leads(40)
    size, source = features.columns["size"], features.columns["source"]
    words = [source.values[c] for c in source.codes]  # type: ignore[union-attr]
    return pd.DataFrame({"source": words, "size": size})


def test_an_explanation_adds_up_to_the_score_and_shap_draws_it() -> None:
    model = made_bundle().model
    X = model.encoding.matrix(leads(40))
    explained = model.explanation(X)
    total = explained.base_values + explained.values.sum(axis=1)
    score = model.score(X)
    np.testing.assert_allclose(total, np.log(score / (1 - score)), atol=1e-9)
    assert explained.feature_names == ["size", "source"]
    assert set(explained.display_data[:, 1]) <= {"web", "fair", "référé", "other"}
    shap.plots.waterfall(explained[0], show=False)
    pyplot.close("all")
    shap.plots.bar(explained, show=False)
    pyplot.close("all")
    shap.plots.beeswarm(explained, show=False)
    pyplot.close("all")


def test_mlflow_loads_the_champion_and_answers_as_we_do(root: Path) -> None:
    set_tracking_uri(registry.tracking_uri(root))
    set_registry_uri(registry.tracking_uri(root))
    try:
        loaded = pyfunc.load_model(URI)
    finally:
        set_tracking_uri("")
        set_registry_uri("")
    model = made_bundle().model
    want = model.score(model.encoding.matrix(leads(40)))
    got = loaded.predict(_frame())
    np.testing.assert_allclose(got["probability"], want)
    np.testing.assert_allclose(got["by_day_30"], want)
    assert list(got["grade"]) and loaded.metadata.signature.inputs.input_names() == [
        "size",
        "source",
    ]
    assert len(loaded.predict(loaded.input_example)) == 1
    with pytest.raises(ValueError, match="no column is a feature"):
        FeatureScorer(made_bundle()).predict(pd.DataFrame({"x": [1.0]}))


def test_mlflow_serves_the_champion(root: Path) -> None:
    """``mlflow models serve``, a process of its own, answers a frame of features."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours, tools = Path(__file__).parents[1], Path(sys.executable).parent
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": registry.tracking_uri(root),
        "PYTHONPATH": str(ours),
        "PATH": f"{tools}:{os.environ['PATH']}",
    }
    command = f"mlflow models serve -m {URI} --env-manager local -h 127.0.0.1 -p {port}".split()
    served = subprocess.Popen(
        command, cwd=root, env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        answer = _asked_until_up(f"http://127.0.0.1:{port}/invocations", served)
    finally:
        os.killpg(served.pid, signal.SIGTERM)
        served.wait(30)
    model = made_bundle().model
    want = model.score(model.encoding.matrix(leads(40)))[:3]
    assert [one["probability"] for one in answer["predictions"]] == pytest.approx(want.tolist())


def _asked_until_up(url: str, served: subprocess.Popen[bytes]) -> dict[str, Any]:
    """The answer to three leads, asked until somebody listens."""
    asked = {"dataframe_split": _frame()[:3].to_dict("split", index=False)}
    for _ in range(600):
        assert served.poll() is None, "mlflow ended"
        try:
            answer = httpx.post(url, json=asked, timeout=30)
        except httpx.ConnectError:
            time.sleep(0.2)
            continue
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found
    raise AssertionError("mlflow did not listen within two minutes")
