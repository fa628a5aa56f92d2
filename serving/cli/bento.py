"""`python -m serving bento`: build a Bento, a folder that serves by itself.

In it are the service's own code, the bundles if asked for, and the exact versions of the packages
that serving needs (not of those that training needs), taken from this environment: nothing is
downloaded, and the Bento runs with what was tested.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterable
from importlib.metadata import requires, version
from pathlib import Path

from packaging.requirements import Requirement

from serving.bundles.publish import publish_once
from serving.cli import Champions, CommandError, Subparsers

SOURCE = Path(__file__).parents[2]
PARTS = (
    *("features", "serving", "training/charts", "training/models", "training/stats"),
    "training/__init__.py",
)
BUNDLES = "bundles"
"""Where a Bento keeps its own bundles; ``serving.service`` looks there unless told otherwise."""

PACKAGES = (
    "alembic",
    "babel",
    "bentoml",
    "httptools",
    "numba",
    "numpy",
    "opentelemetry-exporter-otlp-proto-http",
    "orjson",
    "prometheus-client",
    "psycopg[binary]",
    "pyarrow",
    "pydantic",
    "scipy",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
    "xlsxwriter",
)
"""What a service that runs has imported of others, and its database drivers (``test_bento.py``)."""


def add(commands: Subparsers) -> None:
    """Add the parser of `bento`."""
    parser = commands.add_parser("bento", help="build a Bento: a folder that serves by itself")
    parser.add_argument("--out", type=Path, help="also copy it to this new folder")
    parser.add_argument("--bundles", type=Path, help="include the bundles of this folder")
    parser.add_argument(
        "--with-champions", action="store_true", help="include the registry's champions"
    )
    parser.set_defaults(run=_bento)


def _bento(chosen: argparse.Namespace) -> int:
    if chosen.bundles and chosen.with_champions:
        raise CommandError("name --bundles or --with-champions, not both")
    if chosen.out is not None and chosen.out.exists():
        raise CommandError(f"{chosen.out} exists already: name a new folder")
    champions: Champions = chosen.champions
    found = champions(chosen.root) if chosen.with_champions else _bundles(chosen.bundles)
    with tempfile.TemporaryDirectory() as folder:
        context = gather(Path(folder), found)
        tag, place = build(context)
    if chosen.out is not None:
        shutil.copytree(place, chosen.out)
        place = chosen.out
    message = f"with {', '.join(sorted(found))}" if found else "without bundles: set EMBUDO_BUNDLES"
    print(f"built {tag}, {message}\n{place}\nrun it: bentoml serve {place}")
    return 0


def _bundles(folder: Path | None) -> dict[str, Path]:
    """The bundles of a folder, by name."""
    if folder is None:
        return {}
    found = {path.parent.name: path.parent for path in sorted(folder.glob("*/manifest.json"))}
    if not found:
        raise CommandError(f"{folder} holds no bundle: name the folder above the bundles")
    return found


def gather(folder: Path, bundles: dict[str, Path]) -> Path:
    """Copy what a Bento holds into ``folder``: code without caches, and bundles."""
    for part in PARTS:
        source, target = SOURCE / part, folder / part
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    if bundles:
        publish_once(bundles, folder / BUNDLES)
    return folder


def build(context: Path) -> tuple[str, Path]:
    """Build the Bento of a gathered folder into BentoML's store; its tag and its folder."""
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    import bentoml  # noqa: PLC0415  # seconds, and only this command needs it

    # BentoML asks Starlette for a document of its own; the one that is served is ours
    warnings.filterwarnings("ignore", "Duplicate Operation ID")
    made = bentoml.bentos.build(
        "serving.service:Embudo",
        build_ctx=str(context),
        include=["*"],
        labels={"project": "embudo"},
        # locking would ask a package index; these are exact already
        python={"packages": pinned(PACKAGES), "lock_packages": False},
    )
    return str(made.tag), Path(made.path)


def pinned(roots: Iterable[str]) -> list[str]:
    """The packages and all they require here, each as ``name==version``, by name."""
    exact: dict[str, str] = {}
    todo = [Requirement(root) for root in roots]
    done: set[tuple[str, str]] = set()
    while todo:
        wanted = todo.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        exact[name] = version(name)
        for extra in ("", *wanted.extras):
            if (name, extra) in done:
                continue
            done.add((name, extra))
            needs = (Requirement(text) for text in requires(name) or ())
            todo += [n for n in needs if n.marker is None or n.marker.evaluate({"extra": extra})]
    return [f"{name}=={found}" for name, found in sorted(exact.items())]
