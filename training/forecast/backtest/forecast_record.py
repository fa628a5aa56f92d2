"""The record: what came in month by month, what had been said of it, and who was right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from features.tables import Tables, instant_text
from training.forecast.backtest.cells import MODEL
from training.forecast.backtest.ledger import ForecastLedger, ledger
from training.forecast.data.periods import month, month_of
from training.forecast.data.revenue import RevenueFlow, flows
from training.forecast.data.settings import ForecastSettings
from training.models.kept_forecasts import KeptForecast

ACTUALS = ("stream", "period", "start", "end", "actual")
SHOWN = 24
"""Months before the origin that are shown."""


@dataclass(frozen=True)
class ForecastRecord:
    """What is known at an origin of how forecasts turned out.

    actuals  stream, period, start, end, actual: the last whole months, oldest first
    said     stream, period, origin, p10, p50, p90, actual: what the model had said of those months
             last before each began
    kept     the board of kept forecasts (``Ledger.board``), and of the backtest; empty where none
    weeks    ``Ledger.by_weeks`` of the backtest, or of the kept forecasts where there is none
    tested_until  the day of the backtest's newest origin
    """

    actuals: pd.DataFrame
    predicted: pd.DataFrame
    kept: pd.DataFrame
    backtest: pd.DataFrame
    weeks: pd.DataFrame
    tested_until: str = ""


def forecast_record(
    tables: Tables,
    origin: int,
    kept: Sequence[KeptForecast],
    cells: pd.DataFrame | None,
    settings: ForecastSettings,
) -> ForecastRecord:
    """The record at ``origin``; ``cells`` of a backtest (``Backtest.cells``), None for none.

    Only what was over by the origin counts, whatever the data say of later days.
    """
    earlier = [k for k in kept if k.origin < origin]
    mine, tested = _over(ledger(tables, earlier, settings).cells, origin), _over(cells, origin)
    widest = mine if tested.empty else tested
    return ForecastRecord(
        actuals=_actuals(flows(tables, origin), origin),
        predicted=_said([c for c in (mine, tested) if not c.empty]),
        kept=_board(mine),
        backtest=_board(tested),
        weeks=pd.DataFrame() if widest.empty else ForecastLedger(widest).by_weeks(),
        tested_until="" if tested.empty else until(tested),
    )


def _over(cells: pd.DataFrame | None, origin: int) -> pd.DataFrame:
    """The cells whose period was over by the origin."""
    if cells is None or cells.empty:
        return pd.DataFrame()
    return cells[cells["end"] <= origin].reset_index(drop=True)


def _board(cells: pd.DataFrame) -> pd.DataFrame:
    return cells if cells.empty else ForecastLedger(cells).board()


def _actuals(every: Mapping[str, RevenueFlow], origin: int) -> pd.DataFrame:
    rows = []
    for stream, flow in every.items():
        last = month_of(origin, flow.zone)
        first = max(flow.first_month, last - SHOWN)
        if first >= last:
            continue
        for number, actual in zip(range(first, last), flow.months(first, last), strict=True):
            span = month(number, flow.zone)
            rows.append((stream, span.name, span.start, span.end, float(actual)))
    return pd.DataFrame(rows, columns=list(ACTUALS))


def _said(cells: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The model's word on each month, as it was last before the month began; kept words first."""
    columns = ["stream", "period", "origin", "q0", "q1", "q2", "actual"]
    found = []
    for part in cells:
        before = (part["method"] == MODEL) & (part["kind"] == "month")
        before &= part["origin"] <= part["start"]
        found.append(part.loc[before].sort_values("origin").groupby(["stream", "period"]).tail(1))
    named = {"q0": "p10", "q1": "p50", "q2": "p90"}
    if not found:
        return pd.DataFrame(columns=columns).rename(columns=named)
    every = pd.concat(found).drop_duplicates(["stream", "period"])[columns].rename(columns=named)
    return every.sort_values(["stream", "period"], ignore_index=True)


def until(cells: pd.DataFrame) -> str:
    """The day of a backtest's newest origin."""
    return instant_text(int(cells["origin"].max()))[:10]
