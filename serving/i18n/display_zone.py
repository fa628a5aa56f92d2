"""The time zone whose days are shown: the company's, one for a process.

Set where a bundle or a data set is opened; until then days are those of UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from features.calendar_time import zone

_EPOCH = date(1970, 1, 1)


@dataclass
class _Display:
    zone: str = "UTC"


_DISPLAY = _Display()


def show_in(name: str) -> None:
    """Show the days of this zone from now on; an unknown name is a ValueError."""
    _DISPLAY.zone = zone(name).name


def shown_day(at: int) -> date:
    """The day of an instant (microseconds) where the company is."""
    return _EPOCH + timedelta(days=int(zone(_DISPLAY.zone).day(np.array([at]))[0]))
