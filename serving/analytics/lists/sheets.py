"""A sheet: a list that people page through, and what stands above it; plain JSON types only."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from serving.i18n.lazy_text import LazyText


@dataclass(frozen=True)
class Item:
    """One row. ``word`` is what a sheet is filtered by; ``NUMBERS`` of its kind sort it.

    entity, about  whom it is about ("" for nobody): an erasure finds it by them
    body        everything the pages show
    """

    id: str
    label: str = ""
    entity: str = ""
    about: str = ""
    owner: str | None = None
    word: str | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sheet:
    """A list of one kind, in the order in which it is first shown, and its head."""

    kind: str
    items: Sequence[Item]
    head: Mapping[str, Any] = field(default_factory=dict)


def plain(value: Any) -> Any:
    """A value as JSON has it: what is missing is None, an instant its ISO text, an array a list."""
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float | np.floating):
        return None if not math.isfinite(value) else float(value)
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, LazyText):
        return plain(value.to_json())
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    return str(value)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as JSON objects."""
    return [plain(row) for row in frame.to_dict("records")]


def number(value: Any) -> float | None:
    """A number, None where it is missing."""
    found = plain(value)
    return float(found) if isinstance(found, int | float) else None


def word(value: Any) -> str | None:
    """A text, None where it is missing."""
    return value if isinstance(value, str) and value else None
