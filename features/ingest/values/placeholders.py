"""Words that stand for "nothing is known", where the column shows that they do.

In a column of numbers or dates such a word can mean nothing else. In a column of words ``N/A`` is
none; ``False`` is none where ``True`` never stands (Odoo writes an empty field so); ``None`` and
``NA`` may be words, and stay.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.ingest.values.clean import FALSE, TRUE, Cleaned
from features.sources.words import WordColumn
from features.tables import Bools

NOTHING = (
    *("false", "none", "null", "(null)", "\\n", "n/a", "#n/a", "nan", "nat", "undefined"),
    *("-", "--", "(not set)", "(blank)"),
)
"""Words for no value at all, in small letters."""

SURELY = ("n/a", "#n/a", "null", "(null)", "\\n", "undefined", "(not set)", "(blank)")
"""Those that are no word of a language, and no name."""

ZERO_DATE = r"^00(?:00)?[-/.]00[-/.]00(?:00)?(?:[T ][0:.]*Z?)?$"
REASON = "a word for none, missing"


def none_of(words: Any) -> Bools:
    """Which words stand for no number, date or record."""
    folded = pc.utf8_lower(pc.utf8_trim_whitespace(words))
    found = pc.or_(pc.is_in(folded, pa.array(NOTHING)), pc.match_substring_regex(folded, ZERO_DATE))
    return np.asarray(found.to_numpy(zero_copy_only=False))


def apart(cleaned: Cleaned, words: Any) -> Cleaned:
    """What cannot be read because it says that there is nothing is no fault."""
    faults = dict(cleaned.faults)
    nothing = np.zeros(len(words), bool)
    for reason in ("not a number", "not a date in the stated formats"):
        if reason in faults and faults[reason].any():
            nothing = faults[reason] & none_of(words)
            faults[reason] = faults[reason] & ~nothing
    if not nothing.any():
        return cleaned
    return replace(cleaned, faults=faults, repairs={**cleaned.repairs, REASON: nothing})


def of_category(words: WordColumn) -> Bools:
    """Which words of a category column stand for none; () of the vocabulary."""
    folded = pc.utf8_lower(words.values)
    found = np.asarray(pc.is_in(folded, pa.array(SURELY)).to_numpy(zero_copy_only=False), bool)
    false = np.asarray(pc.equal(folded, "false").to_numpy(zero_copy_only=False), bool)
    if false.any():
        boolean = pc.is_in(folded, pa.array((*TRUE, *FALSE))).to_numpy(zero_copy_only=False)
        used = words.counts(np.ones(len(words), bool)) > 0
        if not (np.asarray(boolean, bool) & used & ~false).any() and (used & ~false).any():
            found |= false
    return found
