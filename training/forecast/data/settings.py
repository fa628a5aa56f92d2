"""How to forecast: one frozen set of settings; defaults here, overrides from a TOML. Final."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from features.files import read_settings

DIMENSIONS = ("owner", "team", "region", "segment", "product")
STREAMS = ("bookings", "recurring", "total")


@dataclass(frozen=True)
class ForecastSettings:
    """Settings of a forecast.

    draws         simulated futures
    seed          names them: the same seed gives the same futures
    level         share of the futures in the range: 0.8 is P10 to P90
    months        calendar months, the running one included; quarters likewise
    fiscal_start  month the fiscal year begins in
    dimensions    what the whole is divided by
    max_values    values of a dimension beyond so many (the smallest) are "other"
    refit_days    a curve model is used for so many days before a new one is fitted
    recent_days   how far back amounts, hazards and marks of new deals are learned from
    threads       threads the simulation may use
    shock         spread of the pace that all deals share, on log hazards; None: learned
    total         whether bookings and recurring are added up into a third stream
    what_if       scenarios shown beside the forecast, such as "win rate +2 points"
    record_seconds  processor time a forecast may spend on the record of past origins
    """

    draws: int = 10_000
    seed: int = 7
    level: float = 0.8
    months: int = 4
    quarters: int = 2
    fiscal_start: int = 1
    dimensions: tuple[str, ...] = DIMENSIONS
    max_values: int = 60
    refit_days: float = 91.0
    recent_days: float = 548.0
    threads: int = 2
    shock: float | None = None
    total: bool = False
    what_if: tuple[str, ...] = ()
    record_seconds: float = 6.0

    def __post_init__(self) -> None:
        if self.draws < 1 or self.threads < 1 or self.max_values < 1:
            raise ValueError("draws, threads and max_values must be at least 1")
        if self.months < 0 or self.quarters < 0 or self.months + self.quarters == 0:
            raise ValueError("months and quarters must not be negative, nor both be 0")
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {self.level}")
        if not 1 <= self.fiscal_start <= 12:
            raise ValueError(f"fiscal_start must be a month, 1 to 12, got {self.fiscal_start}")
        if self.refit_days <= 0 or self.recent_days <= 0:
            raise ValueError("refit_days and recent_days must be positive")
        if self.shock is not None and self.shock < 0:
            raise ValueError(f"shock must not be negative, got {self.shock}")
        unknown = sorted(set(self.dimensions) - set(DIMENSIONS))
        if unknown:
            raise ValueError(
                f"unknown dimensions {', '.join(unknown)}; there are {', '.join(DIMENSIONS)}"
            )

    @property
    def levels(self) -> tuple[float, float, float]:
        """The three quantile levels reported as p10, p50 and p90."""
        tail = (1 - self.level) / 2
        return tail, 0.5, 1 - tail

    def overridden(self, changes: Mapping[str, Any]) -> ForecastSettings:
        """These settings with ``changes``; an unknown name is an error with the nearest one."""
        known = [f.name for f in fields(self)]
        for name in changes:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
                raise ValueError(f"unknown forecast setting {name!r}{hint}")
        return replace(self, **{n: _typed(n, v, getattr(self, n)) for n, v in changes.items()})


def _typed(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise ValueError(f"forecast setting {name} must be a list of words, got {value!r}")
        return tuple(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError(f"forecast setting {name} must be true or false, got {value!r}")
        return value
    whole = isinstance(default, int)
    number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not number and not (default is None and value is None):
        raise ValueError(
            f"forecast setting {name} must be {'a whole number' if whole else 'a number'}, "
            f"got {value!r}"
        )
    return value


def load_settings(path: Path | None, fiscal_start: int = 1, **overrides: Any) -> ForecastSettings:
    """Defaults, then the TOML file's ``[forecast]`` table, then overrides that are not None.

    fiscal_start  the company's, as the data set states it
    """
    stated = read_settings(path, "forecast") if path is not None else {}
    given = {k: v for k, v in overrides.items() if v is not None}
    return ForecastSettings(fiscal_start=fiscal_start).overridden({**stated, **given})
