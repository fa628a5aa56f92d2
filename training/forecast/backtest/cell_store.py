"""The simulation's answers at past origins, kept so that none is computed twice.

An origin's answer never changes when later rows are added, so it is kept for good: the record fills
in from run to run, survives a run that is stopped, and costs a second an origin once. An answer is
asked for again when what was known before its origin has changed (``seen``), or the recipe.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.forecast.data.revenue import RevenueFlow
from training.forecast.data.settings import ForecastSettings

RECIPE = 2
"""Raised when the same history would get another answer."""
NEAR = 1e-9
"""What was known may differ by this share: sums are taken in another order."""


def recipe_of(settings: ForecastSettings) -> str:
    """The settings that an answer depends on, as a word."""
    parts = (settings.seed, settings.fiscal_start, settings.refit_days, settings.recent_days)
    return ":".join(map(str, (RECIPE, *parts, settings.shock)))


@dataclass
class CellStore:
    """Answers by origin, in a file that is written after every few of them; None keeps nothing.

    rows  as ``cells.simulated_cells``, with recipe and seen (what had come in before the origin);
          an origin without an answer has one row whose ``why`` says so
    """

    path: Path | None
    settings: ForecastSettings
    rows: list[dict[str, Any]] = field(default_factory=list)

    @staticmethod
    def at(root: Path | None, data: str, settings: ForecastSettings) -> CellStore:
        """The store of a data set under a folder."""
        if root is None:
            return CellStore(None, settings)
        path = root / "backtests" / f"{data or 'data'}.cells.parquet"
        rows: list[dict[str, Any]] = []
        if path.is_file():
            frame = pd.read_parquet(path)
            rows = frame[frame["recipe"] == recipe_of(settings)].to_dict("records")  # type: ignore[assignment]
        return CellStore(path, settings, rows)

    def keep_fresh(self, every: Mapping[str, RevenueFlow]) -> None:
        """Drop the answers of origins before which the data now say something else."""
        seen = {o: seen_before(every, o) for o in {int(r["origin"]) for r in self.rows}}
        self.rows = [
            row
            for row in self.rows
            if abs(row["seen"] - seen[int(row["origin"])]) <= NEAR * max(abs(row["seen"]), 1.0)
        ]

    def origins(self) -> set[int]:
        """The origins that have been asked."""
        return {int(row["origin"]) for row in self.rows}

    def add(
        self, origin: int, every: Mapping[str, RevenueFlow], rows: Iterable[dict[str, Any]]
    ) -> None:
        """Keep an origin's rows; ``rows`` may be one without a stream that says why."""
        seen = seen_before(every, origin)
        self.rows += [{**row, "recipe": recipe_of(self.settings), "seen": seen} for row in rows]

    def write(self) -> None:
        """Write the file in one step."""
        if self.path is None or not self.rows:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        made = self.path.with_suffix(".new")
        pd.DataFrame(self.rows).to_parquet(made, index=False)
        made.replace(self.path)

    def cells(
        self, every: Mapping[str, RevenueFlow], origins: Sequence[int], end: int
    ) -> pd.DataFrame:
        """The answers at these origins, with the actual of periods over by ``end``."""
        wanted = set(origins)
        rows = [r for r in self.rows if r["origin"] in wanted and r.get("stream") in every]
        frame = pd.DataFrame(rows)
        if frame.empty:
            return frame
        actual = [
            every[s].total(int(a), int(b)) if b <= end else np.nan
            for s, a, b in zip(frame["stream"], frame["start"], frame["end"], strict=True)
        ]
        return frame.drop(columns=["recipe", "seen", "why"], errors="ignore").assign(actual=actual)

    def skipped(self, origins: Sequence[int]) -> list[tuple[int, str]]:
        """Origins without an answer, and why."""
        wanted = set(origins)
        return [
            (int(row["origin"]), str(row["why"]))
            for row in self.rows
            if row["origin"] in wanted and isinstance(row.get("why"), str)
        ]


def seen_before(every: Mapping[str, RevenueFlow], origin: int) -> float:
    """What had come in before an origin, in all streams: a fingerprint of what was known."""
    found = 0.0
    for flow in every.values():
        rows = int(np.searchsorted(flow.at, origin))
        found += float(flow.amount[:rows].sum()) + rows
    return found


def coarse_to_fine(origins: Sequence[int]) -> list[int]:
    """Every fourth origin from the newest back, then those between: useful before it is whole."""
    newest_first = sorted(origins, reverse=True)
    order = (*newest_first[::4], *newest_first[2::4], *newest_first[1::2])
    return list(dict.fromkeys(order))
