"""Rolling weekly origins: the model beside every baseline, on the same periods, scored once over.

At every Monday of the newer half of the history the running and the next month and quarter are
forecast from what was known by then (``answers``). Targets that are over by the data's end are
scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from features.files import write_csv
from features.tables import DAY, Tables, instant_text, micros
from training.forecast.backtest.cell_store import CellStore, coarse_to_fine
from training.forecast.backtest.cells import MODEL, baseline_cells, simulate_origins, targets
from training.forecast.backtest.combination import combined
from training.forecast.backtest.scoring import by_weeks, compared, scored, summary
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.data.open_panel import mondays
from training.forecast.data.revenue import RevenueFlow, flows
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
        write_csv(self.cells, folder / "cells.csv")
        write_csv(self.scores(("stream", "kind", "method")), folder / "scores.csv")
        write_csv(self.by_weeks(), folder / "by_weeks.csv")
        found = [self.against(s).assign(stream=s) for s in self.streams]
        write_csv(pd.concat(found, ignore_index=True), folder / "against.csv")


def default_origins(begin: int, end: int, zone: str = "UTC") -> list[int]:
    """The Mondays of the newer half of the history."""
    found: list[int] = mondays((begin + end) // 2, end, zone).tolist()
    return found


def wanted_origins(
    tables: Tables, end: int, settings: ForecastSettings, asked: Sequence[int] | None = None
) -> list[int]:
    """The origins from which some period asked about is over by the end.

    Of those ``asked`` for; None: of the Mondays of the newer half of the history. ValueError where
    the data have no stream to forecast, or no period is over.
    """
    every = flows(tables, end)
    if not every:
        raise ValueError("nothing to forecast: no won deal and no invoice has a date and an amount")
    begin = min(flow.begin for flow in every.values())
    zone = tables.meta.zone
    among = default_origins(begin, end, zone) if asked is None else sorted(asked)
    found = [o for o in among if any(p.over(end) for p, _ in targets(o, settings, zone=zone))]
    if not found:
        raise ValueError(
            f"too little history: {(end - begin) / DAY:.0f} days, and no period asked about in the "
            f"newer half of them is over; at least four months are needed"
        )
    return found


def backtest(
    tables: Tables,
    settings: ForecastSettings,
    origins: Sequence[int] | None = None,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
    until: int | None = None,
    store: CellStore | None = None,
) -> Backtest:
    """Score the model and the baselines at ``origins`` (default: ``wanted_origins``).

    Targets that are not over at the data's end, or at ``until``, are not scored. With a ``store``
    only origins that it does not hold are computed; where ``progress`` ends early, those that were
    asked by then are scored. ValueError where none can be.
    """
    end = data_end(tables) if until is None else min(until, data_end(tables))
    chosen = wanted_origins(tables, end, settings, origins)
    every = flows(tables, end)
    store = CellStore(None, settings) if store is None else store
    store.keep_fresh(every)
    waiting = [o for o in coarse_to_fine(chosen) if o not in store.origins()]
    if waiting:
        fitted = FittedModels.of(tables, waiting, settings)
        simulate_origins(fitted, every, waiting, store, progress)
    return scored_backtest(tables, store, chosen, end)


def scored_backtest(
    tables: Tables,
    store: CellStore,
    origins: Sequence[int],
    end: int,
    easy: pd.DataFrame | None = None,
) -> Backtest:
    """The backtest of the origins that the store holds answers of.

    easy  the baselines' cells at these origins, where there are some already
    """
    every = flows(tables, end)
    ours = store.cells(every, origins, end)
    skipped = tuple(sorted(store.skipped(origins)))
    if ours.empty:
        first, why = skipped[0]
        raise ValueError(f"no origin could be served, from {instant_text(first)[:10]} on: {why}")
    cells = combined_cells(tables, every, ours, store.settings, end, easy)
    cells = cells[cells["actual"].notna() & cells["q0"].notna()]
    return Backtest(scored(cells.reset_index(drop=True)), tables.meta.currency, skipped)


def combined_cells(
    tables: Tables,
    every: dict[str, RevenueFlow],
    ours: pd.DataFrame,
    settings: ForecastSettings,
    end: int,
    easy: pd.DataFrame | None,
) -> pd.DataFrame:
    """The simulation's cells, those of the baselines at its origins, and the combination of all."""
    origins = sorted(set(ours["origin"]))
    if easy is None:
        easy = baseline_cells(tables, every, origins, settings, end)
    cells = pd.concat([easy[easy["origin"].isin(origins)], ours], ignore_index=True)
    return pd.concat([cells, *(one.cells() for one in combined(cells))], ignore_index=True)


def data_end(tables: Tables) -> int:
    """The instant up to which the data are complete; a flat table has none and cannot be asked."""
    if not tables.meta.as_of:
        raise ValueError("the data have no dates (a flat table): there is nothing to forecast")
    return micros(tables.meta.as_of)
