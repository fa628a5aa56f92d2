"""What deals alone have: stage, amount and close date, and how they moved."""

from __future__ import annotations

import numpy as np

from features.asof import EventWindow, days_until, missing, where
from features.definitions.declare import Catalogue
from features.definitions.money import convert
from features.tables import Bools, Floats, Ints
from features.timeline import read_instant, read_number
from features.view import View, at_rows

catalogue = Catalogue()
feature = catalogue.feature

STAGE = ["changes.field=stage"]
CLOSE_DATE = ["changes.field=expected_close_at"]
AMOUNT = ["changes.field=amount"]


def _previous(view: View, seen: EventWindow) -> Ints:
    """Row of the change before each row of ``changes``, within its entity; -1 for the first."""
    events = seen.events
    before = np.full(view.tables["changes"].n, -1, np.int64)
    first = np.zeros(len(events) + 1, np.bool_)
    first[events.starts] = True
    before[events.rows[1:]] = np.where(first[1:-1], -1, events.rows[:-1])
    return before


def _moved(view: View, column: str, later: bool) -> EventWindow:
    """The changes of a number or date that raised it (``later``) or lowered it."""
    read = read_instant if column.endswith("_at") else read_number
    seen = view.changes(column)
    new, old = view.change_values("value", read), view.change_values("old_value", read)
    before = _previous(view, seen)
    unstated = read("")
    stated = ~((old == unstated) | np.isnan(old))
    old = np.where(stated | (before < 0), old, new[before])
    known = ~((new == unstated) | np.isnan(new) | (old == unstated) | np.isnan(old))
    moved: Bools = known & ((new > old) if later else (new < old))
    return seen.select(moved)


@feature(
    "deals",
    "changes",
    "stage",
    unit="days",
    needs=STAGE,
    own=True,
    absent="The stage never changed",
)
def days_in_stage(view: View) -> Floats:
    """Days since the deal entered its stage."""
    return view.changes("stage").since_last()


@feature("deals", "changes", "stage", unit="moves", needs=STAGE)
def stage_moves(view: View) -> Floats:
    """Stage moves so far."""
    return view.changes("stage").count()


@feature("deals", "changes", "stage", unit="moves", needs=STAGE, own=True)
def stage_moves_30d(view: View) -> Floats:
    """Stage moves in the last 30 days."""
    return view.changes("stage").count(30)


@feature(
    "deals",
    "changes",
    "close_date",
    unit="pushes",
    needs=CLOSE_DATE,
    own=True,
    title="Close date pushed back",
)
def close_date_pushes(view: View) -> Floats:
    """Times the close date was moved later."""
    return _moved(view, "expected_close_at", later=True).count()


@feature(
    "deals",
    "changes",
    "close_date",
    unit="pushes",
    needs=CLOSE_DATE,
    own=True,
    title="Close date pushed back in the last 30 days",
)
def close_date_pushes_30d(view: View) -> Floats:
    """Times the close date was moved later in the last 30 days."""
    return _moved(view, "expected_close_at", later=True).count(30)


@feature(
    "deals",
    "changes",
    "close_date",
    unit="moves",
    needs=CLOSE_DATE,
    own=True,
    title="Close date brought forward",
)
def close_date_pulls(view: View) -> Floats:
    """Times the close date was moved earlier."""
    return _moved(view, "expected_close_at", later=False).count()


@feature(
    "deals",
    "deals",
    "close_date",
    unit="days",
    needs=["deals.expected_close_at"],
    own=True,
    title="Days to the planned close date",
)
def days_to_expected_close(view: View) -> Floats:
    """Days to the people's own close date; negative when it is overdue."""
    return days_until(view.instant("expected_close_at"), view.cutoffs)


@feature("deals", "deals", "amount", unit="money", needs=["deals.amount"], title="Amount")
def amount(view: View) -> Floats:
    """Amount in the reporting currency."""
    currency = view.tables["deals"].coded("currency").take(view.rows)
    return convert(view.timeline, view.number("amount"), currency, view.cutoffs)


@feature("deals", "changes", "amount", unit="ratio", needs=AMOUNT, title="Growth of the amount")
def amount_growth(view: View) -> Floats:
    """Amount now over the first one, less 1."""
    first = view.changes("amount").first_known()
    new = at_rows(view.change_values("value", read_number), first)
    old = at_rows(view.change_values("old_value", read_number), first)
    start = where(missing(old), new, old)
    start = where(start > 0, start, np.nan)
    return where(first >= 0, view.number("amount") / start - 1.0, 0.0)  # type: ignore[no-any-return]


@feature(
    "deals",
    "changes",
    "amount",
    unit="changes",
    needs=AMOUNT,
    own=True,
    name="amount_{way}s",
    over={"way": ("raise", "cut")},
    title="Amount {way}s",
)
def amount_moves(view: View, way: str) -> Floats:
    """Times the amount was changed by a {way}."""
    return _moved(view, "amount", later=way == "raise").count()
