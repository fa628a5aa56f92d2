"""An assignment as people read it: who gets what and why, before and after, what was not met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.tables import Ints, Tables
from serving.analytics.routing.assign import assign
from serving.analytics.routing.problem import RoutingProblem, Rules, problem
from serving.i18n.lazy_text import LazyText, lazy

NOBODY = ""


@dataclass(frozen=True)
class Proposal:
    """Nothing of this is applied by itself.

    moves    a row a case that changes hands: id, from, to, value, why
    balance  a row an owner: cases and value before and after, fair share, capacity, mismatches
    unmet    every rule that could not be kept, by how much
    gap      how far, at most, the proposal is from the best one, relative
    """

    moves: pd.DataFrame
    balance: pd.DataFrame
    unmet: list[LazyText]
    gap: float


def propose(
    tables: Tables, entity: str, values: Mapping[str, float], cutoff: int, rules: Rules
) -> Proposal:
    """Propose owners for the open leads, deals or accounts in ``values`` (id -> expected value)."""
    given = problem(tables, entity, values, cutoff, rules)
    found = assign(given, rules)
    return Proposal(
        _moves(given, found.to),
        _balance(given, found.to),
        _unmet(given, found.to, rules),
        found.gap,
    )


def _moves(given: RoutingProblem, to: Ints) -> pd.DataFrame:
    changed = np.flatnonzero(to != given.now)
    cells = {
        "id": [given.ids[i] for i in changed],
        "from": [given.owners[given.now[i]] if given.now[i] >= 0 else NOBODY for i in changed],
        "to": [given.owners[to[i]] for i in changed],
        "value": given.value[changed],
        "why": [_why(given, int(i), int(to[i])) for i in changed],
    }
    moves = pd.DataFrame(cells, columns=["id", "from", "to", "value", "why"])
    return moves.sort_values("value", ascending=False, kind="stable", ignore_index=True)


def _why(given: RoutingProblem, case: int, to: int) -> str:
    now = int(given.now[case])
    if now < 0:
        return "nobody has it"
    reasons = []
    if given.territory[case, to] and not given.territory[case, now]:
        reasons.append("territory")
    if given.language[case, to] and not given.language[case, now]:
        reasons.append("language")
    held = int((given.now == now).sum())
    if held > given.capacity[now]:
        reasons.append("beyond capacity")
    return "; ".join(reasons) or "balance of cases and value"


def _balance(given: RoutingProblem, to: Ints) -> pd.DataFrame:
    m = len(given.owners)

    def of(who: Ints, weight: np.typing.NDArray[np.float64] | None = None) -> Ints:
        known = who >= 0
        return np.bincount(
            who[known], weights=None if weight is None else weight[known], minlength=m
        )

    def off(match: np.typing.NDArray[np.bool_], who: Ints) -> Ints:
        rows = np.flatnonzero(who >= 0)
        wrong = ~match[rows, who[rows]]
        return np.bincount(who[rows], weights=wrong, minlength=m).astype(np.int64)

    return pd.DataFrame(
        {
            "owner_id": given.owners,
            "cases_before": of(given.now),
            "cases_after": of(to),
            "fair_cases": given.share * len(given.ids),
            "capacity": given.capacity,
            "value_before": of(given.now, given.value),
            "value_after": of(to, given.value),
            "fair_value": given.share * given.value.sum(),
            "off_territory_before": off(given.territory, given.now),
            "off_territory_after": off(given.territory, to),
            "off_language_before": off(given.language, given.now),
            "off_language_after": off(given.language, to),
        }
    )


def _unmet(given: RoutingProblem, to: Ints, rules: Rules) -> list[LazyText]:
    found = []
    held = np.bincount(to, minlength=len(given.owners))
    for owner, has, most in zip(given.owners, held.tolist(), given.capacity.tolist(), strict=True):
        if has > most:
            found.append(
                lazy("{owner} gets {n} cases and can hold {most}", owner=owner, n=has, most=most)
            )
    rows = np.arange(len(to))
    for name, match in (("territory", given.territory), ("language", given.language)):
        wrong = ~match[rows, to]
        nowhere = int((~match.any(axis=1)).sum())
        if wrong.any() and not rules.may_mismatch:
            n = int(wrong.sum())
            found.append(
                lazy("{n} cases go to an owner of another {what_word}", n=n, what_word=name)
            )
        if nowhere:
            found.append(
                lazy("{n} cases have no owner of their {what_word}", n=nowhere, what_word=name)
            )
    return found
