"""Which rows of a draft something happened to, how many they are, and when that is many."""

from __future__ import annotations

import numpy as np

from features.ingest.rows import Draft
from features.tables import Bools

MANY = 0.2
"""From this share of the rows on, or of the values of a column, a loss is pointed out."""
SCIENTIFIC = r"^[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]{1,3}$"
"""Numbers as a spreadsheet shows ids that are too long for it: 1.23457E+11."""


def some_of(n: int, of: int, what: str) -> str:
    """ "all 20 lost deals" or "3 of 20 lost deals"."""
    if n == of == 1:
        return f"1 of 1 {what}"
    return f"all {of:,} {what}" if n == of else f"{n:,} of {of:,} {what}"


def rejected(draft: Draft) -> Bools:
    return hit(draft, "rejected")


def hit(draft: Draft, fate: str, contains: str = "") -> Bools:
    out = np.zeros(len(draft), bool)
    for loss in draft.losses:
        if loss.fate == fate and contains in loss.reason:
            out[loss.rows] = True
    return out


def lost_money(draft: Draft, rows: Bools) -> str:
    """The amounts in lost rows beside those of all rows, where the table has amounts."""
    values = draft.columns.get("amount")
    if not isinstance(values, np.ndarray):
        return ""
    total = float(np.nansum(np.abs(values)))
    lost = float(np.nansum(np.abs(values[rows])))
    return f"; amounts of {lost:,.2f} of {total:,.2f} are lost with them" if lost else ""
