"""What a forecast is: tables, draws, and what is kept of it.

Amounts are in the reporting currency, and draws are whole multiples of ``rounding.QUANTUM``: the
parts, the values of a dimension and the months of a quarter add up to the whole draw by draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.tables import Floats, instant_text
from training.forecast.data.periods import Period
from training.forecast.data.settings import ForecastSettings

GRID = tuple(round(0.01 * i, 2) for i in range(1, 100))
"""Levels of the quantiles that are kept, so that a later date can score the whole distribution."""


@dataclass(frozen=True)
class Forecast:
    """A forecast as made at ``origin`` (microseconds): only what was known before it speaks.

    currency  the reporting currency of every amount
    rates     currency, rate, rate_at: the newest rate of each currency that was used
    periods   the months, then the quarters asked about
    table     columns ``TABLE``: a row for each stream, dimension ("all": value "all"), value,
              period and part ("whole": the sum); mean and quantiles; p10 and p90 are the ends of
              the range of ``settings.level``; n the deals, invoices or customers behind
              the part, NaN for what is not yet there; start and end are timestamps (UTC)
    draws     (stream, part) -> (periods, draws), the whole company; parts as ``PARTS``, and "whole"
    groups    (stream, dimension) -> values in order and their wholes (values, periods, draws)
    deals     a row for each deal that is open at the origin or was closed in a period asked about:
              deal_id, name, owner, team, region, segment, product, stage, category (people's
              forecast category), status ("open", "won", "lost"), amount (as of the origin; booked
              when won), expected_close_at, created_at, closed_at; missing stays missing
    chances   (open deals, periods) probability to be won in each period, in the order of ``deals``
              with status "open", which come first
    expected  (open deals, periods) expected booked amount in each period
    influence (open deals, periods) share of the variance of the stream's whole that goes with the
              deal: Cov(deal, whole) / Var(whole); empty when it was not asked for
    shock     standard deviation of the shared shock on log hazards
    notes     what a reader should know: what was missing, reduced or not possible
    learned   when the curve models were fitted, and other facts about them, in JSON types
    """

    origin: int
    currency: str
    rates: pd.DataFrame
    periods: tuple[Period, ...]
    table: pd.DataFrame
    draws: dict[tuple[str, str], Floats]
    groups: dict[tuple[str, str], tuple[list[str], Floats]]
    deals: pd.DataFrame
    chances: Floats
    expected: Floats
    influence: Floats
    shock: float
    settings: ForecastSettings
    notes: tuple[str, ...] = ()
    learned: Mapping[str, Any] = field(default_factory=dict)

    @property
    def streams(self) -> tuple[str, ...]:
        """The streams this data set has, of "bookings", "recurring" and "total"."""
        return tuple(dict.fromkeys(stream for stream, _ in self.draws))

    def place(self, period: str) -> int:
        """Position of a period by its name; an unknown one is an error that names the known."""
        names = [p.name for p in self.periods]
        if period not in names:
            raise KeyError(f"no period {period!r} in this forecast; there are {', '.join(names)}")
        return names.index(period)

    def whole(self, stream: str, period: str) -> Floats:
        """(draws,) of one stream in one period."""
        found: Floats = self.draws[stream, "whole"][self.place(period)]
        return found

    def group_draws(self, dimension: str, stream: str = "bookings") -> tuple[list[str], Floats]:
        """The values of a dimension and their wholes (values, periods, draws)."""
        try:
            return self.groups[stream, dimension]
        except KeyError:
            there = sorted(f"{s} by {d}" for s, d in self.groups)
            raise KeyError(
                f"no {stream} by {dimension} in this forecast; there are {', '.join(there)}"
            ) from None

    def quantiles(self, stream: str, levels: tuple[float, ...] = GRID) -> Floats:
        """(periods, levels) quantiles of a stream's whole."""
        found: Floats = np.quantile(self.draws[stream, "whole"], levels, axis=1).T
        return found

    def drivers(self, period: str, top: int = 20) -> pd.DataFrame:
        """The open deals that matter most to a period's range.

        Columns: deal_id, name, owner, stage, category, expected_close_at, amount, probability,
        mean, influence (share of the variance of the bookings, NaN when not computed).
        """
        place = self.place(period)
        found = self.deals[self.deals["status"] == "open"].reset_index(drop=True)
        keep = ["deal_id", "name", "owner", "stage", "category", "expected_close_at", "amount"]
        found = found[keep].assign(
            probability=self.chances[:, place],
            mean=self.expected[:, place],
            influence=self.influence[:, place] if self.influence.size else np.nan,
        )
        by = "influence" if self.influence.size else "mean"
        return found.sort_values(by, ascending=False, kind="stable", ignore_index=True).head(top)

    def to_json(self, top: int = 20) -> dict[str, Any]:
        """What the endpoint answers and what is kept: everything but the draws.

        The quantiles of ``GRID`` of every stream's whole are kept in their place.
        """
        return {
            "origin": instant_text(self.origin),
            "currency": self.currency,
            "rates": records(self.rates),
            "shock": self.shock,
            "notes": list(self.notes),
            "learned": dict(self.learned),
            "settings": {**asdict(self.settings), "dimensions": list(self.settings.dimensions)},
            "periods": [
                {
                    "name": p.name,
                    "kind": p.kind,
                    "start": instant_text(p.start),
                    "end": instant_text(p.end),
                }
                for p in self.periods
            ],
            "table": records(self.table),
            "levels": list(GRID),
            "quantiles": {
                s: {
                    p.name: [round(v, 2) for v in row]
                    for p, row in zip(self.periods, self.quantiles(s).tolist(), strict=True)
                }
                for s in self.streams
            },
            "drivers": {p.name: records(self.drivers(p.name, top)) for p in self.periods}
            if len(self.chances)
            else {},
        }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows in JSON types: instants as ISO text, missing as None, numbers to 10 digits."""
    return [{str(k): _plain(v) for k, v in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, float | np.floating):
        return float(f"{float(value):.10g}")
    return value.item() if isinstance(value, np.generic) else value
