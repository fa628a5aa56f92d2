"""GET /v1/models: what is loaded, how good it was, and whether the scores have drifted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from features.tables import DAY
from serving.bundles.outcomes import ReloadOutcome, ReloadState
from serving.http.shapes_kept import ModelsOut, OneModelOut
from serving.scoring.predictor import Predictor
from serving.scoring.scorer import Scorer
from serving.telemetry.drift import FEWEST, drift
from tests.helpers.api import NOW, call, nightly, refused, score_row, served
from tests.helpers.histories import history
from tests.helpers.scored import bundle_of
from training.models.track_record import ReliabilityBin, TrackRecord

NAME = "lead_conversion"
BANDS = [
    ReliabilityBin(p, p + 0.1, 300, 250, 100, 0.3, 0.2, 0.4, p + 0.05) for p in (0.1, 0.2, 0.3, 0.4)
]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Starlette]:
    with served(tmp_path) as made:
        bundle = bundle_of("leads", history(3))
        past = TrackRecord(BANDS, bundle.track_record.base_rate)
        made.state.predictors = {
            "leads": Predictor(Scorer(replace(bundle, track_record=past, metrics={})))
        }
        yield made


def _model(app: Starlette) -> dict[str, Any]:
    body = call(app, "GET", f"/v1/models/{NAME}").json()
    OneModelOut.model_validate(body)
    found: dict[str, Any] = body["model"]
    return found


def test_every_loaded_model_has_a_card(app: Starlette) -> None:
    body = call(app, "GET", "/v1/models").json()
    ModelsOut.model_validate(body)
    (card,) = body["models"]
    assert (card["name"], card["version"], card["entity"]) == (NAME, "v-test", "leads")
    assert card["base_rate"]["training"] > 0 and card["grades"][0]["grade"] == "A"
    assert card["trained_on"]["fingerprint"] == "f" * 64


def test_a_model_is_told_with_measures_verdict_and_state(app: Starlette) -> None:
    app.state.reload = ReloadState()
    app.state.reload.add(ReloadOutcome(NAME, "refused", "not_whole", "cut short", "v-test", NOW))
    model = _model(app)
    assert model["verdict"] == "noise" and model["metrics"] == []
    assert (model["reload"]["outcome"], model["reload"]["reason"]) == ("refused", "cut short")


def test_measures_come_with_their_intervals(app: Starlette) -> None:
    app.state.predictors["leads"].scorer.bundle.metrics["auc"] = {
        "value": 0.7, "low": 0.6, "high": 0.8, "n": 100, "baseline": None
    }  # fmt: skip
    (measure,) = _model(app)["metrics"]
    assert measure == {
        "measure": "auc", "value": 0.7, "low": 0.6, "high": 0.8, "n": 100, "baseline": None
    }  # fmt: skip


def test_what_is_not_loaded_is_unknown(app: Starlette) -> None:
    answer = call(app, "GET", "/v1/models/churn")
    assert refused(answer) == (404, "unknown_model", "name")
    assert NAME in answer.json()["detail"]


def _scores(app: Starlette, chances: list[float]) -> None:
    rows = [score_row(f"L{i}", float(p)) for i, p in enumerate(chances)]
    nightly(app.state.store, "leads", rows, NOW - DAY, NOW)


def test_drift_is_null_with_a_reason_where_nothing_is_stored(app: Starlette) -> None:
    model = _model(app)
    assert model["drift"] is None and "make score" in model["drift_note"]
    _scores(app, [0.3] * 5)
    assert "fewer than" in _model(app)["drift_note"]
    app.state.store = None
    assert "no store" in _model(app)["drift_note"]


def test_scores_as_in_the_past_are_steady_and_others_shifted(app: Starlette) -> None:
    past = [band.predicted for band in BANDS for _ in range(30)]
    _scores(app, past)
    steady = _model(app)["drift"]
    assert (steady["word"], steady["n"]) == ("steady", len(past))
    rows = [score_row(f"L{i}", 0.99) for i in range(200)]
    nightly(app.state.store, "leads", rows, NOW, NOW + 1)
    shifted = _model(app)
    assert shifted["drift"]["word"] == "shifted" and "train again" in shifted["drift_note"]


def _bands(ns: list[int]) -> list[ReliabilityBin]:
    return [ReliabilityBin(i / 10, i / 10, n, n, 0, 0.0, 0.0, 0.0, 0.0) for i, n in enumerate(ns)]


def test_the_index_is_the_formula() -> None:
    past, now = [400, 300, 300], [300, 300, 400]
    p = (np.array(now) + 0.5) / (sum(now) + 1.5)
    q = (np.array(past) + 0.5) / (sum(past) + 1.5)
    found = drift(_bands(past), now)
    assert found is not None
    assert found.psi == pytest.approx(float(((p - q) * np.log(p / q)).sum()), abs=1e-12)


def test_chance_is_what_equal_populations_show_one_time_in_twenty() -> None:
    rng = np.random.default_rng(1)
    shares = np.full(10, 0.1)
    beyond = 0
    for _ in range(2000):
        past, now = rng.multinomial(2000, shares), rng.multinomial(500, shares)
        found = drift(_bands(past.tolist()), now.tolist())
        assert found is not None
        beyond += found.psi > found.chance
    assert 0.03 < beyond / 2000 < 0.07


@given(st.lists(st.integers(0, 500), min_size=2, max_size=20), st.data())
def test_the_index_is_never_negative_and_zero_for_the_same(ns: list[int], data: Any) -> None:
    others = data.draw(st.lists(st.integers(0, 500), min_size=len(ns), max_size=len(ns)))
    found = drift(_bands([n + 1 for n in ns]), others)
    assert (found is None) == (sum(others) < FEWEST)
    assert found is None or found.psi >= 0
    same = drift(_bands([n + 5 for n in ns]), [n + 5 for n in ns])
    assert same is None or same.psi == pytest.approx(0, abs=1e-12)
