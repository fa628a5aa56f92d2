"""References that point to rows which are not there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from features.ingest.consequences.shares import MANY, some_of
from features.ingest.report import TableReport
from features.ingest.rows import Draft
from features.ingest.values.base import missing_rows
from features.schema import TABLES
from features.sources.words import WordColumn
from features.tables import Bools, Consequence

SHOWN = 5
"""So many currencies are named."""


def unlinked(draft: Draft, table: TableReport) -> Iterator[Consequence]:
    """Reference columns of which all, or many, point to rows that are not there."""
    for column, tally in table.orphans.items():
        of = int((draft.alive & ~missing_rows(draft.columns[column])).sum())
        word = _one_word(draft, column, tally.n, [str(s[column]) for s in tally.samples])
        if tally.n < 2 or (tally.n / of < MANY and not word):
            continue
        target = next(c.references for c in TABLES[draft.name].columns if c.name == column)
        target = target or "the changed table"
        name = f"{draft.name}.{column}"
        them = some_of(tally.n, of, f"values of {name}")
        text = f"{them} point to rows of {target} that are not there"
        effect = f"nothing of {target} reaches those rows"
        if word:
            text = f"{text}, all of them to {word!r}"
            effect += "; if that word means none, add it to `missing`"
        elif tally.n == of:
            effect += ": every feature and figure over it is empty; are the ids written alike?"
        yield Consequence(f"unlinked:{name}", (name,), tally.n, of, text, effect)


def _one_word(draft: Draft, column: str, n: int, samples: list[str]) -> str:
    """The one word that all orphans of a column are, where there are several; else ""."""
    if n < 2 or len(set(samples)) != 1:
        return ""
    return samples[0] if int(_is(draft.words(column), samples[0])[draft.alive].sum()) == n else ""


def _is(words: WordColumn, word: str) -> Bools:
    return np.asarray(words.codes == pc.index(words.values, word).as_py())
