"""Dates without a time: which instant columns hold days, and those days in the company's zone."""

from __future__ import annotations

import numpy as np

from features.calendar_time import Zone
from features.tables import DAY, NAT, Bools, Instants

BOUNDARIES = ("period_start_at", "period_end_at", "rate_at")
"""From such a day's first instant on something holds: no event that is known when the day ends."""

TELLING = 10
"""So many midnights UTC, and nothing else, are days that a system keeps as midnights UTC."""

_GLANCE = 256


def midnights(at: Instants, zone: Zone) -> Bools:
    """Which instants are the first of a day in the zone; also a midnight that came twice."""
    wall = zone.wall(at)
    begins = (wall % DAY == 0) | (zone.day_start(wall // DAY) == at)
    return np.asarray((at != NAT) & begins)


def as_days(at: Instants, zone: Zone, company: Zone, stated: bool = False) -> Instants | None:
    """The column as days of the company's zone, each its first instant; None where it holds times.

    zone    where the column's times were read; stated: the mapping says that they are dates
    """
    held = at[at != NAT]
    if len(held) == 0:
        return None
    where = next((z for z in (zone, _utc(held)) if z is not None and _all(held, z)), None)
    if where is None and not stated:
        return None
    days = (where or zone).day(at)
    return np.where(at == NAT, NAT, company.day_start(np.where(at == NAT, 0, days)))


def _all(held: Instants, zone: Zone) -> bool:
    return bool(midnights(held[:_GLANCE], zone).all() and midnights(held, zone).all())


def _utc(held: Instants) -> Zone | None:
    """UTC where there are enough different days to tell a habit from an accident."""
    utc = Zone("UTC", np.empty(0, np.int64), np.zeros(1, np.int64))
    return utc if len(np.unique(held[:_GLANCE])) >= TELLING else None
