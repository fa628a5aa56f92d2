"""The forecast at an origin, top to bottom. Final: the signature and what is raised.

The body follows; until then it raises NotImplementedError.
"""

from __future__ import annotations

from collections.abc import Sequence

from features.tables import Tables
from training.forecast.belief import Beliefs
from training.forecast.periods import Period
from training.forecast.result import Forecast
from training.forecast.settings import ForecastSettings


def forecast(
    tables: Tables,
    origin: int,
    beliefs: Beliefs,
    settings: ForecastSettings,
    asked: Sequence[Period] | None = None,
    influence: bool = True,
) -> Forecast:
    """The forecast at ``origin`` (microseconds), from what was known before it.

    beliefs    ``Beliefs.of(tables, [origin], settings)``, or of many origins in a backtest
    asked      the periods; None: ``periods(origin, settings.months, …)``. One that is over at the
               origin is what was booked in it, without a range
    influence  whether each deal's share of the variance is computed (as dear as the draws)

    ValueError, with what to do, for too little history, an origin outside the data, and a currency
    without a rate at the time.
    """
    raise NotImplementedError
