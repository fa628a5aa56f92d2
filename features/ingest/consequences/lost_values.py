"""Values that were not read, or not as they were meant: all of one sign, rounded, or swapped?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from features.calendar_time import Zone
from features.ingest.consequences.shares import (
    MANY,
    SCIENTIFIC,
    some_of,
)
from features.ingest.rows import Draft
from features.ingest.values.base import missing_rows
from features.ingest.values.parse import EITHER_ORDER
from features.schema import TABLES
from features.sources.words import WordColumn
from features.tables import Bools, Consequence, Ints

NEGATIVE = "(?:^|[^0-9A-Za-z])[-−(]\\s*[A-Za-z]{0,3}[^0-9A-Za-z]{0,3}[0-9]|[0-9]\\s*[-−]\\s*$"


def rounded(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Keys and references in scientific notation: their last digits are gone."""
    keys = {c.name for c in TABLES[draft.name].columns if c.kind in ("key", "ref")}
    for column in (c for c in draft.columns if c in keys):
        words = draft.words(column)
        if not pc.any(pc.match_substring(words.values, "+")).as_py():
            continue  # a spreadsheet writes E+11: no need for the pattern
        odd = np.asarray(pc.match_substring_regex(words.values, SCIENTIFIC), bool)
        rows = np.append(odd, False)[words.codes]
        n, of = int(rows.sum()), int((words.codes >= 0).sum())
        if not n:
            continue
        name = f"{draft.name}.{column}"
        yield Consequence(
            code=f"rounded:{name}",
            columns=(name,),
            rows=n,
            of=of,
            text=f"{some_of(n, of, f'values of {name}')} are in scientific notation, such as "
            f"{words.texts(np.flatnonzero(rows)[:1])[0]}: a spreadsheet has rounded them",
            effect="digits are lost: different records may share one id, and references may reach "
            "the wrong one; export again with ids as text",
        )


def either_order(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Dates that may be day and month or month and day, in an export nobody has described."""
    found = [loss for loss in draft.losses if loss.reason == EITHER_ORDER]
    columns = [loss.column for loss in found if len(loss.rows)]
    if columns:
        names = [f"{draft.name}.{column}" for column in columns]
        rows = np.unique(np.concatenate([loss.rows for loss in found]))
        yield Consequence(
            code=f"day_order:{draft.name}",
            columns=tuple(names),
            rows=len(rows),
            of=len(draft),
            text=f"no date of {' and '.join(names)} shows whether the day or the month is in front",
            effect="they are read as the preset states; if that is wrong, days and months are "
            'swapped: state `dates` in [export], such as "%d/%m/%Y"',
        )


def unreadable(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Values that could not be read: many of a column, or all of one sign."""
    for column, losses in _by_column(draft).items():
        bad = np.zeros(len(draft), bool)
        for loss in losses:
            bad[loss.rows] = True
        n, of = int(bad.sum()), int((bad | ~missing_rows(draft.columns[column])).sum())
        negative = sum(loss.negative for loss in losses)
        one_sign = n >= 2 and negative == sum(len(loss.rows) for loss in losses)
        one_sign = one_sign and _sign_matters(draft, column, bad)
        if not one_sign and n / of < MANY:
            continue
        name = f"{draft.name}.{column}"
        sign = ", and all of these are negative" if one_sign else ""
        yield Consequence(
            code=f"unreadable:{name}",
            columns=(name,),
            rows=n,
            of=of,
            text=f"{some_of(n, of, f'values of {name}')} cannot be read ({losses[0].reason}, "
            f"such as {losses[0].words.texts([0])[0]!r}){sign}",
            effect="sums and means of it are too high and are not shown"
            if one_sign
            else "they are missing: sums, means and features of it are of the rest alone",
            wrong=one_sign,
        )


@dataclass(frozen=True)
class _Unread:
    """Values of a column that could not be read: rows (n,) and the words that stood there."""

    reason: str
    rows: Ints
    words: WordColumn

    @property
    def negative(self) -> int:
        """How many are written as negative numbers."""
        found = pc.match_substring_regex(self.words.values, NEGATIVE)
        of_word = np.append(found.to_numpy(zero_copy_only=False), False)
        return int(of_word[self.words.codes].sum())


def _by_column(draft: Draft) -> dict[str, list[_Unread]]:
    found: dict[str, list[_Unread]] = {}
    for loss in draft.losses:
        if loss.words is not None and loss.column in draft.columns:
            one = _Unread(loss.reason, loss.rows, loss.words)
            found.setdefault(loss.column, []).append(one)
    return found


def _sign_matters(draft: Draft, column: str, bad: Bools) -> bool:
    """Whether the values that were read are mostly positive: then the negative ones are missing."""
    values = draft.columns[column]
    if isinstance(values, WordColumn) or values.dtype != np.float64:
        return False
    read = values[~bad & ~np.isnan(values)]
    return len(read) == 0 or bool((read > 0).mean() > 0.5)
