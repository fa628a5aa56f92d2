"""Every open deal at every origin as it looked then: what people and stages forecast from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.calendar_time import zone as zone_of
from features.definitions.money import convert
from features.rows_asof import RowsAsOf
from features.schema import TABLES
from features.spine import Spine
from features.tables import DAY, NAT, Bools, Coded, Floats, Instants, Ints, Tables
from features.timeline import Timeline
from features.view import View
from training.forecast.data.categories import calls

WEEK = 7 * DAY
MONDAY = 4
"""The day of the first Monday after 1970-01-01, a Thursday."""


def mondays(begin: int, end: int, zone: str = "UTC") -> Instants:
    """Every Monday midnight of the zone after ``begin`` and up to ``end``: the weekly origins."""
    rules = zone_of(zone)
    first, last = ((rules.day(np.array([at]))[0] - MONDAY) // 7 for at in (begin, end))
    found = rules.day_start(MONDAY + 7 * np.arange(first, last + 1, dtype=np.int64))
    return found[(found > begin) & (found <= end)]


@dataclass(frozen=True)
class OpenDealPanel:
    """One row for each deal open at each origin, ordered by origin.

    origins   (m,) rising instants; begin (m + 1,): rows begin[i] … begin[i + 1] - 1 are of origin i
    stage     as of the origin; call: position in ``calls.CALLS``, -1 unknown
    amount    as of the origin, in the reporting currency at the rate known then; NaN missing
    due       people's close date as of the origin, NAT missing
    won, closed  when the deal was won, or closed at all; NAT for never. These lie in the future of
              the row's origin: only a later origin may look, and only at those before it
    """

    origins: Instants
    begin: Ints
    stage: Coded
    call: Ints
    amount: Floats
    due: Instants
    won: Instants
    closed: Instants

    def at(self, origin: int) -> slice:
        """The rows of an origin; one that is not on the list is an error."""
        i = int(np.searchsorted(self.origins, origin))
        if i == len(self.origins) or self.origins[i] != origin:
            raise KeyError(f"no look was taken at {origin}; there are {len(self.origins)} origins")
        return slice(int(self.begin[i]), int(self.begin[i + 1]))

    @cached_property
    def cutoff(self) -> Instants:
        """(n,) the origin of each row."""
        return np.repeat(self.origins, np.diff(self.begin))


def open_deal_panel(tables: Tables, origins: Sequence[int]) -> OpenDealPanel:
    """Look at the open deals at every origin; ``origins`` need not be sorted, doubles count once.

    A column whose values of an origin cannot be known is missing there.
    """
    at = np.unique(np.asarray(origins, np.int64))
    deals = tables["deals"]
    keys = deals.coded(TABLES["deals"].key)
    rows, begin = _open(tables, at)
    spine = Spine(
        "deals", [keys.values[c] for c in keys.codes[rows]], np.repeat(at, np.diff(begin))
    )
    timeline = Timeline(tables)
    view = View(timeline, spine)

    def knows(column: str) -> Bools:
        return np.repeat([timeline.knows("deals", column, o) for o in at.tolist()], np.diff(begin))

    def word(column: str) -> Coded:
        found = view.word(column)
        return Coded(np.where(knows(column), found.codes, -1).astype(np.int32), found.values)

    amount = np.where(knows("amount"), view.number("amount"), np.nan)
    closed, outcome = deals.instant("closed_at")[rows], deals.coded("outcome").take(rows)
    won = outcome.values.index("won") if "won" in outcome.values else -2
    currency = deals.coded("currency").take(rows)
    return OpenDealPanel(
        origins=at,
        begin=begin,
        stage=word("stage"),
        call=calls(word("forecast_category")),
        amount=convert(timeline, amount, currency, spine.cutoffs),
        due=np.where(knows("expected_close_at"), view.instant("expected_close_at"), np.int64(NAT)),
        won=np.where(outcome.codes == won, closed, np.int64(NAT)),
        closed=closed,
    )


def _open(tables: Tables, origins: Instants) -> tuple[Ints, Ints]:
    """The rows open at each origin, origin by origin, and where each origin's begin."""
    deals = RowsAsOf.of(tables["deals"])
    found = [np.flatnonzero(deals.open(origin)) for origin in origins.tolist()]
    begin = np.concatenate([[0], np.cumsum([len(f) for f in found])]).astype(np.int64)
    return np.concatenate([np.empty(0, np.int64), *found]), begin
