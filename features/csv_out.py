"""Tables as CSV that is safe to open in a spreadsheet: the one writer of the product."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so would be run by a spreadsheet as a formula: `=HYPERLINK(…)` in a name."""


def safe_text(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would run it."""
    return f"'{text}" if text.startswith(FORMULA) else text


def write_csv(frame: pd.DataFrame, path: Path) -> Path:
    """Write a table: instants as ISO text, missing as an empty cell, no cell a formula.

    The folder is made where it is not there; numbers, negative ones too, stay numbers.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    safe = frame.assign(**{str(c): _safe(frame[c]) for c in frame.columns})
    safe.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n")
    return path


def _safe(column: pd.Series) -> pd.Series:
    if not (isinstance(column.dtype, pd.StringDtype) or column.dtype == object):
        return column
    return column.map(lambda v: safe_text(v) if isinstance(v, str) else v)
