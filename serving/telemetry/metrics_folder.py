"""Where worker processes keep their numbers for the metrics page."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that must be set before a worker imports prometheus_client."""

_TMPFS = Path("/dev/shm")
_PREFIX = "embudo-metrics-"


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder for the workers' numbers, in memory where there is some; gone at the end.

    A mapped file on a full disk kills the process that writes to it.
    """
    usable = _TMPFS.is_dir() and os.access(_TMPFS, os.W_OK)
    place = _TMPFS if usable else Path(tempfile.gettempdir())
    _remove_left_behind(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left_behind(place: Path) -> None:
    """Remove folders of this user's services that were killed; a folder's name has its process."""
    for folder in place.glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        try:
            mine = folder.stat().st_uid == os.getuid()
        except OSError:
            continue
        if mine and number.isdecimal() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(folder, ignore_errors=True)
