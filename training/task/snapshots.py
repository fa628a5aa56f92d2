"""The spine: every open entity at every cutoff it is looked at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from features.calendar_time import Zone, zone
from features.rows_asof import RowsAsOf, born_column
from features.schema import TABLES
from features.spine import Spine
from features.tables import DAY, NAT, Instants, Ints, Tables
from training.task.questions import Question


def snapshots(tables: Tables, question: Question, data_end: int) -> Spine:
    """The (entity, cutoff) rows of a question, ordered by cutoff.

    Cutoffs are midnights of the company's zone: the first after the entity was known, and, for
    regular snapshots, every ``every_days`` after it, while the entity is open and before
    ``data_end``. A flat table has one row an entity and no cutoff (NAT).
    """
    keys = tables[question.entity].coded(TABLES[question.entity].key)
    if question.flat:
        rows = np.flatnonzero(keys.codes >= 0)
        return _spine(tables, question, rows, np.full(len(rows), NAT, np.int64))
    first, until = lives(tables, question, data_end)
    cutoff_of, looks = _regular(first, until, question.every_days, zone(tables.meta.zone))
    looks = np.where(first < until, looks, 0)
    if question.snapshots == "created":
        looks = np.minimum(looks, 1)
    rows = np.repeat(np.arange(len(first), dtype=np.int64), looks)
    nth = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(looks) - looks, looks)
    cutoffs = cutoff_of(rows, nth)
    order = np.argsort(cutoffs, kind="stable")
    return _spine(tables, question, rows[order], cutoffs[order])


def _regular(
    first: Instants, until: Instants, every_days: float, company: Zone
) -> tuple[Callable[[Ints, Ints], Instants], Ints]:
    """(cutoff of the nth look at a row, number of looks in [first, until)).

    Whole days step from midnight to midnight, also over a clock change; other steps by hours.
    """
    if every_days == round(every_days):
        every, day = round(every_days), company.day(first)
        looks = (company.day(until - 1) - day) // every + 1
        return lambda rows, nth: company.day_start(day[rows] + nth * every), looks
    step = round(every_days * DAY)
    return lambda rows, nth: first[rows] + nth * step, -(-(until - first) // step)


def lives(tables: Tables, question: Question, data_end: int) -> tuple[Instants, Instants]:
    """(first cutoff, end of being open) of each row of the entity table.

    The end is exclusive: a cutoff at the very instant of closing still asks about the future,
    because facts are known only before the cutoff. Rows without a birth never begin.
    """
    rows = rows_of(tables, question)
    first = np.where(rows.born == NAT, data_end, zone(tables.meta.zone).day_after(rows.entered))
    until = np.where(rows.left == NAT, np.int64(data_end), np.minimum(rows.left + 1, data_end))
    return first, until


def rows_of(tables: Tables, question: Question) -> RowsAsOf:
    """When each entity began to be one that can be asked about, and when it closed.

    An account is asked about from the day it became a customer, where the export knows that day.
    """
    table = tables[question.entity]
    return RowsAsOf.of(table, born_column(question.entity, table.has("customer_at")))


def _spine(tables: Tables, question: Question, rows: Ints, cutoffs: Instants) -> Spine:
    keys = tables[question.entity].coded(TABLES[question.entity].key)
    return Spine(question.entity, [keys.values[c] for c in keys.codes[rows]], cutoffs)
