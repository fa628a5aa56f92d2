"""HubSpot, Salesforce and Pipedrive read from stand-ins: nothing lost, whatever happens."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from features.sync.run import canonical_of
from features.tables import read
from tests.connected import CRMS, NOW, ConnectedCrm, connected, environment, full_load, synced
from tests.crm import digest
from tests.standins.service import Answer, Call, RandomFaults


@pytest.fixture(params=sorted(CRMS))
def crm(request: pytest.FixtureRequest) -> ConnectedCrm:
    return CRMS[request.param]


@pytest.fixture
def service(crm: ConnectedCrm) -> Iterator[Any]:
    made = crm.make()
    chance = random.Random(3)
    for _ in range(150):
        crm.live(made, chance)
    with made.served():
        yield made


def test_increments_equal_a_full_load_to_the_bit(
    crm: ConnectedCrm, service: Any, tmp_path: Path
) -> None:
    """Changes, deletes, merges and restores between the syncs, faults in a sixth of the calls."""
    link, chance = connected(crm, service, tmp_path), random.Random(5)
    service.fault = RandomFaults(7)
    for _ in range(5):
        synced(crm, link, tmp_path)
        for _ in range(25):
            crm.live(service, chance)
    summary = synced(crm, link, tmp_path)
    assert service.fault.made > 20
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
    synced(crm, link, tmp_path)
    service.before = lambda _: None
    synced(crm, link, tmp_path)
    assert digest(canonical_of(tmp_path, "crm")) == full_load(crm, service, tmp_path / "again")
