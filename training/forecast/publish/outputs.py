"""Everything that is told of a forecast beside its draws, put together once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from features.tables import Tables, instant_text
from training.forecast.backtest.listening import CORRECTIONS, WAYS
from training.forecast.data.deal_status import deal_status
from training.forecast.planning.capacity import CapacitySettings, capacity
from training.forecast.planning.cover import cover
from training.forecast.planning.growth import COLUMNS as GROWTH
from training.forecast.planning.scenarios import COLUMNS as SCENARIOS
from training.forecast.planning.targets import outlook, targets
from training.forecast.results.bridge import expected_bridge, parts_bridge, pipeline_bridge
from training.forecast.results.bridge_steps import Bridge, BridgeSpan
from training.forecast.results.deal_expectations import in_forecast, with_expected
from training.forecast.results.kept import deal_status_of
from training.forecast.results.result import Forecast, records
from training.forecast.simulate.streams import PARTS
from training.models.kept_forecasts import KeptForecast


@dataclass(frozen=True)
class EarlierForecast:
    """An earlier forecast, as far as a bridge needs it.

    standings  as ``standing.with_expected`` made them then; None where there were no deals
    means      (stream, part, period) -> mean
    kept       whether it was kept then; else it was made now, of what was known then
    """

    origin: int
    deal_status: pd.DataFrame | None
    means: Mapping[tuple[str, str, str], float]
    kept: bool


@dataclass(frozen=True)
class ForecastOutputs:
    """A forecast and what follows from it; frames as their rooms describe them.

    standings  every deal as it stood, with what it is expected to bring; None without deals
    ways, corrections, growth, scenarios  as ``Beside``
    bridges    from the earlier forecast to this one; since is its origin, None without one
    """

    forecast: Forecast
    data: str
    outlook: pd.DataFrame
    cover: pd.DataFrame
    capacity: pd.DataFrame
    deal_status: pd.DataFrame | None
    bridges: tuple[Bridge, ...]
    since: EarlierForecast | None
    ways: pd.DataFrame
    corrections: pd.DataFrame
    growth: pd.DataFrame
    scenarios: pd.DataFrame

    @property
    def expires(self) -> int:
        """When the first period that still runs is over: a newer forecast is due by then."""
        return min(p.end for p in self.forecast.periods if not p.over(self.forecast.origin))

    def to_json(self) -> dict[str, Any]:
        """What is kept, and what the endpoint answers from."""
        return {
            **self.forecast.to_json(),
            "data": self.data,
            "expires": instant_text(self.expires),
            "targets": records(self.outlook),
            "cover": records(self.cover),
            "capacity": records(self.capacity),
            "bridges": [_bridge_json(b, self.since) for b in self.bridges],
            "combination": records(self.ways),
            "corrections": records(self.corrections),
            "growth": records(self.growth),
            "scenarios": records(self.scenarios),
        }


@dataclass(frozen=True)
class Beside:
    """What stands beside a forecast's own numbers; each frame may be empty.

    ways, corrections  as ``backtest.listening.Listened``
    growth, scenarios  as ``planning.growth`` and ``planning.scenarios``
    """

    ways: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(WAYS)))
    corrections: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(CORRECTIONS))
    )
    growth: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(GROWTH)))
    scenarios: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(SCENARIOS)))


def outputs(
    tables: Tables,
    made: Forecast,
    since: EarlierForecast | None,
    chosen: CapacitySettings,
    beside: Beside | None = None,
) -> ForecastOutputs:
    """Put it together; ``since`` is the forecast to compare with, None for none."""
    beside = beside or Beside()
    look = outlook(made, targets(tables, made))
    needed = cover(made, look, chosen.confidences)
    there = None
    if "bookings" in made.streams:
        there = with_expected(deal_status(tables, made.origin), made)
    return ForecastOutputs(
        forecast=made,
        data=tables.meta.mapping,
        outlook=look,
        cover=needed,
        capacity=capacity(tables, made, needed, chosen),
        deal_status=there,
        bridges=() if since is None else tuple(bridges(made, there, since)),
        since=since,
        ways=beside.ways,
        corrections=beside.corrections,
        growth=beside.growth,
        scenarios=beside.scenarios,
    )


def means_of(made: Forecast) -> dict[tuple[str, str, str], float]:
    """(stream, part, period) -> mean of the whole company."""
    every = made.table[made.table["dimension"] == "all"]
    rows = every[["stream", "part", "period", "mean"]].itertuples(index=False, name=None)
    return {(stream, part, period): float(mean) for stream, part, period, mean in rows}


def earlier_made(tables: Tables, made: Forecast) -> EarlierForecast:
    """An earlier forecast that was made now, of what was known then."""
    there = None
    if "bookings" in made.streams:
        there = in_forecast(with_expected(deal_status(tables, made.origin), made), made)
    return EarlierForecast(made.origin, there, means_of(made), False)


def earlier_kept(one: KeptForecast) -> EarlierForecast:
    """An earlier forecast as it was kept."""
    means = {
        (row["stream"], row["part"], row["period"]): float(row["mean"])
        for row in one.state["table"]
        if row["dimension"] == "all"
    }
    return EarlierForecast(one.origin, deal_status_of(one), means, True)


def bridges(made: Forecast, now: pd.DataFrame | None, since: EarlierForecast) -> list[Bridge]:
    """The bridges of every period that both forecasts speak of."""
    found: list[Bridge] = []
    means = means_of(made)
    for period in made.periods:
        span = BridgeSpan(period.name, period.start, period.end, since.origin)
        column = f"expected {period.name}"
        was = since.deal_status
        if now is not None and was is not None and column in was.columns:
            sides = [frame.assign(expected=frame[column]) for frame in (was, now)]
            key = ("bookings", "whole", period.name)
            dated = pipeline_bridge(was, now, span)
            if dated.start or dated.end or len(dated.steps):  # else nobody dates deals
                found.append(dated)
            found.append(expected_bridge(sides[0], sides[1], span, (since.means[key], means[key])))
        if "recurring" in made.streams and ("recurring", "whole", period.name) in since.means:
            before, after = (_recurring(m, period.name) for m in (since.means, means))
            parts = {name: (before[name], after[name]) for name in before}
            found.append(parts_bridge(parts, span))
    return found


def _recurring(means: Mapping[tuple[str, str, str], float], period: str) -> dict[str, float]:
    """The mean of recurring revenue of one period by whose it is."""
    invoiced, renewals, new = (means["recurring", p, period] for p in PARTS["recurring"])
    whole = means["recurring", "whole", period]
    return {"customers": invoiced + renewals, "new customers": new, "whole": whole}


def _bridge_json(bridge: Bridge, since: EarlierForecast | None) -> dict[str, Any]:
    assert since is not None  # a bridge begins somewhere
    steps = zip(*(bridge.steps[c].tolist() for c in ("step", "name", "cents", "n")), strict=True)
    return {
        "period": bridge.period,
        "measure": bridge.measure,
        "since": instant_text(since.origin),
        "start": bridge.start / 100,
        "end": bridge.end / 100,
        "steps": [{"step": s, "name": w, "amount": c / 100, "n": n} for s, w, c, n in steps],
    }
