"""What is believed at each origin: the chain of curve models, and what is learned anew each time.

Final: ``Beliefs.of``, ``Beliefs.at`` and ``TooLittleError``. Curve models are fitted at fixed
instants, every ``refit_days`` from the first deal on, whatever origins are asked for; an origin
uses the newest one fitted at or before it. So the forecast at an origin is the same alone and in a
backtest. Amounts, arrivals, hazards by age and the shock are learned at every origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from features.asof import past
from features.tables import DAY, NAT, Floats, Instants, Ints, Tables, instant_text, micros
from features.view import Timeline
from training.forecast.amounts import Changes
from training.forecast.arrivals import Arrivals, arrivals
from training.forecast.booked import Book
from training.forecast.charges import Charges
from training.forecast.curve import EVERY, Curve, Looks, fit_curve
from training.forecast.lifetimes import Jumps, jumps
from training.forecast.pipeline import History, pipeline
from training.forecast.recurring import Shopping, believe
from training.forecast.renewals import Renewals
from training.forecast.schedule import chains, scheduled
from training.forecast.season import Season, season
from training.forecast.settings import ForecastSettings
from training.forecast.shock import PAST_DAYS, Past
from training.teaching import question_of

FEWEST_WINS = 20
"""Won deals that must be known before anything can be said."""
YOUNG = 365
"""Days from the first birth on in which models are fitted anew more often."""
FEWEST_DAYS = 84
"""Days of deals that must be known before anything can be said."""


class TooLittleError(ValueError):
    """What was known at an origin is too little for a forecast; the message says what is needed."""


@dataclass(frozen=True)
class DealBelief:
    """What is believed about deals at an origin.

    curve     the newest curve model; None where none could be fitted yet: then ``times`` serves
    changes   how booked amounts differ from shown ones
    come      arrivals of new deals; times: their ages when won, with the rows of recent wins
    wins      (m,) rows of recent wins with an amount, and their booked amounts
    season    when in a quarter and a year deals are won faster
    """

    curve: Curve | None
    changes: Changes
    come: Arrivals
    times: Jumps
    wins: Ints
    booked: Floats
    season: Season


@dataclass(frozen=True)
class Beliefs:
    """The chain of fits: each origin is served by the newest model fitted at or before it.

    curves  by instant, oldest first; the same for ``churn`` where customers are known to leave
    """

    tables: Tables
    settings: ForecastSettings
    book: Book
    history: History
    looks: Looks
    curves: tuple[Curve, ...]
    charges: Charges | None
    churn: tuple[Curve, ...] = ()
    kept: dict[int, DealBelief] = field(default_factory=dict)
    past: dict[int, Past | None] = field(default_factory=dict)
    kept_charges: dict[int, Renewals | Shopping] = field(default_factory=dict)
    past_charges: dict[int, Past | None] = field(default_factory=dict)

    @staticmethod
    def of(tables: Tables, origins: Sequence[int], settings: ForecastSettings) -> Beliefs:
        """Fit what the origins (microseconds) need: a curve model every ``refit_days``.

        ValueError for a table without dates, no deals, or an origin outside the data.
        """
        _require_inside(tables, origins)
        timeline = Timeline(tables)
        book, charges = Book.of(timeline), Charges.of(timeline)
        _require_streams(book, charges)
        looks = Looks.of(
            timeline, question_of("deal_close", tables), max(origins), EVERY["deal_close"]
        )
        curves = _chain(looks, book.born[book.born != NAT], origins, settings)
        churn = _churn(timeline, charges, origins, settings)
        return Beliefs(tables, settings, book, History.of(tables), looks, curves, charges, churn)

    @property
    def has_bookings(self) -> bool:
        """Whether any deal was ever known to be won."""
        return bool((self.book.outcome == 1).any())

    def curve(self, origin: int) -> Curve | None:
        """The newest curve model fitted at or before ``origin``."""
        return next((c for c in reversed(self.curves) if c.at <= origin), None)

    def at(self, origin: int) -> DealBelief:
        """What is believed about deals at ``origin``; TooLittleError where that is nothing."""
        if origin not in self.kept:
            self.kept[origin] = self._at(origin)
        return self.kept[origin]

    def recurring(self, origin: int) -> Renewals | Shopping:
        """What is believed about charges at ``origin``; TooLittleError where that is nothing."""
        if origin not in self.kept_charges:
            curve = next((c for c in reversed(self.churn) if c.at <= origin), None)
            assert self.charges is not None
            try:
                found = believe(self.charges, curve, origin, self.settings.recent_days)
            except ValueError as why:
                raise TooLittleError(f"charges at {instant_text(origin)}: {why}") from why
            self.kept_charges[origin] = found
        return self.kept_charges[origin]

    def _at(self, origin: int) -> DealBelief:
        book, recent = self.book, origin - round(self.settings.recent_days * DAY)
        _require_history(book, origin)
        known = np.flatnonzero(book.known(origin))
        ended = book.ended(origin)[known]
        target = ended & (book.outcome[known] == 1)
        times = jumps(book.born[known], book.closed[known], target, ended & ~target, recent, origin)
        amounts = book.amounts(known[times.rows])
        told = ~np.isnan(amounts)
        if not told.any():
            raise TooLittleError(
                f"none of the {len(amounts)} deals won before {instant_text(origin)[:10]} says "
                f"what it booked; map closed_amount, or amount"
            )
        times = Jumps(
            times.rows[told], times.ages[told], times.weight[told] * len(told) / told.sum()
        )
        wins = known[times.rows]
        come = arrivals(book.born[known], origin, int(book.born[known].min()))
        changes = self._changes(origin, recent)
        pace = season(book.born[known], book.closed[known], target, ended & ~target, origin)
        return DealBelief(self.curve(origin), changes, come, times, wins, amounts[told], pace)

    def _changes(self, origin: int, recent: int) -> Changes:
        """Booked over shown amounts, from the snapshots of the recent wins."""
        book, spine = self.book, self.looks.spine
        rows = self.looked
        ours = (book.outcome[rows] == 1) & book.ended(origin)[rows] & (book.closed[rows] >= recent)
        keep = np.flatnonzero(ours & past(spine.cutoffs, book.closed[rows]))
        rows, cutoffs = rows[keep], spine.cutoffs[keep]
        seen = pipeline(book, self.history, rows, cutoffs, origin, strict=False)
        shown = np.where(seen.amount > 0, seen.amount, np.nan)
        days = (book.closed[rows] - cutoffs) / DAY
        return Changes.of(book.amounts(rows) / shown, seen.text("stage"), seen.changed, days)

    @cached_property
    def looked(self) -> Ints:
        """The row in the book of every snapshot."""
        place = {key: row for row, key in enumerate(self.book.ids)}
        return np.fromiter((place[i] for i in self.looks.spine.ids), np.int64)


def _require_inside(tables: Tables, origins: Sequence[int]) -> None:
    if not tables.meta.as_of:
        raise ValueError("the data have no dates: a forecast needs created and closed instants")
    if not origins:
        raise ValueError("no origin was asked for; give at least one instant")
    end = micros(tables.meta.as_of)
    if max(origins) > end:
        raise ValueError(
            f"the origin {instant_text(max(origins))} lies after the data, which end "
            f"{tables.meta.as_of}; ask for an origin up to then, or bring newer data"
        )


def _require_history(book: Book, origin: int) -> None:
    known = book.born[book.known(origin)]
    if len(known) == 0:
        first = book.born[book.born != NAT]
        where = instant_text(int(first.min())) if len(first) else "never"
        raise TooLittleError(
            f"no deal was known before {instant_text(origin)}: the first entered {where}; ask for "
            f"a later origin"
        )
    days, wins = (origin - int(known.min())) / DAY, len(book.won(origin))
    if days < FEWEST_DAYS or wins < FEWEST_WINS:
        raise TooLittleError(
            f"too little history at {instant_text(origin)}: {wins} won deals in {days:.0f} days; "
            f"needed are {FEWEST_WINS} won deals and {FEWEST_DAYS} days since the first deal"
        )


def _require_streams(book: Book, charges: Charges | None) -> None:
    if not (book.outcome == 1).any() and charges is None:
        raise ValueError(
            "the data hold neither a won deal nor an invoice nor a subscription with its mrr: "
            "there is nothing to forecast; map one of these tables"
        )


def _chain(
    looks: Looks, born: Instants, origins: Sequence[int], settings: ForecastSettings
) -> tuple[Curve, ...]:
    """The curve models the origins need, oldest first."""
    fits = [fit_at(looks, at, settings) for at in fit_times(born, origins, settings)]
    return tuple(fit for fit in fits if fit is not None)


def _churn(
    timeline: Timeline, charges: Charges | None, origins: Sequence[int], settings: ForecastSettings
) -> tuple[Curve, ...]:
    """Churn models, where charges are scheduled and customers are known to leave."""
    accounts = timeline.tables["accounts"]
    if charges is None or not accounts.has("outcome"):
        return ()
    if not scheduled(chains(charges, max(origins)), any(charges.kind)):
        return ()
    looks = Looks.of(timeline, question_of("churn", timeline.tables), max(origins), EVERY["churn"])
    born = accounts.instant("customer_at")
    return _chain(looks, born[born != NAT], origins, settings)


def fit_times(born: Instants, origins: Sequence[int], settings: ForecastSettings) -> list[int]:
    """When curve models are fitted: every ``refit_days`` from the first birth on, as needed.

    In the first year three times as often: what is known then doubles within weeks, and an old
    model costs more than a fit (measured on Maven: docs/benchmarks.md). The oldest origin needs
    the ones before it too: the shock is sized on them.
    """
    if len(born) == 0:
        return []
    step, first = round(settings.refit_days * DAY), int(born.min()) // DAY * DAY
    grown, last = first + YOUNG * DAY, max(origins)
    often = max(round(settings.refit_days / 3), 1) * DAY
    early = range(first + often, min(grown, last + 1), often)
    late = range(first + -(-(grown - first) // step) * step, last + 1, step)
    oldest = min(origins) - (0 if settings.shock is not None else round(PAST_DAYS * DAY))
    every = [*early, *late]
    before = sum(at <= oldest for at in every)
    return every[max(before - 1, 0) :]


def fit_at(looks: Looks, at: int, settings: ForecastSettings) -> Curve | None:
    """The curve model of an instant; None where too few outcomes were known by then."""
    rows = looks.rows(at)
    if len(rows) == 0 or int(looks.labels(rows, at).hit.sum()) < FEWEST_WINS:
        return None
    return fit_curve(looks, at, settings.threads)
