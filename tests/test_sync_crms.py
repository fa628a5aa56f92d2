"""HubSpot, Salesforce and Pipedrive read from stand-ins: nothing lost, whatever happens."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from features.connectors.contract import BudgetError
from features.connectors.http import AuthError, UnavailableError
from features.sync.run import canonical_of, sync
from features.tables import read
from tests.helpers.connected import (
    CRMS,
    NOW,
    ConnectedCrm,
    connected,
    environment,
    full_load,
    synced,
)
from tests.helpers.crm import digest
from tests.helpers.standins.service import Answer, Call, RandomFaults


@pytest.fixture(params=sorted(CRMS))
def crm(request: pytest.FixtureRequest) -> ConnectedCrm:
    return CRMS[request.param]


@pytest.fixture
def service(crm: ConnectedCrm) -> Iterator[Any]:
    made = crm.make()
    chance = random.Random(3)
    for _ in range(100):
        crm.live(made, chance)
    with made.served():
        yield made


def test_increments_equal_a_full_load_to_the_bit(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    """Changes, deletes, merges and restores between the syncs, faults in a sixth of the calls."""
    link, chance = connected(crm, service, tmp_path), random.Random(5)
    service.fault = RandomFaults(7)
    for _ in range(2):
        synced(crm, link, tmp_path)
        for _ in range(40):
            crm.live(service, chance)
    summary = synced(crm, link, tmp_path)
    assert service.fault.made > 10
    assert summary.records[crm.deals] > 10
    service.fault = lambda _: None
    assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")


def test_a_crm_that_changes_while_it_is_read(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    """Something happens before every third call; the next quiet sync has all of it."""
    link, chance = connected(crm, service, tmp_path), random.Random(9)
    calls = 0

    def before(_: Call) -> None:
        nonlocal calls
        calls += 1
        if calls % 3 == 0:
            crm.live(service, chance)

    service.before = before
    synced(crm, link, tmp_path)
    service.before = lambda _: None
    synced(crm, link, tmp_path)
    assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")


def four(crm: ConnectedCrm, service: Any) -> tuple[str, list[Any]]:
    """Four records that a person makes: the table and the keys."""
    if crm.kind == "salesforce":
        return "Lead", [service.put("Lead", Status="Open", IsConverted="false") for _ in range(4)]
    return "deals", [service.put("deals", title="D", dealstage="10", stage_id=1) for _ in range(4)]


def lose(crm: ConnectedCrm, service: Any, table: str, keys: list[Any]) -> int:
    """Delete two of four and merge the third into the fourth, where the CRM can: how many went."""
    remove = service.archive if crm.kind == "hubspot" else service.delete
    for key in keys[:2]:
        remove(table, key)
    if crm.kind == "hubspot":
        service.merge(table, keys[2], keys[3])
    elif crm.kind == "salesforce":
        service.delete(table, keys[2], master=keys[3])
    return 2 if crm.kind == "pipedrive" else 3


def test_deletes_and_merges_are_followed_without_listing_every_id(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    """By what the CRM itself says: the sweep over every id is not due for a day."""
    link = connected(crm, service, tmp_path, sweep_hours=24)
    table, keys = four(crm, service)
    synced(crm, link, tmp_path)
    service.pass_time(7200)
    went = lose(crm, service, table, keys)
    summary = synced(crm, link, tmp_path)
    assert summary.removed.pop(table) == went
    assert not any(summary.removed.values())
    assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")


def test_an_import_gives_more_records_one_instant_than_a_page_holds(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    link = connected(crm, service, tmp_path, sweep_hours=24)
    synced(crm, link, tmp_path)
    service.pass_time(7200)
    made = [key for _ in range(6) for key in four(crm, service)[1]]
    summary = synced(crm, link, tmp_path)
    assert summary.read[four(crm, service)[0]] >= len(made) == 24
    synced(crm, link, tmp_path)
    assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")


def test_killed_twenty_times_it_is_the_same_to_the_bit(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    """SIGKILL at random moments of the first load, while a sixth of the calls fail."""
    expected = full_load(crm, service, tmp_path / "whole")
    connected(crm, service, tmp_path, page=2)
    service.fault = RandomFaults(1, 0.05)
    given = [str(tmp_path), "crm", NOW.isoformat(), "20", "7", "0.3"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.kills", *given],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment(crm)},
    )
    dead, ended = map(int, done.stdout.split())
    assert dead >= 10, "the kills came too late to mean anything"
    assert dead + ended == 20
    assert digest(canonical_of(tmp_path, "crm")) == expected


def test_a_custom_field_comes_with_its_label_type_and_history(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    deals, name, value = {
        "hubspot": ("deals", "plan", "team"),
        "salesforce": ("Opportunity", "Plan__c", "team"),
        "pipedrive": ("deals", "a1" * 20, 1),
    }[crm.kind]
    first = {"StageName": "Prospecting"} if crm.kind == "salesforce" else {"stage_id": 1}
    key = service.put(deals, **first)
    service.pass_time(60)
    service.put(deals, key, **{name: value})
    synced(crm, connected(crm, service, tmp_path), tmp_path)
    tables = read(canonical_of(tmp_path, "crm"))
    held = {f.label: f for f in tables.meta.custom["deals"]}
    (field,) = (f for label, f in held.items() if label.startswith("Plan"))
    assert (field.kind, field.name.startswith("plan")) == ("category", True)
    row = tables["deals"].coded("deal_id").words().index(str(key))
    assert tables["deals"].coded(field.name).words()[row] == "team"
    changes = tables["changes"]
    columns = [changes.coded(c).words() for c in ("entity_id", "field", "value")]
    assert (str(key), field.name, "team") in set(zip(*columns, strict=True))


def test_wrong_credentials_are_said_and_not_tried_again(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    link = connected(crm, service, tmp_path)
    wrong = dict.fromkeys(environment(crm), "wrong")
    with pytest.raises(AuthError, match="check"):
        sync(link, tmp_path, NOW, wrong, wait=lambda _: None)
    assert len(service.calls) == 1


def test_retry_after_is_honoured_and_a_silent_service_is_left(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    link, pauses = connected(crm, service, tmp_path, timeout_seconds=0.2), list[float]()
    answers = [Answer(429, None, {"retry-after": "7"}), Answer(200, {}, after=0.5)]
    service.fault = lambda _: answers.pop() if answers else None
    synced(crm, link, tmp_path, wait=pauses.append)
    assert pauses == [1.0, 7.0]  # no answer in time, then as long as the service says
    service.fault = lambda _: Answer(503)
    with pytest.raises(UnavailableError, match="failed 6 times"):
        synced(crm, link, tmp_path)


@pytest.mark.parametrize("name", ["hubspot", "salesforce"])
def test_the_services_own_limit_of_a_day_ends_a_sync_and_the_next_goes_on(
    name: str, tmp_path: Path
) -> None:
    crm, calls = CRMS[name], 0
    limits = {
        "hubspot": Answer(429, {"policyName": "DAILY", "category": "RATE_LIMITS"}),
        "salesforce": Answer(403, [{"errorCode": "REQUEST_LIMIT_EXCEEDED"}]),
    }

    def fault(_: Call) -> Answer | None:
        nonlocal calls
        calls += 1
        return limits[name] if calls > 30 else None

    with crm.make().served() as service:
        for _ in range(80):
            crm.live(service, random.Random(len(service.calls)))
        link = connected(crm, service, tmp_path)
        service.fault = fault
        with pytest.raises(BudgetError, match="of the day are spent"):
            synced(crm, link, tmp_path)
        assert calls == 31
        service.fault = lambda _: None
        synced(crm, link, tmp_path)
        assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")


def test_hubspots_search_that_lags_behind_is_asked_again(tmp_path: Path) -> None:
    """What the index had not found yet lies within the overlap of the next sync."""
    crm = CRMS["hubspot"]
    with crm.make().served() as service:
        old = service.put("deals", dealstage="10")
        link = connected(crm, service, tmp_path, sweep_hours=24)
        synced(crm, link, tmp_path)
        service.pass_time(3600)
        service.lagging = True
        service.put("deals", old, dealstage="30")
        service.lagging = False
        service.pass_time(60)
        service.put("deals", dealstage="20")
        synced(crm, link, tmp_path)
        assert "Won" not in read(canonical_of(tmp_path, "crm"))["deals"].coded("stage").words()
        service.settle()
        synced(crm, link, tmp_path)
        assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")


def test_a_renamed_stage_or_choice_is_renamed_in_history_too(tmp_path: Path) -> None:
    crm = CRMS["pipedrive"]
    with crm.make().served() as service:
        key = service.put("deals", title="D", stage_id=1, **{"a1" * 20: 1})
        service.put("deals", key, stage_id=2)
        link = connected(crm, service, tmp_path)
        synced(crm, link, tmp_path)
        service.stages[1], service.stages[2] = "First talk", "Proposal"
        service.fields["dealFields"][1]["options"][0]["label"] = "crew"
        synced(crm, link, tmp_path)
        found = read(canonical_of(tmp_path, "crm"))
        assert found["deals"].coded("stage").words() == ["Proposal"]
        said = set(found["changes"].coded("value").words())
        assert {"First talk", "Proposal", "crew"} <= said
        assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")


def test_a_salesforce_session_that_ends_is_begun_again(tmp_path: Path) -> None:
    crm = CRMS["salesforce"]
    with crm.make().served() as service:
        service.put("Account", Name="A")

        def end_session(_: Call) -> None:
            if len(service.calls) % 15 == 0:
                service.sessions.clear()

        service.before = end_session
        synced(crm, connected(crm, service, tmp_path), tmp_path)
        assert service.logins > 1
        assert read(canonical_of(tmp_path, "crm"))["accounts"].coded("name").words() == ["A"]


def test_what_hubspot_deleted_for_good_goes_with_the_days_sweep(tmp_path: Path) -> None:
    crm = CRMS["hubspot"]
    with crm.make().served() as service:
        keys = [service.put("deals", dealstage="10") for _ in range(3)]
        link = connected(crm, service, tmp_path, sweep_hours=24)
        synced(crm, link, tmp_path)
        service.purge("deals", keys[0])
        assert "deals" not in synced(crm, link, tmp_path).removed
        later = sync(link, tmp_path, NOW + timedelta(days=1), environment(crm))
        assert later.removed["deals"] == 1
