"""Likely leaks: columns that are written when, or because, the outcome happens."""

from __future__ import annotations

import numpy as np

from features.draft.outcomes import OutcomeFound
from features.draft.values.names import Concepts
from features.draft.values.profile import ColumnProfile, codes_of
from features.tables import Floats, Ints

FEW = 20
"""Fewer ended rows show nothing."""

TELLING = 0.35
"""Share of the outcome's uncertainty that no single honest column takes away."""

_LATER: tuple[tuple[Concepts, str], ...] = tuple(
    (frozenset(words.split()), why)
    for words, why in (
        ("last", "it is overwritten by what happens last"),
        ("modified", "it is overwritten at every edit"),
        ("elapsed", "it is complete only at the end"),
        ("ratio days", "it is complete only at the end"),
        ("days close", "it is complete only at the end"),
        ("days total", "it is complete only at the end"),
        ("days amount", "it is complete only at the end"),
        ("days stage", "it is complete only at the end"),
        ("count stage", "it is complete only at the end"),
        ("reason", "a reason is given when it has ended"),
        ("score", "a rating is written while, or after, it is worked"),
        ("tags", "tags are written while, or after, it is worked"),
        ("close", "it is written at the close"),
        ("won", "it is written at the close"),
        ("lost", "it is written at the close"),
        ("churn", "it is written when the customer leaves"),
        ("convert", "it is written at the conversion"),
    )
)


_ENDS = frozenset({"close", "won", "lost", "churn", "convert"})


def leak(column: ColumnProfile, found: OutcomeFound | None) -> str:
    """Why a column is likely to tell the outcome, "" where nothing speaks for it."""
    for words, why in _LATER:
        # "update me on …: yes" is an answer, and no time of an update
        answer = column.held == "boolean" and not words & _ENDS
        measured = column.held == "number" and words == {"convert"}  # into another unit
        measured |= words == {"score"} and "credit" in column.concepts  # made by others, before
        if words <= column.concepts and not answer and not measured:
            return f"“{column.heading}” by its name: {why}"
    if found is None or int(found.ended.sum()) < FEW:
        return ""
    if only := filled_by_the_end(column, found):
        return only
    share = explained(column, found)
    if share > TELLING:
        return f"alone it explains {share:.0%} of the outcome, more than what was known before can"
    return ""


def filled_by_the_end(column: ColumnProfile, found: OutcomeFound) -> str:
    """A sentence where the column has values (nearly) only in rows with one outcome, or ended "
    "ones."""
    rows, present = found.rows, column.present
    if int(present.sum()) < FEW:
        return ""
    for word in dict.fromkeys(rows[found.ended].tolist()):
        mine = rows == word
        if 0 < mine.mean() < 0.9 and (present & ~mine).sum() < 0.005 * present.sum():
            return f"it is there only where the row is {word}"
    if found.ended.mean() < 0.9 and (present & ~found.ended).sum() < 0.005 * present.sum():
        return "it is there only where the row has ended"
    return ""


def missing_while_open(column: ColumnProfile, found: OutcomeFound) -> str:
    """A sentence where a column is often empty in open rows and never in ended ones."""
    ended = found.ended
    if int(ended.sum()) < FEW or int((~ended).sum()) < FEW:
        return ""
    still, over = (float(1 - column.present[rows].mean()) for rows in (~ended, ended))
    if still > 0.2 and over < 0.01:
        return f"empty in {still:.0%} of the open rows and in {over:.0%} of the ended"
    return ""


def explained(column: ColumnProfile, found: OutcomeFound) -> float:
    """The share of the outcome's entropy that the column takes away, 0 to 1.

    Groups are the column's words, or twenty equal parts of its numbers; the share of each is
    shrunk to the whole's by five rows, so that a word of its own in every row explains nothing.
    """
    hit = (found.rows == _first(found)).astype(float)
    base = float(hit.mean())
    if not 0 < base < 1:
        return 0.0
    group = _groups(column)
    n = np.bincount(group).astype(float)
    hits = np.bincount(group, weights=hit)
    # each row is judged by the others of its group: its own outcome is no evidence
    others = (hits[group] - hit + 5 * base) / (n[group] - 1 + 5)
    return max(0.0, 1 - _entropy(hit, np.clip(others, 1e-6, 1 - 1e-6)) / _entropy(hit, base))


def _first(found: OutcomeFound) -> str:
    words, n = np.unique(found.rows[found.ended].astype(str), return_counts=True)
    return str(words[np.argmax(n)]) if len(words) == 1 else str(words[np.argmin(n)])


def _entropy(hit: Floats, p: Floats | float) -> float:
    return float(-np.mean(hit * np.log(p) + (1 - hit) * np.log(1 - np.asarray(p))))


def _groups(column: ColumnProfile) -> Ints:
    if column.held == "number" and len(column.counts) > 40:
        held = column.numbers
        edges = np.unique(np.nanquantile(held, np.linspace(0, 1, 21)))
        return np.where(np.isnan(held), 0, np.searchsorted(edges, held) + 1).astype(np.int64)
    return codes_of(column) + 1
