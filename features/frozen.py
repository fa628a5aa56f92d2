"""The tables as if nothing had happened since an instant: what time alone does to the features.

A fact at or after the instant is put off beyond every cutoff instead of being deleted: a field that
was changed later must still show its old value. Plans keep their dates, for they were known: an
invoice falls due and a close date is missed by time alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from features.asof import past
from features.schema import TABLES
from features.tables import NAT, Instants, Table, Tables, micros

NEVER = micros("2200-01-01T00:00:00+00:00")
"""Later than any cutoff, and microseconds that float64 still holds exactly."""

PLANS = frozenset({"due_at", "renews_at", "expected_close_at", "period_start_at", "period_end_at"})


def frozen(tables: Tables, at: int) -> Tables:
    """The tables with every fact that was not known before ``at`` (microseconds) put off.

    At cutoffs up to ``at`` the features are those of ``tables``; later they show what only the
    passing of time changed. Custom dates stay as they are: they are fields, not events.
    """
    return Tables({name: _frozen(table, at) for name, table in tables.items()}, tables.meta)


def _frozen(table: Table, at: int) -> Table:
    facts = [
        c.name
        for c in TABLES[table.name].columns
        if c.kind == "instant" and c.name not in PLANS and c.name in table.columns
    ]
    late = {name: _put_off(table.instant(name), at) for name in facts}
    return replace(table, columns={**table.columns, **late})


def _put_off(instants: Instants, at: int) -> Instants:
    """Later instants beyond ``NEVER``, in their own order."""
    known = past(instants, np.full(len(instants), at, np.int64)) | (instants == NAT)
    return np.where(known, instants, instants + np.int64(NEVER - at))
