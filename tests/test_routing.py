"""Routing: as cheap as the best of all assignments; rules that break are named."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import Meta, Tables, micros
from serving.analytics.routing.assign import BAND, BREACH, assign
from serving.analytics.routing.problem import RoutingProblem, Rules, problem
from serving.analytics.routing.proposal import propose
from tests.helpers.recorded import from_records

AS_OF = "2026-01-01T00:00:00+00:00"
NOW = micros(AS_OF)


def _cost(given: RoutingProblem, to: tuple[int, ...], rules: Rules) -> float:
    """The cost of one assignment, case by case, as the module's docstring states it."""
    n, m = len(given.ids), len(given.owners)
    cost = 0.0
    for i, j in enumerate(to):
        cost += rules.move * (given.now[i] >= 0 and given.now[i] != j)
        cost += rules.territory * (not given.territory[i, j])
        cost += rules.language * (not given.language[i, j])
    unit = given.value.mean() if given.value.mean() > 0 else 1.0
    for j in range(m):
        held = [i for i in range(n) if to[i] == j]
        worth, fair = sum(given.value[i] for i in held) / unit, given.share[j] * n
        cost += rules.load * max(abs(len(held) - fair) - 1, 0)
        cost += rules.value * max(abs(worth - fair) - BAND * fair, 0)
        cost += BREACH * max(len(held) - given.capacity[j], 0)
    return cost


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_no_assignment_at_all_is_cheaper(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 6)), int(rng.integers(1, 4))
    weight = rng.random(m) + 0.1
    given_ = RoutingProblem(
        [f"L{i}" for i in range(n)],
        [f"O{j}" for j in range(m)],
        rng.lognormal(0, 1, n),
        rng.integers(-1, m, n),
        rng.random((n, m)) < 0.6,
        rng.random((n, m)) < 0.6,
        np.where(rng.random(m) < 0.5, np.inf, rng.integers(0, 4, m).astype(np.float64)),
        weight / weight.sum(),
    )
    value, load, territory, language, move = rng.random(5).tolist()
    rules = Rules(value, load, territory, language, move)
    best = min(_cost(given_, to, rules) for to in product(range(m), repeat=n))
    found = assign(given_, rules)
    assert _cost(given_, tuple(found.to.tolist()), rules) <= best * 1.002 + 1e-6


def _tables(leads: int = 6) -> Tables:
    born = "2025-06-01T00:00:00+00:00"
    rows = [
        {
            "lead_id": f"L{i}",
            "created_at": born,
            "owner_id": ("ann", "left", None)[i % 3],
            "region": ("north", "south")[i % 2],
            "country": ("Spain", "Italy")[i % 2],
        }
        for i in range(leads)
    ]
    owners = [
        {"owner_id": "ann", "region": "north", "started_at": "2024-01-01T00:00:00+00:00"},
        {"owner_id": "bob", "region": "south", "started_at": "2024-01-01T00:00:00+00:00"},
        {
            "owner_id": "left",
            "region": "south",
            "started_at": "2024-01-01T00:00:00+00:00",
            "ended_at": "2025-09-01T00:00:00+00:00",
        },
        {"owner_id": "new", "region": "south", "started_at": "2026-02-01T00:00:00+00:00"},
    ]
    return from_records({"leads": [dict(r) for r in rows], "owners": owners}, Meta(as_of=AS_OF))


VALUES = {f"L{i}": 1.0 for i in range(6)}


def test_those_who_left_or_have_not_begun_get_nothing_and_lose_theirs() -> None:
    found = propose(_tables(), "leads", VALUES, NOW, Rules())
    assert found.balance["owner_id"].tolist() == ["ann", "bob"]
    assert found.balance["cases_after"].tolist() == [3, 3]
    assert found.balance["off_territory_after"].sum() == 0
    why = dict(zip(found.moves["id"], found.moves["why"], strict=True))
    assert why["L1"] == "nobody has it"
    assert found.unmet == []


def test_nothing_moves_where_moving_costs_most() -> None:
    found = propose(_tables(), "leads", VALUES, NOW, Rules(move=1e6))
    assert set(found.moves["from"]) == {""}


def test_a_rule_that_cannot_be_kept_is_named() -> None:
    rules = Rules(
        default_capacity=2,
        spoken={"Spain": "es", "Italy": "it"},
        languages={"ann": ["de"], "bob": ["it"]},
        may_mismatch=False,
    )
    found = propose(_tables(), "leads", VALUES, NOW, rules)
    assert any("can hold 2" in str(said) for said in found.unmet)
    assert "3 cases have no owner of their language" in [str(said) for said in found.unmet]


def test_a_ramping_seller_gets_a_smaller_share() -> None:
    values = {f"L{i}": 1.0 for i in range(60)}
    rules = Rules(weight={"ann": 1.0, "bob": 0.5}, territory=0.0, move=0.0)
    found = propose(_tables(60), "leads", values, NOW, rules)
    assert found.balance["cases_after"].tolist() == pytest.approx([40, 20], abs=1.01)


def test_the_tables_are_left_as_they_are() -> None:
    tables = _tables()
    before = tables["leads"].coded("owner_id").words()
    propose(tables, "leads", VALUES, NOW, Rules())
    assert tables["leads"].coded("owner_id").words() == before


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"capacity": {"eve": 3}}, "no owner 'eve'"),
        ({"weight": {"ann": 0.0, "bob": 0.0}}, "weight above 0"),
        ({"move": -1.0}, "a cost of 0 or more"),
        ({"capacity": {"ann": -1}}, "a number of cases"),
    ],
)
def test_rules_that_make_no_sense_say_so(rules: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        problem(_tables(), "leads", VALUES, NOW, Rules(**rules))  # type: ignore[arg-type]


def test_no_cases_is_an_empty_proposal() -> None:
    found = propose(_tables(), "leads", {}, NOW, Rules())
    assert found.moves.empty
    assert found.unmet == []
