"""Rows that were rejected or folded together: all of one outcome, file, key or month?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow.compute as pc

from features.calendar_time import Zone
from features.ingest.consequences.shares import (
    MANY,
    SCIENTIFIC,
    hit,
    lost_money,
    rejected,
    some_of,
)
from features.ingest.rows import Draft
from features.ingest.values.base import missing_rows
from features.schema import OUTCOMES, TABLES
from features.sources.words import WordColumn
from features.tables import NAT, Bools, Consequence, Ints

TILT = 0.1
"""A rate that a loss changes by this much of itself is wrong, not merely uncertain."""
FEW_OUTCOMES = 3
"""So many lost rows of one outcome may be an accident."""
SHOWN = 5
"""So many stages are named."""
IN_A_MONTH = 5
"""Rows of a month without which nothing is said of it."""


def _main_reason(draft: Draft, rows: Bools) -> str:
    rejected = [loss for loss in draft.losses if loss.fate == "rejected"]
    counts = [(int(rows[loss.rows].sum()), loss.reason) for loss in rejected]
    return max(counts, default=(0, ""), key=lambda c: c[0])[1]


def one_outcome(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Rejected rows that are all, or far too many, of one outcome: every rate of it is wrong."""
    if draft.name not in OUTCOMES or "outcome" not in draft.columns:
        return
    gone, words = rejected(draft), draft.words("outcome")
    of = {w: _holds(words, w) for w in OUTCOMES[draft.name]}
    if draft.name == "accounts":
        of["staying"] = words.codes < 0
    closed = np.logical_or.reduce(list(of.values()))
    for word, mine in of.items():
        n, lost = int(mine.sum()), int((mine & gone).sum())
        kept = int((closed & ~gone).sum())
        if lost < FEW_OUTCOMES or lost / n < MANY or word == "staying":
            continue
        read, left = n / int(closed.sum()), (n - lost) / kept if kept else 0.0
        if abs(left - read) < TILT * read:
            continue
        yield Consequence(
            code=f"outcome_lost:{draft.name}.{word}",
            columns=(f"{draft.name}.outcome", f"{draft.name}.closed_at"),
            rows=lost,
            of=n,
            text=f"{some_of(lost, n, f'{word} {draft.name}')} are rejected "
            f"({_main_reason(draft, mine & gone)})",
            effect=f"of what is left {left:.0%} are {word}, of all that was read {read:.0%}: rates "
            f"and models of {draft.name} would be wrong and are not shown; mend the export or the "
            f"mapping, or accept outcome_lost:{draft.name}.{word} in `acknowledged`",
            wrong=True,
        )


