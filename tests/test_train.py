"""A training run from end to end: it repeats, it is compared, it is kept, and noise is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from features.demo import generate
from features.frames import from_frames
from features.ingest.run import ingest
from features.tables import DAY, Tables, micros, read
from tests.helpers.exports import ROOT, public
from tests.helpers.learning import world
from tests.helpers.trained import AT, CONFIG, MAPPING, NAME, made, once, tables
from training.evaluation.holdout import BASE, MODEL
from training.evaluation.scoreboard import MEASURES
from training.fit.parts import TreeParams, decay, fit_trees
from training.fit.pipeline import Trained, train
from training.models import bundle as bundles
from training.models.curves import loss
from training.models.trees.model import margins_of
from training.registry import registry

OTHERS = (BASE, "recency sort", "naive Bayes", "logistic", "plain LightGBM")


def _files(trained: Trained, folder: Path) -> dict[str, bytes]:
    bundles.write(trained.bundle, folder)
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_two_runs_give_the_same_bundle_but_for_its_name_and_time(tmp_path: Path) -> None:
    first = _files(once(), tmp_path / "first")
    second = _files(made(AT + timedelta(days=1)), tmp_path / "second")
    differ = {name for name in first if first[name] != second[name]}
    assert first.keys() == second.keys() and differ == {"bundle.json", "manifest.json"}
    one, other = json.loads(first["bundle.json"]), json.loads(second["bundle.json"])
    assert one.pop("version") != other.pop("version")
    assert one["trained_on"].pop("made_at") != other["trained_on"].pop("made_at")
    assert one == other


def test_the_fingerprint_is_of_every_value() -> None:
    whole = tables()
    assert whole.fingerprint() == once().bundle.trained_on["fingerprint"]
    for table, column in (("deals", "outcome"), ("activities", "occurred_at")):
        columns = dict(whole[table].columns)
        del columns[column]
        less = Tables({**whole.tables, table: replace(whole[table], columns=columns)}, whole.meta)
        assert less.fingerprint() != whole.fingerprint()


def test_every_measure_has_its_interval_beside_every_baseline() -> None:
    board, judged = once().judgement.board, once().judgement
    assert not judged.missing
    for name in (MODEL, *OTHERS):
        rows = board[board["model"] == name].set_index("measure")
        assert set(MEASURES) <= set(rows.index)
        known = rows[rows["value"].notna()]
        assert {"log_loss", "brier", "ece", "auc"} <= set(known.index)
        assert (known["low"] <= known["value"] + 1e-12).all()
        assert (known["high"] >= known["value"] - 1e-12).all()
        assert (known.loc[[m for m in MEASURES if m in known.index], "n"] == len(judged.rows)).all()
    assert [c.against for c in judged.comparisons] == list(OTHERS)


def test_the_demo_can_be_learnt() -> None:
    judged = once().judgement
    assert judged.verdict.word in ("better", "as good as") and judged.verdict.promotable
    assert judged.value("log_loss") < judged.value("log_loss", BASE)
    assert once().bundle.promotable and once().bundle.verdict == judged.verdict.sentence


def test_the_newest_period_was_not_learnt_from() -> None:
    """Rows, labels and encoding end where the newest period begins."""
    teaching, newest = once().teaching, once().teaching.split.newest
    assert (
        teaching.cutoffs(newest.train_rows).max()
        < newest.origin
        <= (teaching.cutoffs(newest.valid_rows).min())
    )
    assert newest.train_end == newest.origin
    horizon = round(teaching.question.horizon * DAY)
    end = micros(teaching.tables.meta.as_of)
    assert (teaching.cutoffs(newest.valid_rows) + horizon <= end).all()
    for fold in teaching.split.folds:
        assert fold.valid_end <= newest.origin


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose mlruns holds the run."""
    place = tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        registry.log_run(once().run, place)
    return place


def _kept(root: Path) -> tuple[MlflowClient, str, Path]:
    client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")
    run_id = str(client.get_model_version(NAME, "1").run_id)
    return client, run_id, root / "mlruns" / "artifacts" / run_id / "artifacts"


def test_the_run_keeps_parameters_fingerprint_and_metrics(root: Path) -> None:
    client, run_id, _ = _kept(root)
    data = client.get_run(run_id).data
    learned = once().learned
    assert data.params["trees.learning_rate"] == str(learned.recipe.trees.learning_rate)
    assert data.params["blend.b"] == str(learned.model.blend.b)
    assert data.params["trials"] == "2" and data.params["seed"] == str(CONFIG.seed)
    assert data.tags["fingerprint"] == tables().fingerprint()
    assert data.tags["question"] == NAME and data.tags["word"] == once().judgement.verdict.word
    assert data.metrics["auc"] == once().judgement.value("auc")
    for key in ("log_loss", "logistic/log_loss", "base_rate/log_loss"):
        assert data.metrics[f"{key}.low"] < data.metrics[key] < data.metrics[f"{key}.high"]


