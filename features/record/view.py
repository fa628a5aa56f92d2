"""One record as features see it: the view of ``features.timeline`` on plain numbers.

A column of one row costs numpy as much as one of a thousand, and a record asks some three hundred
times. Here each spine-level column is the one number (or word) itself, so that the catalogue's own
definitions run on it unchanged: ``view.seen("activities").count(30)`` is a float. Columns of whole
tables stay arrays. Both views give the same features to the bit (tests/test_record_view.py).

A *place* is the group of an id in an event index, a *row* its row in a table; -1 is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from features import asof_kernels
from features.asof import past
from features.record.window import NO_EVENTS, RecordCounts, RecordWindow
from features.schema import TABLES
from features.tables import DAY, NAT, Coded, Floats, Tables
from features.timeline import Timeline, Where, read_instant, read_number
from features.view import WINDOWS, at_rows, instants_at


class RecordView:
    """One entity as it was at its cutoff: ``features.view.View`` of a spine of one row."""

    def __init__(
        self,
        timeline: Timeline,
        entity: str,
        key: str,
        cutoff: int,
        history: Timeline | None = None,
    ) -> None:
        self.timeline, self.history = timeline, history or timeline
        self.tables: Tables = timeline.tables
        self.entity, self.key, self.cutoffs = entity, key, cutoff
        self.rows = timeline.row_of(entity).get(key, -1) if key else -1
        self._seen: dict[tuple[str, str, str, Where, str], RecordWindow] = {}
        self._peers: dict[tuple[str, str, Where, str], RecordWindow] = {}
        self._words: dict[str, str | None] = {}
        self._tallies: dict[str, RecordCounts] = {}
        self._told = frozenset(self.tables["changes"].coded("field").values)
        self.kept: dict[str, Any] = {}

    def __len__(self) -> int:
        return 1

    def _id(self, ref: str) -> str | None:
        """The entity's own id, or the id in its column ``ref``."""
        return self.tables[self.entity].coded(ref).word(self.rows) if ref else self.key

    def row(self, ref: str, table: str) -> int:
        """Row in ``table`` that the entity's column ``ref`` points to; -1 where it sees none."""
        key = self._id(ref)
        row = self.timeline.row_of(table).get(key, -1) if key else -1
        if row < 0:
            return -1
        born = self.tables[table].known(TABLES[table].born).item(row)
        return row if NAT in (born, self.cutoffs) or past(born, self.cutoffs) else -1  # type: ignore[arg-type]

    def seen(
        self, table: str, by: str = "", at: str = "", where: Where = (), ref: str = ""
    ) -> RecordWindow:
        """The rows of ``table`` that the entity can see, grouped by ``by`` (its own key)."""
        by = by or TABLES[self.entity].key
        key = (table, by, at, where, ref)
        window = self._seen.get(key)
        if window is None:
            window = self._seen[key] = self._window(*key)
        return window

    def _window(self, table: str, by: str, at: str, where: Where, ref: str) -> RecordWindow:
        if self.tables[table].n == 0:
            return RecordWindow(NO_EVENTS, -1, self.cutoffs, 0, 0)
        key = self._id(ref)
        place = self.timeline.place_of(table, by).get(key, -1) if key else -1
        return RecordWindow.of(self.timeline.events(table, by, at, where), place, self.cutoffs)

    def peers(self, by: str, at: str = "", where: Where = (), table: str = "") -> RecordWindow:
        """The company's rows of ``table`` (the entity's own) that share the entity's ``by``."""
        key = (by, at, where, table or self.entity)
        window = self._peers.get(key)
        if window is None:
            word = self.word(by)
            place = self.history.place_of(key[3], by).get(word, -1) if word else -1
            events = self.history.events(key[3], by, at, where)
            window = self._peers[key] = RecordWindow.of(events, place, self.cutoffs)
        return window

    def closed_with(self, outcome: str) -> RecordWindow:
        """The company's rows of the entity's table that closed with an outcome."""
        place = self.history.place_of(self.entity, "outcome").get(outcome, -1)
        events = self.history.events(self.entity, "outcome", "closed_at")
        return RecordWindow.of(events, place, self.cutoffs)

    def tally(self, column: str = "") -> RecordCounts:
        """The entity's activities counted by a word of theirs ("": all together)."""
        counts = self._tallies.get(column)
        if counts is None:
            counts = self._tallies[column] = self._tally(column)
        return counts

    def _tally(self, column: str) -> RecordCounts:
        seen = self.seen("activities")
        if seen.hi == seen.lo:
            return RecordCounts({}, [], [], self.cutoffs)
        activities = self.tables["activities"]
        words = (
            activities.coded(column) if column else Coded(np.zeros(activities.n, np.int32), [""])
        )
        counts, last = asof_kernels.tally(
            words.codes,
            seen.events.rows,
            seen.events.occurred,
            np.array([seen.lo], np.int64),
            np.array([seen.hi], np.int64),
            np.array([self.cutoffs], np.int64),
            _WIDTHS,
            len(words.values),
        )
        places = {word: i for i, word in enumerate(words.values)}
        return RecordCounts(places, counts[0].tolist(), last[0].tolist(), self.cutoffs)

    def settled_late(self) -> RecordWindow:
        """The entity's invoices that were due and then paid, at the later of the two instants."""
        by = TABLES[self.entity].key
        place = self.timeline.place_of("invoices", by).get(self.key, -1)
        return RecordWindow.of(self.timeline.settled(by), place, self.cutoffs)

    def changes(self, column: str) -> RecordWindow:
        """The changes of one of the entity's fields."""
        where = (("entity", self.entity), ("field", column))
        return self.seen("changes", by="entity_id", where=where)

    def _changed(self, column: str) -> bool:
        return column in self._told and len(self.changes(column).events) > 0

    def word(self, column: str) -> str | None:
        """A word of the entity as of the cutoff, replayed where its history is kept."""
        if column not in self._words:
            self._words[column] = self._word(column)
        return self._words[column]

    def _word(self, column: str) -> str | None:
        if self._changed(column):
            changes, table = self.changes(column), self.tables["changes"]
            if (last := changes.last()) >= 0:
                return table.coded("value").word(last)
            if (first := self._first(column, changes)) >= 0:
                return table.coded("old_value").word(first)
        return self.tables[self.entity].coded(column).word(self.rows)

    def number(self, column: str) -> float:
        """A number of the entity as of the cutoff, replayed where its history is kept."""
        table = self.tables[self.entity]
        there = column in table.columns
        current: Any = at_rows(table.number(column), self.rows) if there else np.nan  # type: ignore[arg-type]
        return self._replayed(column, current, read_number)

    def instant(self, column: str) -> int:
        """An instant of the entity as of the cutoff, replayed where its history is kept."""
        current: Any = instants_at(self.tables[self.entity].instant(column), self.rows)  # type: ignore[arg-type]
        return int(self._replayed(column, current, read_instant))

    def _replayed(self, column: str, current: float, read: Callable[[str], float]) -> float:
        if self._changed(column):
            changes = self.changes(column)
            if (last := changes.last()) >= 0:
                return self.change_values("value", read).item(last)
            if (first := self._first(column, changes)) >= 0:
                return self.change_values("old_value", read).item(first)
        return current

    def _first(self, column: str, changes: RecordWindow) -> int:
        """As ``View._first``."""
        alone = column in self.tables.meta.replayed.get(self.entity, ())
        return -1 if alone else changes.first_known()

    def change_values(self, side: str, read: Callable[[str], float]) -> Floats:
        """What every row of ``changes`` states on one side ("value", "old_value"), as numbers."""
        return self.timeline.stated(side, read)


_WIDTHS = np.array([round(days * DAY) for days in WINDOWS], np.int64)
