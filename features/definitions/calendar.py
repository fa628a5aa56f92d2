"""Where the cutoff stands: in the entity's life and in the year."""

from __future__ import annotations

import numpy as np

from features.asof import days_since, where
from features.calendar_time import zone
from features.definitions.declare import Catalogue
from features.schema import TABLES
from features.tables import NAT, Coded, Floats
from features.view import View, instants_at

catalogue = Catalogue()
feature = catalogue.feature

EVERY = "leads deals accounts"
_MONTH_OF_YEAR = Coded(np.arange(12, dtype=np.int32), [f"{m:02d}" for m in range(1, 13)])


@feature(EVERY, "{entity}", "age", unit="days", needs=["{entity}.created_at"])
def age(view: View) -> Floats:
    """Days since it entered the CRM."""
    born = view.tables[view.entity].instant(TABLES[view.entity].born)
    return days_since(instants_at(born, view.rows), view.cutoffs)


@feature(
    EVERY,
    "calendar",
    "season",
    kind="category",
    needs=["{entity}.created_at"],
    title="Calendar month",
)
def month(view: View) -> Coded:
    """Calendar month of the cutoff (company's time zone)."""
    months = zone(view.tables.meta.zone).month(view.cutoffs) % 12
    return _MONTH_OF_YEAR.take(where(view.cutoffs == NAT, -1, months))


@feature(
    EVERY,
    "calendar",
    "season",
    unit="days",
    needs=["{entity}.created_at"],
    title="Days to the end of the fiscal quarter",
)
def days_to_quarter_end(view: View) -> Floats:
    """Days from the cutoff to the end of its fiscal quarter (company's time zone)."""
    rules, start = zone(view.tables.meta.zone), view.tables.meta.fiscal_start - 1
    following = ((rules.month(view.cutoffs) - start) // 3 + 1) * 3 + start
    return days_since(view.cutoffs, rules.month_start(following))
