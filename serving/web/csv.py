"""A list as CSV: the columns of the page, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from features.files import safe_text
from serving.i18n.lazy_text import translated
from serving.web.query import ListColumn


def head(columns: Sequence[ListColumn]) -> bytes:
    """The first line, after a mark that spreadsheets know UTF-8 by."""
    return "\ufeff".encode() + _written([[c.name for c in columns]])


def lines(columns: Sequence[ListColumn], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A line a row: numbers as numbers, missing cells empty, sentences in English."""
    return _written([[_cell(row.get(c.name)) for c in columns] for row in rows])


def _written(rows: Iterable[Sequence[Any]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    return out.getvalue().encode("utf-8", "replace")


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return value
    text = translated(value, "en", str) if isinstance(value, Mapping) else str(value)
    return safe_text(text)
