"""How the pipeline moved between two instants, deal by deal, and its value week by week."""

from __future__ import annotations

from typing import Any

import pandas as pd

from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Calendar
from serving.analytics.kpis.pipeline import open_deals

KINDS = ("created", "won", "lost", "out of the quarter", "pushed", "pulled in", "up", "down")
"""What can happen to a deal in a week, in the order of the page."""
WEEK = pd.Timedelta(days=7)
WEEKS = 13
"""Weeks of value over time: a quarter."""
COLUMNS = ["deal_id", "name", "owner", "kind", "amount", "before", "after", "due_then", "due_now"]


def movement(now: AsOfFrames, since: pd.Timestamp) -> pd.DataFrame:
    """One row a deal and kind of move since an instant; columns ``COLUMNS``, kinds ``KINDS``.

    A deal that was pushed and cut has two rows. before, after: amounts of ``up`` and ``down``,
    which are counted only where the data hold a change of the amount, so that a new rate of
    exchange is no move. "out of the quarter": its close date lay in the running quarter and lies
    after it now; "pushed": later in any other way.
    """
    then = now.at(since).deals.set_index("deal_id")
    deals = now.deals.set_index("deal_id", drop=False)
    past = then.reindex(deals.index)
    was_open = past["open"].eq(True)  # a missing row was not open
    closed = deals["closed_at"] >= since
    due_then, due_now = past["expected_close_at"], deals["expected_close_at"]
    both = was_open & deals["open"]
    later, earlier = both & (due_now > due_then), both & (due_now < due_then)
    end = quarter_end(now.calendar, now.instant)
    out = later & (due_then < end) & (due_now >= end)
    edited = deals.index.isin(_edited(now, since))
    happened = {
        "created": (deals["created_at"] >= since) & past["open"].isna(),
        "won": closed & (deals["outcome"] == "won"),
        "lost": closed & (deals["outcome"] == "lost"),
        "out of the quarter": out,
        "pushed": later & ~out,
        "pulled in": earlier,
        "up": both & edited & (deals["amount"] > past["amount"]),
        "down": both & edited & (deals["amount"] < past["amount"]),
    }
    value = deals["booked"].where(deals["outcome"] == "won", deals["amount"])
    marked = deals.assign(
        amount=value.where(value.notna(), deals["amount"]),
        before=past["amount"],
        after=deals["amount"],
        due_then=due_then,
        due_now=due_now,
    )
    parts = [marked[mask].assign(kind=kind) for kind, mask in happened.items()]
    found = pd.concat(parts, ignore_index=True)[COLUMNS]
    return found.sort_values("amount", ascending=False, kind="stable", ignore_index=True)


def _edited(now: AsOfFrames, since: pd.Timestamp) -> set[str]:
    """Deals whose amount was edited since an instant."""
    table, rows = now.tables["changes"], now.rows("changes")
    rows = rows[now.timeline.matches("changes", (("entity", "deals"), ("field", "amount")))[rows]]
    rows = rows[table.instant("changed_at")[rows] >= since.value // 1000]
    return {w for w in table.coded("entity_id").take(rows).words() if w is not None}


def quarter_end(company: Calendar, at: pd.Timestamp) -> pd.Timestamp:
    """The first instant after the fiscal quarter that holds ``at``."""
    lead = company.fiscal_start - 1
    first = (company.month(at) - lead) // 3 * 3 + lead
    return company.start(first + 3)


def summary(moves: pd.DataFrame) -> list[dict[str, Any]]:
    """How many deals made each move, and their money; kinds that nobody made are left out."""
    found = []
    for kind in KINDS:
        some = moves[moves["kind"] == kind]
        if len(some):
            value = some["amount"].sum(min_count=1)
            found.append({"kind": kind, "deals": len(some), "value": value})
    return found


def weekly(asof: AsOfFrames, weeks: int = WEEKS) -> pd.DataFrame:
    """at, deals, value: what was open at each of the last ``weeks`` weeks and now."""
    rows = []
    for back in range(weeks, -1, -1):
        at = asof.instant - back * WEEK
        if asof.first is None or at <= asof.first:
            continue
        deals = open_deals(asof.at(at))
        value = deals["amount"].sum(min_count=1)
        rows.append({"at": at, "deals": len(deals), "value": value})
    return pd.DataFrame(rows, columns=["at", "deals", "value"])
