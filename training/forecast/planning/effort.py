"""What deals and leads cost in activities and hours, as the log of activities says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.asof import past
from features.tables import DAY, NAT, Floats, Ints, Tables

TOUCHES = ("call", "email", "meeting", "task", "note")
"""The kinds that are a seller's work; visits, usage and forms are not."""


@dataclass(frozen=True)
class SellerEffort:
    """Each is one number a case, over a window before the origin.

    touches       activities on each deal closed in the window
    deal_hours    logged hours on each deal closed in the window; lead_hours likewise of leads;
                  empty where activities carry no duration
    seller_weeks  logged hours of each seller in each week with any
    """

    touches: Floats
    deal_hours: Floats
    lead_hours: Floats
    seller_weeks: Floats


def seller_effort(tables: Tables, origin: int, weeks: int) -> SellerEffort:
    """Measure it over the ``weeks`` before ``origin`` (microseconds)."""
    log = tables["activities"]
    kind = log.coded("kind")
    effort = np.array([v in TOUCHES for v in kind.values] + [False])[kind.codes]
    at = log.instant("occurred_at")
    known = np.maximum(at, log.instant("available_at"))
    rows = np.flatnonzero(effort & (at != NAT) & past(known, np.full(log.n, origin, np.int64)))
    hours = log.number("duration")[rows] / 60.0
    since = origin - weeks * 7 * DAY
    nothing = np.empty(0)
    return SellerEffort(
        _per_case(tables, "deals", rows, np.ones(len(rows)), since, origin),
        _per_case(tables, "deals", rows, hours, since, origin) if log.has("duration") else nothing,
        _per_case(tables, "leads", rows, hours, since, origin) if log.has("duration") else nothing,
        _seller_weeks(tables, rows, hours, since, origin) if log.has("duration") else nothing,
    )


def _per_case(
    tables: Tables, name: str, rows: Ints, values: Floats, since: int, origin: int
) -> Floats:
    """Sums of ``values`` (one an activity; missing adds nothing) over each case closed lately.

    Cases without any activity count with 0, unless no activity names a case of this table at all.
    """
    table, key = tables[name], f"{name[:-1]}_id"
    closed = table.instant("closed_at")
    here = np.flatnonzero((closed != NAT) & (closed >= since) & (closed < origin))
    of = tables["activities"].coded(key).take(rows).words()
    found = pd.Series(np.nan_to_num(values)).groupby(pd.Series(of, dtype=object)).sum()
    if not len(found):
        return np.empty(0)
    cases = table.coded(key).take(here).words()
    return np.asarray(found.reindex(cases).fillna(0.0), np.float64)


def _seller_weeks(tables: Tables, rows: Ints, hours: Floats, since: int, origin: int) -> Floats:
    at = tables["activities"].instant("occurred_at")[rows]
    owner = tables["activities"].coded("owner_id").take(rows).codes
    here = (at >= since) & (at < origin) & (owner >= 0) & (hours > 0)
    frame = pd.DataFrame(
        {"owner": owner[here], "week": (at[here] - since) // (7 * DAY), "h": hours[here]}
    )
    found: Floats = frame.groupby(["owner", "week"])["h"].sum().to_numpy(np.float64)
    return found
