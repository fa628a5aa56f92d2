"""What can be seen of each spine entity: its rows, its related rows, its replayed fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from features.asof import EventWindow, WordCounts, past
from features.schema import TABLES
from features.spine import Spine
from features.tables import (
    NAT,
    Coded,
    Floats,
    Instants,
    Ints,
)
from features.timeline import Timeline, Where, read_instant, read_number

WINDOWS = (7.0, 30.0, 60.0, 90.0)
"""The windows, in days, that activities are tallied in."""


class View:
    """The spine's entities as they were at their cutoffs.

    ``tables`` holds the entities and what belongs to them; ``history`` holds the entity table of
    the whole company, for what is learned from others (an owner's record). In a data set both are
    the same; in a request the history comes from the bundle.
    """

    def __init__(self, tables: Timeline, spine: Spine, history: Timeline | None = None) -> None:
        self.timeline, self.spine, self.history = tables, spine, history or tables
        self.tables, self.entity = tables.tables, spine.entity
        self.cutoffs: Instants = spine.cutoffs
        # many features ask for the same things, and a single record pays for every one
        self._seen: dict[tuple[str, str, str, Where], EventWindow] = {}
        self._peers: dict[tuple[str, str, Where, str], EventWindow] = {}
        self._groups: dict[tuple[str, str, str], Ints] = {}
        self._words: dict[str, Coded] = {}
        self._tallies: dict[str, WordCounts] = {}
        self._rows: dict[tuple[str, str], Ints] = {}
        self.kept: dict[str, Floats] = {}  # results that several features share, by name

    def __len__(self) -> int:
        return len(self.spine)

    @cached_property
    def rows(self) -> Ints:
        """Row of each entity in its own table."""
        return self.timeline.rows(self.entity, self.spine.ids)

    def row(self, ref: str, table: str) -> Ints:
        """Row in ``table`` that the entity's column ``ref`` points to; -1 where it sees none.

        A related row that was not in the system before the cutoff is not seen.
        """
        key = (ref, table)
        if key not in self._rows:
            rows = self.timeline.rows(table, self.ids(ref))
            born = instants_at(self.tables[table].known(TABLES[table].born), rows)
            known = (born == NAT) | (self.cutoffs == NAT) | past(born, self.cutoffs)
            self._rows[key] = np.where(known, rows, -1)
        return self._rows[key]

    def ids(self, ref: str = "") -> Sequence[str | None]:
        """The entity's own ids, or the ids in its column ``ref``."""
        if not ref:
            return self.spine.ids
        return self.tables[self.entity].coded(ref).take(self.rows).words()

    def seen(
        self, table: str, by: str = "", at: str = "", where: Where = (), ref: str = ""
    ) -> EventWindow:
        """The rows of ``table`` that each entity can see, grouped by ``by`` (its own key)."""
        by = by or TABLES[self.entity].key
        key = (table, by, at + "|" + ref, where)
        if key not in self._seen:
            groups = self._places(table, by, ref)
            self._seen[key] = self.timeline.events(table, by, at, where).at(groups, self.cutoffs)
        return self._seen[key]

    def _places(self, table: str, by: str, ref: str) -> Ints:
        key = (table, by, ref)
        if key not in self._groups:
            self._groups[key] = self.timeline.places(table, by, self.ids(ref))
        return self._groups[key]

    def peers(self, by: str, at: str = "", where: Where = (), table: str = "") -> EventWindow:
        """The company's rows of ``table`` (the entity's own) that share the entity's ``by``."""
        key = (by, at, where, table or self.entity)
        if key not in self._peers:
            groups = self.history.places_of(key[3], by, self.word(by))
            self._peers[key] = self.history.events(key[3], by, at, where).at(groups, self.cutoffs)
        return self._peers[key]

    def closed_with(self, outcome: str) -> EventWindow:
        """The company's rows of the entity's table that closed with an outcome."""
        place = self.history.place_of(self.entity, "outcome").get(outcome, -1)
        events = self.history.events(self.entity, "outcome", "closed_at")
        return events.at(np.full(len(self), place, np.int64), self.cutoffs)

    def tally(self, column: str = "") -> WordCounts:
        """The entity's activities counted by a word of theirs ("": all together)."""
        if column not in self._tallies:
            activities = self.tables["activities"]
            words = (
                activities.coded(column)
                if column
                else Coded(np.zeros(activities.n, np.int32), [""])
            )
            self._tallies[column] = self.seen("activities").tally(
                words.codes, words.values, WINDOWS
            )
        return self._tallies[column]

    def settled_late(self) -> EventWindow:
        """The entity's invoices that were due and then paid, at the later of the two instants."""
        key = TABLES[self.entity].key
        places = self.timeline.places("invoices", key, self.ids())
        return self.timeline.settled(key).at(places, self.cutoffs)

    def changes(self, column: str) -> EventWindow:
        """The changes of one of the entity's fields."""
        where = (("entity", self.entity), ("field", column))
        return self.seen("changes", by="entity_id", where=where)

    def _changed(self, column: str) -> bool:
        """Whether ``changes`` holds anything of one of the entity's fields."""
        return column in self._told and len(self.changes(column).events) > 0

    @cached_property
    def _told(self) -> frozenset[str]:
        """The fields that ``changes`` tells of, whoever's."""
        return frozenset(self.tables["changes"].coded("field").values)

    def word(self, column: str) -> Coded:
        """A word of the entity as of the cutoff, replayed where its history is kept."""
        if column not in self._words:
            self._words[column] = self._word(column)
        return self._words[column]

    def _word(self, column: str) -> Coded:
        current = self.tables[self.entity].coded(column).take(self.rows)
        if not self._changed(column):
            return current
        changes = self.changes(column)
        last, first = changes.last(), self._first(column, changes)
        table = self.tables["changes"]
        choice = np.where(last >= 0, 0, np.where(first >= 0, 1, 2))
        return union(
            choice, [table.coded("value").take(last), table.coded("old_value").take(first), current]
        )

    def number(self, column: str) -> Floats:
        """A number of the entity as of the cutoff, replayed where its history is kept."""
        table = self.tables[self.entity]
        if column in table.columns:
            current = at_rows(table.number(column), self.rows)
        else:
            current = np.full(len(self), np.nan)
        return self._replayed(column, current, read_number)

    def instant(self, column: str) -> Instants:
        """An instant of the entity as of the cutoff, replayed where its history is kept."""
        stored = self.tables[self.entity].instant(column)
        current = instants_at(stored, self.rows)
        if not self._changed(column):
            return current
        # float64 holds microseconds exactly up to the year 2255
        return self._replayed(column, current.astype(np.float64), read_instant).astype(np.int64)

    def _replayed(self, column: str, current: Floats, read: Callable[[str], float]) -> Floats:
        if not self._changed(column):
            return current
        changes = self.changes(column)
        last, first = changes.last(), self._first(column, changes)
        new = self.change_values("value", read)
        old = self.change_values("old_value", read)
        return np.where(last >= 0, new[last], np.where(first >= 0, old[first], current))

    def _first(self, column: str, changes: EventWindow) -> Ints:
        """The row of the first change, whose old value held before it; -1 where there is none.

        Where no column says what the others have, that a record will change must not be seen.
        """
        first = changes.first_known()
        alone = column in self.tables.meta.replayed.get(self.entity, ())
        return np.full_like(first, -1) if alone else first

    def change_values(self, side: str, read: Callable[[str], float]) -> Floats:
        """What every row of ``changes`` states on one side ("value", "old_value"), as numbers."""
        return self.timeline.stated(side, read)


def at_rows(column: Floats, rows: Ints) -> Floats:
    """A number column at ``rows``, NaN at negative ones; of one row (an int) its number."""
    if isinstance(rows, int):
        return column.item(rows) if 0 <= rows < len(column) else np.nan
    if len(column) == 0:
        return np.full(len(rows), np.nan)
    return np.where(rows >= 0, column[rows], np.nan)


def instants_at(column: Instants, rows: Ints) -> Instants:
    """An instant column at ``rows``, NAT at negative ones; of one row (an int) its instant."""
    if isinstance(rows, int):
        return column.item(rows) if 0 <= rows < len(column) else NAT
    if len(column) == 0:
        return np.full(len(rows), NAT, np.int64)
    return np.where(rows >= 0, column[rows], np.int64(NAT))


def union(choice: Ints, columns: Sequence[Coded]) -> Coded:
    """Row i takes its word from ``columns[choice[i]]``; the vocabularies are joined."""
    places: dict[str, int] = {}
    codes = np.full(len(choice), -1, np.int32)
    for i, column in enumerate(columns):
        words = [places.setdefault(v, len(places)) for v in column.values]
        lookup = np.array([*words, -1], np.int32)
        codes = np.where(choice == i, lookup[column.codes], codes)
    return Coded(codes.astype(np.int32), list(places))
