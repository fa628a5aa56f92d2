"""Where forecasts are kept: a folder for each origin, and a pointer to the newest.

What was said must stay as it was said: a forecast of an origin that is already kept is replaced
only where that is asked for. A folder appears whole or not at all, and ``forecast.json``, which the
endpoint and the ledger read, changes in one step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from features.files import folder_beside, replace_file, write_csv
from features.tables import instant_text, micros
from training.models.kept_forecasts import FILE, POINTER, KeptForecast, every, newest, read

STANDINGS = "deals.parquet"


class AlreadyKeptError(ValueError):
    """A forecast of this origin is kept already, and nobody asked to replace it."""


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
    with folder_beside(root, folder.name) as made:
        _write(made, state, frames, texts)
        _move(made, folder)
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
            write_csv(frame, made / name)
    for name, text in texts.items():
        (made / name).write_text(text, encoding="utf-8")
    said = json.dumps(state, ensure_ascii=False, allow_nan=False, indent=1)
    replace_file(made / FILE, said.encode())


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
    replace_file(root / POINTER, f"{folder.name}\n".encode())


def last_before(root: Path, data: str, origin: int) -> KeptForecast | None:
    """The newest kept forecast of a data set that was made before ``origin``."""
    return next((k for k in reversed(every(root, data)) if k.origin < origin), None)


def deal_status_of(one: KeptForecast) -> pd.DataFrame | None:
    """How the deals stood, with what each was expected to bring; None where none were kept."""
    path = one.folder / STANDINGS
    return pd.read_parquet(path) if path.is_file() else None
