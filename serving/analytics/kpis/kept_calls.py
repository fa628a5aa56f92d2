"""Forecasts that were kept when they were made, as the figures about them read them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from training.models.kept_forecasts import every

COLUMNS = ["period", "start", "end", "origin", "p10", "p50", "p90"]
MONTHS = {"stream": "bookings", "dimension": "all", "part": "whole", "kind": "month"}


def read(folder: Path, mapping: str) -> pd.DataFrame | None:
    """Monthly bookings of the whole company as they were forecast; None where none is kept.

    Columns ``COLUMNS``, instants as timestamps (UTC), amounts in the reporting currency. Forecasts
    of other data than ``mapping`` names are left out.
    """
    rows = [
        {**row, "origin": one.state["origin"]}
        for one in every(folder, mapping)
        for row in one.rows(**MONTHS)
    ]
    if not rows:
        return None
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("start", "end", "origin"):
        frame[name] = pd.to_datetime(frame[name], utc=True)
    return frame
