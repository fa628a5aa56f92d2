"""Which connector a connection's ``kind`` means, made from the connection's settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

import httpx

from features.connectors.contract import Budget, Connector, ConnectorError
from features.connectors.http import Http
from features.connectors.hubspot import HubSpot
from features.connectors.hubspot import spent as hubspot_spent
from features.connectors.pipedrive import Pipedrive
from features.connectors.salesforce import Salesforce
from features.connectors.salesforce import spent as salesforce_spent
from features.connectors.sql import SqlDatabase, SqlTable
from features.connectors.tryton import Tryton

Wait = Callable[[float], None]


class ConnectionSettings(Protocol):
    """What a connector needs to know of its connection."""

    def text(self, key: str, default: str | None = None) -> str:
        """A text."""
        ...

    def number(self, key: str, default: float) -> float:
        """A number."""
        ...

    def table(self, key: str) -> Mapping[str, Any]:
        """A table."""
        ...

    def secret(self, key: str, environment: Mapping[str, str]) -> str:
        """A secret, from where the connection says it is."""
        ...


def connect(
    kind: str,
    settings: ConnectionSettings,
    environment: Mapping[str, str],
    budget: Budget | None = None,
    wait: Wait = time.sleep,
) -> Connector:
    """A connector of a kind; LookupError where there is none."""
    try:
        make = KINDS[kind]
    except KeyError:
        raise LookupError(f"no kind {kind!r} of connection; there are {', '.join(KINDS)}") from None
    return make(settings, environment, budget or Budget(), wait)


def tryton(
    settings: ConnectionSettings, environment: Mapping[str, str], budget: Budget, wait: Wait
) -> Tryton:
    """Tryton, by the address of its database."""
    return Tryton(
        _http(settings, None, budget, wait, {}, lambda _: False),
        settings.text("user"),
        settings.secret("password", environment),
        page=round(settings.number("page", 500)),
        overlap=timedelta(minutes=settings.number("overlap_minutes", 10)),
    )


def sql(
    settings: ConnectionSettings, environment: Mapping[str, str], budget: Budget, _wait: Wait
) -> SqlDatabase:
    """A database, and the tables of it that ``[tables.…]`` names."""
    stated = settings.table("tables")
    sources = {}
    for name, raw in stated.items():
        given = {"table": name, **raw} if isinstance(raw, Mapping) else {}
        if "key" not in given or set(given) - {"table", "key", "changed"}:
            raise ConnectorError(f"[tables.{name}]: write key, changed and table; got {raw!r}")
        sources[name] = SqlTable(**given)
    if not sources:
        raise ConnectorError('no [tables.…]: write [tables.deals] with key = "id"')
    return SqlDatabase(
        settings.secret("url", environment),
        sources,
        budget,
        page=round(settings.number("page", 5_000)),
        overlap=timedelta(minutes=settings.number("overlap_minutes", 10)),
    )


def hubspot(
    settings: ConnectionSettings, environment: Mapping[str, str], budget: Budget, wait: Wait
) -> HubSpot:
    """HubSpot, by the access token of a private app."""
    stated = settings.table("read").get("histories", ("contacts", "deals"))
    headers = {"authorization": f"Bearer {settings.secret('token', environment)}"}
    http = _http(settings, "https://api.hubapi.com", budget, wait, headers, hubspot_spent)
    return HubSpot(http, **_paging(settings), histories=stated)


def salesforce(
    settings: ConnectionSettings, environment: Mapping[str, str], budget: Budget, wait: Wait
) -> Salesforce:
    """Salesforce, by the address of the org and a connected app."""
    http = _http(settings, None, budget, wait, {}, salesforce_spent)
    client, secret = (settings.secret(key, environment) for key in ("client", "secret"))
    return Salesforce(http, client, secret, **_paging(settings, 2_000))


def pipedrive(
    settings: ConnectionSettings, environment: Mapping[str, str], budget: Budget, wait: Wait
) -> Pipedrive:
    """Pipedrive, by the address of the company and a user's API token."""
    headers = {"x-api-token": settings.secret("token", environment)}
    http = _http(settings, None, budget, wait, headers, lambda _: False)
    return Pipedrive(http, **_paging(settings))


def _http(
    settings: ConnectionSettings,
    address: str | None,
    budget: Budget,
    wait: Wait,
    headers: Mapping[str, str],
    spent: Callable[[httpx.Response], bool],
) -> Http:
    base = settings.text("url", address).rstrip("/") + "/"
    timeout = settings.number("timeout_seconds", 60)
    return Http(base, headers, budget, timeout=timeout, wait=wait, spent=spent)


def _paging(settings: ConnectionSettings, page: int = 500) -> dict[str, Any]:
    """How much is read at once, from how far back, and how often deletes are looked for."""
    return {
        "page": round(settings.number("page", page)),
        "overlap": timedelta(minutes=settings.number("overlap_minutes", 10)),
        "sweep_every": timedelta(hours=settings.number("sweep_hours", 24)),
    }


KINDS: dict[str, Callable[[ConnectionSettings, Mapping[str, str], Budget, Wait], Connector]] = {
    "tryton": tryton,
    "hubspot": hubspot,
    "salesforce": salesforce,
    "pipedrive": pipedrive,
    "sql": sql,
}
"""Kind -> what makes its connector."""
