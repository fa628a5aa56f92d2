"""Who was right: kept forecasts, and what else was known when they were made, against what came.

A kept forecast stands as it was said (``keep``); its quantiles are scored once a period is over.
Beside it stand, as of the same origin, the easy ways and people's own call, replayed from the data
as ``backtest`` does it. Each is held against the naive way, the last period: what a method saves of
its loss is the value it added (forecast value added).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.tables import Tables, micros
from training.forecast.backtest.cells import MODEL, baseline_cells, cell_of
from training.forecast.backtest.rolling import data_end
from training.forecast.backtest.scoring import (
    LEVELS,
    QUANTILES,
    by_weeks,
    compared,
    scored,
    summary,
)
from training.forecast.data.periods import Period
from training.forecast.data.revenue import RevenueFlow, flows
from training.forecast.data.settings import ForecastSettings
from training.models.kept_forecasts import KeptForecast

NAIVE = "last period"
COLUMNS = (
    *("stream", "method", "n", "periods", "pinball", "ape", "bias", "coverage", "nearest"),
    *("added", "added_low", "added_high"),
)


@dataclass(frozen=True)
class ForecastLedger:
    """Every method's word on every period that is over, and how it turned out.

    cells  as ``Backtest.cells``, of the origins of kept forecasts, or of a backtest
    """

    cells: pd.DataFrame

    def board(self) -> pd.DataFrame:
        """A row for each stream and method, in columns ``COLUMNS``.

        pinball  as a share of the mean actual; ape, bias and coverage as in ``scoring``
        nearest  share of the (origin, period) in which this method's number was the nearest
        added    1 - its pinball loss / that of the last period, on the cells both have; low and
                 high are its 95 % interval
        """
        if self.cells.empty:
            return pd.DataFrame(columns=list(COLUMNS))
        found = [_board(part, str(s)) for s, part in self.cells.groupby("stream", sort=False)]
        return pd.concat(found, ignore_index=True)[list(COLUMNS)]

    def by_weeks(self) -> pd.DataFrame:
        """``scoring.by_weeks``: every measure by weeks to the period's end."""
        return by_weeks(self.cells)


def ledger(
    tables: Tables, kept: Sequence[KeptForecast], settings: ForecastSettings
) -> ForecastLedger:
    """Score kept forecasts of this data set against what the data now say.

    Only periods that were not over at the forecast's origin and are by the data's end. Empty where
    there is none: a first forecast has nothing to answer for yet.
    """
    end = data_end(tables)
    every = flows(tables, end)
    said = [row for one in kept for row in _said(one, every, end)]
    if not said:
        return ForecastLedger(pd.DataFrame())
    ours = pd.DataFrame(said)
    asked = (int(ours["ahead"].max()) + 1,) * 2
    origins = sorted(set(ours["origin"]))
    easy = baseline_cells(tables, every, origins, settings, end, asked)
    keys = ["stream", "origin", "period"]
    easy = easy.merge(ours[keys], on=keys)
    cells = pd.concat([easy, ours], ignore_index=True)
    return ForecastLedger(scored(cells[cells["q0"].notna()].reset_index(drop=True)))


def _said(one: KeptForecast, every: dict[str, RevenueFlow], end: int) -> list[dict[str, Any]]:
    """The cells of a kept forecast that can be scored."""
    levels, rows = list(one.state["levels"]), []
    places = [levels.index(level) for level in LEVELS]
    means = _means(one)
    for flow in (every[s] for s in one.state["quantiles"] if s in every):
        stored = one.state["quantiles"][flow.stream]
        for period, ahead in _periods(one):
            if period.over(one.origin) or not period.over(end):
                continue
            quantiles = [float(stored[period.name][place]) for place in places]
            cell = cell_of(flow, one.origin, period, ahead, end)
            said = {"method": MODEL, "point": quantiles[1], "mean": means[flow.stream, period.name]}
            rows.append({**cell, **said, **dict(zip(QUANTILES, quantiles, strict=True))})
    return rows


def _periods(one: KeptForecast) -> list[tuple[Period, int]]:
    """The periods of a kept forecast, each with its place among those of its kind that ran."""
    found: list[tuple[Period, int]] = []
    count = {"month": 0, "quarter": 0}
    for state in one.state["periods"]:
        start, end = micros(state["start"]), micros(state["end"])
        period = Period(start, end, state["kind"], state["name"])
        found.append((period, count[period.kind]))
        count[period.kind] += not period.over(one.origin)
    return found


def _means(one: KeptForecast) -> dict[tuple[str, str], float]:
    return {
        (row["stream"], row["period"]): float(row["mean"])
        for row in one.state["table"]
        if row["dimension"] == "all" and row["part"] == "whole"
    }


def _board(cells: pd.DataFrame, stream: str) -> pd.DataFrame:
    scores = summary(cells, ("method",)).pivot(index="method", columns="measure", values="value")
    counts = cells.groupby("method").agg(n=("origin", "size"), periods=("period", "nunique"))
    board = scores.join(counts).join(_nearest(cells)).join(_added(cells)).reset_index()
    order = {m: i for i, m in enumerate(dict.fromkeys(cells["method"]))}
    board = board.sort_values("method", key=lambda c: c.map(order), ignore_index=True)
    return board.assign(stream=stream).reindex(columns=list(COLUMNS))


def _nearest(cells: pd.DataFrame) -> pd.Series[float]:
    """method -> share of the questions it answered in which its number was the nearest.

    Where two are equally near, each is counted.
    """
    off = (cells["point"] - cells["actual"]).abs()
    best = off.groupby([cells["origin"], cells["period"]]).transform("min")
    nearest = (off <= best).astype(np.float64)
    return nearest.groupby(cells["method"]).mean().rename("nearest")


def _added(cells: pd.DataFrame) -> pd.DataFrame:
    """method -> added, added_low, added_high: one minus its loss over the naive one's."""
    rows = {NAIVE: (0.0, np.nan, np.nan)}
    for method in dict.fromkeys(cells["method"]):
        pair = cells[cells["method"].isin([method, NAIVE])]
        found = compared(pair, str(method))
        if method != NAIVE and len(found):
            first = found.iloc[0]
            rows[str(method)] = (1 - first["ratio"], 1 - first["high"], 1 - first["low"])
    return pd.DataFrame.from_dict(
        rows, orient="index", columns=["added", "added_low", "added_high"]
    )
