"""Fields whose history is kept: what they said at the first look, at the last, and say now.

The features replay such a field, so that edits after a look do no harm. Two things still do: a
history that is not whole, and a value that is written before the date of the outcome it announces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.calendar_time import zone
from features.schema import TABLES
from features.spine import Spine
from features.tables import Bools, Coded, Floats, Instants, Tables, storage
from features.timeline import Timeline
from features.view import View
from training.leaks.columns import Candidate
from training.leaks.fields import Suspicion, one_class, percent
from training.leaks.strength import Target, levels, mean_of
from training.task.questions import Question
from training.task.snapshots import lives

BROKEN = 0.05
"""Share of rows whose value now is not the last one of their history, from which it is not whole;
below, imports and clock differences explain it."""

UNEVEN = 0.10
"""Difference between outcomes (lower end of its 95 % interval) that habit does not make."""

Column = Coded | Floats | Instants


@dataclass(frozen=True)
class FieldViews:
    """The entity rows that were ever looked at, and the views at their first and last midnight."""

    seen: Bools
    first: View
    last: View
    now: View


def field_views(tables: Tables, question: Question, data_end: int) -> FieldViews:
    """First and last cutoff at which each entity is open, and the end of the data."""
    first, until = lives(tables, question, data_end)
    seen = first < until
    rules = zone(tables.meta.zone)
    last = np.maximum(first, rules.day_start(rules.day(until - 1)))
    keys = tables[question.entity].coded(TABLES[question.entity].key)
    seen &= keys.codes >= 0
    ids = [keys.values[c] for c in keys.codes[seen]]
    timeline = Timeline(tables)
    end = np.full(len(ids), data_end, np.int64)
    first_view, last_view, now = (
        View(timeline, Spine(question.entity, ids, at)) for at in (first[seen], last[seen], end)
    )
    return FieldViews(seen, first_view, last_view, now)


def replayed(view: View, candidate: Candidate) -> Column:
    """The field along a view, as the features read it; instants as days since the look's birth."""
    kind = storage(candidate.kind)
    if kind == "coded":
        return view.word(candidate.column)
    return view.number(candidate.column) if kind == "number" else view.instant(candidate.column)


def of_history(
    tables: Tables, candidate: Candidate, at: FieldViews, of: Target, classes: Sequence[Target]
) -> tuple[list[Suspicion], dict[str, float]]:
    """What is to be said against a field with history; of and classes hold the rows looked at."""
    first, last = replayed(at.first, candidate), replayed(at.last, candidate)
    kept = replayed(at.now, candidate)
    own = candidate.column in tables[candidate.table].columns
    stored = _stored(tables, candidate, at) if own else kept  # nothing to compare a history with
    moved, broken = differ(first, kept), differ(kept, stored)
    evidence = {
        "changed_hit": mean_of(moved[of.hit]),
        "changed_other": mean_of(moved[~of.hit]),
        "history_broken": mean_of(broken),
    }
    found = _announced(last, differ(first, last), classes)
    found += _not_whole(broken, of)
    return found, evidence


def _stored(tables: Tables, candidate: Candidate, at: FieldViews) -> Column:
    table, rows = tables[candidate.table], np.flatnonzero(at.seen)
    kind = storage(candidate.kind)
    if kind == "coded":
        return table.coded(candidate.column).take(rows)
    if kind == "number":
        return table.number(candidate.column)[rows]
    return table.instant(candidate.column)[rows]


def differ(a: Column, b: Column) -> Bools:
    """(n,) where two columns of one kind say different things; missing twice is the same."""
    if isinstance(a, Coded) and isinstance(b, Coded):
        place = {word: i for i, word in enumerate(a.values)}
        lookup = np.array([*(place.get(word, -2) for word in b.values), -1], np.int64)
        other: Bools = a.codes != lookup[b.codes]
        return other
    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    # a history is text: 1234.5 may come back as 1234.50, and days have no hours
    differ: Bools = ~np.isclose(x, y, rtol=1e-9, atol=0.0, equal_nan=True)
    return differ


def _announced(last: Column, moved: Bools, classes: Sequence[Target]) -> list[Suspicion]:
    """A value that, at the last look before the end, only rows of one outcome have.

    moved (n,) marks the rows where it was written after the first look. The stage in which all
    begin announces nothing: whoever is lost there never left it.
    """
    codes = levels(last)
    for level in np.flatnonzero(np.bincount(codes)):
        pure = one_class((codes == level) & moved, classes)
        if pure is not None and level > 0:
            word = f"'{last.values[level - 1]}'" if isinstance(last, Coded) else "one of its values"
            text = (
                f"{word} is written before the date of the outcome: of {pure.n:,} rows that had "
                f"come to it by the last look, {percent(pure.share)} end {pure.says}"
            )
            return [Suspicion("red", "announces the outcome", text, {"pure": pure.share})]
    return []


def _not_whole(broken: Bools, of: Target) -> list[Suspicion]:
    share = mean_of(broken) if len(broken) else 0.0
    more, low = more_often(broken, of)
    if share < BROKEN and low < UNEVEN:
        return []
    text = (
        f"its history is not whole: for {percent(share)} of the rows the value now is not the last "
        f"one that changes hold, so that earlier looks read a later value"
    )
    if low >= UNEVEN:
        text += f"; {percent(more)} more often where the outcome was {of.says}"
        return [Suspicion("red", "history not whole", text, {"broken_more": more})]
    return [Suspicion("amber", "history not whole", text)]


def more_often(what: Bools | Floats, of: Target) -> tuple[float, float]:
    """Mean of ``what`` (n,) among the hits less that among the others, and its 95 % lower end."""
    hit, other = np.asarray(what, np.float64)[of.hit], np.asarray(what, np.float64)[~of.hit]
    hit, other = hit[~np.isnan(hit)], other[~np.isnan(other)]
    if len(hit) < 2 or len(other) < 2:
        return 0.0, float("-inf")
    more = float(hit.mean() - other.mean())
    error = np.sqrt(hit.var(ddof=1) / len(hit) + other.var(ddof=1) / len(other))
    return more, more - 1.96 * float(error)
