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
    missing = at == NAT
    held = at[~missing] if missing.any() else at
    if len(held) == 0:
        return None
    where = next((z for z in (zone, _utc(held)) if z is not None and _all(held, z)), None)
    if where is None and not stated:
        return None
    if where is not None and where.name == company.name and first_instants(held, company).all():
        return at  # as they are
    days = (where or zone).day(at)
    return np.where(missing, NAT, company.day_start(np.where(missing, 0, days)))


def first_instants(at: Instants, zone: Zone) -> Bools:
    """Which instants, none missing, are the first of a day: looked up among all days between."""
    low, high = (int(d) for d in zone.day(np.array([at.min(), at.max()])))
    first = zone.day_start(np.arange(low, high + 2))
    # days are up to an hour or two longer or shorter than 24: half a day off finds the nearest
    place = (at - first[0] + DAY // 2) // DAY
    return np.asarray(first[np.clip(place, 0, len(first) - 1)] == at)


def _all(held: Instants, zone: Zone) -> bool:
    if not midnights(held[:_GLANCE], zone).all():
        return False
    rest = held[~first_instants(held, zone)]
    return len(rest) == 0 or bool(midnights(rest, zone).all())


def _utc(held: Instants) -> Zone | None:
    """UTC where there are enough different days to tell a habit from an accident."""
    utc = Zone("UTC", np.empty(0, np.int64), np.zeros(1, np.int64))
    return utc if len(np.unique(held[:_GLANCE])) >= TELLING else None
