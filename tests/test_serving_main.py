"""`python -m serving`: bundles are laid out whole, and a data set is scored by its champions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from features import frames as data
from serving import __main__ as serving
from serving.bundles.folder import offered
from serving.bundles.publish import publish_once
from serving.process.trial import answer_text
from tests.helpers.histories import META, frames_of, history
from tests.helpers.scored import bundle_of
from training.models import bundle as bundles


@pytest.fixture
def champions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Two bundles in the registry's place."""
    found = {}
    for entity in ("leads", "accounts"):
        bundle = bundle_of(entity, history(8, size=30))
        bundles.write(bundle, tmp_path / "registry" / bundle.name)
        found[bundle.name] = tmp_path / "registry" / bundle.name
    monkeypatch.setattr(serving, "champions", lambda _: found)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/store.db")
    return found


def test_bundles_are_laid_out_whole_and_the_retired_go(
    champions: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "serving"
    publish_once(champions, folder)
    publish_once(champions, folder)
    found, problems = offered(folder)
    assert [one.name for one in found] == sorted(champions) and not problems
    assert all(bundles.read(one.folder).name == one.name for one in found)
    publish_once({"churn": champions["churn"]}, folder)
    assert [one.name for one in offered(folder)[0]] == ["churn"]
    assert len([p for p in folder.iterdir() if p.is_dir()]) == 1


def test_score_writes_a_file_for_every_champion(
    champions: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data.write(tmp_path / "data", frames_of(history(8, size=30)), META)
    asked = ["score", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert serving.main([*asked, "--as-of", "2023-12-24T00:00:00Z"]) == 0
    said = capsys.readouterr().out
    for name in champions:
        assert pq.read_table(tmp_path / "out" / f"{name}.parquet").num_rows > 0
        assert f"{name}.parquet" in said


@pytest.mark.usefixtures("champions")
@pytest.mark.parametrize("mapping", ["", "another company"])
def test_data_of_another_mapping_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], mapping: str
) -> None:
    """Columns of one name may mean two things: the models learned with META's mapping, ""."""
    data.write(tmp_path / "data", frames_of(history(8, size=30)), replace(META, mapping=mapping))
    asked = ["score", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert serving.main([*asked, "--as-of", "2023-12-24T00:00:00Z"]) == 0
    assert ("these were read with 'another company'" in capsys.readouterr().out) == bool(mapping)


def test_what_is_not_there_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--root", str(tmp_path), "score", "--data", str(tmp_path), "--out", str(tmp_path)]
    assert serving.main(asked) == 2
    assert "not a canonical data set" in capsys.readouterr().err


@pytest.mark.usefixtures("champions")
def test_an_instant_without_zone_is_refused(tmp_path: Path) -> None:
    data.write(tmp_path / "data", frames_of(history(8)), META)
    asked = ["score", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert serving.main([*asked, "--as-of", "2023-12-24"]) == 2


def test_an_unscored_record_is_told_with_its_reason() -> None:
    result = {"id": "x", "error": {"message": "it was closed"}}
    answer: dict[str, Any] = {"results": [result], "model": {}, "as_of": None}
    assert answer_text(answer) == "x was not scored: it was closed"
