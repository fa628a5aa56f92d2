"""Which rows of a table an instant knows, and which of them are open: the one picture of "then".

Model, baselines, forecast and pages ask here, so that they speak of the same entities. A deal that
was created on 3 March (a date, not an instant) is known from 4 March, and open until it closed:

    created 3 March, closed 10 March 15:00    known from 4 March 00:00
                                              open at 10 March 15:00, closed an instant later
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.asof import past
from features.schema import TABLES
from features.tables import NAT, Bools, Instants, Table


def born_column(entity: str, customers_known: bool) -> str:
    """The instant column from which an entity can be asked about.

    An account's is when it became a customer, where the data know that day at all.
    """
    if entity == "accounts" and customers_known:
        return "customer_at"
    return TABLES[entity].born


@dataclass(frozen=True)
class RowsAsOf:
    """When each row of a table was born and closed, and when either was known.

    All (n,) in microseconds, NAT where missing. A fact is known when it happened, a day when it
    ends where the company is, and a row never before its ``available_at``.
    """

    born: Instants
    born_known: Instants
    closed: Instants
    closed_known: Instants
    available: Instants
    undated: Bools
    """Rows that have an outcome and no date of it: closed, and nobody knows when."""

    @staticmethod
    def of(table: Table, born: str = "") -> RowsAsOf:
        """Read a table; ``born`` names its column of birth, the schema's own where empty."""
        born = born or TABLES[table.name].born
        return RowsAsOf(
            table.instant(born),
            table.known(born),
            table.instant("closed_at"),
            table.known("closed_at"),
            table.instant("available_at"),
            (table.coded("outcome").codes >= 0) & (table.instant("closed_at") == NAT),
        )

    @cached_property
    def entered(self) -> Instants:
        """(n,) when each row was first known; NAT without a birth."""
        return np.where(
            self.born == NAT, np.int64(NAT), np.maximum(self.born_known, self.available)
        )

    @cached_property
    def left(self) -> Instants:
        """(n,) when the closing of each row was first known; NAT where it did not close."""
        return np.where(
            self.closed == NAT, np.int64(NAT), np.maximum(self.closed_known, self.available)
        )

    def known(self, cutoff: int | Instants) -> Bools:
        """(n,) rows born, and known of, before the cutoff."""
        return past(self.entered, cutoff)

    def in_crm(self, cutoff: int | Instants) -> Bools:
        """(n,) rows known before the cutoff; one that bears no date at all always was."""
        dateless: Bools = (self.born == NAT) & (self.available == NAT)
        return dateless | self.known(cutoff)

    def has_closed(self, cutoff: int | Instants) -> Bools:
        """(n,) rows that had closed before the cutoff, known of or not."""
        return past(self.left, cutoff)

    def open(self, cutoff: int | Instants) -> Bools:
        """(n,) rows known and not yet closed at the cutoff; closing at that instant is later.

        A row that closed nobody knows when is never open: it may have been closed at any cutoff.
        """
        return self.known(cutoff) & ~self.has_closed(cutoff) & ~self.undated
