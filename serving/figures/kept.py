"""Forecasts that were kept when they were made, as the figures about them read them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

FILE = "forecast.json"
COLUMNS = ["period", "start", "end", "origin", "p10", "p50", "p90"]


def read(folder: Path, mapping: str = "") -> pd.DataFrame | None:
    """Monthly bookings of the whole company as they were forecast; None where none is kept.

    Columns ``COLUMNS``, instants as timestamps (UTC), amounts in the reporting currency. A file
    that is no forecast, or of other data than ``mapping`` names, is passed over.
    """
    rows = [row for path in sorted(folder.rglob(FILE)) for row in _rows(path, mapping)]
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("start", "end", "origin"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame


def _rows(path: Path, mapping: str) -> Iterator[list[Any]]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return  # half a file of somebody else's is no forecast
    if not isinstance(state, Mapping) or not {"origin", "table"} <= set(state):
        return
    if mapping and state.get("data", mapping) != mapping:
        return
    for row in state["table"]:
        if _wanted(row):
            yield [*(row[c] for c in ("period", "start", "end")), state["origin"], *_levels(row)]


def _wanted(row: Mapping[str, Any]) -> bool:
    asked = {"stream": "bookings", "dimension": "all", "part": "whole", "kind": "month"}
    return all(row.get(name) == word for name, word in asked.items())


def _levels(row: Mapping[str, Any]) -> list[Any]:
    return [row.get(name) for name in ("p10", "p50", "p90")]
