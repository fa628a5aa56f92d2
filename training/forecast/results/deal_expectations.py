"""Every deal's status and what a forecast expects of it: this is kept, and bridges compare it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from training.forecast.data.deal_status import micros_of
from training.forecast.results.result import Forecast


def with_expected(standings: pd.DataFrame, made: Forecast) -> pd.DataFrame:
    """The standings with a column ``expected <period>`` for each period of a forecast.

    What an open deal is expected to bring; what a won one has brought, in the period it closed in;
    0 of deals that the forecast does not speak of.
    """
    found = made.deals.set_index("deal_id")
    is_open = (found["status"] == "open").to_numpy(np.bool_)
    won = (found["status"] == "won").to_numpy(np.bool_)
    closed, amount = micros_of(found["closed_at"]), found["amount"].to_numpy(np.float64)
    columns = {}
    for place, period in enumerate(made.periods):
        inside = won & (closed >= period.start) & (closed < period.end)
        brought = np.where(inside, amount, 0.0)
        brought[is_open] = made.expected[:, place]
        column = pd.Series(brought, index=found.index).reindex(standings.index).fillna(0.0)
        columns[f"expected {period.name}"] = column
    return standings.assign(**columns)


def in_forecast(standings: pd.DataFrame, made: Forecast) -> pd.DataFrame:
    """The standings worth keeping: of deals open, or closed in a period asked about."""
    return standings[standings.index.isin(made.deals["deal_id"])]
