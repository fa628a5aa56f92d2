"""Outcomes from a list of stages: another file says which of a deal's stages are won or lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from features.draft.outcomes import OutcomeFound, true_words
from features.draft.values.profile import ColumnProfile, FileProfile
from features.ingest.outcomes import CONTRADICTION, UNKNOWN, Stage, consistent, outcome_of

PREFIX = "stages"


@dataclass(frozen=True)
class StageList:
    """A file of stages, its key, the deals' column that points to it, and the outcome it tells."""

    file: FileProfile
    key: str
    column: str
    found: OutcomeFound


def stage_list(deals: FileProfile, others: Iterable[FileProfile]) -> StageList | None:
    """The list of stages of a file of deals, None where no other file is one."""
    pointing = [c for c in deals.columns.values() if c.concepts & {"stage", "status"}]
    for other in others:
        keys = [c for c in other.columns.values() if c.unique and other.n <= 500]
        for key in keys:
            for column in pointing:
                if len(column.counts) > 1 and _share(column, key) > 0.9:
                    found = _outcome(column, key, other)
                    if found is not None:
                        return StageList(other, key.heading, column.heading, found)
    return None


def _share(column: ColumnProfile, key: ColumnProfile) -> float:
    return len(column.counts.keys() & key.counts.keys()) / len(column.counts)


def _outcome(column: ColumnProfile, key: ColumnProfile, other: FileProfile) -> OutcomeFound | None:
    parts = _parts(other, key)
    words = {p: _texts(other.columns[h]) for p, h in parts.items()}
    rows = [
        [words[p][i] if p in words else "" for p in ("closed", "won", "probability", "label")]
        for i in range(other.n)
    ]
    said = [outcome_of(stage) for stage in consistent([Stage.of(r) for r in rows])]
    of_key = dict(zip(_texts(key), said, strict=True))
    if not {"won", "lost"} & set(said):
        return None
    ended = [of_key.get(w, "") for w in _texts(column)]
    plain = ["" if w in (UNKNOWN, CONTRADICTION) else w for w in ended]
    spec = {"weigh": {p: [f"{PREFIX}.{h}"] for p, h in parts.items()} | {"of": [column.heading]}}
    n = sum(w in ("won", "lost") for w in said)
    evidence = f"{n} of {other.n} stages of {other.path.name} end a deal"
    return OutcomeFound(spec, np.array(plain, object), (column.heading,), "sure", evidence)


def _parts(other: FileProfile, key: ColumnProfile) -> dict[str, str]:
    """Part of ``weigh`` -> the heading that is it."""
    found: dict[str, str] = {}
    for column in other.columns.values():
        meaning = column.concepts
        if column.held == "boolean" and true_words(column):
            if "won" in meaning:
                found.setdefault("won", column.heading)
            elif "close" in meaning:
                found.setdefault("closed", column.heading)
        elif column.held == "number" and "probability" in meaning:
            found.setdefault("probability", column.heading)
        elif column is not key and column.held in ("category", "text") and meaning & _LABELS:
            found.setdefault("label", column.heading)
    return found


_LABELS = {"name", "title", "tags", "stage"}


def _texts(column: ColumnProfile) -> list[str]:
    listed = [*column.words.values.to_pylist(), ""]
    return [listed[c] for c in np.where(column.present, column.words.codes, -1)]
