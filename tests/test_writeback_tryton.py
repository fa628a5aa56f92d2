"""Scores written into a real Tryton and read back through it; nothing twice, nothing lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.crm.company import Company
from examples.crm.server import Server
from features.connectors.contract import Budget
from features.connectors.http import Http
from features.connectors.tryton import Tryton
from serving.live.ledger import Entry, WritebackLedger
from serving.live.policy import Policy
from serving.live.tryton import TrytonTarget
from serving.live.writeback import Outcome, expected_at, undo, write_back
from serving.store.scores import ScoreRow
from tests.helpers.crm import DAY, busy_company, connection, tryton
from tests.helpers.kills_writeback import ABOUT, rows, score

DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with tryton(tmp_path_factory.mktemp("tryton"), ahead=-40 * DAY) as started:
        yield started


@pytest.fixture(scope="module")
def company(server: Server) -> Company:
    made, _ = busy_company(server, deals=48)
    return made


@pytest.fixture
def ids(company: Company) -> list[str]:
    """Open opportunities, as nobody had touched them."""
    where = [["state", "in", ["lead", "converted"]]]
    found = [r["id"] for r in company.tryton.search_read("sale.opportunity", where, ["state"])]
    company.change(found, {"conversion_probability": 0.5})
    notes = [n["id"] for n in company.tryton.search_read("ir.note", [], ["message"])]
    company.call("model.ir.note.delete", notes)
    return sorted(map(str, found))


@pytest.fixture
def target(server: Server) -> TrytonTarget:
    return TrytonTarget(Tryton(Http(f"{server.url}/"), server.user, server.password))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[WritebackLedger]:
    made = WritebackLedger(tmp_path / "written.db")
    yield made
    made.close()


def written(
    target: TrytonTarget,
    ledger: WritebackLedger,
    scores: list[ScoreRow],
    policy: Policy | None = None,
) -> Outcome:
    return write_back(scores, ABOUT, target, ledger, policy or Policy(), 1)


def revisions(company: Company, ids: list[str]) -> int:
    given = [int(i) for i in ids]
    return len(company.call("model.sale.opportunity.history_revisions", given))


def test_what_is_written_is_read_back_and_written_once(
    company: Company, ids: list[str], target: TrytonTarget, ledger: WritebackLedger
) -> None:
    before = revisions(company, ids)
    outcome = written(target, ledger, rows(ids))
    assert sorted(outcome.written) == ids
    for row in rows(ids):
        shown = company.read(int(row.id))
        assert shown["conversion_probability"] == round(row.probability, 4)
        (note,) = shown["notes"]
        assert note.startswith("Embudo: ")
        assert f"Calls of {row.id}" in note
        assert "deal_close 3" in note
    again = written(target, ledger, rows(ids))
    assert (again.unmoved, again.written) == (len(ids), {})
    assert revisions(company, ids) == before + len(ids)


def test_a_dry_run_writes_nothing(
    company: Company, ids: list[str], target: TrytonTarget, ledger: WritebackLedger
) -> None:
    before = revisions(company, ids)
    outcome = write_back(rows(ids), ABOUT, target, ledger, Policy(), 1, dry_run=True)
    assert sorted(outcome.written) == ids
    assert revisions(company, ids) == before
    assert ledger.entries("deals") == {}


def test_a_persons_own_value_stays(
    company: Company, ids: list[str], target: TrytonTarget, ledger: WritebackLedger
) -> None:
    company.change([int(ids[0])], {"conversion_probability": 0.85})  # before any score
    written(target, ledger, rows(ids))
    company.change([int(ids[1])], {"conversion_probability": 0.15})  # over a score
    moved = [replace(r, probability=min(1.0, r.probability + 0.1)) for r in rows(ids)]
    outcome = written(target, ledger, moved)
    assert outcome.overrides == {ids[0]: 0.85, ids[1]: 0.15}
    assert company.read(int(ids[0]))["conversion_probability"] == 0.85
    assert company.read(int(ids[1]))["conversion_probability"] == 0.15
    company.change([int(ids[1])], {"conversion_probability": 0.5})  # given back
    assert ids[1] in written(target, ledger, moved).written


def test_undo_restores_what_stood_there(
    company: Company, ids: list[str], target: TrytonTarget, ledger: WritebackLedger
) -> None:
    written(target, ledger, rows(ids))
    written(target, ledger, [replace(r, probability=r.probability + 0.05) for r in rows(ids)])
    company.change([int(ids[2])], {"conversion_probability": 0.99})
    outcome = undo(target, ledger, 2)
    assert outcome.overrides == {ids[2]: 0.99}
    for key in ids[:2] + ids[3:]:
        shown = company.read(int(key))
        assert shown["conversion_probability"] == 0.5
        assert shown["notes"] == []
    assert undo(target, ledger, 3).written == {}


def test_one_refused_record_spoils_no_other(
    company: Company, ids: list[str], target: TrytonTarget, ledger: WritebackLedger
) -> None:
    scores = rows(ids)
    scores[3] = replace(scores[3], probability=1.5)  # beyond what the field may hold
    outcome = written(target, ledger, scores)
    assert list(outcome.failed) == [ids[3]]
    assert "Conversion Probability" in outcome.failed[ids[3]]
    assert sorted(outcome.written) == ids[:3] + ids[4:]
    assert ledger.entries("deals")[ids[3]].state == "failed"
    assert list(written(target, ledger, rows(ids)).written) == [ids[3]]
    assert company.read(int(ids[3]))["conversion_probability"] == round(rows(ids)[3].probability, 4)


def test_a_spent_budget_leaves_the_rest_for_the_next_run(
    server: Server, ids: list[str], target: TrytonTarget, ledger: WritebackLedger
) -> None:
    made = iter(range(1, 1000))
    http = Http(f"{server.url}/", budget=Budget(6, lambda: next(made)))
    short = TrytonTarget(Tryton(http, server.user, server.password))
    short.batch = 4
    outcome = written(short, ledger, rows(ids))
    assert outcome.waiting > 0
    assert len(outcome.written) + outcome.waiting == len(ids)
    rest = written(target, ledger, rows(ids))
    assert len(rest.written) == outcome.waiting
    assert {e.state for e in ledger.entries("deals").values()} == {"written"}


def test_killed_twenty_times_nothing_is_lost_or_doubled(
    server: Server, company: Company, ids: list[str], tmp_path: Path
) -> None:
    connection(server, tmp_path / "connections")
    (tmp_path / "ids").write_text(" ".join(ids), encoding="ascii")
    before = revisions(company, ids)
    given = ["tests.helpers.kills_writeback", str(tmp_path), "20", "11", "0.35"]
    done = subprocess.run(
        [sys.executable, "-m", *given], capture_output=True, text=True, check=True
    )
    dead, ended = map(int, done.stdout.split())
    assert dead >= 8, "the kills came too late to mean anything"
    assert dead + ended == 20
    for row in rows(ids):
        shown = company.read(int(row.id))
        assert shown["conversion_probability"] == round(row.probability, 4)
        assert len(shown["notes"]) == 1
    assert revisions(company, ids) == before + len(ids), "a record was written twice"
    ledger = WritebackLedger(tmp_path / "written.db")
    assert {e.state for e in ledger.entries("deals").values()} == {"written"}
    ledger.close()


@given(st.lists(st.floats(-0.014, 0.014), max_size=40), st.sampled_from(["A", "B"]))
def test_a_score_that_only_trembles_is_never_written_again(steps: list[float], grade: str) -> None:
    """Within half the threshold of what was written nothing is written, however often it moves."""
    policy = Policy(hysteresis=0.03)
    entry = Entry("deals", "1", "written", 0.4, "B", "", None, 0)
    assert not any(policy.worth_writing(score("1", 0.4 + s, grade), entry) for s in steps)


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from(["A", "B"]))
def test_what_moved_enough_is_written(was: float, now: float, grade: str) -> None:
    policy = Policy()
    entry = Entry("deals", "1", "written", was, "B", "", None, 0)
    enough = abs(now - was) >= (0.01 if grade == "A" else 0.03)
    assert policy.worth_writing(score("1", now, grade), entry) == enough


def test_half_of_the_probability_has_come_by_the_expected_date() -> None:
    # 0.1 by day 30 and 0.4 by day 90: 0.2 is reached a third of the way between them
    assert expected_at(score("1", 0.4), 0) == 50 * DAY_US
