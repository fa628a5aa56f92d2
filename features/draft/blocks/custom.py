"""What is left of a file becomes custom fields, or is left out with the reason."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from features.draft.leaks import leak
from features.draft.model import DraftedLine
from features.draft.outcomes import OutcomeFound
from features.draft.specs import spec_of, with_keys
from features.draft.values.names import slug, tokens
from features.draft.values.profile import ColumnProfile
from features.schema import OUTCOMES, TABLES

_PERSONAL = {"email", "phone", "address", "zip", "firstname", "lastname", "description", "website"}
_NAMES = {"name", "title"}


def why_not(column: ColumnProfile) -> str:
    """Why a column is no field to learn from, "" where it may be."""
    if column.heading.startswith(("_", "#")):
        return "written by a tool"
    if column.held == "nothing":
        return "empty"
    if len(column.counts) == 1 and column.filled == column.n:
        return "one value in every row"
    if len(column.counts) == 1 and column.filled < 3:
        return "one row has a value"
    if column.concepts & _PERSONAL and column.held != "boolean":
        return "of a person or place, not of a kind"
    if column.concepts & {"period"} and column.held == "category":
        return "a period, as a date says it better"
    own = len(column.counts) == column.filled
    named = {"last", "name"} <= column.concepts or {"first", "name"} <= column.concepts
    if named or (column.held == "category" and own and column.filled > 8):
        return "names, a value of its own in each row"
    if "url" in tokens(column.heading):
        return "addresses of pages"
    if column.held == "text":
        return "free text or names, a value of its own in most rows"
    if (column.concepts & {"id"} and column.held != "category") or _counted(column):
        return "a number of rows or records"
    if column.concepts & _NAMES and len(column.counts) > 50:
        return "names"
    return ""


def _counted(column: ColumnProfile) -> bool:
    """Whole numbers, one a row, close behind each other: a number of the row."""
    if column.held != "number" or not column.unique or column.n <= 20:
        return False
    spread = float(np.nanmax(column.numbers) - np.nanmin(column.numbers))
    return bool(column.concepts & {"id", "number"}) or spread < 3 * column.n


def custom_lines(
    columns: Iterable[ColumnProfile],
    table: str,
    found: OutcomeFound | None,
    dates: tuple[str, ...],
    fixed: str = "",
    prefix: str = "",
    taken: Iterable[str] = (),
) -> tuple[list[DraftedLine], list[str]]:
    """Custom fields (likely leaks as comments), and sentences on what was left out.

    ``fixed`` is the evidence that the fields do not change, where there is any.
    """
    lines: list[DraftedLine] = []
    reasons: dict[str, list[str]] = {}
    names = {c.name for c in TABLES[table].columns} | set(taken)
    for column in columns:
        if reason := why_not(column):
            reasons.setdefault(reason, []).append(column.heading)
            continue
        name = _free(slug(column.heading), names)
        names.add(name)
        spec = with_keys(
            spec_of(column, dates, f"{prefix}.{column.heading}" if prefix else ""),
            kind="number" if column.held == "number" else column.held,
        )
        if fixed:
            spec = with_keys(spec, fixed=True)
        why = leak(column, found)
        if why and table not in OUTCOMES:
            reasons.setdefault("written when something else happens", []).append(column.heading)
        elif why:
            lines.append(DraftedLine(name, spec, "unsure", why, left_out=True))
        else:
            evidence = f"{_values(column)}{'; ' + fixed if fixed else ''}"
            lines.append(DraftedLine(name, spec, "likely", evidence))
    notes = [f"{why}: {', '.join(headings)}" for why, headings in reasons.items()]
    return lines, notes


def _free(name: str, names: set[str]) -> str:
    if name not in names:
        return name
    tried = (f"{name}_field{n}" for n in ("", *range(2, 1_000)))
    return next(t for t in tried if t not in names)


def _values(column: ColumnProfile) -> str:
    filled = (
        f", filled in {column.filled / max(column.n, 1):.0%}" if column.filled < column.n else ""
    )
    if column.held == "category":
        return f"{len(column.counts)} word{'s' * (len(column.counts) > 1)}{filled}"
    return {"number": "numbers", "boolean": "yes or no", "instant": "dates"}[column.held] + filled
