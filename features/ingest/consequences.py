"""What reading lost, and what that does: is it all of one outcome, sign, column, reference, period?

A count says little: twenty rejected rows of forty are harmless if they are like the others, and
turn a win rate of 33 % into 100 % if they are all the lost ones. Each question below is asked of
everything that was rejected, blanked, folded together or left without its reference; what stands
out is a ``Consequence``: shown where reading is watched, and kept with the data set.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from features.calendar_time import Zone
from features.ingest.rows import Draft
from features.ingest.values.columns import missing_rows
from features.schema import OUTCOMES, TABLES
from features.sources.words import WordColumn
from features.tables import NAT, Bools, Consequence, Ints

MANY = 0.2
"""From this share of the rows on, or of the values of a column, a loss is pointed out."""
TILT = 0.1
"""A rate that a loss changes by this much of itself is wrong, not merely uncertain."""
FEW_OUTCOMES = 3
"""So many lost rows of one outcome may be an accident."""
SHOWN = 5
"""So many stages are named."""
IN_A_MONTH = 5
"""Rows of a month without which nothing is said of it."""

NEGATIVE = "(?:^|[^0-9A-Za-z])[-−(]\\s*[A-Za-z]{0,3}[^0-9A-Za-z]{0,3}[0-9]|[0-9]\\s*[-−]\\s*$"
SCIENTIFIC = r"^[0-9](?:[.,][0-9]+)?[eE]\+?[0-9]{1,3}$"


def consequences(drafts: Dict[str, Draft], company: Zone) -> list[Consequence]:
    """Every finding of the drafts after their rows were checked; the gravest first."""
    found = [f for draft in drafts.values() for ask in QUESTIONS for f in ask(draft, company)]
    # rows that are lost by outcome are lost by month too: the first says it all
    tilted = [
        f.code.split(":")[1].split(".")[0] for f in found if f.code.startswith("outcome_lost")
    ]
    found = [f for f in found if f.code not in {f"period_lost:{table}" for table in tilted}]
    return sorted(found, key=lambda f: not f.wrong)


def some_of(n: int, of: int, what: str) -> str:
    """ "all 20 lost deals" or "3 of 20 lost deals"."""
    if n == of == 1:
        return f"1 of 1 {what}"
    return f"all {of:,} {what}" if n == of else f"{n:,} of {of:,} {what}"


def _rejected(draft: Draft) -> Bools:
    return _any(draft, "rejected")


def _any(draft: Draft, fate: str, contains: str = "") -> Bools:
    out = np.zeros(len(draft), bool)
    for loss in draft.losses:
        if loss.fate == fate and contains in loss.reason:
            out[loss.rows] = True
    return out


def _main_reason(draft: Draft, rows: Bools) -> str:
    rejected = [loss for loss in draft.losses if loss.fate == "rejected"]
    counts = [(int(rows[loss.rows].sum()), loss.reason) for loss in rejected]
    return max(counts, default=(0, ""), key=lambda c: c[0])[1]


def one_outcome(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Rejected rows that are all, or far too many, of one outcome: every rate of it is wrong."""
    if draft.name not in OUTCOMES or "outcome" not in draft.columns:
        return
    gone, words = _rejected(draft), draft.words("outcome")
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


def _holds(words: WordColumn, word: str) -> Bools:
    code = pc.index(words.values, word).as_py()
    return np.asarray(words.codes == code) if code >= 0 else np.zeros(len(words), bool)


def unknown_outcome(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Rows whose outcome nobody can tell: neither open nor closed, and in no figure."""
    rows = _any(draft, "rejected", "unknown outcome")
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
    n = int(_any(draft, "repaired", "set without an outcome").sum())
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
    rows = _any(draft, "left_out", "of no length") | _any(draft, "rejected", "before it began")
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
    gone = _rejected(draft)
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
            effect=f"they are in no figure and no model{_money(draft, gone & mine)}",
            wrong=n == block.read and len(draft.blocks) == 1,
        )


def _money(draft: Draft, rows: Bools) -> str:
    """The amounts in lost rows beside those of all rows, where the table has amounts."""
    values = draft.columns.get("amount")
    if not isinstance(values, np.ndarray):
        return ""
    total = float(np.nansum(np.abs(values)))
    lost = float(np.nansum(np.abs(values[rows])))
    return f"; amounts of {lost:,.2f} of {total:,.2f} are lost with them" if lost else ""


def folded(draft: Draft, _: Zone) -> Iterator[Consequence]:
    """Different rows under one key, where the mapping names no newest and adds nothing up."""
    if draft.newest is not None or draft.add_up or draft.name == "changes":
        return
    rows = _any(draft, "collapsed", "same key, other values")
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
        effect=f"only the last of each id is kept{_money(draft, rows)}; name `newest`, `add_up` or "
        "another key in the mapping",
        wrong=spreadsheet,
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


def one_period(draft: Draft, company: Zone) -> Iterator[Consequence]:
    """A month of which every row was rejected, while others lost little."""
    born = TABLES[draft.name].born
    if born not in draft.columns or draft.name == "changes":
        return
    at, gone = draft.instant(born), _rejected(draft)
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


QUESTIONS = (
    one_outcome,
    unknown_outcome,
    reopened,
    never_ran,
    lost_rows,
    folded,
    unreadable,
    one_period,
)
