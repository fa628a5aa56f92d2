"""Rolling weekly origins: the model beside every easier way, on the same periods, scored once over.

At every Monday of the newer half of the history the running and the next month and quarter are
forecast from what was known by then. Targets that are over by the data's end are scored. The easy
ways look back at every Monday of the whole history, so that each knows its own past errors
(``residuals``) before the first origin that is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.tables import DAY, Instants, Tables, micros
from training.forecast.baselines import BASELINES, Known
from training.forecast.belief import Beliefs, TooLittleError
from training.forecast.flows import Flow, flows
from training.forecast.forecast import forecast
from training.forecast.looks import WEEK, Looks, looks, mondays
from training.forecast.periods import Period, periods
from training.forecast.residuals import add_ranges
from training.forecast.result import Forecast
from training.forecast.scoring import LEVELS, QUANTILES, by_weeks, compared, scored, summary
from training.forecast.settings import ForecastSettings

MODEL = "embudo"
DRAWS = 2000
"""Draws of a backtest at most: the ends of the range then waver by about 3 % of its width."""
AHEAD = 2
"""Periods of each kind that are asked about: the running one and the next."""


@dataclass(frozen=True)
class Backtest:
    """What every method said at every origin, and how right it was.

    cells    a row for each stream, method, origin and period: kind, ahead, start, end, weeks (to
             the end), closed, actual, point, mean (the model's), q0 … q2 (the levels of
             ``scoring.LEVELS``), loss and what ``scoring.scored`` adds
    skipped  origins without a forecast, and why
    """

    cells: pd.DataFrame
    currency: str
    skipped: tuple[tuple[int, str], ...] = ()

    @property
    def streams(self) -> list[str]:
        """The streams that were scored."""
        return list(dict.fromkeys(self.cells["stream"]))

    def scores(self, by: Sequence[str] = ("stream", "method")) -> pd.DataFrame:
        """``scoring.summary`` of the cells that the model and the method have."""
        return summary(self.cells, by)

    def against(self, stream: str, measure: str = "pinball") -> pd.DataFrame:
        """``scoring.compared`` of one stream: the model beside each other method."""
        return compared(self.cells[self.cells["stream"] == stream], MODEL, measure=measure)

    def by_weeks(self) -> pd.DataFrame:
        """``scoring.by_weeks`` of the cells."""
        return by_weeks(self.cells)

    def board(self, stream: str) -> pd.DataFrame:
        """One row a method: its scores, and the model's loss over its own on the cells both have."""
        part = self.cells[self.cells["stream"] == stream]
        scores = summary(part, ("method",)).pivot(index="method", columns="measure", values="value")
        rival = self.against(stream).set_index("method")[["n", "periods", "ratio", "low", "high"]]
        ours = part[part["method"] == MODEL]
        counts = pd.DataFrame({"n": len(ours), "periods": ours["period"].nunique()}, [MODEL])
        board = scores.join(pd.concat([rival, counts]), how="left")
        return board.sort_values("pinball", kind="stable").reset_index()

    def text(self) -> str:
        """The short tables that are printed: every method, then the model by weeks to the end."""
        measures = ["pinball", "pinball_stated", "ape", "bias", "coverage"]
        parts = []
        for stream in self.streams:
            board = self.board(stream)[
                ["method", "n", "periods", *measures, "ratio", "low", "high"]
            ]
            weeks = self.by_weeks()
            ours = weeks[(weeks["stream"] == stream) & (weeks["method"] == MODEL)]
            rows = ours.pivot(index=["kind", "to_end"], columns="measure", values="value")
            n = ours[ours["measure"] == "pinball"].set_index(["kind", "to_end"])["n"]
            shown = rows[measures[:1] + measures[2:]].assign(n=n).loc[n.index]
            parts += [f"{stream} ({self.currency or 'no currency stated'})"]
            parts += [board.round(3).to_string(index=False, na_rep="-")]
            parts += [f"{MODEL} by weeks to the period's end", shown.round(3).to_string()]
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> None:
        """``cells.csv``, ``scores.csv``, ``by_weeks.csv`` and ``against.csv``."""
        folder.mkdir(parents=True, exist_ok=True)
        self.cells.to_csv(folder / "cells.csv", index=False)
        self.scores(("stream", "kind", "method")).to_csv(folder / "scores.csv", index=False)
        self.by_weeks().to_csv(folder / "by_weeks.csv", index=False)
        found = [self.against(s).assign(stream=s) for s in self.streams]
        pd.concat(found, ignore_index=True).to_csv(folder / "against.csv", index=False)


def targets(
    origin: int, settings: ForecastSettings, months: int = AHEAD, quarters: int = AHEAD
) -> list[tuple[Period, int]]:
    """The periods asked about at an origin, and how far each is ahead (0: running)."""
    asked = periods(origin, months, quarters, settings.fiscal_start)
    return list(zip(asked, (*range(months), *range(quarters)), strict=True))


