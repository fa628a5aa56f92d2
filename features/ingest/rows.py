"""The rows of one canonical table: which may stay, and why the others may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from features.calendar_time import Zone, zone
from features.ingest.history import unchanged
from features.ingest.report import SAMPLES, BlockReport, tally
from features.ingest.values.base import Values, missing_rows, no_values
from features.schema import OUTCOMES, TABLES
from features.sources.words import WordColumn
from features.tables import DAY, NAT, Bools, Instants, Ints, instant_text

Fate = Literal["rejected", "collapsed", "left_out", "repaired"]

HAPPENED: dict[str, tuple[str, ...]] = {
    "accounts": ("created_at", "customer_at", "closed_at"),
    "contacts": ("created_at",),
    "leads": ("created_at", "closed_at"),
    "deals": ("created_at", "closed_at"),
    "changes": ("changed_at",),
    "activities": ("occurred_at",),
    "invoices": ("issued_at", "paid_at"),
}
"""Instants that can only lie in the past of the export (a renewal or a due date need not)."""


@dataclass(frozen=True)
class Loss:
    """Rows of a draft, by position, that something happened to, and why.

    column  the one whose values were not readable; "" where whole rows are meant
    words   what stood there, (rows,)
    """

    fate: Fate
    reason: str
    rows: Ints
    column: str = ""
    words: WordColumn | None = None


@dataclass
class Draft:
    """A table being made.

    columns  name -> (n,) values
    block    (n,) the block a row came from, an index into ``blocks``
    row      (n,) its record in that block's file
    alive    (n,) whether it is still to be kept
    newest   (n,) instants by which the best of several rows with one key is chosen, or None
    unknown_outcome  (n,) rows whose outcome word the mapping does not know
    dateless  (n,) rows whose closed_at is a midnight: a date without a time of day
    dates    instant columns that hold days
    lacking  required column -> (n,) rows without it
    add_up   number columns that are added up over the rows with one key
    losses   what was rejected, folded together, blanked or put right
    """

    name: str
    columns: dict[str, Values]
    block: Ints
    row: Ints
    blocks: Sequence[BlockReport]
    alive: Bools
    newest: Instants | None
    unknown_outcome: Bools
    dateless: Bools
    dates: set[str]
    lacking: dict[str, Bools]
    add_up: tuple[str, ...] = ()
    losses: list[Loss] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.row)

    def instant(self, column: str) -> Instants:
        """An instant column, all missing if the export has none."""
        values = self.columns.get(column, no_values("instant", len(self)))
        assert not isinstance(values, WordColumn)
        return values.astype(np.int64)

    def words(self, column: str) -> WordColumn:
        """A word column, all missing if the export has none."""
        values = self.columns.get(column, no_values("text", len(self)))
        assert isinstance(values, WordColumn)
        return values

    def note(self, fate: Fate, rows: Bools, reason: str, shown: Sequence[str] = ()) -> None:
        """Report the rows' fate to their blocks, with the ``shown`` columns of the first few."""
        self.losses.append(Loss(fate, reason, np.flatnonzero(rows)))
        for i, block in enumerate(self.blocks):
            mine = np.flatnonzero(rows & (self.block == i))
            tally(getattr(block, fate), reason, len(mine), self._samples(mine[:SAMPLES], shown))

    def drop(self, fate: Fate, rows: Bools, reason: str, shown: Sequence[str] = ()) -> None:
        """Take rows that are still alive out of the table, and say so."""
        rows = rows & self.alive
        if rows.any():
            self.note(fate, rows, reason, shown)
            self.alive &= ~rows

    def blank(self, column: str, rows: Bools, reason: str) -> None:
        """Make an instant missing in rows that are alive, and say so."""
        rows = rows & self.alive
        if rows.any():
            self.note("repaired", rows, f"{column}: {reason}", (column,))
            self.columns[column] = np.where(rows, NAT, self.instant(column))

    def _samples(self, rows: Ints, shown: Sequence[str]) -> list[dict[str, Any]]:
        key = self.words(TABLES[self.name].key).texts(rows)
        samples: list[dict[str, Any]] = [
            {"row": int(self.row[r]), "key": k} for r, k in zip(rows, key, strict=True)
        ]
        for column in shown:
            for sample, r in zip(samples, rows, strict=True):
                sample[column] = text_at(self.columns[column], int(r))
        return samples


def text_at(values: Values, row: int) -> str:
    """One value as the report shows it; "" where missing."""
    if isinstance(values, WordColumn):
        return values.texts([row])[0]
    if missing_rows(values[row : row + 1])[0]:
        return ""
    return instant_text(int(values[row])) if values.dtype == np.int64 else str(values[row])


def check(draft: Draft, end: int, company: str = "UTC") -> None:
    """Every rule about rows, in the order of docs/mapping.md; nothing happened from ``end`` on.

    company  the zone its days are of
    """
    schema = TABLES[draft.name]
    draft.drop("rejected", missing_rows(draft.columns[schema.key]), f"no {schema.key}")
    for needed in (c.name for c in schema.columns if c.required and c.name != schema.key):
        values = draft.columns.get(needed)
        without = np.ones(len(draft), bool) if values is None else missing_rows(values)
        draft.drop("rejected", without, f"no {needed}")
    for column, lacking in draft.lacking.items():
        draft.drop("rejected", lacking, f"no {column}, which the mapping requires")
    draft.drop("rejected", draft.unknown_outcome, "unknown outcome")
    _check_times(draft, end, zone(company))
    if draft.name == "subscriptions":
        _check_length(draft, zone(company))
    if draft.name == "changes":
        _leave_out_unchanged(draft)
    _collapse(draft)


