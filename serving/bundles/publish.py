"""Champions come to the folder that the service reads: copied beside, renamed, then pointed to.

The pointer changes last, so that a bundle is either whole in its place or not offered at all. What
was published stays in service when the registry cannot be read or a champion's folder cannot.

One process at a time publishes to a folder, and holds its lock: a second one would remove bundles
of the first, and the first those of the second. It waits, and takes over when the first has ended.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from features.files import folder_beside
from serving.bundles.folder import Pointer, read_pointer, write_pointer

log = logging.getLogger("embudo.publish")

LOCK = ".publishing"


class FolderTakenError(ValueError):
    """Another process publishes to this folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"another process publishes to {folder}: stop that one, or name another folder"
        )


Champions = Callable[[], Mapping[str, Path]]


def publish_once(found: Mapping[str, Path], folder: Path) -> None:
    """Publish bundles to ``folder``, whatever it held before.

    OSError where one cannot be read, FolderTakenError where another process publishes there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    held = _locked(folder)
    if held is None:
        raise FolderTakenError(folder)
    with held:
        places = {name: _copied(name, source, folder) for name, source in sorted(found.items())}
        write_pointer(folder, Pointer(places))
        _tidy(folder, set(places.values()))


class Publisher:
    """Keeps ``folder`` in step with the champions; ``poll`` is one comparison."""

    def __init__(self, champions: Champions, folder: Path) -> None:
        self.champions, self.folder = champions, folder
        self._sources: dict[str, tuple[Path, bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._pointer = Pointer()
        self._stated = self._waits = False
        self._lock: IO[bytes] | None = None

    def acquire(self) -> bool:
        """Become the one that publishes here, if nobody else is; whether this is the one."""
        if self._lock is not None:
            return True
        self._lock = _locked(self.folder)
        if self._lock is not None:
            self._pointer = _kept(self.folder)
        elif not self._waits:
            log.warning("another process publishes to %s: waiting until it ends", self.folder)
        self._waits = self._lock is None
        return not self._waits

    def close(self) -> None:
        """Let another process publish here."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def poll(self) -> bool:
        """Publish what has changed; whether anything had. Nothing while another process does."""
        if not self.acquire():
            return False
        places, problems = dict(self._pointer.bundles), dict[str, str]()
        try:
            found = dict(self.champions())
        except Exception as failure:  # whatever it is: what was published stays in service
            found, problems[""] = {}, f"the registry gave no champions: {_said(failure)}"
        for name, source in found.items():
            try:
                mark = source, _manifest(source)
                if self._sources.get(name) != mark or not (self.folder / places[name]).is_dir():
                    places[name] = _copied(name, source, self.folder)
                    self._sources[name] = mark
            except OSError as wrong:
                problems[name] = f"the champion's files cannot be read: {_said(wrong)}"
        if not problems:
            for name in places.keys() - found.keys():
                problems[name] = "it is no champion any more; it serves until the next start"
        return self._point(Pointer(places, problems))

    def _point(self, pointer: Pointer) -> bool:
        if self._stated and pointer == self._pointer:
            return False
        before = set(self._pointer.bundles.values())
        write_pointer(self.folder, pointer)
        for name, reason in pointer.problems.items():
            log.warning("%s: %s", name or "registry", reason)
        self._pointer, self._stated = pointer, True
        _tidy(self.folder, before | set(pointer.bundles.values()))
        return True


def _locked(folder: Path) -> IO[bytes] | None:
    """The folder's lock, held until it is closed or this process ends; None where it is taken."""
    held = (folder / LOCK).open("ab")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        return None
    return held


def _kept(folder: Path) -> Pointer:
    """What the last run published and is still there: it serves until the registry has spoken."""
    try:
        pointer = read_pointer(folder) or Pointer()
    except ValueError as wrong:
        log.warning("%s", wrong)
        return Pointer()
    return Pointer({n: p for n, p in pointer.bundles.items() if (folder / p).is_dir()})


def _manifest(source: Path) -> bytes:
    """The manifest of a bundle, which differs where any file does; FileNotFoundError."""
    return (source / "manifest.json").read_bytes()


def _copied(name: str, source: Path, folder: Path) -> str:
    """Copy a bundle to a new folder of its own; the folder's name."""
    with folder_beside(folder, name) as beside:
        shutil.copytree(source, beside, dirs_exist_ok=True)
        beside.chmod(0o755)  # copytree gives it the source's
        place = beside.name.removeprefix(".")
        beside.rename(folder / place)
    return place


def _tidy(folder: Path, wanted: set[str]) -> None:
    """Remove the bundles that nothing points to."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in wanted and not path.name.startswith("."):
            shutil.rmtree(path, ignore_errors=True)


def _said(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}".splitlines()[0][:500]
