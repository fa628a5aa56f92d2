"""`python -m serving bento`: build a Bento, a folder that serves by itself.

In it are the service's own code, the bundles if asked for, and the exact versions of the packages
that serving imports (not those that training does), taken from this environment: nothing is
downloaded, and the Bento runs with what was tested.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import bentoml
from packaging.requirements import Requirement

from serving.commands import Champions, CommandError, Subparsers
from serving.run.publish import lay_out

SOURCE = Path(__file__).parents[2]
PARTS = ("features", "serving", "training/models", "training/__init__.py")
BUNDLES = "bundles"

PACKAGES = (
    "alembic",
    "babel",
    "bentoml",
    "fastapi",
    "httptools",
    "jinja2",
    "numba",
    "numpy",
    "opentelemetry-exporter-otlp-proto-http",
    "orjson",
    "packaging",
    "prometheus-client",
    "psycopg[binary]",
    "pydantic",
    "sqlalchemy",
    "uvicorn",
    "uvloop",
)
"""What the Bento's code imports at its top; ``tests/test_bento.py`` compares it with the imports."""


def add(commands: Subparsers) -> None:
    """Add the parser of `bento`."""
    parser = commands.add_parser("bento", help="build a Bento: a folder that serves by itself")
    parser.add_argument("--out", type=Path, help="also copy it to this new folder")
    parser.add_argument("--bundles", type=Path, help="include the bundles of this folder")
    parser.add_argument("--champions", action="store_true", help="include the champions")
    parser.set_defaults(run=_bento)


def _bento(chosen: argparse.Namespace) -> int:
    champions: Champions = chosen.champions
    if chosen.bundles and chosen.champions_asked:
        raise CommandError("name --bundles or --champions, not both")
    return 0
