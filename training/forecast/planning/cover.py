"""How much pipeline a target needs to be reached with a stated confidence, by simulation.

In a draw where deals not created yet bring N and the open ones O, the target T is reached with
the open pipeline k times as large when C + k O + N >= T, C being closed. So k is (T - C - N) / O in
that draw, and the c-quantile of it over the draws is the pipeline needed for confidence c. Every
deal is taken k times as large, which keeps the draws' shared shock and does not spread the risk
over more deals: what is said to be needed errs on the careful side.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.tables import Floats
from training.forecast.results.result import Forecast

COLUMNS = (
    *("period", "confidence", "target", "chance", "due", "times", "more", "deals", "coverage"),
)


def cover(made: Forecast, outlook: pd.DataFrame, confidences: Sequence[float]) -> pd.DataFrame:
    """``COLUMNS``: a row for each period with a target, and each confidence.

    outlook   ``targets.outlook``
    times     today's open deals so many times over; NaN where more like them would not do, because
              in too many draws the open deals bring nothing to the period
    more      open amount due in the period that is missing; deals likewise, of today's mean amount
    coverage  open amount due by what is left of the target, with the missing amount there
    """
    rows: list[tuple[object, ...]] = []
    if "bookings" not in made.streams:
        return pd.DataFrame(rows, columns=list(COLUMNS))
    is_open = made.deals["status"] == "open"
    amounts = made.deals.loc[is_open, "amount"].to_numpy(np.float64)
    each = float(np.nanmean(amounts)) if np.isfinite(amounts).any() else np.nan
    whole = outlook[(outlook["dimension"] == "all") & outlook["target"].notna()]
    for goal in whole.to_dict("records"):
        needed = multiples(made, str(goal["period"]), float(goal["target"]))
        for confidence in confidences:
            times = float(np.quantile(needed, confidence, method="inverted_cdf"))
            rows.append(
                (
                    goal["period"],
                    confidence,
                    goal["target"],
                    goal["chance"],
                    *_more(times, goal, each, int(is_open.sum())),
                )
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def multiples(made: Forecast, period: str, target: float) -> Floats:
    """(draws,) how many times today's open deals each draw needs to reach the target; at least 0,
    infinite where the open deals bring nothing and the rest is not enough.
    """
    place = made.place(period)
    closed, brought, new = (made.draws["bookings", p][place] for p in ("closed", "open", "new"))
    missing = np.maximum(target - closed - new, 0.0)
    ratio = np.divide(missing, brought, out=np.full(len(missing), np.inf), where=brought > 0)
    found: Floats = np.where(missing > 0, ratio, 0.0)
    return found


def _more(times: float, goal: dict[Hashable, Any], each: float, n: int) -> tuple[float, ...]:
    """due, times, more, deals, coverage."""
    due, left = goal["due"], goal["left"]
    if not np.isfinite(times):
        return due, np.nan, np.nan, np.nan, np.nan
    beyond = max(times - 1.0, 0.0)
    # where nobody dates deals there is no amount due, and what is missing is counted in deals
    deals = beyond * due / each if due > 0 else beyond * n
    more = beyond * due if due > 0 or not beyond else np.nan
    return due, times, more, deals, times * due / left if left > 0 and due > 0 else np.nan
