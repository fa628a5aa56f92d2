"""Spreadsheets as small as they can be, for tests: text, numbers, and instants as serial days."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.sax.saxutils import escape

Cell = str | float | datetime
Rows = Sequence[Sequence[Cell]]

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_EPOCH = datetime.fromisoformat("1899-12-30")


def workbook(sheets: Mapping[str, Rows]) -> bytes:
    """An .xlsx file with one sheet a name."""
    listed = "".join(
        f'<sheet name="{escape(n)}" sheetId="{i}" r:id="s{i}"/>' for i, n in enumerate(sheets, 1)
    )
    links = "".join(
        f'<Relationship Id="s{i}" Type="{_OFFICE}/worksheet" Target="worksheets/s{i}.xml"/>'
        for i in range(1, len(sheets) + 1)
    )
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{links}'
        f'<Relationship Id="t" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><cellXfs><xf numFmtId="0"/>'
        '<xf numFmtId="22"/></cellXfs></styleSheet>',
        **{f"xl/worksheets/s{i}.xml": _sheet(rows) for i, rows in enumerate(sheets.values(), 1)},
    }
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return held.getvalue()


def _sheet(rows: Rows) -> str:
    lines = (
        f'<row r="{r}">{"".join(_cell(c, f"{chr(65 + i)}{r}") for i, c in enumerate(row))}</row>'
        for r, row in enumerate(rows, 1)
    )
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{"".join(lines)}</sheetData></worksheet>'


def _cell(cell: Cell, at: str) -> str:
    if isinstance(cell, str):
        return f'<c r="{at}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>' if cell else ""
    if isinstance(cell, datetime):
        days = (cell - _EPOCH).total_seconds() / 86_400
        return f'<c r="{at}" s="1"><v>{days}</v></c>'
    return f'<c r="{at}"><v>{cell}</v></c>'
