"""Draws by month become the table of a forecast: by period, part and group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Floats, Ints
from training.forecast.data.deal_table import stamps
from training.forecast.data.groups import Groups
from training.forecast.data.periods import Period
from training.forecast.data.random import Small
from training.forecast.data.rounding import exact
from training.forecast.data.settings import ForecastSettings

WHOLE = "whole"

PARTS = {
    "bookings": ("closed", "open", "new"),
    "recurring": ("invoiced", "renewals", "new customers"),
    "total": ("bookings", "recurring"),
}
"""The parts of each stream, in order; "whole" is their sum."""

TABLE = (
    "stream",
    "dimension",
    "value",
    "period",
    "kind",
    "start",
    "end",
    "part",
    "mean",
    "p10",
    "p50",
    "p90",
    "n",
)
"""Columns of the table of a forecast."""


@dataclass(frozen=True)
class StreamPart:
    """One part of a stream by cell: the whole (C, draws), by group (G, C, draws), and how many.

    counts  (1 + G, P) how many are behind it by period, the whole first; NaN for who is to come
    """

    name: str
    whole: Floats
    groups: Floats
    counts: Floats


@dataclass(frozen=True)
class StreamDraws:
    """A stream as drawn: its parts by cell, and the periods that sum them.

    holds (P, C) 1 where the period holds the cell
    """

    name: str
    parts: tuple[StreamPart, ...]
    groups: Groups
    periods: tuple[Period, ...]
    holds: Floats

    def take(self, chosen: Ints) -> StreamDraws:
        """The stream of these draws (draws,) of its own, some of them more than once."""
        parts = tuple(
            StreamPart(p.name, p.whole[..., chosen], p.groups[..., chosen], p.counts)
            for p in self.parts
        )
        return StreamDraws(self.name, parts, self.groups, self.periods, self.holds)

    def draws(self) -> dict[tuple[str, str], Floats]:
        """(stream, part) -> (P, draws), and the whole."""
        found = {(self.name, p.name): self._sum(p.whole) for p in self.parts}
        return {**found, (self.name, WHOLE): total(list(found.values()))}

    def by_group(self) -> dict[tuple[str, str], tuple[list[str], Floats]]:
        """(stream, dimension) -> values and their wholes (V, P, draws)."""
        every = total([self._sum(p.groups) for p in self.parts])
        return {
            (self.name, d): (self.groups.values[t], self.groups.part(every, d))
            for t, d in enumerate(self.groups.dimensions)
        }

    def _sum(self, cells: Floats) -> Floats:
        """(…, C, draws) to (…, P, draws); cells are added in their order."""
        out = np.zeros((*cells.shape[:-2], len(self.periods), cells.shape[-1]))
        for p, held in enumerate(self.holds):
            for c in np.flatnonzero(held):
                out[..., p, :] += cells[..., c, :]
        return out

    def table(self, settings: ForecastSettings) -> pd.DataFrame:
        """The rows of the forecast's table; columns ``TABLE``."""
        found: list[tuple[str, Floats, Floats]] = []
        for part in self.parts:
            every = np.concatenate([self._sum(part.whole)[None], self._sum(part.groups)])
            found.append((part.name, every, part.counts))
        counts = known_sum(np.stack([c for _, _, c in found]))
        found.append((WHOLE, total([d for _, d, _ in found]), counts))
        frames = [self._rows(name, d, c, settings) for name, d, c in found]
        return order(pd.concat(frames, ignore_index=True), self)

    def _rows(
        self, part: str, draws: Floats, counts: Floats, settings: ForecastSettings
    ) -> pd.DataFrame:
        """One part of all groups and periods; draws (1 + G, P, draws)."""
        low, middle, high = np.quantile(draws, settings.levels, axis=2)
        places = [("all", "all")]
        for turn, dimension in enumerate(self.groups.dimensions):
            places += [(dimension, value) for value in self.groups.values[turn]]
        P = len(self.periods)
        return pd.DataFrame(
            {
                "stream": self.name,
                "dimension": np.repeat([d for d, _ in places], P),
                "value": np.repeat([v for _, v in places], P),
                "period": np.tile([p.name for p in self.periods], len(places)),
                "kind": np.tile([p.kind for p in self.periods], len(places)),
                "start": stamps(np.tile([p.start for p in self.periods], len(places))),
                "end": stamps(np.tile([p.end for p in self.periods], len(places))),
                "part": part,
                "mean": draws.mean(axis=2).ravel(),
                "p10": low.ravel(),
                "p50": middle.ravel(),
                "p90": high.ravel(),
                "n": counts.ravel(),
            }
        )[list(TABLE)]


def order(table: pd.DataFrame, stream: StreamDraws) -> pd.DataFrame:
    """Rows by group, then period, then part, as a reader goes through them."""
    parts = len(stream.parts) + 1
    rows = len(table) // parts
    places = np.arange(len(table)).reshape(parts, rows).T.ravel()
    return table.iloc[places].reset_index(drop=True)


def known_sum(counts: Floats) -> Floats:
    """The sum over the parts of what is known; NaN where no part is."""
    unknown = np.isnan(counts).all(axis=0)
    return np.where(unknown, np.nan, np.nansum(counts, axis=0))


def total(parts: Sequence[Floats]) -> Floats:
    """The sum of arrays of one shape, from the first to the last."""
    out = parts[0].copy()
    for part in parts[1:]:
        out += part
    return out


def booked_so_far(
    name: str,
    cell: Ints,
    amounts: Floats,
    numbers: Small,
    groups: Groups,
    holds: Floats,
    draws: int,
) -> StreamPart:
    """What n deals or charges brought already: the same in every draw.

    cell (n,) the month of each; amounts (n,), missing ones count in the numbers only; numbers
    (n, D) of groups; holds (P, C) as ``StreamDraws``
    """
    sums, counts = np.zeros((2, 1 + groups.size, holds.shape[1]))
    money = exact(np.nan_to_num(amounts))
    for column in (np.full(len(cell), -1), *numbers.T):
        np.add.at(sums, (1 + column, cell), money)
        np.add.at(counts, (1 + column, cell), 1.0)
    every = np.repeat(sums[:, :, None], draws, axis=2)
    return StreamPart(name, every[0], every[1:], counts @ holds.T)
