"""Tables of figures as CSV and as text, and the inputs that people give as files or words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from serving.analytics.kpis.definition import SalesPlan


def read_costs(path: Path) -> pd.DataFrame:
    """Acquisition costs from CSV: month (2025-07) or start and end, cost, and source if known."""
    frame = pd.read_csv(path, dtype={"month": str, "source": str})
    if "month" in frame:
        start = pd.to_datetime(frame["month"], format="%Y-%m", utc=True)
        frame = frame.assign(start=start, end=start + pd.DateOffset(months=1))
    lacking = [name for name in ("start", "end", "cost") if name not in frame]
    if lacking:
        raise ValueError(
            f"{path} has no column {', '.join(lacking)}; costs need month (as 2025-07) or start "
            "and end, and cost in the reporting currency; source is optional"
        )
    frame = frame.assign(
        start=pd.to_datetime(frame["start"], utc=True), end=pd.to_datetime(frame["end"], utc=True)
    )
    if not (frame["end"] > frame["start"]).all() or not (frame["cost"] >= 0).all():
        raise ValueError(f"{path}: every cost must be 0 or more and end after it starts")
    source = frame["source"] if "source" in frame else pd.Series(None, frame.index, dtype="str")
    return frame.assign(source=source)[["start", "end", "cost", "source"]]


def read_plan(text: str) -> SalesPlan:
    """A plan from words such as cost=10000,deals=20,lift=0.02."""
    try:
        given = {k.strip(): float(v) for k, v in (part.split("=") for part in text.split(","))}
        plan = SalesPlan(**given)
    except (ValueError, TypeError):
        raise ValueError(
            f"a plan is written cost=10000,deals=20,lift=0.02 (deals or lift may be left out), "
            f"got {text!r}"
        ) from None
    if not plan.cost > 0:
        raise ValueError(f"a plan's cost must be above 0, got {plan.cost:g}")
    return plan


def read_scores(folder: Path) -> dict[str, pd.DataFrame]:
    """question -> what `make score` wrote for it."""
    found = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    if not found:
        raise FileNotFoundError(f"{folder} holds no scores; write them with `make score`")
    return found


def shown(value: float, unit: str) -> str:
    """A figure for people: per cent, whole money, or a few digits."""
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞"
    if unit.startswith("share"):
        return f"{100 * value:.1f} %"
    if unit.startswith("money") or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if unit == "ratio" else f"{value:.1f}".removesuffix(".0")


def for_people(table: pd.DataFrame) -> pd.DataFrame:
    """A table of figures as text: value, interval, n, warning."""
    ends = [
        "" if np.isnan(low) else f"[{shown(low, unit)}, {shown(high, unit)}]"
        for low, high, unit in zip(table["low"], table["high"], table["unit"], strict=True)
    ]
    value = [shown(v, u) for v, u in zip(table["value"], table["unit"], strict=True)]
    first = list(table.columns[: table.columns.get_loc("from")])
    if (table["period"] == "").all():
        first.remove("period")
    columns = [*first, "value", "interval", "n", "unit", "warning"]
    return table.assign(value=value, interval=ends)[columns]
