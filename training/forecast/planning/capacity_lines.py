"""Lines of the capacity table: what is said, in what unit, and how it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import DAY, Floats, Instants
from training.stats import intervals
from training.stats.intervals import wilson

WEEK = 7 * DAY


@dataclass(frozen=True)
class CapacityLine:
    """One line of the table; NaN where there is nothing to say."""

    topic: str
    name: str
    value: float
    unit: str
    basis: str
    why: str
    n: float = np.nan
    low: float = np.nan
    high: float = np.nan


def stated(topic: str, name: str, value: float, unit: str, why: str) -> CapacityLine:
    """An assumption with its argument."""
    return CapacityLine(topic, name, value, unit, "stated", why)


def computed(topic: str, name: str, value: float, unit: str, why: str) -> CapacityLine:
    """What follows from other lines; ``why`` says from which."""
    return CapacityLine(topic, name, value, unit, "computed", why)


def counted(topic: str, name: str, value: int, unit: str, why: str) -> CapacityLine:
    """A count: its own n."""
    return CapacityLine(topic, name, value, unit, "measured", why, value)


def mean_of(topic: str, name: str, values: Floats, unit: str, why: str) -> CapacityLine:
    """A mean of amounts from 0 up, with its 95 % interval (Student); of one value none."""
    if not len(values):
        return CapacityLine(topic, name, np.nan, unit, "measured", f"{why}: there are none", 0)
    mean = float(values.mean())
    ends = intervals.mean(values)
    return CapacityLine(topic, name, mean, unit, "measured", why, len(values), *ends)


def share_of(topic: str, name: str, hits: int, n: int, why: str) -> CapacityLine:
    """A share with Wilson's 95 % interval."""
    return CapacityLine(topic, name, hits / n, "share", "measured", why, n, *wilson(hits, n))


def weekly(instants: Instants, origin: int, weeks: int) -> Floats:
    """(weeks,) how many of the instants fall in each of the weeks before ``origin``."""
    since = origin - weeks * WEEK
    inside = instants[(instants >= since) & (instants < origin)]
    found: Floats = np.bincount((inside - since) // WEEK, minlength=weeks).astype(np.float64)
    return found
