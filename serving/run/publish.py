"""Bundles come to the folder the service reads: copied beside their place, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path


def lay_out(found: Mapping[str, Path], folder: Path) -> None:
    """Copy bundles to ``folder``/<question>; each is copied beside its place, then renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in found.items():
        beside = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=folder))
        shutil.copytree(source, beside, dirs_exist_ok=True)
        place, old = folder / name, folder / f".{name}.old"
        shutil.rmtree(old, ignore_errors=True)
        if place.exists():
            place.rename(old)
        beside.rename(place)
        shutil.rmtree(old, ignore_errors=True)
    for gone in folder.iterdir():
        if gone.is_dir() and not gone.name.startswith(".") and gone.name not in found:
            shutil.rmtree(gone)
