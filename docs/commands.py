"""Print docs/commands.md: every make target and every command, from Makefile and parsers."""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("features", "training", "serving")


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join(
        [
            "# Commands",
            "",
            "Written by `make commands` from the Makefile and the command-line parsers; "
            "not edited by hand.",
            "",
            "## Make targets",
            "",
            *_targets(),
            *(line for package in PACKAGES for line in _package(package)),
        ]
    )


def _targets() -> list[str]:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z-]+):.*?## (.*)$", text, re.M)
    rows = [f"| `make {name}` | {what} |" for name, what in found]
    return ["| target | what it does |", "|---|---|", *rows, ""]


def _package(package: str) -> list[str]:
    """One section: every subcommand with its options."""
    parser = importlib.import_module(f"{package}.__main__").command_line()
    lines = [f"## python -m {package}", ""]
    for commands in (a for a in parser._actions if isinstance(a, argparse._SubParsersAction)):
        helps = {choice.dest: choice.help for choice in commands._choices_actions}
        for name, command in commands.choices.items():
            lines += [f"### `python -m {package} {name}`", "", f"{helps[name]}", ""]
            lines += [*_options(command), ""]
    return lines


def _options(command: argparse.ArgumentParser) -> list[str]:
    rows = [
        f"| `{_name(a)}` | {_meaning(a)} |"
        for a in command._actions
        if a.help != argparse.SUPPRESS and not isinstance(a, argparse._HelpAction)
    ]
    return ["| option | meaning |", "|---|---|", *rows] if rows else []


def _meaning(action: argparse.Action) -> str:
    choices = ", ".join(map(str, action.choices or ()))
    return action.help or (f"one of {choices}" if choices else "")


def _name(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    takes = action.option_strings and action.nargs != 0
    return f"{names} {str(action.metavar or action.dest).upper()}" if takes else names


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    print(page(), end="")
