"""The subcommands of `python -m serving`, one module each: ``add`` its parser, which sets ``run``.

A module's name is its command's. Only the one that was asked for is imported, so that `serve` is
there before anything heavy is. ``run(chosen)`` finds the champions through ``chosen.champions``
(a callable: root -> {question: bundle folder}): ``serving.__main__`` holds the registry's door.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Champions = Callable[[Path], dict[str, Path]]


class CommandError(RuntimeError):
    """A command cannot do what was asked; the message says why and what to do."""


class NoModelError(LookupError):
    """No model is in use yet: the one failure after which `make desk` goes on."""
