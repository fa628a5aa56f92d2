"""What is to be assigned, to whom, and under which rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from features.asof import past
from features.schema import TABLES
from features.tables import NAT, Bools, Floats, Tables
from features.timeline import Timeline


@dataclass(frozen=True)
class Rules:
    """What a good assignment is; every number is the user's, the defaults are stated here once.

    value, load   cost of an owner's share of expected value, or of cases, lying off its fair share
    territory     cost of a case with an owner of another region; language: of one who lacks it
    move          cost of a case that changes hands: each move loses a seller's knowledge
    capacity      most cases an owner can hold, by owner; default_capacity for the others
    weight        an owner's fair share relative to 1 (a ramping seller 0.5), by owner
    languages     the languages of an owner, by owner; spoken: the language of a country
    may_mismatch  whether territory and language are wishes (a cost) or rules (a named breach)

    Costs are in cases: value = 1 says that moving one average case's worth to its fair place is
    worth as much as moving one case.
    """

    value: float = 1.0
    load: float = 1.0
    territory: float = 0.5
    language: float = 1.0
    move: float = 0.2
    capacity: Mapping[str, int] = field(default_factory=dict)
    default_capacity: int | None = None
    weight: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    spoken: Mapping[str, str] = field(default_factory=dict)
    may_mismatch: bool = True

    def __post_init__(self) -> None:
        for name in ("value", "load", "territory", "language", "move"):
            cost = getattr(self, name)
            if not isinstance(cost, int | float) or not cost >= 0:
                raise ValueError(f"{name} is a cost of 0 or more, got {cost!r}")
        for owner, most in self.capacity.items():
            if most < 0:
                raise ValueError(f"capacity of {owner} is a number of cases, got {most}")
        for owner, share in self.weight.items():
            if not share >= 0:
                raise ValueError(f"weight of {owner} is 0 or more, got {share}")


@dataclass(frozen=True)
class RoutingProblem:
    """n cases and m owners.

    ids, owners   their keys; value (n,) expected value of each case
    now           (n,) position of the present owner, -1 for none (or one who has left)
    territory     (n, m) the owner's region is the case's, or either is unknown
    language      (n, m) the owner speaks the case's language, or nothing is known of it
    capacity      (m,) most cases, inf where nobody says; share (m,) fair shares, summing to 1
    """

    ids: list[str]
    owners: list[str]
    value: Floats
    now: np.typing.NDArray[np.int64]
    territory: Bools
    language: Bools
    capacity: Floats
    share: Floats


def problem(
    tables: Tables, entity: str, values: Mapping[str, float], cutoff: int, rules: Rules
) -> RoutingProblem:
    """The open cases ``values`` names (id -> expected value) and the owners present at ``cutoff``.

    ValueError where nobody is there to work them.
    """
    owners = _present(tables, cutoff)
    known = set(owners)
    for named in (*rules.capacity, *rules.weight, *rules.languages):
        if named not in known:
            raise ValueError(f"no owner {named!r} at that date; there are {', '.join(owners)}")
    weight = np.array([rules.weight.get(o, 1.0) for o in owners])
    if not weight.sum() > 0:
        raise ValueError("no owner is left to assign to: give at least one a weight above 0")
    ids = list(values)
    rows = Timeline(tables).rows(entity, ids)
    table, place = tables[entity], {o: j for j, o in enumerate(owners)}
    now = [place.get(w, -1) if w else -1 for w in table.coded("owner_id").take(rows).words()]
    most = float("inf") if rules.default_capacity is None else float(rules.default_capacity)
    return RoutingProblem(
        ids,
        owners,
        np.array([values[i] for i in ids], np.float64),
        np.array(now, np.int64),
        _same_region(tables, table.coded("region").take(rows).words(), owners),
        _speaks(table.coded("country").take(rows).words(), owners, rules),
        np.array([float(rules.capacity.get(o, most)) for o in owners]),
        weight / weight.sum(),
    )


def _present(tables: Tables, cutoff: int) -> list[str]:
    table = tables["owners"]
    at = np.full(table.n, cutoff, np.int64)
    begun, left = table.instant("started_at"), table.instant("ended_at")
    there = ((begun == NAT) | past(begun, at)) & ~past(left, at)
    keys = table.coded(TABLES["owners"].key)
    return sorted(keys.values[c] for c in keys.codes[there].tolist() if c >= 0)


def _same_region(tables: Tables, regions: list[str | None], owners: list[str]) -> Bools:
    rows = Timeline(tables).rows("owners", owners)
    theirs = tables["owners"].coded("region").take(rows).words()
    same = [[a is None or b is None or a == b for b in theirs] for a in regions]
    return np.array(same, np.bool_).reshape(len(regions), len(owners))


def _speaks(countries: list[str | None], owners: list[str], rules: Rules) -> Bools:
    spoken = [rules.spoken.get(c) if c else None for c in countries]
    known = [rules.languages.get(o) for o in owners]
    speaks = [[s is None or k is None or s in k for k in known] for s in spoken]
    return np.array(speaks, np.bool_).reshape(len(spoken), len(owners))
