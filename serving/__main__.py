"""`python -m serving`: serve the champions, score a data set, or try one request."""

from __future__ import annotations

import os

from training.models.thread_policy import set_policy

if __name__ == "__main__":  # before an import below loads OpenMP or BLAS
    set_policy(os.environ)

import argparse
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from serving import cli
from serving.cli import CommandError, NoModelError

COMMANDS = tuple(sorted(found.name for found in pkgutil.iter_modules(cli.__path__)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 done, 2 what was asked for is not there, 3 no model is in use yet."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    chosen = command_line(given).parse_args(given)
    run: Callable[[argparse.Namespace], int] = chosen.run
    try:
        return run(chosen)
    except NoModelError as none:
        print(f"error: {none}", file=sys.stderr)
        return 3
    except (CommandError, LookupError, FileNotFoundError, ValueError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


def command_line(given: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser of every subcommand, or of those that the arguments ``given`` name."""
    parser = argparse.ArgumentParser(prog="python -m serving", description=__doc__)
    root = Path(os.environ.get("EMBUDO_ROOT") or ".")
    parser.add_argument(
        "--root",
        type=Path,
        default=root,
        help="folder that holds mlruns (EMBUDO_ROOT, else this one)",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for name in [c for c in COMMANDS if c in given] or COMMANDS:
        importlib.import_module(f"{cli.__name__}.{name}").add(commands)
    parser.set_defaults(champions=champions, registry_uri=registry_uri, clock=now)
    return parser


def now() -> int:
    """The present instant in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


# The registry's door. Behind it is mlflow, which costs seconds: it opens when somebody asks.


def champions(root: Path) -> dict[str, Path]:
    """The bundle folder of every question that has a champion; NoModelError where none has."""
    from training.registry import registry  # noqa: PLC0415

    models = registry.list_models(root)
    names = models.loc[["champion" in a.split(", ") for a in models["aliases"]], "name"]
    if names.empty:
        said = "no model has been promoted yet: run `make train`, or `make demo`"
        raise NoModelError(said)
    return {name: registry.champion_folder(name, root) for name in sorted(set(names))}


def registry_uri(root: Path) -> str:
    """Where the registry keeps its records."""
    from training.registry import registry  # noqa: PLC0415

    return registry.tracking_uri(root)


if __name__ == "__main__":
    sys.exit(main())