def test_the_run_keeps_mapping_folds_features_and_figures(root: Path) -> None:
    _, _, files = _kept(root)
    assert (files / "mapping.toml").read_text(encoding="utf-8") == MAPPING
    folds = pd.read_csv(files / "tables" / "folds.csv")
    assert folds["fold"].tolist() == [*(str(i + 1) for i in range(len(folds) - 1)), "newest"]
    features = pd.read_csv(files / "features.csv")
    assert features["name"].tolist() == [s.name for s in once().bundle.features]
    assert {"meaning", "unit", "group"} <= set(features.columns)
    for figure in ("importance", "summary", "reliability", "curve"):
        assert (files / "figures" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    trials = pd.read_csv(files / "tables" / "trials.csv")
    assert len(trials) == CONFIG.trials


def test_the_registered_bundle_scores_as_the_trained_model(root: Path) -> None:
    loaded = registry.load(NAME, "challenger", root)
    shipped = once().bundle.model
    X = shipped.encoding.matrix(once().teaching.features)[:50]
    np.testing.assert_array_equal(loaded.model.score(X), shipped.score(X))


def test_what_ships_has_learnt_from_every_row_and_what_was_judged_is_kept(root: Path) -> None:
    _, _, files = _kept(root)
    judged, teaching = bundles.read(files / "judged"), once().teaching
    newest, shipped = teaching.split.newest, once().bundle
    X = teaching.X[newest.valid_rows]
    np.testing.assert_array_equal(judged.model.score(X), once().judgement.scores)
    assert micros(judged.trained_on["until"]) == newest.train_end
    assert micros(shipped.trained_on["until"]) == newest.valid_end
    assert shipped.trained_on["snapshots"] == len(teaching.spine)
    assert judged.trained_on["snapshots"] == len(newest.train_rows)
    assert not np.array_equal(
        shipped.model.score(shipped.model.encoding.matrix(teaching.features)),
        judged.model.score(teaching.X),
    )
    assert shipped.track_record == judged.track_record and shipped.grades == judged.grades


def test_weights_and_a_validation_set_give_a_finite_and_right_loss() -> None:
    """A validation set that LightGBM reads in batches takes its weights from the training set's
    empty room: the loss was 0 / 0, and every trial as good as any other."""
    made_up = world(3_000, bins=2, outcomes=2, seed=1)
    first, rest = np.arange(2_000, dtype=np.int64), np.arange(2_000, 3_000, dtype=np.int64)
    weights = decay(np.arange(2_000, dtype=np.int64) * DAY, 180.0)
    unseen, labels, ones = made_up.X[rest], made_up.labels.take(rest), np.ones(len(rest))
    boosted = fit_trees(
        made_up.X[first],
        made_up.labels.take(first),
        made_up.encoding,
        weights,
        TreeParams(rounds=30),
        valid=(unseen, labels, ones),
    )
    assert np.isfinite(boosted.loss) and boosted.rounds > 1
    total = loss(margins_of(boosted.text, unseen, 2, 2), labels, ones)[0]
    assert boosted.loss == pytest.approx(total / len(labels.person_periods()[0]), rel=1e-6)


def _shuffled(seed: int) -> Tables:
    """The tiny demo CRM, looked at when a deal is born; who met which fate is drawn by lot."""
    demo = generate(size="tiny")
    deals, end = demo.frames["deals"], pd.Timestamp(demo.meta.as_of)
    order = np.random.default_rng(seed).permutation(len(deals))
    lasted = (deals["closed_at"] - deals["created_at"]).to_numpy()[order]
    closed = deals["created_at"] + lasted
    known = (closed < end).to_numpy()
    deals["closed_at"] = closed.where(known)
    deals["outcome"] = pd.Series(deals["outcome"].to_numpy()[order]).where(known)
    demo.meta.questions[NAME] = {"edges": [30, 120], "snapshots": "created"}
    return from_frames(demo.frames, demo.meta)


def test_noise_is_not_promotable() -> None:
    """With the fates shuffled there is nothing to learn, and the run says so."""
    trained = made(of=_shuffled(1))
    assert trained.judgement.verdict.word in ("no skill", "too little data")
    assert not trained.bundle.promotable


def test_maven_says_no_skill_at_engagement(tmp_path: Path) -> None:
    """Nothing that this CRM holds on the day of engagement tells who will buy."""
    data = public("maven_crm_opportunities")
    ingest(data, ROOT / "examples" / "maven_crm_opportunities" / "mapping.toml", tmp_path / "out")
    trained = train(read(tmp_path / "out"), NAME, CONFIG, AT)
    assert trained.teaching.question.snapshots == "created"
    assert trained.judgement.value("auc") <= 0.60
    assert trained.judgement.verdict.word == "no skill"
    assert not trained.bundle.promotable


@pytest.mark.parametrize("gone", [["outcome"], ["created_at"]])
def test_what_cannot_be_trained_says_why(gone: Sequence[str]) -> None:
    whole = tables()
    left = {n: c for n, c in whole["deals"].columns.items() if n not in gone}
    less = Tables({**whole.tables, "deals": replace(whole["deals"], columns=left)}, whole.meta)
    undated = "created_at" in gone
    said = "check the mapping's created" if undated else "check the value map of the outcome"
    with pytest.raises(ValueError, match=said):
        train(less, NAME, CONFIG, AT)
    with pytest.raises(ValueError, match="no question 'renewal'; there are lead_conversion"):
        train(whole, "renewal", CONFIG, AT)
