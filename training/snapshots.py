"""The spine: every open entity at every cutoff it is looked at."""

from __future__ import annotations

import numpy as np

from features.frame import Spine
from features.schema import TABLES
from features.tables import DAY, NAT, Bools, Instants, Ints, Tables
from training.questions import Question


def snapshots(tables: Tables, question: Question, data_end: int) -> Spine:
    """The (entity, cutoff) rows of a question, ordered by cutoff.

    Cutoffs are midnights UTC: the first after the entity was known, and, for regular snapshots,
    every ``every_days`` after it, while the entity is open and before ``data_end``. A flat table
    has one row an entity and no cutoff (NAT).
    """
    keys = tables[question.entity].coded(TABLES[question.entity].key)
    if question.flat:
        rows = np.flatnonzero(keys.codes >= 0)
        return _spine(tables, question, rows, np.full(len(rows), NAT, np.int64))
    first, until = lives(tables, question, data_end)
    step = round(question.every_days * DAY)
    lived = first < until
    looks = np.where(lived, -(-(until - first) // step), 0)
    if question.snapshots == "created":
        looks = np.minimum(looks, 1)
    rows = np.repeat(np.arange(len(first), dtype=np.int64), looks)
    nth = np.arange(len(rows), dtype=np.int64) - np.repeat(np.cumsum(looks) - looks, looks)
    cutoffs = first[rows] + nth * step
    order = np.argsort(cutoffs, kind="stable")
    return _spine(tables, question, rows[order], cutoffs[order])


def lives(tables: Tables, question: Question, data_end: int) -> tuple[Instants, Instants]:
    """(first cutoff, end of being open) of each row of the entity table.

    The end is exclusive: a cutoff at the very instant of closing still asks about the future,
    because facts are known only before the cutoff. Rows without a birth never begin.
    """
    table = tables[question.entity]
    born = born_at(tables, question)
    available = table.instant("available_at")
    known = np.maximum(born, available)
    first = np.where(born == NAT, data_end, (known // DAY + 1) * DAY)
    closed = table.instant("closed_at")
    until = np.where(closed == NAT, np.int64(data_end), np.minimum(closed + 1, data_end))
    return first, until


def born_at(tables: Tables, question: Question) -> Instants:
    """When each entity began to be one that can be asked about.

    An account is asked about from the day it became a customer, where the export knows that day.
    """
    table = tables[question.entity]
    if question.entity == "accounts" and table.has("customer_at"):
        return table.instant("customer_at")
    return table.instant(TABLES[question.entity].born)


def open_at(tables: Tables, question: Question, cutoff: int) -> Bools:
    """Rows of the entity table that are open, and known, at ``cutoff``."""
    if question.flat:
        return np.ones(tables[question.entity].n, np.bool_)
    table = tables[question.entity]
    born = np.maximum(born_at(tables, question), table.instant("available_at"))
    closed = table.instant("closed_at")
    is_open: Bools = (born_at(tables, question) != NAT) & (born < cutoff)
    is_open &= (closed == NAT) | (closed >= cutoff)
    return is_open


def _spine(tables: Tables, question: Question, rows: Ints, cutoffs: Instants) -> Spine:
    keys = tables[question.entity].coded(TABLES[question.entity].key)
    return Spine(question.entity, [keys.values[c] for c in keys.codes[rows]], cutoffs)
