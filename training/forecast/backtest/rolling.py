"""Rolling weekly origins: the model beside every easier way, on the same periods, scored once over.

At every Monday of the newer half of the history the running and the next month and quarter are
forecast from what was known by then (``answers``). Targets that are over by the data's end are
scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.tables import DAY, Tables, instant_text, micros
from training.forecast.backtest.cells import MODEL, baseline_cells, model_cells, targets
from training.forecast.backtest.scoring import by_weeks, compared, scored, summary
from training.forecast.data.open_panel import mondays
from training.forecast.data.revenue import flows
from training.forecast.data.settings import ForecastSettings


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
        """The streams that the model forecast."""
        return list(dict.fromkeys(self.cells.loc[self.cells["method"] == MODEL, "stream"]))

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
        """A row for each method: its scores, and the model's loss over its own on shared cells."""
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


def default_origins(begin: int, end: int, zone: str = "UTC") -> list[int]:
    """The Mondays of the newer half of the history."""
    found: list[int] = mondays((begin + end) // 2, end, zone).tolist()
    return found


def backtest(
    tables: Tables,
    settings: ForecastSettings,
    origins: Sequence[int] | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    until: int | None = None,
) -> Backtest:
    """Score the model and the easy ways at ``origins`` (default: ``default_origins``).

    Targets that are not over at the data's end, or at ``until``, are not asked about. ValueError
    where none is over, or where the data have no stream to forecast.
    """
    end = data_end(tables) if until is None else min(until, data_end(tables))
    every = flows(tables, end)
    if not every:
        raise ValueError("nothing to forecast: no won deal and no invoice has a date and an amount")
    begin = min(flow.begin for flow in every.values())
    company = tables.meta.zone
    chosen = default_origins(begin, end, company) if origins is None else sorted(origins)
    chosen = [o for o in chosen if any(p.over(end) for p, _ in targets(o, settings, zone=company))]
    if not chosen:
        raise ValueError(
            f"too little history: {(end - begin) / DAY:.0f} days, and no period asked about in the "
            f"newer half of them is over; at least four months are needed"
        )
    ours, skipped = model_cells(tables, every, chosen, settings, end, progress)
    if ours.empty:
        first, why = skipped[0]
        raise ValueError(f"no origin could be served, from {instant_text(first)[:10]} on: {why}")
    easy = baseline_cells(tables, every, chosen, settings, end)
    ours = ours.assign(method=MODEL)
    cells = pd.concat([easy[easy["origin"].isin(chosen)], ours], ignore_index=True)
    cells = cells[cells["actual"].notna() & cells["q0"].notna()]
    return Backtest(scored(cells.reset_index(drop=True)), tables.meta.currency, tuple(skipped))


def data_end(tables: Tables) -> int:
    """The instant up to which the data are complete; a flat table has none and cannot be asked."""
    if not tables.meta.as_of:
        raise ValueError("the data have no dates (a flat table): there is nothing to forecast")
    return micros(tables.meta.as_of)
