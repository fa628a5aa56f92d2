"""What every method answers at an origin: the cells that a backtest and the ledger score.

The easy ways look back at every Monday of the whole history, so that each knows its own past errors
(``residuals``) before the first origin that is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from features.tables import Instants, Tables
from training.forecast.backtest.baselines import BASELINES, KnownRevenue
from training.forecast.backtest.cell_store import CellStore
from training.forecast.backtest.residuals import add_ranges
from training.forecast.backtest.scoring import LEVELS, QUANTILES
from training.forecast.belief.fitted_models import FittedModels, TooLittleError
from training.forecast.data.open_panel import WEEK, OpenDealPanel, mondays, open_deal_panel
from training.forecast.data.periods import Period, periods
from training.forecast.data.revenue import RevenueFlow
from training.forecast.data.settings import ForecastSettings
from training.forecast.results.forecast import DrawnStreams, draft

MODEL = "embudo"
SIMULATION = "simulation"
"""The model before it listens to the baselines and to its own record."""
DRAWS = 2000
"""Draws of a backtest at most: the ends of the range then waver by about 3 % of its width."""
AHEAD = 2
"""Periods of each kind that are asked about: the running one and the next."""


def targets(
    origin: int,
    settings: ForecastSettings,
    months: int = AHEAD,
    quarters: int = AHEAD,
    zone: str = "UTC",
) -> list[tuple[Period, int]]:
    """The periods asked about at an origin, and how far each is ahead (0: running)."""
    asked = periods(origin, months, quarters, settings.fiscal_start, zone)
    return list(zip(asked, (*range(months), *range(quarters)), strict=True))


def baseline_cells(
    tables: Tables,
    every: dict[str, RevenueFlow],
    origins: Sequence[int],
    settings: ForecastSettings,
    end: int,
    asked: tuple[int, int] = (AHEAD, AHEAD),
) -> pd.DataFrame:
    """What the easy ways say at every Monday and at ``origins``, with ranges by past errors.

    asked is how many months and quarters, the running ones included. Columns as ``Backtest.cells``
    up to the quantiles; actual is NaN for a period that is not over yet.
    """
    begin = min(flow.begin for flow in every.values())
    grid = np.union1d(mondays(begin, max(origins), tables.meta.zone), np.asarray(origins, np.int64))
    looked = open_deal_panel(tables, grid.tolist()) if "bookings" in every else None
    found = []
    for stream, flow in every.items():
        seen = looked if stream == "bookings" else None
        cells = pd.DataFrame(_easy(flow, seen, grid, settings, end, asked))
        found.append(add_ranges(cells[cells["point"].notna()], LEVELS, origins))
    return pd.concat(found, ignore_index=True)


def _easy(
    flow: RevenueFlow,
    looked: OpenDealPanel | None,
    grid: Instants,
    settings: ForecastSettings,
    end: int,
    asked: tuple[int, int],
) -> list[dict[str, Any]]:
    """The points of every baseline at every origin; what is booked already is the least."""
    rows = []
    for origin in grid.tolist():
        known = KnownRevenue(origin, flow, looked)
        for period, ahead in targets(origin, settings, *asked, zone=flow.zone):
            cell = cell_of(flow, origin, period, ahead, end)
            for method, way in BASELINES.items():
                point = np.maximum(way(known, period), cell["closed"])
                rows.append({**cell, "method": method, "point": float(point)})
    return rows


def cell_of(flow: RevenueFlow, origin: int, period: Period, ahead: int, end: int) -> dict[str, Any]:
    """What is true of a target whoever forecasts it.

    ``closed`` is what no forecast may go below: what was booked so far, or nothing to hold on to
    where amounts before the origin were taken back (credit notes).
    """
    before = flow.amount[: int(np.searchsorted(flow.at, origin))]
    closed = flow.total(period.start, min(period.end, origin))
    return {
        "stream": flow.stream,
        "origin": origin,
        "period": period.name,
        "kind": period.kind,
        "ahead": ahead,
        "start": period.start,
        "end": period.end,
        "weeks": -(-(period.end - origin) // WEEK),
        "closed": -np.inf if (before < 0).any() else closed,
        "actual": flow.total(period.start, period.end) if period.over(end) else np.nan,
    }


def simulate_origins(
    fitted: FittedModels,
    every: dict[str, RevenueFlow],
    origins: Sequence[int],
    store: CellStore,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> None:
    """Ask the simulation at the ``origins`` that the store has not, in their order.

    ``progress`` may end early: what was asked by then is kept.
    """
    draws = min(fitted.settings.draws, DRAWS)
    settings = replace(fitted.settings, draws=draws, dimensions=())
    known = store.origins()
    try:
        for origin in progress([o for o in origins if o not in known]):
            asked = targets(origin, settings, zone=fitted.tables.meta.zone)
            try:
                found = draft(fitted, origin, settings, [p for p, _ in asked])
            except TooLittleError as why:
                store.add(origin, every, [{"origin": origin, "why": str(why)}])
                continue
            rows = [
                row
                for stream in found.streams
                if stream.name in every
                for row in simulated_cells(found, every[stream.name], asked)
            ]
            store.add(origin, every, rows)
    finally:
        store.write()


def simulated_cells(
    of: DrawnStreams, flow: RevenueFlow, asked: Sequence[tuple[Period, int]]
) -> list[dict[str, Any]]:
    """The cells of a draft of one stream; what came is not in them."""
    rows = []
    for draws, (period, ahead) in zip(of.whole(flow.stream), asked, strict=True):
        quantiles = np.quantile(draws, LEVELS).tolist()
        cell = cell_of(flow, of.origin, period, ahead, of.origin)
        found = {"method": SIMULATION, "point": quantiles[1], "mean": float(draws.mean())}
        rows.append({**cell, **found, **dict(zip(QUANTILES, quantiles, strict=True))})
    return rows