def default_origins(begin: int, end: int) -> list[int]:
    """The Mondays of the newer half of the history."""
    found: list[int] = mondays((begin + end) // 2, end).tolist()
    return found


def backtest(
    tables: Tables,
    settings: ForecastSettings,
    origins: Sequence[int] | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Backtest:
    """Score the model and the easy ways at ``origins`` (default: ``default_origins``).

    Targets that are not over at the data's end are not asked about. ValueError where no target is
    over, or where the data have no stream to forecast.
    """
    end = data_end(tables)
    every = flows(tables, end)
    if not every:
        raise ValueError("nothing to forecast: no won deal and no invoice has a date and an amount")
    begin = min(flow.begin for flow in every.values())
    chosen = default_origins(begin, end) if origins is None else sorted(origins)
    chosen = [o for o in chosen if any(p.over(end) for p, _ in targets(o, settings))]
    if not chosen:
        raise ValueError(
            f"too little history: {(end - begin) / DAY:.0f} days, and no period asked about in the "
            f"newer half of them is over; at least four months are needed"
        )
    easy = easy_cells(tables, every, chosen, settings, end)
    ours, skipped = model_cells(tables, every, chosen, settings, end, progress)
    cells = pd.concat([easy[easy["origin"].isin(chosen)], ours], ignore_index=True)
    cells = cells[cells["actual"].notna() & cells["q0"].notna()]
    return Backtest(scored(cells.reset_index(drop=True)), tables.meta.currency, tuple(skipped))


def data_end(tables: Tables) -> int:
    """The instant up to which the data are complete; a flat table has none and cannot be asked."""
    if not tables.meta.as_of:
        raise ValueError("the data have no dates (a flat table): there is nothing to forecast")
    return micros(tables.meta.as_of)


def easy_cells(
    tables: Tables,
    every: dict[str, Flow],
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
    grid = np.union1d(mondays(begin, max(origins)), np.asarray(origins, np.int64))
    looked = looks(tables, grid.tolist()) if "bookings" in every else None
    found = []
    for stream, flow in every.items():
        seen = looked if stream == "bookings" else None
        cells = pd.DataFrame(_easy(flow, seen, grid, settings, end, asked))
        found.append(add_ranges(cells[cells["point"].notna()], LEVELS))
    return pd.concat(found, ignore_index=True)


def _easy(
    flow: Flow,
    looked: Looks | None,
    grid: Instants,
    settings: ForecastSettings,
    end: int,
    asked: tuple[int, int],
) -> list[dict[str, Any]]:
    """The points of every baseline at every origin; what is booked already is the least."""
    rows = []
    for origin in grid.tolist():
        known = Known(origin, flow, looked)
        for period, ahead in targets(origin, settings, *asked):
            cell = cell_of(flow, origin, period, ahead, end)
            for method, way in BASELINES.items():
                point = np.maximum(way(known, period), cell["closed"])
                rows.append({**cell, "method": method, "point": float(point)})
    return rows


def cell_of(flow: Flow, origin: int, period: Period, ahead: int, end: int) -> dict[str, Any]:
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


def model_cells(
    tables: Tables,
    every: dict[str, Flow],
    origins: Sequence[int],
    settings: ForecastSettings,
    end: int,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """What the model says at ``origins`` of the targets that are over, and origins it cannot serve.

    Columns as ``easy_cells`` and ``mean``; the point is the median.
    """
    settings = replace(settings, draws=min(settings.draws, DRAWS))
    beliefs = Beliefs.of(tables, origins, settings)
    rows: list[dict[str, Any]] = []
    skipped = []
    for origin in progress(origins):
        asked = [(p, ahead) for p, ahead in targets(origin, settings) if p.over(end)]
        try:
            made = forecast(tables, origin, beliefs, settings, [p for p, _ in asked], False)
        except TooLittleError as why:
            skipped.append((origin, str(why)))
            continue
        for stream in made.streams:
            if stream in every:
                rows += _of_model(made, every[stream], asked, end)
    return pd.DataFrame(rows), skipped


def _of_model(
    made: Forecast, flow: Flow, asked: Sequence[tuple[Period, int]], end: int
) -> list[dict[str, Any]]:
    rows = []
    for period, ahead in asked:
        draws = made.whole(flow.stream, period.name)
        quantiles = np.quantile(draws, LEVELS).tolist()
        cell = cell_of(flow, made.origin, period, ahead, end)
        said = {"method": MODEL, "point": quantiles[1], "mean": float(draws.mean())}
        rows.append({**cell, **said, **dict(zip(QUANTILES, quantiles, strict=True))})
    return rows
