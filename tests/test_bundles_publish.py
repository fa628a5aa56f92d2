"""The served folder: champions come whole, what was published stays when the registry does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from serving.bundles.folder import POINTER, offered, read_pointer
from serving.bundles.publish import FolderTakenError, Publisher, publish_once


class Registry:
    """Champions that a test changes."""

    def __init__(self, root: Path) -> None:
        self.root, self.found = root, dict[str, Path]()
        self.failure: Exception | None = None

    def add(self, name: str, content: str) -> None:
        """A version with one file."""
        folder = self.root / f"{name}-{content}"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text(content, encoding="utf-8")
        self.found[name] = folder

    def __call__(self) -> dict[str, Path]:
        """Who is champion."""
        if self.failure is not None:
            raise self.failure
        return self.found


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(tmp_path / "registry")
    made.add("churn", "1")
    return made


def _served(folder: Path) -> dict[str, str]:
    return {
        one.name: (one.folder / "manifest.json").read_text(encoding="utf-8")
        for one in offered(folder)[0]
    }


def test_a_promotion_comes_and_the_old_copy_goes(registry: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    publisher = Publisher(registry, folder)
    assert publisher.poll() and not publisher.poll()
    assert _served(folder) == {"churn": "1"}
    registry.add("churn", "2")
    assert publisher.poll() and _served(folder) == {"churn": "2"}
    registry.add("churn", "3")
    registry.add("deal_close", "1")
    assert publisher.poll() and _served(folder) == {"churn": "3", "deal_close": "1"}
    # the one before the newest may be being read
    assert len([p for p in folder.iterdir() if p.is_dir()]) == 3


def test_a_rollback_is_a_promotion(registry: Registry, tmp_path: Path) -> None:
    publisher = Publisher(registry, tmp_path / "served")
    publisher.poll()
    first = registry.found["churn"]
    registry.add("churn", "2")
    publisher.poll()
    registry.found["churn"] = first
    assert publisher.poll() and _served(tmp_path / "served") == {"churn": "1"}


@pytest.mark.parametrize("failure", [RuntimeError("locked"), LookupError("no champion")])
def test_what_was_published_stays(registry: Registry, tmp_path: Path, failure: Exception) -> None:
    """Also for a service that starts while the registry is away."""
    folder = tmp_path / "served"
    Publisher(registry, folder).poll()
    registry.failure = failure
    again = Publisher(registry, folder)
    assert again.poll() and not again.poll()
    assert _served(folder) == {"churn": "1"}
    assert str(failure) in offered(folder)[1][""]
    registry.failure = None
    assert again.poll() and offered(folder)[1] == {}


def test_a_champion_without_files_is_told_and_the_old_one_stays(
    registry: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "served"
    publisher = Publisher(registry, folder)
    publisher.poll()
    registry.add("churn", "2")
    shutil.rmtree(registry.found["churn"])
    publisher.poll()
    assert _served(folder) == {"churn": "1"}
    assert "cannot be read" in offered(folder)[1]["churn"]


def test_who_is_no_champion_any_more_serves_until_the_next_start(
    registry: Registry, tmp_path: Path
) -> None:
    registry.add("deal_close", "1")
    publisher = Publisher(registry, tmp_path / "served")
    publisher.poll()
    del registry.found["deal_close"]
    publisher.poll()
    assert set(_served(tmp_path / "served")) == {"churn", "deal_close"}
    assert "no champion any more" in offered(tmp_path / "served")[1]["deal_close"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"bundles": {"a": "../b"}, "problems": {}}'])
def test_a_damaged_pointer_is_said_and_replaced(
    registry: Registry, tmp_path: Path, raw: bytes
) -> None:
    folder = tmp_path / "served"
    publish_once(registry(), folder)
    (folder / POINTER).write_bytes(raw)
    with pytest.raises(ValueError, match="publish again"):
        offered(folder)
    Publisher(registry, folder).poll()
    assert _served(folder) == {"churn": "1"}


def test_a_folder_without_a_pointer_offers_its_bundles(registry: Registry, tmp_path: Path) -> None:
    shutil.copytree(registry.found["churn"], tmp_path / "plain" / "churn")
    (tmp_path / "plain" / ".half").mkdir()
    (tmp_path / "plain" / "file").touch()
    found, problems = offered(tmp_path / "plain")
    assert [one.name for one in found] == ["churn"] and not problems
    assert read_pointer(tmp_path / "plain") is None


def test_a_mark_changes_with_any_file(registry: Registry, tmp_path: Path) -> None:
    publish_once(registry(), tmp_path / "served")

    def mark() -> Any:
        return offered(tmp_path / "served")[0][0].mark

    first, place = mark(), offered(tmp_path / "served")[0][0].folder
    assert mark() == first
    (place / "more").touch()
    assert mark() != first


def test_one_process_at_a_time_publishes_to_a_folder(registry: Registry, tmp_path: Path) -> None:
    """A second publisher touches nothing, and takes over when the first has ended."""
    folder = tmp_path / "served"
    first, second = Publisher(registry, folder), Publisher(registry, folder)
    assert first.poll() and not second.poll()
    registry.add("churn", "2")
    for _ in range(3):
        second.poll()
        first.poll()
    assert _served(folder) == {"churn": "2"}
    with pytest.raises(FolderTakenError, match="another process publishes"):
        publish_once(registry.found, folder)
    first.close()
    registry.add("churn", "3")
    assert second.poll() and _served(folder) == {"churn": "3"}
    second.close()
    publish_once(registry.found, folder)
