"""People's own calls: the words of a CRM's forecast category, and what each of them means."""

from __future__ import annotations

import numpy as np

from features.tables import Coded, Ints

CALLS = ("omitted", "pipeline", "best case", "commit", "closed")
"""From the least to the most hopeful."""

MEANS = {
    "omit": "omitted",
    "omitted": "omitted",
    "pipeline": "pipeline",
    "bestcase": "best case",
    "upside": "best case",
    "mostlikely": "best case",
    "commit": "commit",
    "committed": "commit",
    "forecast": "commit",  # what Salesforce's API calls the category that its pages call Commit
    "closed": "closed",
    "closedwon": "closed",
}
"""A category's word, in lower-case letters alone, and the call it is."""


def call_of(word: str) -> str | None:
    """The call a category's word means; None for a word that is none."""
    return MEANS.get("".join(c for c in word.lower() if c.isalpha()))


def calls(words: Coded) -> Ints:
    """(n,) position in ``CALLS`` of each row's category; -1 where it is missing or unknown."""
    known = [call_of(value) for value in words.values]
    places = np.array([-1 if k is None else CALLS.index(k) for k in known] + [-1], np.int64)
    return places[words.codes]
