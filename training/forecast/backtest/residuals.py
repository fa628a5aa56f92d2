"""A range for a method that gives one number: how wrong the same method was before.

At an origin the errors (actual less forecast) of the method's own earlier forecasts are known for
every period that was over by then. Those of the same kind (month or quarter) and the same distance
(running, next …) count, the nearest in weeks to the period's end first, until there are ``ENOUGH``;
the range is the forecast plus their quantiles. So a method that is always 30 % low has a range that
says so. With errors of fewer than ``FEWEST`` periods there is no range, and the cell is not scored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.tables import Bools, Floats, Instants, Ints

ENOUGH = 24
"""Errors that make a range; all of the next distance are taken or none."""
FEWEST = 2
"""Different periods that the errors must come from."""


def add_ranges(
    cells: pd.DataFrame, levels: tuple[float, ...], origins: Sequence[int] | None = None
) -> pd.DataFrame:
    """The cells of one stream with columns ``q0``, ``q1`` … for the levels.

    origins  where ranges are wanted (None: everywhere); cells of other origins only teach

    cells  method, origin, period, kind, ahead, end, weeks, actual (NaN while the period runs),
           closed (so far; -inf where nothing stops the total from falling), point. A quantile is
           never below ``closed``: what is booked is booked.
    """
    out = cells.copy()
    wanted = np.ones(len(cells), np.bool_)
    if origins is not None:
        wanted = cells["origin"].isin(origins).to_numpy(np.bool_)
    found = np.full((len(cells), len(levels)), np.nan)
    for _, rows in cells.groupby(["method", "kind", "ahead"], sort=False).indices.items():
        part = cells.iloc[rows]
        found[rows] = _ranges(
            part["origin"].to_numpy(np.int64),
            part["end"].to_numpy(np.int64),
            part["weeks"].to_numpy(np.int64),
            part["point"].to_numpy(np.float64),
            part["actual"].to_numpy(np.float64),
            wanted[rows],
            levels,
        )
    low = cells["closed"].to_numpy(np.float64)[:, None]
    for i, column in enumerate(np.maximum(found, low).T):
        out[f"q{i}"] = column
    return out


def _ranges(
    origin: Instants,
    end: Instants,
    weeks: Ints,
    point: Floats,
    actual: Floats,
    wanted: Bools,
    levels: tuple[float, ...],
) -> Floats:
    error = actual - point
    known: Bools = ~np.isnan(error)
    found = np.full((len(origin), len(levels)), np.nan)
    for i in np.flatnonzero(wanted & ~np.isnan(point)):
        rows = np.flatnonzero(known & (end <= origin[i]))
        if len(np.unique(end[rows])) < FEWEST:
            continue
        far = np.abs(weeks[rows] - weeks[i])
        reach = np.sort(far)[min(ENOUGH, len(far)) - 1]
        found[i] = point[i] + np.quantile(error[rows[far <= reach]], levels)
    return found