def unknown_outcome(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Rows whose outcome nobody can tell: neither open nor closed, and in no figure."""
    rows = hit(draft, "rejected", "unknown outcome")
    n = int(rows.sum())
    if n:
        yield Consequence(
            code=f"unknown_outcome:{draft.name}",
            columns=(f"{draft.name}.outcome",),
            rows=n,
            of=len(draft),
            text=f"{some_of(n, len(draft), draft.name)} have an outcome or a stage that nothing "
            f"explains{_stages(draft, rows)}",
            effect="they are left out: neither open nor closed, and in no figure; name their words "
            "in the mapping's outcome",
        )


def _stages(draft: Draft, rows: Bools) -> str:
    """The most frequent stages of some rows, where the table has stages."""
    words = draft.words("stage") if "stage" in draft.columns else None
    if words is None or not (words.codes[rows] >= 0).any():
        return ""
    counts = words.counts(rows)
    most = np.argsort(-counts, kind="stable")[:SHOWN]
    shown = [f"{words.values[int(c)].as_py()} {counts[c]:,}" for c in most if counts[c]]
    return f" (stages {', '.join(shown)})"


def reopened(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Open rows that carry a closing date: set back, or closed with an outcome nobody mapped."""
    n = int(hit(draft, "repaired", "set without an outcome").sum())
    if n:
        open_rows = int((missing_rows(draft.words("outcome")) & draft.alive).sum())
        yield Consequence(
            code=f"open_with_close_date:{draft.name}",
            columns=(f"{draft.name}.outcome", f"{draft.name}.closed_at"),
            rows=n,
            of=open_rows,
            text=f"{some_of(n, open_rows, f'open {draft.name}')} carry a closing date",
            effect="they count as open (reopened) and the date is not used; if they are closed, "
            "the outcome's words are missing in the mapping",
        )


def never_ran(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Contracts that ended when, or before, they began."""
    rows = hit(draft, "left_out", "of no length") | hit(draft, "rejected", "before it began")
    n = int(rows.sum())
    if n:
        yield Consequence(
            code=f"never_ran:{draft.name}",
            columns=(f"{draft.name}.ended_at",),
            rows=n,
            of=len(draft),
            text=f"{some_of(n, len(draft), draft.name)} ended when, or before, they began",
            effect="they are no memberships: nobody became a customer by them, and nobody left",
        )


def lost_rows(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """A source of which many rows were rejected, and the money in them."""
    gone = rejected(draft)
    for i, block in enumerate(draft.blocks):
        mine = draft.block == i
        n = int((gone & mine).sum()) + sum(t.n for r, t in block.rejected.items() if "cells" in r)
        if n == 0 or n / max(block.read, 1) < MANY:
            continue
        reason = _main_reason(draft, gone & mine) or next(iter(block.rejected))
        yield Consequence(
            code=f"rows_lost:{block.file}",
            columns=(f"{draft.name}.*",),
            rows=n,
            of=block.read,
            text=f"{some_of(n, block.read, f'rows of {block.file}')} are rejected ({reason})",
            effect=f"they are in no figure and no model{lost_money(draft, gone & mine)}",
            wrong=n == block.read and len(draft.blocks) == 1,
        )


def folded(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Different rows under one key, where the mapping names no newest and adds nothing up."""
    if draft.newest is not None or draft.add_up or draft.name == "changes":
        return
    rows = hit(draft, "collapsed", "same key, other values")
    n, of = int(rows.sum()), int((draft.alive | rows).sum())
    if n == 0 or n / of < MANY:
        return
    key = TABLES[draft.name].key
    words = draft.words(key)
    rounded = np.asarray(pc.match_substring_regex(words.values, SCIENTIFIC), bool)
    spreadsheet = bool(np.append(rounded, False)[words.codes[rows]].all())
    why = (
        f"; the ids are in scientific notation ({words.texts(np.flatnonzero(rows)[:1])[0]}): a "
        "spreadsheet has rounded them, export again with ids as text"
        if spreadsheet
        else ""
    )
    yield Consequence(
        code=f"folded:{draft.name}",
        columns=(f"{draft.name}.*",),
        rows=n,
        of=of,
        text=f"{some_of(n, of, f'rows of {draft.name}')} have the {key} of another row and other "
        f"values{why}",
        effect=f"only the last of each id is kept{lost_money(draft, rows)}; name `newest`, "
        "`add_up` or another key in the mapping",
        wrong=spreadsheet,
    )


def one_period(draft: Draft, company: Zone) -> Iterator[Consequence]:
    """A month of which every row was rejected, while others lost little."""
    born = TABLES[draft.name].born
    if born not in draft.columns or draft.name == "changes":
        return
    at, gone = draft.instant(born), rejected(draft)
    dated = at != NAT
    if not gone[dated].any():
        return
    month, place = np.unique(company.month(at[dated]), return_inverse=True)
    n: Ints = np.bincount(place)
    lost: Ints = np.bincount(place[gone[dated]], minlength=len(n))
    empty = (lost == n) & (n >= IN_A_MONTH)
    if not empty.any() or lost[~empty].sum() > MANY * max(n[~empty].sum(), 1):
        return
    names = [f"{m // 12:04d}-{m % 12 + 1:02d}" for m in month[empty].tolist()]
    count = int(n[empty].sum())
    yield Consequence(
        code=f"period_lost:{draft.name}",
        columns=(f"{draft.name}.{born}",),
        rows=count,
        of=len(draft),
        text=f"all {count:,} {draft.name} of {', '.join(names[:6])} are rejected "
        f"({_main_reason(draft, gone)})",
        effect="figures of that time, and trends and seasons over it, are wrong",
    )


def _holds(words: WordColumn, word: str) -> Bools:
    code = pc.index(words.values, word).as_py()
    return np.asarray(words.codes == code) if code >= 0 else np.zeros(len(words), bool)
