"""Stand-ins of CRMs, and connections to them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.sync.connection import Connection, load
from features.sync.run import Summary, canonical_of, sync
from tests.helpers.crm import digest
from tests.helpers.standins import hubspot, pipedrive, salesforce
from tests.helpers.standins.service import StandIn

NOW = datetime(2100, 1, 1, tzinfo=UTC)
"""One instant for every sync of a test, later than all that any clock says."""


@dataclass(frozen=True)
class ConnectedCrm:
    """One kind of CRM: its stand-in, what people do in it, and the secrets of a connection."""

    kind: str
    make: Callable[[], Any]
    live: Callable[[Any, random.Random], None]
    secrets: Mapping[str, str]
    deals: str


_TOKEN = {"token": StandIn.token}
_APP = {
    "client": salesforce.SalesforceStandIn.client,
    "secret": salesforce.SalesforceStandIn.secret,
}
CRMS = {
    one.kind: one
    for one in (
        ConnectedCrm("hubspot", hubspot.HubSpotStandIn, hubspot.live, _TOKEN, "deals"),
        ConnectedCrm(
            "salesforce", salesforce.SalesforceStandIn, salesforce.live, _APP, "Opportunity"
        ),
        ConnectedCrm("pipedrive", pipedrive.PipedriveStandIn, pipedrive.live, _TOKEN, "deals"),
    )
}


def connected(crm: ConnectedCrm, service: StandIn, root: Path, **settings: object) -> Connection:
    """A connection of a stand-in, whose secrets are in the environment."""
    folder = root / "connections"
    folder.mkdir(parents=True, exist_ok=True)
    given = {"page": 4, "sweep_hours": 0, "url": service.url, "currency": "EUR", **settings}
    lines = [f'kind = "{crm.kind}"']
    lines += [f"{k} = {v!r}".replace("'", '"') for k, v in given.items()]
    lines += [f'{name} = {{ env = "{variable(name)}" }}' for name in crm.secrets]
    (folder / "crm.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load(folder, "crm")


def variable(name: str) -> str:
    """The environment variable of a secret."""
    return f"STANDIN_{name.upper()}"


def environment(crm: ConnectedCrm) -> dict[str, str]:
    """The environment that holds the secrets."""
    return {variable(name): value for name, value in crm.secrets.items()}


def synced(crm: ConnectedCrm, connection: Connection, root: Path, **how: Any) -> Summary:
    """One sync that waits for nobody."""
    how.setdefault("wait", lambda _: None)
    return sync(connection, root, NOW, environment(crm), **how)


def full_load(crm: ConnectedCrm, service: StandIn, root: Path) -> dict[str, str]:
    """What a sync that begins from nothing makes of the service as it is now."""
    synced(crm, connected(crm, service, root, page=50), root)
    return digest(canonical_of(root, "crm"))
