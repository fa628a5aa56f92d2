"""Files the one way: TOML with a clear error, CSV safe in a spreadsheet, never half a file.

The service writes its lists with ``safe_text``: this module imports no pandas, which a Bento does
not bring.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def read_toml(path: Path, error: type[Exception] = ValueError) -> dict[str, Any]:
    """The contents of a TOML file; ``error`` is raised where there are none to be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as wrong:
        raise error(f"{path} cannot be read: {wrong.strerror}") from wrong
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise error(f"{path} is not TOML: {wrong}") from wrong


def read_settings(path: Path, name: str, error: type[Exception] = ValueError) -> dict[str, Any]:
    """The table ``[name]`` of a TOML file; empty where the file has none."""
    stated = read_toml(path, error).get(name, {})
    if not isinstance(stated, dict):
        raise error(f"{path}: [{name}] must be a table of settings, got {stated!r}")
    return stated


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, even after a crash."""
    handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    Path(beside).chmod(0o644)
    Path(beside).rename(path)


@contextmanager
def folder_beside(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder in ``parent`` to fill and then rename into its place.

    Under a hidden name until it is renamed, readable by others then, and gone after an error.
    """
    parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
    try:
        beside.chmod(0o755)  # mkdtemp's 0700 would hide it from the serving user
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # not there any more where it was renamed


def own_folder(folder: Path) -> Path:
    """Make a folder that its owner alone can read; one that is there already stays as it is.

    For what holds a company's people and amounts: data sets, scores, reports, lists.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so would be run by a spreadsheet as a formula: `=HYPERLINK(…)` in a name."""

HARMLESS = "iufbmM"
"""Kinds of numpy types that hold no text: numbers, booleans, spans, instants."""


def safe_text(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table: instants as ISO text, missing as an empty cell, no cell or title a formula.

    The folder is made where it is not there; numbers, negative ones too, stay numbers.
    """
    own_folder(path.parent)
    safe = frame.apply(_safe).rename(columns=lambda name: safe_text(str(name)))
    safe.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n")
    return path


def _safe(column: pd.Series) -> pd.Series:
    if column.dtype.kind in HARMLESS:
        return column
    return column.map(lambda v: safe_text(v) if isinstance(v, str) else v)
