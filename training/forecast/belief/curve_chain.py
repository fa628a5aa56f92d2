"""The chain of curve models: fitted at fixed instants, each when an origin first needs it.

The instants do not depend on the origins asked for, and an origin uses the newest model fitted at
or before it: so a forecast is the same alone and in a backtest.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from features.tables import DAY, Instants
from training.forecast.belief.curve_model import CurveModel, PanelSnapshots, fit_curve
from training.forecast.data.settings import ForecastSettings

FEWEST_OUTCOMES = 20
"""Outcomes that must be known before a curve is fitted."""
YOUNG = 365
"""Days from the first birth on in which models are fitted anew more often."""


@dataclass(frozen=True)
class CurveChain:
    """Curve models of one panel; ``times`` (microseconds) rising, when each is fitted."""

    panel: PanelSnapshots
    times: tuple[int, ...]
    fits: dict[int, CurveModel | None] = field(default_factory=dict)

    def at(self, origin: int) -> CurveModel | None:
        """The newest model fitted at or before ``origin``; None where too little was known."""
        time = max((t for t in self.times if t <= origin), default=None)
        if time is None:
            return None
        if time not in self.fits:
            self.fits[time] = fit_at(self.panel, time)
        return self.fits[time]


def fit_times(born: Instants, last: int, settings: ForecastSettings) -> tuple[int, ...]:
    """When curve models are fitted up to ``last``: every ``refit_days`` from the first birth on.

    In the first year three times as often: what is known then doubles within weeks, and an old
    model costs more than a fit (measured on Maven: docs/benchmarks.md).
    """
    if len(born) == 0:
        return ()
    step, first = round(settings.refit_days * DAY), int(born.min()) // DAY * DAY
    grown = first + YOUNG * DAY
    often = max(round(settings.refit_days / 3), 1) * DAY
    early = range(first + often, min(grown, last + 1), often)
    late = range(first + -(-(grown - first) // step) * step, last + 1, step)
    return (*early, *late)


def fit_at(panel: PanelSnapshots, at: int) -> CurveModel | None:
    """The curve model of an instant; None where too few outcomes were known by then."""
    rows = panel.rows(at)
    if len(rows) == 0 or int(panel.labels(rows, at).hit.sum()) < FEWEST_OUTCOMES:
        return None
    return fit_curve(panel, at)
