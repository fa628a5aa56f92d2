"""Quotas that say the same money twice: a manager's over the team's, a year's over its quarters.

A quota counts what nobody below, and no shorter period of the owner's own, has counted already.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from features.tables import NAT, Bools, Consequence, Floats, Instants, Tables

OWN = 0.5
"""A manager's quota below this share of the people's is the manager's own, and counts too."""
OVER = 1.4
"""Up to so many times the people's it is the team's number, spread with a margin; above it what is
more counts as the manager's own."""
SHOWN = 5
"""So many owners are named."""
SAME = 0.1
"""A longer period's quota that differs by no more from its parts' sum is their sum."""


@dataclass(frozen=True)
class Quotas:
    """Quotas (n,): owner, half-open span (microseconds), stated amount, and what of it counts.

    counted is the amount less what others count already; doubtful marks managers' quotas that are
    too small to be their team's and count as their own.
    """

    owner: list[str | None]
    start: Instants
    end: Instants
    amount: Floats
    counted: Floats
    doubtful: Bools


def quotas(tables: Tables) -> Quotas:
    """The quotas of a data set, each with what of it counts."""
    table = tables["quotas"]
    owner = table.coded("owner_id").words()
    start, end = table.instant("period_start_at"), table.instant("period_end_at")
    amount = table.number("amount")
    counted, doubtful = amount.copy(), np.zeros(table.n, bool)
    usable = (start != NAT) & (end > start) & ~np.isnan(amount)
    rows: dict[str, list[int]] = defaultdict(list)
    for i in np.flatnonzero(usable).tolist():
        if owner[i] is not None:
            rows[str(owner[i])].append(i)
    spans = _Spans(start, end, counted)
    for own in rows.values():
        _periods(own, spans)
    below = _people(tables)
    for name in _upward(below):
        under = [i for person in _all_below(name, below) for i in rows.get(person, [])]
        for i in rows.get(name, []):
            counted[i], doubtful[i] = _beside(i, under, spans)
    return Quotas(owner, start, end, amount, counted, doubtful)


@dataclass(frozen=True)
class _Spans:
    start: Instants
    end: Instants
    counted: Floats

    def inside(self, i: int, others: list[int]) -> tuple[float, float]:
        """What of some quotas falls in the span of quota i, and the share of it they cover."""
        total, covered, reached = 0.0, 0, int(self.start[i])
        for j in sorted(others, key=lambda j: int(self.start[j])):
            low, high = max(self.start[i], self.start[j]), min(self.end[i], self.end[j])
            if high <= low:
                continue
            total += float(self.counted[j]) * float(high - low) / float(self.end[j] - self.start[j])
            covered += max(int(high) - max(int(low), reached), 0)
            reached = max(reached, int(high))
        return total, covered / float(self.end[i] - self.start[i])


def _periods(own: list[int], spans: _Spans) -> None:
    """An owner's longer periods count nothing where shorter ones inside add up to them."""
    start, end = spans.start, spans.end
    length = end - start
    for i in sorted(own, key=lambda i: int(length[i])):
        shorter = [j for j in own if length[j] < length[i]]
        parts = [j for j in shorter if start[i] <= start[j] and end[j] <= end[i]]
        total, covered = spans.inside(i, parts)
        if covered > 1 - SAME and abs(total - spans.counted[i]) <= SAME * abs(spans.counted[i]):
            spans.counted[i] = 0.0


def _beside(i: int, under: list[int], spans: _Spans) -> tuple[float, bool]:
    """What a manager's quota counts beside those of the people, and whether that is doubtful."""
    total, covered = spans.inside(i, under)
    stated = float(spans.counted[i])
    if total <= 0 or stated <= 0:
        return stated, False
    ratio = stated * covered / total
    if ratio < OWN:
        return stated, True
    return (0.0 if ratio <= OVER else stated - total), False


def _people(tables: Tables) -> dict[str, list[str]]:
    """Manager -> the people who have that manager."""
    owners = tables["owners"]
    names, managers = owners.coded("owner_id").words(), owners.coded("manager_id").words()
    found: dict[str, list[str]] = defaultdict(list)
    for name, manager in zip(names, managers, strict=True):
        if name is not None and manager is not None and name != manager:
            found[manager].append(name)
    return dict(found)


def _all_below(name: str, below: dict[str, list[str]]) -> list[str]:
    """Everybody under a manager; somebody who manages the own manager is met once."""
    seen: dict[str, None] = {}
    waiting = list(below.get(name, []))
    while waiting:
        person = waiting.pop()
        if person not in seen and person != name:
            seen[person] = None
            waiting += below.get(person, [])
    return list(seen)


def _upward(below: dict[str, list[str]]) -> list[str]:
    """Managers, those with fewest people under them first: everybody before the own manager."""
    return sorted(below, key=lambda m: (len(_all_below(m, below)), m))


def consequences(tables: Tables) -> list[Consequence]:
    """What is said of quotas that overlap: which count once, and which nobody can be sure of."""
    found = quotas(tables)
    twice = ~np.isnan(found.amount) & (found.counted != found.amount)
    once = "they count once: the whole is the sum of the people's own"
    own = "they count beside the people's; if they are the team's, leave them out"
    kinds = (("quota_twice", twice, once), ("quota_own", found.doubtful, own))
    return [_said(found, code, rows, effect) for code, rows, effect in kinds if rows.any()]


def _said(found: Quotas, code: str, rows: Bools, effect: str) -> Consequence:
    names = sorted({str(found.owner[i]) for i in np.flatnonzero(rows)})
    n, of = int(rows.sum()), len(rows)
    text = (
        f"{n:,} of {of:,} quotas are over other quotas of the same time, of the owner's people or "
        f"of shorter periods ({', '.join(names[:SHOWN])})"
    )
    return Consequence(f"{code}:quotas", ("quotas.amount",), n, of, text, effect)
