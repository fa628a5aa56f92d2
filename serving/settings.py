"""What the surroundings decide: read once, at an edge, from environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


class SettingsError(ValueError):
    """A variable holds what it may not; the message names it and says what it may hold."""


@dataclass(frozen=True)
class Settings:
    """One field a variable; an empty one counts as not set.

    root       EMBUDO_ROOT: folder of mlruns and data, where the store is unless DATABASE_URL says
    bundles    EMBUDO_BUNDLES: folder of bundles, or of what `serve` publishes; None: not ready
    queue      EMBUDO_QUEUE: most requests that wait or are worked on in one worker
    timeout    EMBUDO_TIMEOUT: seconds a request may take
    drain      EMBUDO_DRAIN: seconds that requests have to end after SIGTERM
    database   DATABASE_URL of the store; "": ``serving.store.store.default_url`` of the root
    hubspot_secret  EMBUDO_HUBSPOT_SECRET: of the app whose webhooks are believed; "": none are
    public_url  EMBUDO_PUBLIC_URL: scheme, host and path before /v1 as the CRM calls it, where a
                proxy stands before the service
    metrics_port  EMBUDO_METRICS_PORT: port of the metrics page on 127.0.0.1; 0: none
    body_seconds  EMBUDO_BODY_SECONDS: seconds in which a request's head must have come, and then
                its body
    forecasts  EMBUDO_FORECASTS: folder of the kept forecasts
    """

    root: Path = Path()
    bundles: Path | None = None
    queue: int = 64
    timeout: float = 30.0
    drain: float = 30.0
    database: str = ""
    hubspot_secret: str = field(default="", repr=False)
    public_url: str = ""
    body_seconds: float = 15.0
    forecasts: Path = Path("mlruns") / "forecasts"
    metrics_port: int = 9464


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment; SettingsError for a value that is none."""
    found: dict[str, Any] = {}
    for each in fields(Settings):
        variable, read = _VARIABLES[each.name]
        if given := environment.get(variable, "").strip():
            try:
                found[each.name] = read(given)
            except ValueError as wrong:
                raise SettingsError(f"{variable} is {given!r}: {wrong}") from None
    return Settings(**found)


def _count(given: str) -> int:
    if not given.isdecimal() or int(given) < 1:
        raise ValueError("give a whole number from 1 up")
    return int(given)


def _seconds(given: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = 0.0
    if not 0 < number < 86_400:
        raise ValueError("give seconds, more than 0 and less than a day")
    return number


def _port(given: str) -> int:
    if not given.isdecimal() or int(given) > 65_535:
        raise ValueError("give a port, or 0 for no page")
    return int(given)


def _address(given: str) -> str:
    if not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*)?", given):
        raise ValueError("give a URL without a query, such as https://scores.example.com")
    return given


_VARIABLES: dict[str, tuple[str, Any]] = {
    "root": ("EMBUDO_ROOT", Path),
    "bundles": ("EMBUDO_BUNDLES", Path),
    "queue": ("EMBUDO_QUEUE", _count),
    "timeout": ("EMBUDO_TIMEOUT", _seconds),
    "hubspot_secret": ("EMBUDO_HUBSPOT_SECRET", str),
    "public_url": ("EMBUDO_PUBLIC_URL", _address),
    "metrics_port": ("EMBUDO_METRICS_PORT", _port),
    "body_seconds": ("EMBUDO_BODY_SECONDS", _seconds),
    "forecasts": ("EMBUDO_FORECASTS", Path),
    "drain": ("EMBUDO_DRAIN", _seconds),
    "database": ("DATABASE_URL", str),
}
"""Field -> variable and how its text is read."""
