"""Axes of time: instants as days since 1970 (UTC), ticks where a calendar has them."""

from __future__ import annotations

import numpy as np

from training.charts.scales import Axis

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_STEPS = (1, 2, 3, 6, 12, 24, 60, 120)


def date_axis(title: str, low: float, high: float, most: int = 6) -> Axis:
    """An axis from ``low`` to ``high`` days, with at most about ``most`` ticks.

    At first days of months, "Jan 24"; within a few months at days, "5 Jan".
    """
    high = max(high, low + 1)
    if high - low < 100:
        step = next(s for s in (1, 2, 7, 14, 28) if (high - low) / s <= most or s == 28)
        at = [float(d) for d in range(int(np.ceil(low)), int(high) + 1, step)]
        return Axis(title, low, high, day_text, at)
    first, last = _month(low), _month(high)
    every = next(s for s in _STEPS if (last - first) / s <= most or s == _STEPS[-1])
    starts = [m for m in range(first, last + 1) if m % every == 0]
    days = [_start(m) for m in starts]
    return Axis(title, low, high, month_text, [d for d in days if low <= d <= high])


def month_text(day: float) -> str:
    """A day as its month, "Jan 24"."""
    month = _month(day)
    return f"{MONTHS[month % 12]} {(1970 + month // 12) % 100:02d}"


def day_text(day: float) -> str:
    """A day as "5 Jan"."""
    text = str(np.datetime64(int(day), "D"))
    return f"{int(text[8:10])} {MONTHS[int(text[5:7]) - 1]}"


def _month(day: float) -> int:
    """Months since January 1970."""
    return int(np.datetime64(int(np.floor(day)), "D").astype("datetime64[M]").astype(np.int64))


def _start(month: int) -> float:
    return float(np.datetime64(month, "M").astype("datetime64[D]").astype(np.int64))
