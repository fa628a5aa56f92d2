"""A list as an Excel workbook: the columns of the page, texts never taken for formulas."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xlsxwriter

from serving.i18n.lazy_text import translated
from serving.web.query import ListColumn

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MOST = 1_048_575
"""Rows a sheet of Excel holds below its head."""


def workbook(
    columns: Sequence[ListColumn], rows: Iterable[Mapping[str, Any]], name: str, as_of: str
) -> bytes:
    """One sheet: a fixed head with filters, a line a row, the as-of day as the sheet's name.

    Numbers are numbers, missing cells are empty, sentences are in English. Rows are written as they
    come, so memory is that of the file. ValueError beyond ``MOST`` rows: take the CSV.
    """
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"constant_memory": True}) as file:
        sheet = file.add_worksheet(f"{name} {as_of}".strip()[:31])
        sheet.freeze_panes(1, 0)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column.name)
        last = 0
        for last, row in enumerate(rows, 1):
            if last > MOST:
                raise ValueError(f"a sheet of Excel holds {MOST:,} rows, not more: take the CSV")
            for place, column in enumerate(columns):
                _write(sheet, last, place, row.get(column.name))
        sheet.autofilter(0, 0, last, len(columns) - 1)
    return out.getvalue()


def _write(sheet: Any, line: int, place: int, value: Any) -> None:
    if value is None or value != value or value in (float("inf"), float("-inf")):
        return
    if isinstance(value, bool):
        sheet.write_boolean(line, place, value)
    elif isinstance(value, int | float):
        sheet.write_number(line, place, value)
    else:
        text = translated(value, "en", str) if isinstance(value, Mapping) else str(value)
        # XML has no place for other control characters and halves of characters
        clean = text.encode("utf-8", "replace").decode()
        sheet.write_string(line, place, clean[:32_767])
