"""What is believed at each origin. Final: ``Beliefs.of`` and ``at``; the inside follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.tables import Tables
from training.forecast.settings import ForecastSettings


@dataclass(frozen=True)
class Beliefs:
    """The chain of fits: each origin is served by the newest model fitted at or before it."""

    tables: Tables
    settings: ForecastSettings

    @staticmethod
    def of(tables: Tables, origins: Sequence[int], settings: ForecastSettings) -> Beliefs:
        """Fit what the origins (microseconds) need: one curve model every ``refit_days``."""
        assert origins
        return Beliefs(tables, settings)
