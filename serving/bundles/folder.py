"""The served folder: which bundles are offered, and by what one tells that one has changed.

Two forms are read. A folder with ``champions.json`` names the bundle folder of every question, and
what keeps newer ones from coming; it is replaced by a rename, so a reader sees the old one or the
new one. A folder without it offers every bundle folder in it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from features.files import replace_file

POINTER = "champions.json"
VERDICTS = ".verdicts"


@dataclass(frozen=True)
class Offered:
    """A bundle folder as it lies there; ``mark`` is another as soon as any file of it is.

    settled: it was renamed into its place whole, so that nobody is still copying it
    """

    name: str
    folder: Path
    mark: str
    settled: bool = False


@dataclass(frozen=True)
class Pointer:
    """bundles: question -> folder beside the pointer; problems: question ("" all) -> reason."""

    bundles: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


def read_pointer(folder: Path) -> Pointer | None:
    """The pointer; None where there is none. ValueError where it is damaged."""
    try:
        raw = (folder / POINTER).read_bytes()
    except FileNotFoundError:
        return None
    try:
        state = orjson.loads(raw)
        bundles, problems = dict(state["bundles"]), dict(state["problems"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as wrong:
        raise ValueError(f"{folder / POINTER} cannot be read ({wrong}); publish again") from wrong
    if any(os.sep in place or place.startswith(".") for place in bundles.values()):
        raise ValueError(f"{folder / POINTER} points outside its folder; publish again")
    return Pointer(bundles, problems)


def write_pointer(folder: Path, pointer: Pointer) -> None:
    """Replace the pointer: a reader sees the old one or this one."""
    state = {"bundles": dict(pointer.bundles), "problems": dict(pointer.problems)}
    replace_file(folder / POINTER, orjson.dumps(state, option=orjson.OPT_INDENT_2))


def offered(folder: Path) -> tuple[list[Offered], dict[str, str]]:
    """The bundles on offer, by question, and the problems the pointer states.

    OSError where the folder cannot be read, ValueError where its pointer cannot.
    """
    pointer = read_pointer(folder)
    if pointer is not None:
        places = {name: folder / place for name, place in pointer.bundles.items()}
    else:
        places = {p.name: p for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._"}
    whole = pointer is not None
    found = [Offered(name, place, mark_of(place), whole) for name, place in sorted(places.items())]
    return found, {} if pointer is None else dict(pointer.problems)


def mark_of(folder: Path) -> str:
    """A digest of the names, sizes, times and inodes of a folder's files; "" where it is gone."""
    lines = [str(folder)]
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                at = entry.stat()
                lines.append(f"{entry.name}|{at.st_size}|{at.st_mtime_ns}|{at.st_ino}")
    except OSError:
        return ""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
