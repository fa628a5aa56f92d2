"""Which connector a connection's ``kind`` means, made from the connection's settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Protocol

from features.connectors.contract import Budget, Connector, ConnectorError
from features.connectors.http import Http
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
    http = Http(
        settings.text("url").rstrip("/") + "/",
        budget=budget,
        timeout=settings.number("timeout_seconds", 60),
        wait=wait,
    )
    return Tryton(
        http,
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


KINDS: dict[str, Callable[[ConnectionSettings, Mapping[str, str], Budget, Wait], Connector]] = {
    "tryton": tryton,
    "sql": sql,
}
"""Kind -> what makes its connector."""
