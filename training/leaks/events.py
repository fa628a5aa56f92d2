"""Tables of events: rows that exist for one outcome only, and rows written after the fact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from features.calendar_time import Zone, zone
from features.schema import TABLES
from features.tables import NAT, Bools, Instants, Ints, Table, Tables
from training.leaks.fields import one_class, percent
from training.leaks.findings import Finding
from training.leaks.history import UNEVEN, more_often
from training.leaks.strength import Target, known

NOT_EVENTS = ("changes", "owners", "quotas", "fx_rates")

COUNTED = 5
"""Rows an entity needs at least before its share of late ones is a share."""


def event_tables(tables: Tables, entity: str) -> list[str]:
    """Tables whose rows belong to single entities by the entity's own key."""
    key = TABLES[entity].key
    return [
        n
        for n in TABLES
        if n != entity and n not in NOT_EVENTS and tables[n].n and tables[n].has(key)
    ]


def of_events(
    tables: Tables,
    entity: str,
    name: str,
    ends: Instants,
    judged: Bools,
    of: Target,
    classes: Sequence[Target],
    read: set[str],
) -> list[Finding]:
    """Findings about one table of events.

    ends (n,) when each entity closed, or the end of the data; judged (n,) marks the entities that
    ``of`` and ``classes`` hold; read as in ``columns.columns_read``.
    """
    table, rows = tables[name], _entity_rows(tables, entity, name)
    is_read = any(column.startswith(f"{name}.") for column in read)
    seen = _visible(table, rows, ends, zone(tables.meta.zone))
    found = []
    for column, filled in _filled(tables, name):
        there = np.zeros(len(ends), np.bool_)
        there[rows[filled & seen]] = True
        found += _one_class(f"{name}.{column}" if column else name, there[judged], classes, is_read)
    if is_read and not found:
        found.append(_nothing(name, entity, rows[seen & judged[rows]], int(judged.sum())))
    return [*found, _late(table, rows, ends, judged, of)] if is_read else found


def _nothing(name: str, entity: str, rows: Ints, n: int) -> Finding:
    share = percent(len(np.unique(rows)) / max(n, 1))
    text = f"Nothing found: {share} of {entity}, whatever became of them, have rows in {name}."
    return Finding(name, "green", "nothing found", text, "", {}, n)


def _entity_rows(tables: Tables, entity: str, name: str) -> Ints:
    """Row of the entity each event belongs to, -1 where it has none."""
    keys, refs = (tables[t].coded(TABLES[entity].key) for t in (entity, name))
    where = {keys.values[c]: i for i, c in enumerate(keys.codes) if c >= 0}
    lookup = np.array([*(where.get(v, -1) for v in refs.values), -1], np.int64)
    return lookup[refs.codes]


def _visible(table: Table, rows: Ints, ends: Instants, company: Zone) -> Bools:
    """Events known at the last midnight before their entity's end: what a look could have seen."""
    happened = table.instant(TABLES[table.name].born)
    at = np.maximum(table.known(TABLES[table.name].born), table.instant("available_at"))
    last = company.day_start(company.day(ends[rows]))
    seen: Bools = (rows >= 0) & (happened != NAT) & (at < last)
    return seen


def _filled(tables: Tables, name: str) -> Iterator[tuple[str, Bools]]:
    """The table itself ("") and each of its custom columns, with the rows that have a value."""
    table = tables[name]
    yield "", np.ones(table.n, np.bool_)
    for custom in tables.meta.custom.get(name, []):
        if custom.name in table.columns and custom.kind != "text":
            yield custom.name, known(table.columns[custom.name])


def _one_class(
    column: str, there: Bools, classes: Sequence[Target], is_read: bool
) -> list[Finding]:
    # only having rows is looked at: that nobody buys without a meeting is no leak
    pure = one_class(there, classes)
    if pure is None:
        return []
    text = (
        f"It exists for one class only: of {pure.n:,} that have it before their end, "
        f"{percent(pure.share)} are {pure.says}, where {percent(pure.usual)} were to be expected."
    )
    evidence = {"pure": pure.share, "expected": pure.usual, "covers": pure.covers}
    todo = "Ask when these rows are written; leave the table out if it follows the outcome."
    return [
        Finding(
            column,
            "red" if is_read else "grey",
            "rows for one class",
            text if is_read else f"{text} No feature reads it.",
            todo,
            evidence,
            pure.n,
        )
    ]


def _late(table: Table, rows: Ints, ends: Instants, judged: Bools, of: Target) -> Finding:
    name = f"{table.name}.available_at"
    if not table.has("available_at"):
        text = f"It cannot be told: {table.name} does not say when its rows were written."
        todo = "Map available_at (the created date of the record) if the source has one."
        return Finding(name, "grey", "written after the fact", text, todo)
    happened, written = table.instant(TABLES[table.name].born), table.instant("available_at")
    mine = (rows >= 0) & (happened != NAT)
    mine &= happened < np.where(rows >= 0, ends[rows], NAT)
    late, n = mine & (written > happened), np.bincount(rows[mine], minlength=len(ends))
    crossing = late & (written >= ends[rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = [
            np.where(n >= COUNTED, np.bincount(rows[w], minlength=len(ends)) / n, np.nan)[judged]
            for w in (late, crossing)
        ]
    return _told(name, shares[0], shares[1], of, int(mine.sum()))


def _told(name: str, late: Bools, crossing: Bools, of: Target, n: int) -> Finding:
    more, low = more_often(late, of)
    after, after_low = more_often(crossing, of)
    counted = late[~np.isnan(late)]
    mean = float(counted.mean()) if len(counted) else 0.0
    evidence = {"late": mean, "late_more": more, "crossing_more": after}
    if max(low, after_low) < UNEVEN:
        text = f"Nothing found: {percent(mean)} of the rows are written later, for all alike."
        return Finding(name, "green", "written after the fact", text, "", evidence, n)
    text = (
        f"Rows are written after the fact more often where the outcome is {of.says}: "
        f"{percent(more)} more of them late, {percent(after)} more of them only after the end. "
        f"Features wait for available_at, so this harms only where that is not the true instant."
    )
    todo = "Ask whether sellers write up what happened when they close."
    return Finding(name, "amber", "written after the fact", text, todo, evidence, n)
