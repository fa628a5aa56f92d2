"""Where forecasts are kept: a folder for each origin, and a pointer to the newest.

What was said must stay as it was said: a forecast of an origin that is already kept is replaced
only where that is asked for. A folder appears whole or not at all, and ``forecast.json``, which the
endpoint and the ledger read, changes in one step.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.tables import instant_text, micros

FILE = "forecast.json"
STANDINGS = "deals.parquet"
POINTER = "newest"


class AlreadyKeptError(ValueError):  # noqa: N818  # it is a fact about the folder, not a fault
    """A forecast of this origin is kept already, and nobody asked to replace it."""


@dataclass(frozen=True)
class KeptForecast:
    """One kept forecast: its folder, its origin (microseconds), and what was kept."""

    folder: Path
    origin: int
    state: dict[str, Any]

    @property
    def data(self) -> str:
        """The data set it is of, by the name of its mapping."""
        return str(self.state.get("data", ""))

    def deal_status(self) -> pd.DataFrame | None:
        """How the deals stood, with what each was expected to bring; None where none were kept."""
        path = self.folder / STANDINGS
        return pd.read_parquet(path) if path.is_file() else None


def name_of(origin: int) -> str:
    """The folder's name: the date of the origin, and its time where that is not midnight."""
    text = instant_text(origin)
    return text[:10] if text.endswith("T00:00:00Z") else text.replace(":", "")


def keep(
    root: Path,
    state: Mapping[str, Any],
    frames: Mapping[str, pd.DataFrame],
    texts: Mapping[str, str],
    replace: bool = False,
) -> Path:
    """Keep a forecast: ``state`` as forecast.json, ``frames`` as Parquet or CSV by their names.

    AlreadyKept where the origin is kept and ``replace`` is false; ValueError where what is kept
    there is of another data set.
    """
    origin = micros(str(state["origin"]))
    folder = root / name_of(origin)
    _may(folder, state, replace)
    root.mkdir(parents=True, exist_ok=True)
    made = root / f".{folder.name}.{os.getpid()}"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        _write(made, state, frames, texts)
        _move(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _point(root, folder, origin, str(state.get("data", "")))
    return folder


def _may(folder: Path, state: Mapping[str, Any], replace: bool) -> None:
    if not (folder / FILE).is_file():
        return
    there = read(folder)
    if there.data != state.get("data", ""):
        raise ValueError(
            f"{folder} holds a forecast of another data set ({there.data!r}, not "
            f"{state.get('data', '')!r}): keep this one elsewhere with --keep"
        )
    if not replace:
        raise AlreadyKeptError(
            f"{folder} holds the forecast of this origin already; it stays as it was said "
            f"(--replace writes it anew)"
        )


def _write(
    made: Path,
    state: Mapping[str, Any],
    frames: Mapping[str, pd.DataFrame],
    texts: Mapping[str, str],
) -> None:
    for name, frame in frames.items():
        if name.endswith(".parquet"):
            frame.to_parquet(made / name)
        else:
            frame.to_csv(made / name, index=False)
    for name, text in texts.items():
        (made / name).write_text(text, encoding="utf-8")
    with (made / FILE).open("w", encoding="utf-8") as file:
        json.dump(state, file, ensure_ascii=False, allow_nan=False, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _move(made: Path, folder: Path) -> None:
    """A new folder in one step; in one that is there, file by file and forecast.json last."""
    if not folder.exists():
        made.rename(folder)
        return
    for path in sorted(made.iterdir(), key=lambda p: p.name == FILE):
        path.replace(folder / path.name)


def _point(root: Path, folder: Path, origin: int, data: str) -> None:
    """The pointer moves on, but not back to an older origin of the same data set."""
    there = newest(root)
    if there is not None and there.data == data and there.origin > origin:
        return
    made = root / f".{POINTER}.{os.getpid()}"
    made.write_text(folder.name + "\n", encoding="utf-8")
    made.replace(root / POINTER)


def read(folder: Path) -> KeptForecast:
    """A kept forecast; a file that is not one is a ValueError that names it."""
    path = folder / FILE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return KeptForecast(folder, micros(str(state["origin"])), state)
    except (ValueError, KeyError, TypeError) as wrong:
        raise ValueError(
            f"{path} is not a kept forecast ({wrong}): delete the folder and run "
            f"`python -m training forecast` again"
        ) from wrong


def newest(root: Path) -> KeptForecast | None:
    """The forecast the pointer names; None where nothing was kept."""
    pointer = root / POINTER
    if not pointer.is_file():
        return None
    folder = root / pointer.read_text(encoding="utf-8").strip()
    return read(folder) if (folder / FILE).is_file() else None


def kept(root: Path, data: str) -> list[KeptForecast]:
    """Every kept forecast of a data set, oldest first."""
    folders = [p.parent for p in root.glob(f"*/{FILE}") if not p.parent.name.startswith(".")]
    return sorted((k for k in map(read, folders) if k.data == data), key=lambda k: k.origin)


def last_before(root: Path, data: str, origin: int) -> KeptForecast | None:
    """The newest kept forecast of a data set that was made before ``origin``."""
    return next((k for k in reversed(kept(root, data)) if k.origin < origin), None)
