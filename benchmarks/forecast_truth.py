"""What the demo's true chances would have forecast: the best that can be said of its deals.

At an origin every open deal goes on living from the state it is in, and new deals are born as the
demo draws them, many times over. So the loss of these quantiles is what luck alone costs; a method
cannot be expected to do better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from features.demo import DRIFT, HISTORY, SIZES, Demo, crm, deals
from features.demo.chain import simulate
from features.demo.deals import DealFacts, deal_chain, discounted, draw_deals, live_deals
from features.demo.draw import DemoPeriod, Rng, day_of
from features.demo.people import draw_owners
from features.tables import DAY, Floats, Ints, micros
from training.forecast.backtest.cells import cell_of, targets
from training.forecast.backtest.scoring import LEVELS, QUANTILES
from training.forecast.data.periods import Period
from training.forecast.data.revenue import RevenueFlow
from training.forecast.data.settings import ForecastSettings

TRUTH = "the true chances"
SPREAD = 0.04
"""What the demo books strays from the last amount by so much, in logarithms."""


@dataclass(frozen=True)
class Wins:
    """Won deals of one possible world: born and closed (days), amount, and whether in dollars."""

    born: Ints
    closed: Ints
    amount: Floats
    dollars: np.ndarray

    @staticmethod
    def of(rng: Rng, facts: DealFacts, path: Any) -> Wins:
        """The won deals of a simulated path."""
        won = np.flatnonzero(path.outcome == 1)
        last = path.state[path.offset[won + 1] - 1]
        amount = np.where(last % 2 == 1, discounted(facts.amount[won]), facts.amount[won])
        return Wins(
            day_of(facts.created_at[won]),
            path.closed_day[won],
            amount * rng.lognormal(0.0, SPREAD, len(won)),
            facts.region[won] == deals.REGION.code("Americas"),
        )

    def between(self, start: int, end: int, since: int, rate: float) -> float:
        """What deals born from day ``since`` on bring in the days [start, end)."""
        here = (self.closed >= start) & (self.closed < end) & (self.born >= since)
        return float((self.amount * np.where(self.dollars, rate, 1.0))[here].sum())


def truth_cells(
    demo: Demo, flow: RevenueFlow, origins: Sequence[int], seed: int, size: str, worlds: int = 60
) -> pd.DataFrame:
    """The cells of the true chances at ``origins``, from so many possible worlds each."""
    rng, end = np.random.default_rng([seed, 4]), micros(demo.meta.as_of)
    calendar = DemoPeriod(end // DAY - HISTORY, end // DAY - HISTORY + DRIFT, end // DAY)
    again = np.random.default_rng(seed)
    owners = draw_owners(again, calendar)
    crm._draw_leads(again, calendar, owners, SIZES[size][0])  # the stream stands where deals begin
    facts = draw_deals(again, calendar, owners, SIZES[size][1])
    unborn = [_unborn(rng, calendar, owners, SIZES[size][1]) for _ in range(worlds)]
    rows = []
    for origin in origins:
        asked = [(p, a) for p, a in targets(origin, ForecastSettings()) if p.over(end)]
        drawn = _futures(rng, demo, facts, calendar, origin, [p for p, _ in asked], unborn)
        for (period, ahead), sums in zip(asked, drawn, strict=True):
            cell = cell_of(flow, origin, period, ahead, end)
            total = sums + flow.total(period.start, min(period.end, origin))
            quantiles = np.quantile(total, LEVELS).tolist()
            said = {"method": TRUTH, "point": quantiles[1], "mean": float(total.mean())}
            rows.append({**cell, **said, **dict(zip(QUANTILES, quantiles, strict=True))})
    return pd.DataFrame(rows)


def _unborn(rng: Rng, calendar: DemoPeriod, owners: Any, n: int) -> Wins:
    """The wins of a whole other history; those of deals born from the origin on are taken."""
    facts = draw_deals(rng, calendar, owners, n)
    return Wins.of(rng, facts, live_deals(rng, facts, calendar).path)


def _futures(
    rng: Rng,
    demo: Demo,
    facts: DealFacts,
    calendar: DemoPeriod,
    origin: int,
    asked: Sequence[Period],
    unborn: Sequence[Wins],
) -> Floats:
    """(periods, worlds) what open and unborn deals bring."""
    day, worlds = origin // DAY, len(unborn)
    path = demo.worlds["deal_close"].path
    here = np.flatnonzero((day >= path.first) & (day - path.first < path.length))
    state = path.at(here, np.full(len(here), day))
    many = np.tile(here, worlds)
    copies = replace(facts, **{f.name: getattr(facts, f.name)[many] for f in fields(facts)})
    stop = max(p.end for p in asked) // DAY
    start = np.full(len(many), day, np.int64)
    lived = simulate(deal_chain(copies, calendar), start, np.tile(state, worlds), stop, rng)
    world = np.repeat(np.arange(worlds), len(here))[lived.outcome == 1]
    wins, rate = Wins.of(rng, copies, lived), _rate(demo, origin)
    worth = wins.amount * np.where(wins.dollars, rate, 1.0)
    out = np.zeros((len(asked), worlds))
    for i, period in enumerate(asked):
        first, last = period.start // DAY, period.end // DAY
        inside = (wins.closed >= first) & (wins.closed < last)
        out[i] = np.bincount(world[inside], weights=worth[inside], minlength=worlds)
        out[i] += [w.between(first, last, day, rate) for w in unborn]
    return out


def _rate(demo: Demo, origin: int) -> float:
    rates = demo.frames["fx_rates"].sort_values("rate_at")
    known = rates[rates["rate_at"] < pd.Timestamp(origin, unit="us", tz="UTC")]
    return float(known["rate"].iloc[-1])
