"""The model as shap and MLflow know one: effects that add up, and a pyfunc without a pickle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shap
from matplotlib import pyplot
from mlflow import pyfunc, set_registry_uri, set_tracking_uri

from serving.process.trial import free_port
from tests.bundles import leads, made_bundle
from training.registry import registry
from training.registry.pyfunc import FeatureScorer
from training.registry.runs import TrainingRun

ROOT = Path(__file__).parents[1]
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


def test_mlflow_serves_the_champion(root: Path, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "serve.log"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", URI, "-h", "127.0.0.1"]
    env = {
        **os.environ,
        "MLFLOW_TRACKING_URI": registry.tracking_uri(root),
        "PYTHONPATH": str(ROOT),
    }
    body = json.dumps({"dataframe_split": _frame().head(3).to_dict("split", index=False)}).encode()
    with log.open("wb") as out:
        server = subprocess.Popen(
            [*command, "-p", str(port), "--env-manager", "local", "-w", "1"],
            cwd=root,
            env=env,
            start_new_session=True,
            stdout=out,
            stderr=out,
        )
    try:
        answer = _ask(f"http://127.0.0.1:{port}/invocations", body, server, log)
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
    model = made_bundle().model
    want = model.score(model.encoding.matrix(leads(40)))[:3]
    got = [row["probability"] for row in answer["predictions"]]
    np.testing.assert_allclose(got, want)


def _ask(
    url: str, body: bytes, server: subprocess.Popen[bytes], log: Path
) -> dict[str, list[dict[str, float]]]:
    """The answer to one request, tried for at most two minutes while the server starts."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    for _ in range(240):
        assert server.poll() is None, log.read_text(encoding="utf-8", errors="replace")
        try:
            with urllib.request.urlopen(request, timeout=30) as got:
                return dict(json.load(got))
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise AssertionError("the server did not answer within two minutes")
