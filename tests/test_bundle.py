"""A bundle is whole or an error: any change to any file is found before the model is read."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.bundles import leads, made_bundle
from training.models import bundle as bundles
from training.models.bundle import BundleError, fit_grades, grade, read, write
from training.models.linear.model import LinearModel
from training.models.outcome import OutcomeModel


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "one"
    write(made_bundle(), folder)
    return folder


def _copy(written: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(written, to)
    return to


def test_what_is_read_is_what_was_written(written: Path) -> None:
    before, after = made_bundle(), read(written)
    X = before.model.encoding.matrix(leads())
    np.testing.assert_array_equal(after.model.margins(X), before.model.margins(X))
    for mine, theirs in zip(after.model.explain(X), before.model.explain(X), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    model: Any = None
    assert replace(after, model=model) == replace(before, model=model)
    assert after.name == "lead_conversion"


def test_a_model_without_trees_is_whole_too(tmp_path: Path) -> None:
    full = made_bundle().model
    linear = replace(full, trees=None, booster="", covers=None, blend=replace(full.blend, b=0.0))
    write(made_bundle(model=linear), tmp_path / "linear")
    X = linear.encoding.matrix(leads())
    np.testing.assert_array_equal(read(tmp_path / "linear").model.score(X), linear.score(X))


def test_writing_twice_gives_the_same_bytes(written: Path, tmp_path: Path) -> None:
    write(read(written), tmp_path / "again")
    for path in written.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


def test_a_bundle_is_text_and_leaves_nothing_beside_it(written: Path) -> None:
    assert {p.suffix for p in written.iterdir()} == {".json", ".txt"}
    assert [p.name for p in written.parent.iterdir()] == [written.name]
    for path in written.iterdir():
        path.read_text(encoding="utf-8")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_flipped_byte_is_found(written: Path, data: st.DataObject) -> None:
    folder = _copy(written, written.parent.parent / "flipped")
    path = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.stat().st_size)))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with pytest.raises(BundleError):
        read(folder)


def test_any_bit_of_the_manifest_is_found(written: Path, tmp_path: Path) -> None:
    folder = _copy(written, tmp_path / "copy")
    path = folder / bundles.MANIFEST
    content = path.read_bytes()
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(BundleError):
            read(folder)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_cut_or_lengthened_file_is_found(written: Path, data: st.DataObject) -> None:
    folder = _copy(written, written.parent.parent / "cut")
    path = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.stat().st_size)))
    content = path.read_bytes()
    keep = data.draw(st.integers(0, len(content) - 1))
    path.write_bytes(data.draw(st.sampled_from([content[:keep], content + b" ", content * 2])))
    with pytest.raises(BundleError):
        read(folder)


def test_every_missing_or_further_file_is_named(written: Path, tmp_path: Path) -> None:
    for path in written.iterdir():
        folder = _copy(written, tmp_path / "copy")
        (folder / path.name).unlink()
        with pytest.raises(BundleError, match=path.name):
            read(folder)
    folder = _copy(written, tmp_path / "copy")
    (folder / "model.pkl").write_bytes(b"")
    with pytest.raises(BundleError, match=r"also holds model\.pkl"):
        read(folder)


def test_a_folder_in_place_of_a_file_is_found(written: Path, tmp_path: Path) -> None:
    folder = _copy(written, tmp_path / "copy")
    (folder / "meta.json").unlink()
    (folder / "meta.json").mkdir()
    with pytest.raises(BundleError, match="cannot be read"):
        read(folder)


def test_a_cut_tree_text_never_reaches_lightgbm(written: Path, tmp_path: Path) -> None:
    folder = _copy(written, tmp_path / "copy")
    text = (folder / "booster.txt").read_bytes()
    (folder / "booster.txt").write_bytes(text[: len(text) // 2])
    asked = "import sys, pathlib, training.models.bundle as b; b.read(pathlib.Path(sys.argv[1]))"
    ended = subprocess.run(
        [sys.executable, "-c", asked, str(folder)],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1 and "BundleError" in ended.stderr, "an error, not an abort"


def test_another_format_is_refused_with_what_to_do(written: Path, tmp_path: Path) -> None:
    folder = _copy(written, tmp_path / "copy")
    manifest = orjson.loads((folder / bundles.MANIFEST).read_bytes())
    newer = {**manifest, "format": bundles.FORMAT + 1}
    (folder / bundles.MANIFEST).write_bytes(orjson.dumps(newer))
    with pytest.raises(BundleError, match="format 3, this version reads 2; install the version"):
        read(folder)


@pytest.mark.parametrize("manifest", [b"", b"[]", b"{}", b"null", b'{"files":[],"format":1}'])
def test_a_strange_manifest_is_refused(written: Path, tmp_path: Path, manifest: bytes) -> None:
    folder = _copy(written, tmp_path / "copy")
    (folder / bundles.MANIFEST).write_bytes(manifest)
    with pytest.raises(BundleError):
        read(folder)


def test_what_is_not_a_bundle_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleError, match="not a bundle"):
            read(folder)


def test_files_that_sum_but_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OutcomeModel, "to_state", lambda _: {"edges": [7.0], "booster": ""})
    write(made_bundle(), tmp_path / "b")
    with pytest.raises(BundleError, match="do not fit together"):
        read(tmp_path / "b")


def test_a_bundle_is_never_overwritten(written: Path) -> None:
    with pytest.raises(BundleError, match="never overwritten"):
        write(made_bundle(), written)
    read(written)


def test_a_failed_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundles, "_write_through", full)
    with pytest.raises(OSError, match="No space"):
        write(made_bundle(), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_model_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LinearModel, "to_json", lambda _: {"beta": [[1.0], [float("nan")]]})
    with pytest.raises(BundleError, match=r"model\.linear\.beta\[1\]\[0\] is nan"):
        write(made_bundle(), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


some_scores = st.lists(st.floats(0, 1, width=16), min_size=1, max_size=200)


@given(some_scores)
def test_no_letter_is_given_to_more_than_its_share(drawn: list[float]) -> None:
    scores = np.array(drawn)
    grades = fit_grades(scores)
    lowest = list(grades.values())
    assert list(grades) == sorted(grades) and lowest[-1] == 0
    assert all(a > b for a, b in pairwise(lowest)), "strictly falling"
    for letter, most in (("A", 0.1), ("B", 0.3), ("C", 0.6)):
        if letter in grades:
            assert (scores >= grades[letter]).mean() <= most + 1e-9


@given(some_scores, some_scores)
def test_a_grade_does_not_depend_on_the_batch(drawn: list[float], others: list[float]) -> None:
    grades = fit_grades(np.array(drawn))
    alone = [grade(np.array([s]), grades)[0] for s in drawn]
    assert grade(np.array([*drawn, *others]), grades)[: len(drawn)] == alone


def test_grades_of_plain_scores() -> None:
    scores = np.linspace(0.005, 0.995, 100)
    given = grade(scores, fit_grades(scores))
    assert [given.count(letter) for letter in "ABCD"] == [10, 20, 30, 40]
    assert fit_grades(np.full(50, 0.3)) == {"D": 0.0}, "who cannot be told apart gets one letter"
    assert grade(np.empty(0), {"D": 0.0}) == []


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.1])
def test_a_grade_needs_a_probability(bad: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        grade(np.array([bad]), {"D": 0.0})
