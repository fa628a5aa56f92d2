"""Quotas that say the same money twice: a manager's over the team's, a year's over its quarters.

A quota counts what nobody below, and no shorter period of the owner's own, has counted already.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from features.tables import NAT, Bools, Consequence, Floats, Instants, Tables

OWN = 0.5
"""Managers with quotas below this share of the people's sell beside them: both count."""
TEAM = (0.75, 1.4)
"""Between these it is the team's number, spread among the people with a margin."""
ALWAYS = 0.8
"""Share of a manager's quotas that must be the team's number for all of them to be taken so."""
ALONE = 0.02
"""With one person below, a team's number is that person's, but for this share."""
SHOWN = 5
"""So many owners are named."""
SAME = 0.1
"""A longer period's quota that differs by no more from its parts' sum is their sum."""


@dataclass(frozen=True)
class Quotas:
    """Quotas (n,): owner, half-open span (microseconds), stated amount, and what of it counts.

    counted is the amount less what others count already; doubtful marks managers' quotas that may
    be the team's or the manager's own.
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
        people = [p for p in _all_below(name, below) if p in rows]
        under = [i for person in people for i in rows[person]]
        _beside(rows.get(name, []), under, len(people), spans, doubtful)
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


def _beside(own: list[int], under: list[int], n: int, spans: _Spans, doubtful: Bools) -> None:
    """What a manager's quotas count beside those of the ``n`` people below.

    Decided for all of them together: a seller's quota may be like the people's by accident once.
    """
    sums = {i: spans.inside(i, under) for i in own if spans.counted[i] > 0}
    sums = {i: found for i, found in sums.items() if found[0] > 0}
    if not sums:
        return
    ratio = np.array([spans.counted[i] * covered / total for i, (total, covered) in sums.items()])
    low, high = TEAM if n > 1 else (1 - ALONE, 1 + ALONE)
    usual = float(np.median(ratio))
    teams = ((ratio >= low) & (ratio <= high)).mean() >= ALWAYS
    for i, (total, _) in sums.items():
        if teams:
            spans.counted[i] = 0.0
        elif n > 1 and usual > high:  # more than the people's: the rest is the manager's own
            spans.counted[i] = max(float(spans.counted[i]) - total, 0.0)
        doubtful[i] = not teams and n > 1 and usual >= OWN


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
    own = "what is more than the people's counts as the manager's own; if it is not, leave it out"
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
