"""The documentation says what there is: targets, commands, links, and nothing of one machine."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def _targets() -> list[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.findall(r"^([a-z-]+):.*?## ", makefile, re.M)


def _commands(package: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    main = importlib.import_module(f"{package}.__main__").main
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = capsys.readouterr().out.split("command\n")[1]
    return re.findall(r"^ {4}([a-z]+)\b", listed, re.M)


def test_every_make_target_is_documented() -> None:
    assert len(_targets()) >= 12
    for target in _targets():
        assert f"| `make {target}` |" in README, target


def test_make_help_lists_every_target() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for target in _targets():
        assert re.search(rf"^  make {target}\s+\S", shown, re.M), target


@pytest.mark.parametrize("package", ["features", "training", "serving"])
def test_every_command_is_documented(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = _commands(package, capsys)
    assert found
    for command in found:
        assert f"| `python -m {package} {command}` |" in README, command


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_page_is_linked_from_the_readme() -> None:
    for page in (ROOT / "docs").glob("*.md"):
        assert f"docs/{page.name}" in README, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_pages_name_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for trace in ("/work/", "/root/", "/home/", "/tmp/", "@@"):
        assert trace not in text, f"{page.name} contains {trace}"
