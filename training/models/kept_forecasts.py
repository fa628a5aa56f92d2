"""Kept forecasts: a folder for each origin with ``forecast.json``, and a pointer to the newest.

The one schema and the one reader: ``training.forecast.results.kept`` writes what is read here, the
endpoint answers from it, and the analytics compare it with what came.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from features.tables import micros

FILE = "forecast.json"
POINTER = "newest"
PARTS = (
    *("origin", "expires", "data", "currency", "settings", "shock", "rates", "notes", "periods"),
    *("table", "levels", "quantiles", "drivers", "targets", "cover", "capacity", "bridges"),
)
"""What ``forecast.json`` holds."""


class UnreadableForecastError(ValueError):
    """A file that is no kept forecast; the message names it and says what to do."""


@dataclass(frozen=True)
class KeptForecast:
    """One kept forecast: its folder, its origin (microseconds), and what was kept (``PARTS``)."""

    folder: Path
    origin: int
    state: dict[str, Any]

    @property
    def data(self) -> str:
        """The data set it is of, by the name of its mapping."""
        return str(self.state["data"])

    def rows(self, **wanted: str) -> list[Mapping[str, Any]]:
        """The rows of its table with these words, such as ``part="whole", kind="month"``."""
        table: list[Mapping[str, Any]] = self.state["table"]
        return [row for row in table if all(row[name] == word for name, word in wanted.items())]


def read(folder: Path) -> KeptForecast:
    """The forecast kept in a folder; UnreadableForecastError for a file that is not one."""
    path = folder / FILE
    try:
        state = orjson.loads(path.read_bytes())
        missing = [part for part in PARTS if part not in state]
        if missing:
            raise ValueError(f"without {', '.join(missing)}")
        micros(state["expires"])
        return KeptForecast(folder, micros(str(state["origin"])), state)
    except (ValueError, KeyError, TypeError) as wrong:
        raise UnreadableForecastError(
            f"{path} is not a kept forecast ({wrong}): delete the folder and run "
            f"`python -m training forecast` again"
        ) from wrong


def newest_folder(root: Path) -> Path | None:
    """The folder the pointer names; None where nothing was kept."""
    pointer = root / POINTER
    if not pointer.is_file():
        return None
    folder = root / pointer.read_text(encoding="utf-8").strip()
    return folder if (folder / FILE).is_file() else None


def newest(root: Path) -> KeptForecast | None:
    """The forecast the pointer names; None where nothing was kept."""
    folder = newest_folder(root)
    return None if folder is None else read(folder)


def every(root: Path, data: str) -> list[KeptForecast]:
    """Every kept forecast of a data set, oldest first."""
    folders = [p.parent for p in root.glob(f"*/{FILE}") if not p.parent.name.startswith(".")]
    return sorted((k for k in map(read, folders) if k.data == data), key=lambda k: k.origin)
