"""Every figure as a whole, by month and by dimension."""

from __future__ import annotations

from typing import Any

import pandas as pd

from serving.analytics.asof.frames import DIMENSIONS, AsOfFrames
from serving.analytics.kpis import compute
from serving.analytics.kpis.catalog import chosen
from serving.analytics.kpis.definition import Given, Kpi
from serving.analytics.lists.sheets import Item, Sheet, plain, records


def figures(asof: AsOfFrames, given: Given) -> Sheet:
    """Every figure as a whole, by month, and by each dimension it can be divided by."""
    every = chosen([])
    parts = [compute.table(asof, every, (), "", given)]
    parts.append(
        compute.table(asof, [f for f in every if f.periods], (), "month", given, _year(asof))
    )
    for name in DIMENSIONS:
        parts.append(compute.table(asof, [f for f in every if name in f.by], (name,), "", given))
    items: list[Item] = []
    titles = {f.name: f.title for f in every}
    for part in parts:
        for row in records(part):
            by = next((d for d in DIMENSIONS if d in row), "")
            group = f"{by}: {row[by]}" if by else (row["period"] or "")
            items.append(
                Item(
                    f"{len(items):07d}",
                    f"{row['figure']} {group}".strip(),
                    word=row["figure"],
                    body={
                        **row,
                        "title": titles[row["figure"]],
                        "by": by,
                        "group": row[by] if by else None,
                    },
                )
            )
    return Sheet("figures", items, {"figures": [_told(f) for f in every]})


def _year(asof: AsOfFrames) -> pd.Timestamp:
    return asof.instant - pd.Timedelta(days=366)


def _told(figure: Kpi) -> dict[str, Any]:
    names = ("name", "title", "unit", "grain", "interval", "caveats", "formula")
    return {n: plain(getattr(figure, n)) for n in names if hasattr(figure, n)}
