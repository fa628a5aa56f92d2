"""What leads alone have: their status and its moves."""

from __future__ import annotations

from features.definitions.declare import Catalogue
from features.tables import Floats
from features.view import View

catalogue = Catalogue()
feature = catalogue.feature


@feature(
    "leads",
    "changes",
    "status",
    unit="days",
    needs=["changes.field=status"],
    own=True,
    absent="The status never changed",
)
def days_in_status(view: View) -> Floats:
    """Days since the status last changed."""
    return view.changes("status").since_last()


@feature(
    "leads",
    "changes",
    "status",
    unit="moves",
    name="status_moves_{days}d",
    needs=["changes.field=status"],
    own=True,
    over={"days": (30,)},
)
def status_moves_recently(view: View, days: int) -> Floats:
    """Status changes in the last {days} days."""
    return view.changes("status").count(days)


@feature("leads", "changes", "status", unit="moves", needs=["changes.field=status"])
def status_moves(view: View) -> Floats:
    """Status changes so far."""
    return view.changes("status").count()
