"""Words of a record, read as the words of an export are: one vocabulary for both.

Outer spaces are no part of a word and an empty word is a missing one; canonical words and currency
codes are compared without regard to case; what a word cannot mean is left out and said
(``features.ingest.values.columns`` does the same for a file; tests/test_parity_of_reading.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from features.schema import ACTIVITY_KINDS, DIRECTIONS, OUTCOMES, TABLES

Row = dict[str, Any]
ReadWord = Callable[[str], tuple[str, str]]
"""A word -> the word that is used ("" none), and a warning ("" none) to follow its name."""


class WordReader:
    """Reads the words of records whose amounts are in ``home`` or in a currency of ``rates``."""

    def __init__(self, home: str, rates: Collection[str]) -> None:
        self.known = frozenset({home, *rates})
        self._special = {table: self._columns(table) for table in TABLES}

    def _columns(self, table: str) -> dict[str, ReadWord]:
        found: dict[str, ReadWord] = {}
        if TABLES[table].column("currency") is not None:
            found["currency"] = self._currency
        if table in OUTCOMES:
            found["outcome"] = _one_of(OUTCOMES[table], "")
        if table == "activities":
            found["kind"] = _one_of(ACTIVITY_KINDS, "other")
            found["direction"] = _one_of(DIRECTIONS, "")
        if table == "changes":
            found["entity"] = _one_of(tuple(OUTCOMES), "")
        return found

    def of(self, table: str) -> dict[str, ReadWord]:
        """The readers of a table's columns whose words have a meaning of their own."""
        return self._special[table]

    def _currency(self, word: str) -> tuple[str, str]:
        code = word.upper() if len(word) == 3 and word.isascii() and word.isalpha() else word
        if code in self.known:
            return code, ""
        return code, f"{code!r} is a currency without a rate in fx_rates: its amounts are in no sum"


def drop_unknown_outcomes(rows: dict[str, list[Row]], entity: str) -> None:
    """Leave out rows whose outcome nobody knows; of the scored entity's own only the outcome.

    As in an export. Such an outcome is None here, in place.
    """
    for table in OUTCOMES:
        own = rows.get(table)
        if own is None:
            continue
        if table == entity:
            for row in own:
                if row.get("outcome", "") is None:
                    del row["outcome"]
        else:
            rows[table] = [row for row in own if row.get("outcome", "") is not None]
            if own and not rows[table]:
                del rows[table]  # a lead's account that is left out was not brought


def _one_of(words: tuple[str, ...], other: str) -> ReadWord:
    """Reads one of some canonical words; any other becomes ``other``."""

    def read(word: str) -> tuple[str, str]:
        lower = word.lower()
        if lower in words:
            return lower, ""
        instead = f"it counts as {other!r}" if other else "it was not used"
        return other, f"{word[:40]!r} is none of {', '.join(words)}: {instead}"

    return read
