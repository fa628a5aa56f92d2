"""Rows that cannot be true: each rule once, with the sentence that tells what to mend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.asof import past
from features.schema import OUTCOMES, TABLES
from features.tables import NAT, Bools, Instants, Table, Tables
from features.timeline import Timeline
from features.view import instants_at

COLUMNS = ["rule", "table", "id", "owner_id", "says"]


@dataclass(frozen=True)
class RuleView:
    """A table to be judged, the others beside it, and the end of the data (n,)."""

    table: Table
    timeline: Timeline
    as_of: Instants


Test = Callable[[RuleView], Bools]
"""Which rows (n,) break a rule."""


@dataclass(frozen=True)
class Rule:
    """One impossibility of a table; ``says`` tells what is wrong to the person who mends it."""

    name: str
    table: str
    says: str
    broken: Test


def _all(*masks: Bools) -> Bools:
    """(n,) where every mask holds."""
    held: Bools = np.logical_and.reduce(masks)
    return held


def _before(first: str, second: str) -> Test:
    """Rows whose instant ``second`` lies before ``first``; a missing one breaks nothing."""

    def broken(look: RuleView) -> Bools:
        a, b = look.table.instant(first), look.table.instant(second)
        return _all(a != NAT, past(b, a))

    return broken


def _future(column: str) -> Test:
    def broken(look: RuleView) -> Bools:
        at = look.table.instant(column)
        return _all(at != NAT, ~past(at, look.as_of))

    return broken


def _undated_outcome(look: RuleView) -> Bools:
    return _all(look.table.coded("outcome").codes >= 0, look.table.instant("closed_at") == NAT)


def _dated_open(look: RuleView) -> Bools:
    return _all(look.table.coded("outcome").codes < 0, look.table.instant("closed_at") != NAT)


def _won_for_nothing(look: RuleView) -> Bools:
    if not (look.table.has("closed_amount") or look.table.has("amount")):
        return np.zeros(look.table.n, np.bool_)
    won = np.array(
        [w == OUTCOMES["deals"][0] for w in look.table.coded("outcome").words()], np.bool_
    )
    booked, planned = look.table.number("closed_amount"), look.table.number("amount")
    paid = (booked > 0) | (np.isnan(booked) & (planned > 0))
    return _all(won, ~paid)


def _negative(column: str) -> Test:
    def broken(look: RuleView) -> Bools:
        return _all(look.table.number(column) < 0)

    return broken


def _too_early(column: str, entity: str) -> Test:
    """Rows that happened before the entity they belong to was created."""

    def broken(look: RuleView) -> Bools:
        rows = look.timeline.rows(entity, look.table.coded(column).words())
        other = instants_at(look.timeline.tables[entity].instant("created_at"), rows)
        at = look.table.instant(TABLES[look.table.name].born)
        return _all(other != NAT, past(at, other))

    return broken


def _left_owner(look: RuleView) -> Bools:
    """Open rows whose owner has left."""
    rows = look.timeline.rows("owners", look.table.coded("owner_id").words())
    left = instants_at(look.timeline.tables["owners"].instant("ended_at"), rows)
    return _all(look.table.instant("closed_at") == NAT, past(left, look.as_of))


RULES: tuple[Rule, ...] = (
    *(
        Rule(f"{t}_closed_before_created", t, "closed before it was created: check both dates", f)
        for t, f in (
            ("leads", _before("created_at", "closed_at")),
            ("deals", _before("created_at", "closed_at")),
            ("accounts", _before("customer_at", "closed_at")),
        )
    ),
    *(
        Rule(
            f"{t}_closed_in_the_future",
            t,
            "closed at a date that has not come",
            _future("closed_at"),
        )
        for t in OUTCOMES
    ),
    *(
        Rule(f"{t}_outcome_without_date", t, "has an outcome and no date of it", _undated_outcome)
        for t in OUTCOMES
    ),
    *(
        Rule(f"{t}_date_without_outcome", t, "has a closing date and no outcome", _dated_open)
        for t in OUTCOMES
    ),
    Rule(
        "won_without_amount", "deals", "won for no amount: enter what was booked", _won_for_nothing
    ),
    Rule("negative_amount", "deals", "has a negative amount", _negative("amount")),
    Rule("negative_mrr", "subscriptions", "has a negative recurring amount", _negative("mrr")),
    *(
        Rule(f"{t}_owner_left", t, "is open with an owner who has left: hand it over", _left_owner)
        for t in OUTCOMES
    ),
    Rule(
        "subscription_ends_before_start",
        "subscriptions",
        "ended before it began",
        _before("started_at", "ended_at"),
    ),
    Rule(
        "invoice_paid_before_issue",
        "invoices",
        "was paid before it was issued",
        _before("issued_at", "paid_at"),
    ),
    Rule(
        "quota_ends_before_start",
        "quotas",
        "ends before it begins",
        _before("period_start_at", "period_end_at"),
    ),
    *(
        Rule(
            f"activity_before_{e.removesuffix('s')}",
            "activities",
            f"happened before its {e.removesuffix('s')} was created",
            _too_early(f"{e.removesuffix('s')}_id", e),
        )
        for e in OUTCOMES
    ),
)


def impossible(tables: Tables, as_of: int) -> pd.DataFrame:
    """Every row that breaks a rule: rule, table, id, owner_id, says; in the order of the rules.

    A rule that needs a table or column the data lack finds nothing. as_of: microseconds (NAT: a
    flat table, of which nothing can be said).
    """
    if as_of == NAT:
        return pd.DataFrame(columns=COLUMNS)
    timeline = Timeline(tables)
    found = [_broken(timeline, rule, as_of) for rule in RULES if rule.table in tables]
    return pd.concat([pd.DataFrame(columns=COLUMNS), *found], ignore_index=True)


def _broken(timeline: Timeline, rule: Rule, as_of: int) -> pd.DataFrame:
    table = timeline.tables[rule.table]
    ends = np.full(table.n, as_of, np.int64)
    rows = np.flatnonzero(rule.broken(RuleView(table, timeline, ends)))
    owners = (
        table.coded("owner_id").take(rows).words() if table.has("owner_id") else [None] * len(rows)
    )
    ids = table.coded(TABLES[rule.table].key).take(rows).words()
    cells = {
        "rule": rule.name,
        "table": rule.table,
        "id": ids,
        "owner_id": owners,
        "says": rule.says,
    }
    return pd.DataFrame(cells, columns=COLUMNS)
