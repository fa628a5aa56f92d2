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


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder for the workers' numbers, in memory where there is some; gone at the end.

    A mapped file on a full disk kills the process that writes to it.
    """
    usable = _TMPFS.is_dir() and os.access(_TMPFS, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix="embudo-metrics-", dir=_TMPFS if usable else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
