"""Files for people: tables as CSV that is safe to open in a spreadsheet, in folders of their own.

The service writes its lists with ``safe_text`` alone: this module imports no pandas, which a Bento
does not bring.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so would be run by a spreadsheet as a formula: `=HYPERLINK(…)` in a name."""

HARMLESS = "iufbmM"
"""Kinds of numpy types that hold no text: numbers, booleans, spans, instants."""


def safe_text(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def own_folder(folder: Path) -> Path:
    """Make a folder that its owner alone can read; one that is there already stays as it is.

    For what holds a company's people and amounts: data sets, scores, reports, lists.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


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
