"""A forecast that has listened: the draft's draws, chosen by what has been right so far.

The record at an origin is what the store holds of earlier origins, and the baselines replayed at
every Monday; the combination of the origin's own targets (``combination``) then steers the draws
(``steering``). Everything is of periods that were over by the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Ints, Tables
from training.forecast.backtest.cell_store import CellStore
from training.forecast.backtest.cells import baseline_cells, simulated_cells
from training.forecast.backtest.combination import Combined, combined
from training.forecast.backtest.steering import steer_in_reach
from training.forecast.data.periods import Period
from training.forecast.data.revenue import RevenueFlow, flows
from training.forecast.results.forecast import DrawnStreams

WAYS = ("stream", "period", "method", "weight")
CORRECTIONS = ("stream", "period", "evidence", "low", "middle", "high", "effective")
FEW_DRAWS = 0.05
"""Share of different draws that a range rests on at least, however far off the simulation was."""


@dataclass(frozen=True)
class Listened:
    """What became of a draft's draws.

    chosen       stream -> which draws count (``results.forecast.finished``)
    ways         columns ``WAYS``: how much of each way is in each period's quantiles
    corrections  columns ``CORRECTIONS``: periods that the conformal step has learned from, where
                 P10, P50 and P90 went in half-ranges (-1, 0, 1: nowhere), and how many different
                 draws are left
    notes        what a reader should know
    """

    chosen: dict[str, Ints]
    ways: pd.DataFrame
    corrections: pd.DataFrame
    notes: tuple[str, ...]


def listened(
    tables: Tables, of: DrawnStreams, store: CellStore, easy: pd.DataFrame | None = None
) -> Listened:
    """Listen to what was over at the draft's origin; a stream without a record is left as it is.

    easy  ``baselines_for`` of these origins, where there is one already
    """
    every = flows(tables, of.origin)
    cells = _record(tables, every, of, store, easy)
    chosen: dict[str, Ints] = {}
    ways: list[tuple[object, ...]] = []
    corrections: list[tuple[object, ...]] = []
    notes: list[str] = []
    for one in combined(cells):
        name, rows = _now(one, of)
        asked = {p: one.quantiles[t] for p, t in rows.items()}
        found, way = steer_in_reach(of.whole(name), asked, FEW_DRAWS)
        chosen[name] = found.chosen
        for p, t in rows.items():
            period = of.asked[p].name
            ways += [
                (name, period, method, float(weight))
                for method, weight in zip(one.methods, one.weights[t], strict=True)
                if weight > 0
            ]
            moved = one.moved[t].tolist()
            corrections.append((name, period, float(one.evidence[t]), *moved, found.effective))
        if way < 1.0:
            gone = f"goes {way:.0%} of the way to it" if way > 0 else "is the simulation's own"
            notes.append(
                f"{name}: what has been right lately is far from the simulation; the range {gone}"
            )
    return Listened(
        chosen,
        pd.DataFrame(ways, columns=list(WAYS)),
        pd.DataFrame(corrections, columns=list(CORRECTIONS)),
        tuple(notes),
    )


def baselines_for(
    tables: Tables, store: CellStore, origins: Sequence[int], asked: Sequence[Period]
) -> pd.DataFrame:
    """The baselines' cells at these origins and the store's, for as many periods as are asked."""
    end, settings = max(origins), store.settings
    every = flows(tables, end)
    if not every:
        return pd.DataFrame()
    ahead = _ahead(asked, min(origins))
    most = (_most(ahead, "month"), _most(ahead, "quarter"))
    wanted = sorted({*(o for o in store.origins() if o < end), *origins})
    easy = baseline_cells(tables, every, wanted, settings, end, most)
    return easy[easy["origin"].isin(wanted)]


def _record(
    tables: Tables,
    every: dict[str, RevenueFlow],
    of: DrawnStreams,
    store: CellStore,
    easy: pd.DataFrame | None,
) -> pd.DataFrame:
    """The cells of earlier origins and of this one, of every way."""
    past = store.cells(every, [o for o in store.origins() if o < of.origin], of.origin)
    ahead = _ahead(of.asked, of.origin)
    own = [
        row
        for stream in of.streams
        if stream.name in every
        for row in simulated_cells(of, every[stream.name], ahead)
    ]
    if easy is None:
        easy = baselines_for(tables, store, [of.origin], of.asked)
    # what was not over at the origin is not known there, whatever later origins know
    easy = easy[easy["origin"] <= of.origin]
    easy = easy.assign(actual=easy["actual"].where(easy["end"] <= of.origin))
    return pd.concat([easy, past, pd.DataFrame(own)], ignore_index=True)


def _ahead(asked: Sequence[Period], origin: int) -> list[tuple[Period, int]]:
    """Each period with its place among those of its kind that are not over yet."""
    count, found = {"month": 0, "quarter": 0}, []
    for period in asked:
        found.append((period, count[period.kind]))
        count[period.kind] += not period.over(origin)
    return found


def _most(ahead: list[tuple[Period, int]], kind: str) -> int:
    return max((place + 1 for period, place in ahead if period.kind == kind), default=1)


def _now(one: Combined, of: DrawnStreams) -> tuple[str, dict[int, int]]:
    """The stream, and the period number -> target number of the draft's own targets."""
    names = {p.name: i for i, p in enumerate(of.asked) if not p.over(of.origin)}
    ours = np.flatnonzero((one.targets["origin"] == of.origin).to_numpy())
    periods = one.targets["period"].tolist()
    return str(one.targets["stream"].iloc[0]), {
        names[periods[t]]: t for t in ours.tolist() if periods[t] in names
    }
