"""Which version answers, and why: promotion, refusal, rollback, in a database of the test's own."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.helpers.bundles import made_bundle
from training.models import bundle as bundles
from training.models.bundle import Bundle, BundleError
from training.registry import registry
from training.registry.local import local_bundle
from training.registry.registry import PromotionRefused, Registered, RegistryError
from training.registry.runs import TrainingRun, metrics, write_files

NAME = "lead_conversion"


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry whose tables are made: making them takes seconds, copying them none."""
    root = tmp_path_factory.mktemp("empty")
    registry.list_models(root)
    return root


@pytest.fixture
def root(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Path(shutil.copytree(empty, tmp_path / "crm of Ünlü & Co"))


def _run(bundle: Bundle | None = None) -> TrainingRun:
    board = pd.DataFrame(
        {
            "model": ["model", "naive Bayes", "naive Bayes"],
            "measure": ["log_loss", "log_loss", "calibration_slope"],
            "value": [0.40, 0.45, float("nan")],
            "low": [0.35, 0.41, float("nan")],
            "high": [0.45, 0.50, float("nan")],
        }
    )
    folds = pd.DataFrame({"fold": ["1", "newest"], "train_rows": [100, 200]})
    return TrainingRun(
        bundle or made_bundle(),
        board,
        folds,
        params={"trees.rounds": 5, **{f"p{i}": i for i in range(150)}},
        tags={"question": NAME},
        mapping='[leads]\nfile = "leads.csv"\n',
        notes=["2 of 4 folds asked for"],
        tables={"Reliability (newest)": pd.DataFrame({"predicted": [0.1]})},
        figures={"importance": Figure(figsize=(2, 1))},
    )


def _versions(root: Path, *promotable: bool) -> list[Registered]:
    made = []
    for i, may in enumerate(promotable):
        bundle = made_bundle(
            version=f"v{i + 1}", promotable=may, verdict="Better." if may else "No skill."
        )
        made.append(registry.log_run(_run(bundle), root))
    return made


def _aliases(root: Path) -> dict[int, str]:
    table = registry.list_models(root)
    return dict(zip(table["version"].tolist(), table["aliases"].tolist(), strict=True))


def test_a_logged_run_is_registered_and_can_be_loaded(root: Path) -> None:
    made = registry.log_run(_run(), root)
    assert (made.name, made.version) == (NAME, 1)
    loaded = registry.load(NAME, "challenger", root)
    assert loaded.version == made_bundle().version
    assert _aliases(root) == {1: "challenger"}
    row = registry.list_models(root).iloc[0]
    assert row["promotable"] and row["run_id"] == made.run_id and row["created"].tz is not None


def test_the_run_keeps_values_data_and_files(root: Path) -> None:
    made = registry.log_run(_run(), root)
    kept = root / "mlruns" / "artifacts" / made.run_id / "artifacts"
    files = {str(p.relative_to(kept)) for p in kept.rglob("*") if p.is_file()}
    assert {
        "bundle/manifest.json",
        "mapping.toml",
        "notes.txt",
        "params.json",
        "features.csv",
        "tables/board.csv",
        "tables/folds.csv",
        "tables/reliability_newest.csv",
        "figures/importance.png",
    } <= files
    assert not [f for f in files if f.endswith((".pkl", ".pickle"))]
    with sqlite3.connect(root / "mlruns" / "mlflow.db") as db:
        values = dict(db.execute("select key, value from metrics").fetchall())
        digest = db.execute("select digest from datasets").fetchone()
        params = db.execute("select count(*) from params").fetchone()
        fingerprint = db.execute("select value from tags where key = 'fingerprint'").fetchone()
    assert values["log_loss.low"] == 0.35 and values["naive_bayes/log_loss"] == 0.45
    assert digest == ("f" * 36,) and fingerprint == ("f" * 64,) and params == (151,)


def test_metrics_leave_out_what_is_undefined() -> None:
    found = metrics(_run())
    assert found["log_loss.high"] == 0.45 and len(found) == 6


def test_promotion_and_rollback_move_the_champion(root: Path) -> None:
    _versions(root, True, True)
    registry.promote(NAME, 1, root=root)
    assert _aliases(root) == {2: "challenger", 1: "champion"}
    registry.promote(NAME, "2", reason="measured better", root=root)
    assert _aliases(root) == {2: "champion", 1: "previous"}
    registry.promote(NAME, 2, root=root)  # again: nothing moves
    assert _aliases(root) == {2: "champion", 1: "previous"}
    assert registry.rollback(NAME, "complaints", root) == 1
    assert _aliases(root) == {2: "previous", 1: "champion"}
    assert registry.load(NAME, root=root).version == "v1"
    assert registry.rollback(NAME, root=root) == 2, "rolling back twice redoes"


def test_no_skill_is_refused_unless_overruled_with_a_reason(root: Path) -> None:
    _versions(root, False)
    for force, reason in ((False, None), (False, "please"), (True, None), (True, "")):
        with pytest.raises(PromotionRefused, match=r"version 1 .* No skill\."):
            registry.promote(NAME, 1, reason, force, root)
    assert _aliases(root) == {1: "challenger"}
    registry.promote(NAME, 1, "a pilot, agreed with sales", True, root)
    assert _aliases(root) == {1: "champion"}
    with sqlite3.connect(root / "mlruns" / "mlflow.db") as db:
        tags = dict(db.execute("select key, value from model_version_tags").fetchall())
    assert tags["overruled"] == "No skill." and "pilot" in tags["promotion_reason"]


def test_what_is_not_there_is_told_with_what_is(root: Path) -> None:
    with pytest.raises(RegistryError, match="no champion; there is no version"):
        registry.load(NAME, root=root)
    assert registry.list_models(root).empty
    _versions(root, True)
    with pytest.raises(RegistryError, match=r"no version 7; there is version 1 \(challenger\)"):
        registry.promote(NAME, 7, root=root)
    with pytest.raises(RegistryError, match="no previous champion"):
        registry.rollback(NAME, root=root)
    with pytest.raises(RegistryError, match="training promote"):
        registry.champion_folder(NAME, root)


def test_an_alias_is_one_word_however_written(root: Path) -> None:
    _versions(root, True)
    registry.promote(NAME, 1, root=root)
    assert registry.load(NAME, "Champion", root).version == "v1"


def test_a_damaged_bundle_is_neither_promoted_nor_loaded(root: Path) -> None:
    _versions(root, True, True)
    registry.promote(NAME, 1, root=root)
    made = registry.list_models(root).set_index("version")
    kept = root / "mlruns" / "artifacts" / str(made.loc[2, "run_id"]) / "artifacts" / "bundle"
    (kept / "booster.txt").write_text("cut", encoding="utf-8")
    with pytest.raises(BundleError, match=r"booster\.txt has changed"):
        registry.promote(NAME, 2, root=root)
    assert registry.load(NAME, root=root).version == "v1", "the champion stays"


def test_a_run_that_fails_registers_nothing(root: Path) -> None:
    broken = replace(_run(), params={"bad": object()}, tables={"x": None})  # type: ignore[dict-item]
    with pytest.raises(AttributeError):
        registry.log_run(broken, root)
    assert registry.list_models(root).empty
    with sqlite3.connect(root / "mlruns" / "mlflow.db") as db:
        assert db.execute("select status from runs").fetchall() == [("FAILED",)]


def test_mlruns_may_be_moved(root: Path, tmp_path: Path) -> None:
    _versions(root, True)
    registry.promote(NAME, 1, root=root)
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    folder = registry.champion_folder(NAME, moved)
    assert folder.is_relative_to(moved) and bundles.read(folder).version == "v1"


def test_the_tracking_uri_is_absolute_unless_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    assert registry.tracking_uri(Path()) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.com")
    assert registry.tracking_uri(Path()) == "https://mlflow.example.com"


def test_a_remote_bundle_is_fetched_once_and_checked(tmp_path: Path) -> None:
    bundles.write(made_bundle(), tmp_path / "remote")
    fetched: list[str] = []

    def download(source: str, into: str) -> str:
        fetched.append(source)
        return str(shutil.copytree(tmp_path / "remote", Path(into) / "bundle"))

    asked = ("s3://kept/bundle", "lead_conversion-3", tmp_path, download)
    folder = local_bundle(*asked)
    assert bundles.read(folder).version == made_bundle().version
    assert local_bundle(*asked) == folder and fetched == ["s3://kept/bundle"]


def test_a_broken_download_leaves_nothing(tmp_path: Path) -> None:
    def download(_source: str, into: str) -> str:
        (Path(into) / "bundle").mkdir()
        return str(Path(into) / "bundle")

    def cut_off(_source: str, _into: str) -> str:
        raise ConnectionResetError("the line broke")

    for broken in (download, cut_off):
        with pytest.raises(BundleError):
            local_bundle("s3://kept/bundle", "x-1", tmp_path, broken)
        assert list((tmp_path / "mlruns" / "fetched").iterdir()) == []


def test_nothing_is_sent_home(root: Path) -> None:
    registry.list_models(root)
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_files_are_written_whole(tmp_path: Path) -> None:
    write_files(_run(), tmp_path)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "2 of 4 folds asked for\n"
    assert bundles.read(tmp_path / "bundle").name == NAME


def test_the_report_is_that_of_the_version_that_answers(root: Path) -> None:
    """Before any promotion it is the newest's; a run without one says so."""
    first = registry.log_run(replace(_run(), report="<p>é</p>"), root)
    registry.log_run(_run(), root)
    with pytest.raises(RegistryError, match="version 2 was logged without a report"):
        registry.report_of(NAME, root)
    registry.promote(NAME, first.version, root=root)
    assert registry.report_of(NAME, root) == "<p>é</p>"
