"""One connection: a TOML file with where the CRM is and how it is read, without its secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from features.files import read_toml

SECRET = re.compile(r"(password|secret|token|private_key|api_key)$")
"""Names of settings whose value is a secret."""

IN_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]+@")
"""A password in a URL."""

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")


class ConnectionFileError(ValueError):
    """A connection's file says what it may not; the message says where and what to write."""


@dataclass(frozen=True)
class Connection:
    """What a connection's file says.

    settings  the top-level keys, without the secrets
    secrets   names of settings -> where their value is: {"env": …} or {"file": …}
    write     the ``[write]`` table, which serving reads
    """

    name: str
    kind: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, Mapping[str, str]]
    write: Mapping[str, Any]
    path: Path

    def text(self, key: str, default: str | None = None) -> str:
        """A setting that is a text; without a default it must be there."""
        value = self.settings.get(key, default)
        if not isinstance(value, str):
            raise ConnectionFileError(f"{self.path}: {key} must be a text, got {value!r}")
        return value

    def number(self, key: str, default: float) -> float:
        """A setting that is a number."""
        value = self.settings.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConnectionFileError(f"{self.path}: {key} must be a number, got {value!r}")
        return float(value)

    def table(self, key: str) -> Mapping[str, Any]:
        """A setting that is a table, empty if absent."""
        value = self.settings.get(key, {})
        if not isinstance(value, Mapping):
            raise ConnectionFileError(f"{self.path}: {key} must be a table, got {value!r}")
        return value

    def secret(self, key: str, environment: Mapping[str, str]) -> str:
        """A secret from the environment or from its file, without the line's end."""
        place = self.secrets.get(key)
        if place is None:
            raise ConnectionFileError(
                f'{self.path}: needs {key} = {{ env = "…" }} or {{ file = "…" }}'
            )
        if "env" in place:
            value = environment.get(place["env"], "")
            if not value:
                raise ConnectionFileError(
                    f"{self.path}: {key}: the environment variable {place['env']} is not set"
                )
            return value
        file = self.path.parent / place["file"]
        try:
            return file.read_text(encoding="utf-8").strip()
        except OSError as wrong:
            raise ConnectionFileError(f"{self.path}: {key}: {file}: {wrong.strerror}") from None


def load(folder: Path, name: str) -> Connection:
    """The connection ``name`` of a folder of connections (``NAME.toml``)."""
    if not NAME.fullmatch(name):
        raise ConnectionFileError(
            f"no connection {name!r}: a name is small letters, digits, - and _"
        )
    path = folder / f"{name}.toml"
    if not path.is_file():
        there = ", ".join(sorted(p.stem for p in folder.glob("*.toml"))) or "none"
        raise ConnectionFileError(f"no {path}; connections there: {there} (docs/live.md)")
    return parse(read_toml(path, ConnectionFileError), name, path)


def parse(raw: Mapping[str, Any], name: str, path: Path) -> Connection:
    """A connection from its file's contents."""
    settings = dict(raw)
    kind, write = settings.pop("kind", ""), settings.pop("write", {})
    if not isinstance(kind, str) or not kind:
        raise ConnectionFileError(f'{path}: needs kind = "tryton", "hubspot", …')
    if not isinstance(write, Mapping):
        raise ConnectionFileError(f"{path}: write must be a table")
    secrets = {k: settings.pop(k) for k in list(settings) if _is_secret(k, settings[k], path)}
    return Connection(name, kind, settings, secrets, write, path)


def _is_secret(key: str, value: Any, path: Path) -> bool:
    """Whether the setting says where a secret is; an error where it is the secret itself."""
    if isinstance(value, Mapping) and set(value) in ({"env"}, {"file"}):
        return True
    if SECRET.search(key) or (isinstance(value, str) and IN_ADDRESS.search(value)):
        raise ConnectionFileError(
            f"{path}: {key} holds a secret: name where it is instead, as "
            f'{key} = {{ env = "VARIABLE" }} or {key} = {{ file = "path" }}'
        )
    return False
