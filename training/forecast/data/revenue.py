"""A stream of amounts in time: what was booked or invoiced, when, and its sums over periods."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.calendar_time import zone
from features.tables import NAT, Floats, Instants, Tables
from features.timeline import Timeline
from training.forecast.data.deal_table import DealTable, reporting
from training.forecast.data.periods import month_of, month_start


@dataclass(frozen=True)
class RevenueFlow:
    """Amounts (n,) in the reporting currency at rising instants (n,).

    begin  the first instant the data tell of; a month that began before it is not whole
    zone   whose months it is summed over
    """

    stream: str
    at: Instants
    amount: Floats
    begin: int
    zone: str = "UTC"

    @staticmethod
    def of(stream: str, at: Instants, amount: Floats, begin: int, zone: str = "UTC") -> RevenueFlow:
        """A flow from amounts in any order."""
        order = np.argsort(at, kind="stable")
        return RevenueFlow(stream, at[order], amount[order], begin, zone)

    def total(self, start: int, end: int) -> float:
        """What fell in [start, end)."""
        return self.between(start, end)[0]

    def between(self, start: int, end: int) -> tuple[float, int]:
        """What fell in [start, end), and in how many amounts."""
        low, high = np.searchsorted(self.at, [start, end], side="left").tolist()
        return float(self.amount[low:high].sum()), high - low

    @property
    def first_month(self) -> int:
        """The number of the first month that the data tell of from its first instant on."""
        number = month_of(self.begin, self.zone)
        return number if month_start(number, self.zone) == self.begin else number + 1

    def months(self, first: int, end: int) -> Floats:
        """(end - first,) the totals of the months numbered first … end - 1."""
        edges = zone(self.zone).month_start(np.arange(first, end + 1))
        sums = np.append(0.0, np.cumsum(self.amount))
        found: Floats = np.diff(sums[np.searchsorted(self.at, edges, side="left")])
        return found

    def whole_months(self, origin: int) -> Floats:
        """The totals of all whole months that are over at the origin, oldest first."""
        last = month_of(origin, self.zone)
        return self.months(self.first_month, max(last, self.first_month))


def flows(tables: Tables, end: int) -> dict[str, RevenueFlow]:
    """The streams of a data set, known before ``end``: bookings of won deals, and what is invoiced.

    A stream that has no amount is left out. A won deal or an invoice without an amount adds
    nothing: it is known that something was sold, and not for how much.
    """
    timeline = Timeline(tables)
    found = [_bookings(timeline, end), _invoiced(timeline, end)]
    return {flow.stream: flow for flow in found if flow.amount.any()}


def _bookings(timeline: Timeline, end: int) -> RevenueFlow:
    asof = DealTable.of(timeline)
    rows = asof.won(end)
    born = asof.born[asof.born != NAT]
    begin = int(born.min()) if len(born) else end
    amount, company = np.nan_to_num(asof.amounts(rows)), timeline.tables.meta.zone
    return RevenueFlow.of("bookings", asof.closed[rows], amount, begin, company)


def _invoiced(timeline: Timeline, end: int) -> RevenueFlow:
    invoices = timeline.tables["invoices"]
    issued = invoices.instant("issued_at")
    known = np.where(issued == NAT, NAT, np.maximum(issued, invoices.instant("available_at")))
    rows = np.flatnonzero((known != NAT) & (known < end))
    currency = invoices.coded("currency").take(rows)
    amount = reporting(timeline, invoices.number("amount")[rows], currency, known[rows], "invoices")
    begin = int(known[rows].min()) if len(rows) else end
    company = timeline.tables.meta.zone
    return RevenueFlow.of("recurring", known[rows], np.nan_to_num(amount), begin, company)
