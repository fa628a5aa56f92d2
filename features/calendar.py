"""Where the cutoff stands: in the entity's life and in the year."""

from __future__ import annotations

import numpy as np

from features.asof import days_since
from features.definition import Catalogue
from features.schema import TABLES
from features.tables import NAT, Coded, Floats
from features.view import View, instants_at

catalogue = Catalogue()
feature = catalogue.feature

EVERY = "leads deals accounts"
MONTHS = [f"{m:02d}" for m in range(1, 13)]


@feature(EVERY, "{entity}", "age", unit="days", needs=["{entity}.created_at"])
def age(view: View) -> Floats:
    """Days since it entered the CRM."""
    born = view.tables[view.entity].instant(TABLES[view.entity].born)
    return days_since(instants_at(born, view.rows), view.cutoffs)


@feature(EVERY, "calendar", "season", kind="category", needs=["{entity}.created_at"])
def month(view: View) -> Coded:
    """Calendar month of the cutoff (UTC)."""
    months = view.cutoffs.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64) % 12
    return Coded(np.where(view.cutoffs == NAT, -1, months).astype(np.int32), MONTHS)


@feature(EVERY, "calendar", "season", unit="days", needs=["{entity}.created_at"])
def days_to_quarter_end(view: View) -> Floats:
    """Days from the cutoff to the end of its calendar quarter (UTC)."""
    months = view.cutoffs.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    following = ((months // 3 + 1) * 3).astype("datetime64[M]").astype("datetime64[us]")
    return days_since(view.cutoffs, following.astype(np.int64))
