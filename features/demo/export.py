"""The demo as a raw CRM export: the mapping turned round, and doubled, unsorted rows.

Column names, date formats, local time, decimal comma and words are those that ``mapping.toml``
reads; read with it, the export gives the canonical tables again.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from features.demo.draw import Rng
from features.ingest.mapping import TableSpec, load
from features.ingest.spec import ColumnSpec
from features.tables import Ints

MAPPING = Path(__file__).with_name("mapping.toml")
STATED_END = 'as_of = "2026-01-01"'
DOUBLED = 0.004
"""Share of rows that an export holds twice."""
CAPITALS = 0.3
"""Share of mapped words in capitals."""
SEMICOLONS = ("leads", "contracts")
HISTORIES = {"leads": "Lead", "deals": "Opportunity"}
KINDS = {
    "touches": ("call", "email", "meeting", "form", "support"),
    "web_visits": ("web",),
    "usage": ("usage",),
}
"""Block -> the kinds of activity its file holds."""


def write_files(frames: Mapping[str, pd.DataFrame], as_of: str, folder: Path) -> None:
    """Write the CSV files and ``mapping.toml``; the same frames give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    tables = load(MAPPING).tables
    for spec in tables.values():
        if spec.to != "changes":
            rows = frames[spec.to]
            kinds = KINDS.get(spec.name)
            rows = rows if kinds is None else rows[rows["kind"].isin(kinds)]
            _write(folder, spec.source[0], _cells(rng, rows, spec), rng)
    history = [_history(rng, frames["changes"], s) for s in tables.values() if s.fields]
    _write(folder, "field_history", pa.concat_tables(history), rng)
    text = MAPPING.read_text(encoding="utf-8").replace(STATED_END, f'as_of = "{as_of}"')
    (folder / "mapping.toml").write_text(text, encoding="utf-8")


def _write(folder: Path, name: str, table: pa.Table, rng: Rng) -> None:
    """One file, its rows in no order and some of them twice."""
    n = table.num_rows
    rows: Ints = np.concatenate([np.arange(n), rng.integers(0, n, int(DOUBLED * n))])
    delimiter = ";" if name in SEMICOLONS else ","
    options = pacsv.WriteOptions(delimiter=delimiter, quoting_style="needed")
    pacsv.write_csv(table.take(rng.permutation(rows)), folder / f"{name}.csv", options)


def _cells(rng: Rng, rows: pd.DataFrame, spec: TableSpec) -> pa.Table:
    """The source columns of a block as text; canonical columns of one source fill each other up."""
    cells: dict[str, Any] = {}
    for column, specs in {**spec.columns, **spec.custom}.items():
        if not specs[0].source:
            continue
        title, text = specs[0].source[0], _text(rng, rows[column], specs[0])
        cells[title] = pc.coalesce(cells[title], text) if title in cells else text
    return pa.table({title: _with_missing(text) for title, text in cells.items()})


def _with_missing(text: Any) -> Any:
    """A missing date, number or key is an empty cell, a missing word is the word n/a."""
    wordy = pc.any(pc.match_substring_regex(text, "^[A-Za-z]{2}")).as_py()
    return pc.fill_null(text, "n/a" if wordy else "")


def _text(rng: Rng, values: pd.Series[Any], spec: ColumnSpec) -> Any:
    """A canonical column as the source writes it; null where missing."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        return _dates(values, spec)
    if values.dtype == np.bool_:
        return pa.array(np.where(values, "Yes", "No"))
    if values.dtype == np.float64:
        text = pc.cast(pa.array(values, from_pandas=True), pa.string())
        return pc.replace_substring(text, ".", ",") if spec.decimal == "," else text
    text = pa.array(values, pa.string(), from_pandas=True)
    return _back(rng, text, dict(spec.values)) if spec.values else text


def _dates(values: pd.Series[Any], spec: ColumnSpec) -> Any:
    utc = pa.array(values.dt.tz_convert(None), from_pandas=True)
    stamps = utc.cast(pa.timestamp("us", "UTC"))
    if spec.formats == ("epoch_ms",):
        return pc.cast(pc.divide(pc.cast(stamps, pa.int64()), 1000), pa.string())
    zone = spec.zone or "UTC"
    local = pc.cast(stamps, pa.timestamp("s", zone))
    return pc.strftime(local, spec.formats[0] if spec.formats else "%Y-%m-%dT%H:%M:%SZ")


def _back(rng: Rng, text: Any, values: Mapping[str, str]) -> Any:
    """Canonical words as the source's words, in one case or another."""
    source = {meaning: word for word, meaning in values.items()}
    for canonical, word in source.items():
        text = pc.if_else(pc.equal(text, canonical), word, text)
    text = pc.fill_null(text, source[""]) if "" in source else text
    shouted = pa.array(rng.random(len(text)) < CAPITALS)
    return pc.if_else(shouted, pc.utf8_upper(text), pc.utf8_capitalize(text))


def _history(rng: Rng, changes: pd.DataFrame, spec: TableSpec) -> pa.Table:
    """The rows of the field history about one table, the fields under the source's names."""
    rows = changes[changes["entity"] == spec.of]
    titles = {field: specs[0].named[0] for field, specs in spec.fields.items()}
    rows = rows.assign(field=rows["field"].map(titles))
    cells = _cells(rng, rows, spec)
    about = pa.array([HISTORIES[spec.of]] * len(rows))
    return cells.append_column("Object", about)
