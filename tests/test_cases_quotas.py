"""Quotas over a hierarchy count once, whatever its shape; what cannot be known is asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.frames import from_frames
from features.quotas import consequences, quotas
from features.tables import Tables

Q2 = ("2025-05-01", "2025-08-01")
YEAR = ("2025-02-01", "2026-02-01")
QUARTERS = (("2025-02-01", "2025-05-01"), Q2, ("2025-08-01", "2025-11-01"), ("2025-11-01", YEAR[1]))


def company(
    managers: dict[str, str | None], stated: list[tuple[str, tuple[str, str], float]]
) -> Tables:
    owners = pd.DataFrame({"owner_id": list(managers), "manager_id": list(managers.values())})
    owners["team"] = "North"
    rows = {
        "quota_id": [f"Q{i}" for i in range(len(stated))],
        "owner_id": [o for o, _, _ in stated],
        "amount": [a for _, _, a in stated],
        "period_start_at": pd.DatetimeIndex([s for _, (s, _), _ in stated], tz="UTC"),
        "period_end_at": pd.DatetimeIndex([e for _, (_, e), _ in stated], tz="UTC"),
    }
    return from_frames({"owners": owners, "quotas": pd.DataFrame(rows)})


TEAM: dict[str, str | None] = {"M": None, "R1": "M", "R2": "M"}


def test_a_managers_quota_over_the_teams_counts_once() -> None:
    tables = company(TEAM, [("R1", Q2, 90.0), ("R2", Q2, 60.0), ("M", Q2, 150.0)])
    assert quotas(tables).counted.tolist() == [90.0, 60.0, 0.0]
    (said,) = consequences(tables)
    assert said.code == "quota_twice:quotas" and "(M)" in said.text


def test_a_selling_managers_own_quota_counts() -> None:
    tables = company(TEAM, [("R1", Q2, 90.0), ("R2", Q2, 60.0), ("M", Q2, 50.0)])
    assert quotas(tables).counted.sum() == 200.0 and consequences(tables) == []


@pytest.mark.parametrize(("stated", "counted"), [(100.0, 250.0), (250.0, 250.0)])
def test_what_nobody_can_know_is_asked(stated: float, counted: float) -> None:
    """Neither a seller's nor the team's: the manager's own, as far as it is more."""
    tables = company(TEAM, [("R1", Q2, 90.0), ("R2", Q2, 60.0), ("M", Q2, stated)])
    assert quotas(tables).counted.sum() == counted
    assert "quota_own:quotas" in [c.code for c in consequences(tables)]


def test_one_person_below_and_a_like_quota_is_no_team() -> None:
    own = [("R1", QUARTERS[0], 90.0), ("M", QUARTERS[0], 100.0)]
    assert quotas(company(TEAM, own)).counted.sum() == 190.0
    same = [("R1", QUARTERS[0], 90.0), ("M", QUARTERS[0], 90.0)]
    assert quotas(company(TEAM, same)).counted.sum() == 90.0


def test_a_year_and_its_quarters_count_once() -> None:
    own = [("R1", q, 90.0) for q in QUARTERS]
    tables = company({"R1": None}, [*own, ("R1", YEAR, 360.0)])
    assert quotas(tables).counted.sum() == 360.0


def test_a_managers_year_over_the_peoples_quarters_counts_once() -> None:
    own = [(o, q, 90.0) for q in QUARTERS for o in ("R1", "R2")]
    tables = company(TEAM, [*own, ("M", YEAR, 720.0)])
    assert quotas(tables).counted.sum() == 720.0


def test_people_without_a_hierarchy_and_two_quotas_of_one_period_are_left_as_they_are() -> None:
    tables = company({"A": None, "B": None}, [("A", Q2, 5.0), ("A", Q2, 7.0), ("B", Q2, 12.0)])
    assert quotas(tables).counted.sum() == 24.0 and consequences(tables) == []


@given(st.data(), st.integers(1, 3), st.floats(0.9, 1.3))
def test_any_hierarchy_counts_its_sellers_alone(
    data: st.DataObject, deep: int, over: float
) -> None:
    """Every manager carries the sum of the people below, spread with a margin, at every level."""
    managers: dict[str, str | None] = {"top": None}
    level = ["top"]
    for _ in range(deep):
        below = []
        for boss in level:
            for i in range(data.draw(st.integers(2, 3))):
                below.append(f"{boss}.{i}")
                managers[below[-1]] = boss
        level = below
    sellers = {n: float(data.draw(st.integers(10, 99))) for n in level}
    stated = [(n, Q2, a) for n, a in sellers.items()]
    for boss in (n for n in managers if n not in sellers):
        team = sum(a for n, a in sellers.items() if n.startswith(f"{boss}."))
        stated.append((boss, Q2, over * team))
    order = data.draw(st.permutations(range(len(stated))))
    found = quotas(company(managers, [stated[i] for i in order]))
    assert found.counted.sum() == pytest.approx(sum(sellers.values()))


def test_managers_who_manage_each_other_are_no_endless_loop() -> None:
    tables = company({"A": "B", "B": "A"}, [("A", Q2, 5.0), ("B", Q2, 5.0)])
    assert np.isfinite(quotas(tables).counted).all()
