"""The documentation says what there is: targets, commands, links, and nothing of one machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def _targets() -> list[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.findall(r"^([a-z-]+):.*?## ", makefile, re.M)


def test_the_page_of_commands_is_as_the_command_writes_it() -> None:
    """Every target, subcommand and option stands in docs/commands.md, with its meaning."""
    made = subprocess.run(
        [sys.executable, "docs/commands.py"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert made == (ROOT / "docs" / "commands.md").read_text(encoding="utf-8"), "make commands"
    for target in _targets():
        assert f"| `make {target}` |" in made, target
    without = [line for line in made.splitlines() if line.startswith("| `") and "|  |" in line]
    assert without == [], "these options have no meaning"


def test_every_dependency_has_its_reason() -> None:
    """And no package is explained that is not asked for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    wanted = {re.match(r"[A-Za-z0-9-]+", name).group() for name in asked}  # type: ignore[union-attr]
    page = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    table = page.split("## Dependencies")[1]
    rows = re.findall(r"^\| ([a-z0-9, -]+?)(?: \(dev\))? \| (\S.*) \|$", table, re.M)
    explained = {name for names, _ in rows for name in names.split(", ")} - {"package"}
    assert explained == wanted


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