def _check_times(draft: Draft, end: int, company: Zone) -> None:
    born = TABLES[draft.name].born
    for column in HAPPENED.get(draft.name, ()):
        if column not in draft.columns:
            continue
        after = draft.instant(column) >= end
        if column in (born, "closed_at"):
            draft.drop("rejected", after, f"{column} lies after the end of the export", (column,))
        else:
            draft.blank(column, after, "lies after the end of the export, made missing")
    if draft.name in OUTCOMES and "closed_at" in draft.columns:
        _check_close(draft, company)


def _check_close(draft: Draft, company: Zone) -> None:
    closed, born = draft.instant("closed_at"), draft.instant(TABLES[draft.name].born)
    no_outcome = missing_rows(draft.words("outcome"))
    if "outcome" in draft.columns:
        when_unknown = ~no_outcome & (closed == NAT)
        draft.drop("rejected", when_unknown, "an outcome without closed_at", ("outcome",))
        draft.blank("closed_at", no_outcome & (closed != NAT), "set without an outcome, missing")
    closed = draft.instant("closed_at")
    both = (closed != NAT) & (born != NAT) & draft.alive
    before = both & (closed < born)
    same_day = before & draft.dateless & (born < _day_over(closed, company))
    if same_day.any():
        reason = "closed_at: a date without a time, on the day of created_at; set to created_at"
        draft.note("repaired", same_day, reason, ("closed_at", "created_at"))
        draft.columns["closed_at"] = np.where(same_day, born, closed)
    draft.drop("rejected", before & ~same_day, "closed before created", ("created_at", "closed_at"))


def _check_length(draft: Draft, company: Zone) -> None:
    """A contract that ended when it began never ran; one that ended before is an error."""
    began, ended = draft.instant("started_at"), draft.instant("ended_at")
    both = (began != NAT) & (ended != NAT)
    # of a date only the day is known
    over = company.day_after(ended) if "ended_at" in draft.dates else ended + 1
    same = both & (ended <= began) & (began < over)
    shown = ("started_at", "ended_at")
    draft.drop("rejected", both & (ended < began) & ~same, "ended before it began", shown)
    draft.drop("left_out", same, "a contract of no length: it never ran", shown)


def _day_over(day: Instants, company: Zone) -> Instants:
    """When days have ended: in the company's zone; anywhere, 12 hours on, where that is UTC.

    A date of 28 February is over in Los Angeles at 08:00 UTC on 1 March; an export that names no
    zone is read as UTC, and its dates may be of any.
    """
    return company.day_after(day) + (DAY // 2 if company.name == "UTC" else 0)


def _leave_out_unchanged(draft: Draft) -> None:
    rows = np.flatnonzero(draft.alive)
    key = np.zeros(len(rows), np.int64)
    for column in ("entity", "entity_id", "field"):
        words = draft.words(column)
        key = key * (len(words.values) + 1) + words.codes[rows] + 1
    same, old = unchanged(
        key,
        draft.instant("changed_at")[rows],
        draft.words("value").take(rows),
        draft.words("old_value").take(rows),
    )
    gone = np.zeros(len(draft), bool)
    gone[rows] = same
    place = np.full(len(draft), -1, np.int64)
    place[rows] = np.arange(len(rows))
    draft.columns["old_value"] = old.take(place)
    draft.drop("left_out", gone, "the field already had this value", ("entity_id", "field"))


def _collapse(draft: Draft) -> None:
    """One row a key: identical rows become one; of different ones the newest, else the last."""
    words = draft.words(TABLES[draft.name].key)
    # only rows whose key occurs again are looked at
    again = np.append(words.counts(draft.alive) > 1, False)[words.codes]
    rows = np.flatnonzero(draft.alive & again)
    if not len(rows):
        return
    key = words.codes[rows]
    newest = np.zeros(len(rows), np.int64) if draft.newest is None else draft.newest[rows]
    order = np.lexsort((rows, newest, key))
    last_of_key = np.append(key[order][1:] != key[order][:-1], True)
    # every row is compared with the one of its key that stays
    stays = np.empty(len(rows), np.int64)
    stays[order] = order[last_of_key][np.cumsum(np.append(0, last_of_key[:-1]))]
    same = np.ones(len(rows), bool)
    for values in draft.columns.values():
        held = values.codes[rows] if isinstance(values, WordColumn) else values[rows]
        equal = held == held[stays]
        if not isinstance(values, WordColumn) and held.dtype == np.float64:
            equal |= np.isnan(held) & np.isnan(held[stays])
        same &= equal
    gone = stays != np.arange(len(rows))
    for column in draft.add_up:
        draft.columns[column] = _added_up(draft.columns[column], rows, stays)
    how = "the last read" if draft.newest is None else "the newest"
    reasons: tuple[tuple[str, Bools], ...] = (
        ("identical rows", gone & same),
        (f"same key, other values: {how} is kept", gone & ~same),
    )
    if draft.add_up:
        added = " and ".join(draft.add_up)
        reasons = ((f"same key: its {added} is added to the one kept", gone),)
    for reason, which in reasons:
        dropped = np.zeros(len(draft), bool)
        dropped[rows[which]] = True
        draft.drop("collapsed", dropped, reason)


def _added_up(values: Values, rows: Ints, stays: Ints) -> Values:
    """The column with the sum over each key's rows at the row that stays; missing adds nothing."""
    assert not isinstance(values, WordColumn)
    held = values[rows]
    known = ~np.isnan(held)
    total = np.bincount(stays, weights=np.nan_to_num(held), minlength=len(rows))
    some = np.bincount(stays, weights=known, minlength=len(rows)) > 0
    out = values.copy()
    kept = np.unique(stays)
    out[rows[kept]] = np.where(some, total, np.nan)[kept]
    return out
