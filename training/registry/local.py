"""Where a registered bundle lies on this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlparse

from features.files import folder_beside
from training.models import bundle as bundles
from training.models.bundle import BundleError


def local_bundle(source: str, name: str, root: Path, download: Callable[[str, str], str]) -> Path:
    """The folder of the bundle at ``source``: where it is kept, or fetched once under ``name``.

    source    a path, a file: URI, or whatever ``download(source, folder)`` fetches into a folder
    root      holds ``mlruns``; fetched bundles stay in mlruns/fetched

    BundleError if it cannot be fetched or arrives damaged.
    """
    parsed = urlparse(source)
    if parsed.scheme in ("", "file"):
        return _kept(Path(unquote(parsed.path)), root)
    fetched = root.resolve() / "mlruns" / "fetched" / name
    if not fetched.exists():
        _fetch(source, fetched, download)
    return fetched


def _kept(place: Path, root: Path) -> Path:
    """``place``, or where it is now if ``mlruns`` was moved: mlflow keeps absolute paths."""
    if place.exists() or "mlruns" not in place.parts:
        return place
    after = len(place.parts) - place.parts[::-1].index("mlruns")
    moved = root.resolve().joinpath("mlruns", *place.parts[after:])
    return moved if moved.exists() else place


def _fetch(source: str, to: Path, download: Callable[[str, str], str]) -> None:
    """Download beside ``to``, check, then rename: a broken line leaves no half bundle."""
    try:
        with folder_beside(to.parent, "fetching") as beside:
            got = Path(download(source, str(beside)))
            bundles.read(got)
            got.rename(to)
    except OSError as wrong:
        raise BundleError(f"{source} cannot be fetched to {to}: {wrong}") from wrong
