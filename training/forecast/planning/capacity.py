"""From a forecast to the people it needs: one table, each line measured, stated or computed.

Measured lines carry their n and a 95 % interval, stated ones their argument, computed ones say what
they are made of. There is no other number behind the table.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.files import read_settings
from features.tables import Tables
from training.charts.numbers import many
from training.forecast.planning import demand
from training.forecast.planning.capacity_lines import CapacityLine, computed, counted, stated
from training.forecast.planning.effort import seller_effort
from training.forecast.planning.ramp import Ramp, Sellers, ramp, sellers
from training.forecast.results.result import Forecast

COLUMNS = ("topic", "name", "value", "low", "high", "n", "unit", "basis", "why")


@dataclass(frozen=True)
class CapacitySettings:
    """What is stated and not measured; every value stands in the table with its argument.

    weeks        how far back is looked, in weeks
    ramp_months  ends of the bands of months that new sellers are seen in
    full_week    the quantile of sellers' logged hours a week that counts as a full week
    lead_days    a lead younger than this has not had its time to become a deal
    confidences  how sure one may want to be of a target
    """

    weeks: int = 52
    ramp_months: tuple[float, ...] = (3.0, 6.0, 12.0)
    full_week: float = 0.9
    lead_days: float = 90.0
    confidences: tuple[float, ...] = (0.5, 0.8, 0.9)

    def __post_init__(self) -> None:
        if not self.ramp_months:
            raise ValueError("capacity ramp_months must have at least one month")
        if self.weeks < 4:
            raise ValueError(f"capacity weeks must be at least 4, got {self.weeks}")
        if not 0 < self.full_week < 1 or not all(0 < c < 1 for c in self.confidences):
            raise ValueError("capacity full_week and confidences must lie between 0 and 1")
        if self.lead_days <= 0 or list(self.ramp_months) != sorted({*self.ramp_months} - {0}):
            raise ValueError("capacity lead_days must be positive and ramp_months must rise")


def load_capacity(path: Path | None) -> CapacitySettings:
    """Defaults, then the TOML file's ``[capacity]`` table; an unknown name is an error."""
    stated = read_settings(path, "capacity") if path is not None else {}
    known = [f.name for f in fields(CapacitySettings)]
    if set(stated) - set(known):
        raise ValueError(f"{path}: [capacity] holds an unknown name; it may set {', '.join(known)}")
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stated.items()}
    try:
        return replace(CapacitySettings(), **given)
    except TypeError as wrong:
        raise ValueError(f"{path}: [capacity] holds a value of the wrong kind: {wrong}") from wrong


def capacity(
    tables: Tables, made: Forecast, needed: pd.DataFrame, chosen: CapacitySettings
) -> pd.DataFrame:
    """``COLUMNS``, in the order they are read; ``needed`` is ``cover.cover``.

    Empty where the data have neither deals nor leads: nobody is seen selling.
    """
    if not (tables["deals"].n or tables["leads"].n):
        return pd.DataFrame(columns=list(COLUMNS))
    team = sellers(tables, made.origin, chosen.weeks)
    grown = ramp(tables, made.origin, chosen.ramp_months, made.settings.seed)
    done = seller_effort(tables, made.origin, chosen.weeks)
    full = float(grown.counted(team.months).sum())
    lines = [
        *_people(team, grown, full, chosen.weeks),
        *demand.arriving(tables, made.origin, full, chosen.weeks),
        *demand.leads_to_deals(tables, made.origin, chosen.weeks, chosen.lead_days),
        *demand.working(done, chosen.full_week),
    ]
    known = {line.name: line.value for line in lines}
    lines += demand.people(known, full)
    for row in _longest(made, needed).to_dict("records"):
        lines += demand.for_target({str(k): v for k, v in row.items()}, made, known, grown)
    return pd.DataFrame([[getattr(x, c) for c in COLUMNS] for x in lines], columns=list(COLUMNS))


def _longest(made: Forecast, needed: pd.DataFrame) -> pd.DataFrame:
    """The rows of quarters where a quarter has a target, else of months: people are no matter of
    a month.
    """
    quarters = [p.name for p in made.periods if p.kind == "quarter"]
    found = needed[needed["period"].isin(quarters)]
    return found if len(found) else needed


def _people(team: Sellers, grown: Ramp, full: float, weeks: int) -> list[CapacityLine]:
    """Who is there, how far along, and what that counts for."""
    seen = f"owners given a deal or a lead in the last {weeks} weeks, who have not left"
    lines = [counted("sellers", "sellers at work", len(team), "sellers", seen)]
    for i, (begin, end) in enumerate(pairwise((0.0, *grown.edges))):
        here = int(((team.months >= begin) & (team.months < end)).sum())
        band = f"in months {begin:g} to {end:g}"
        lines.append(counted("sellers", f"sellers {band}", here, "sellers", "by their start"))
        lines.append(_share(grown, i, band))
    settled = "the shares above speak for it or against it (ramp_months)"
    lines.append(stated("ramp", "months until settled", grown.edges[-1], "months", settled))
    unknown = int(np.isnan(team.months).sum())
    rest = f"; {unknown} without a start count as settled" if unknown else ""
    why = f"each seller counted at the share of the band, at most 1{rest}"
    return [*lines, computed("sellers", "sellers at full strength", full, "sellers", why)]


def _share(grown: Ramp, i: int, band: str) -> CapacityLine:
    """What a band books, as a share of settled sellers."""
    seen = int(grown.people[i])
    why = f"what {many(seen, 'seller')} booked, over what settled ones did in the same months"
    if not seen:
        why = "nobody was seen in these months of being there: they count as settled"
    elif np.isnan(grown.low[i]):
        why += "; too few for an interval"
    name, n = f"share of a settled seller {band}", float(grown.months[i])
    ends = float(grown.low[i]), float(grown.high[i])
    return CapacityLine("ramp", name, float(grown.share[i]), "share", "measured", why, n, *ends)
