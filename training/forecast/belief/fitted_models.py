"""What is learned at each origin: curve models, amounts, arrivals, ages at the win, their drift."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from features.asof import past
from features.tables import DAY, NAT, Floats, Ints, Tables, instant_text, micros
from features.timeline import Timeline
from training.forecast.belief.amounts import AmountChanges
from training.forecast.belief.arrival_rate import ArrivalRate, arrival_rate
from training.forecast.belief.curve_chain import CurveChain, fit_times
from training.forecast.belief.curve_model import EVERY, CurveModel, PanelSnapshots
from training.forecast.belief.drift import DriftPosterior, price_drift
from training.forecast.belief.hazard_season import HazardSeason, hazard_season, pace_drift
from training.forecast.belief.lifetimes import EventAges, event_ages
from training.forecast.belief.recurring import PurchaseModel, fit_recurring
from training.forecast.belief.renewals import RenewalModel
from training.forecast.data.charge_schedule import charge_chains, scheduled
from training.forecast.data.charges import Charges
from training.forecast.data.deal_snapshot import deal_snapshots
from training.forecast.data.deal_table import DealTable
from training.forecast.data.settings import ForecastSettings
from training.task.dataset import question_of

FEWEST_WINS = 20
"""Won deals that must be known before anything can be said."""
FEWEST_DAYS = 84
"""Days of deals that must be known before anything can be said."""


class TooLittleError(ValueError):
    """What was known at an origin is too little for a forecast; the message says what is needed."""


@dataclass(frozen=True)
class DealModels:
    """What is believed about deals at an origin.

    curve     the newest curve model; None where none could be fitted yet: then ``times`` serves
    changes   how booked amounts differ from shown ones
    come      arrivals of new deals; times: their ages when won, with the rows of recent wins
    wins      (m,) rows of recent wins with an amount, and their booked amounts
    season    when in a quarter deals are won faster
    pace      how much faster or slower they are won than their ages led to expect; price likewise
    """

    curve: CurveModel | None
    changes: AmountChanges
    arrival_rate: ArrivalRate
    win_ages: EventAges
    recent_wins: Ints
    booked: Floats
    season: HazardSeason
    pace: DriftPosterior
    price: DriftPosterior


@dataclass(frozen=True)
class FittedModels:
    """What origins are served by: the chains of curve models, and what is learned at each.

    curves  of deals; churn of customers, where they are known to leave
    """

    tables: Tables
    settings: ForecastSettings
    deals: DealTable
    panel: PanelSnapshots
    curves: CurveChain
    charges: Charges | None
    churn: CurveChain | None = None
    deal_models: dict[int, DealModels] = field(default_factory=dict)
    charge_models: dict[int, RenewalModel | PurchaseModel] = field(default_factory=dict)

    @staticmethod
    def of(tables: Tables, origins: Sequence[int], settings: ForecastSettings) -> FittedModels:
        """Look at what the origins (microseconds) need; curve models are fitted when first used.

        ValueError for a table without dates, no deals, or an origin outside the data.
        """
        _require_inside(tables, origins)
        timeline = Timeline(tables)
        asof, charges = DealTable.of(timeline), Charges.of(timeline)
        _require_streams(asof, charges)
        looks = PanelSnapshots.of(
            timeline, question_of("deal_close", tables), max(origins), EVERY["deal_close"]
        )
        times = fit_times(asof.born[asof.born != NAT], max(origins), settings)
        curves = CurveChain(looks, times)
        churn = _churn(timeline, charges, origins, settings)
        return FittedModels(tables, settings, asof, looks, curves, charges, churn)

    @property
    def has_bookings(self) -> bool:
        """Whether any deal was ever known to be won."""
        return bool((self.deals.outcome == 1).any())

    def curve(self, origin: int) -> CurveModel | None:
        """The newest curve model fitted at or before ``origin``."""
        return self.curves.at(origin)

    def at(self, origin: int) -> DealModels:
        """What is believed about deals at ``origin``; TooLittleError where that is nothing."""
        if origin not in self.deal_models:
            self.deal_models[origin] = self._at(origin)
        return self.deal_models[origin]

    def recurring(self, origin: int) -> RenewalModel | PurchaseModel:
        """What is believed about charges at ``origin``; TooLittleError where that is nothing."""
        if origin not in self.charge_models:
            curve = None if self.churn is None else self.churn.at(origin)
            assert self.charges is not None
            try:
                found = fit_recurring(self.charges, curve, origin, self.settings.recent_days)
            except ValueError as why:
                raise TooLittleError(f"charges at {instant_text(origin)}: {why}") from why
            self.charge_models[origin] = found
        return self.charge_models[origin]

    def _at(self, origin: int) -> DealModels:
        asof, recent = self.deals, origin - round(self.settings.recent_days * DAY)
        _require_history(asof, origin)
        known = np.flatnonzero(asof.known(origin))
        ended = asof.ended(origin)[known]
        target = ended & (asof.outcome[known] == 1)
        times = event_ages(
            asof.born[known], asof.closed[known], target, ended & ~target, recent, origin
        )
        amounts = asof.amounts(known[times.rows])
        stated = ~np.isnan(amounts)
        if not stated.any():
            raise TooLittleError(
                f"none of the {len(amounts)} deals won before {instant_text(origin)[:10]} says "
                f"what it booked; map closed_amount, or amount"
            )
        times = EventAges(
            times.rows[stated],
            times.ages[stated],
            times.weight[stated] * len(stated) / stated.sum(),
        )
        wins = known[times.rows]
        come = arrival_rate(asof.born[known], origin, int(asof.born[known].min()))
        changes = self._changes(origin, recent)
        lives = (asof.born[known], asof.closed[known], target, ended & ~target, origin)
        every = known[target]
        season = hazard_season(*lives)
        ago = (origin - asof.closed[every]) / DAY
        return DealModels(
            self.curve(origin),
            changes,
            come,
            times,
            wins,
            amounts[stated],
            season,
            pace_drift(*lives, season),
            price_drift(origin, ago, asof.amounts(every), self.settings.recent_days),
        )

    def _changes(self, origin: int, recent: int) -> AmountChanges:
        """Booked over shown amounts, from the snapshots of the recent wins."""
        asof, spine = self.deals, self.panel.spine
        rows = self.panel_rows
        ours = (asof.outcome[rows] == 1) & asof.ended(origin)[rows] & (asof.closed[rows] >= recent)
        keep = np.flatnonzero(ours & past(spine.cutoffs, asof.closed[rows]))
        rows, cutoffs = rows[keep], spine.cutoffs[keep]
        seen = deal_snapshots(asof, rows, cutoffs, origin, strict=False)
        shown = np.where(seen.amount > 0, seen.amount, np.nan)
        days = (asof.closed[rows] - cutoffs) / DAY
        return AmountChanges.of(asof.amounts(rows) / shown, seen.text("stage"), seen.changed, days)

    @cached_property
    def panel_rows(self) -> Ints:
        """The row in the deal table of every snapshot."""
        place = {key: row for row, key in enumerate(self.deals.ids)}
        return np.fromiter((place[i] for i in self.panel.spine.ids), np.int64)


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


def _require_history(asof: DealTable, origin: int) -> None:
    known = asof.born[asof.known(origin)]
    if len(known) == 0:
        first = asof.born[asof.born != NAT]
        where = instant_text(int(first.min())) if len(first) else "never"
        raise TooLittleError(
            f"no deal was known before {instant_text(origin)}: the first entered {where}; ask for "
            f"a later origin"
        )
    days, wins = (origin - int(known.min())) / DAY, len(asof.won(origin))
    if days < FEWEST_DAYS or wins < FEWEST_WINS:
        raise TooLittleError(
            f"too little history at {instant_text(origin)}: {wins} won deals in {days:.0f} days; "
            f"needed are {FEWEST_WINS} won deals and {FEWEST_DAYS} days since the first deal"
        )


def _require_streams(asof: DealTable, charges: Charges | None) -> None:
    if not (asof.outcome == 1).any() and charges is None:
        raise ValueError(
            "the data hold neither a won deal nor an invoice nor a subscription with its mrr: "
            "there is nothing to forecast; map one of these tables"
        )


def _churn(
    timeline: Timeline, charges: Charges | None, origins: Sequence[int], settings: ForecastSettings
) -> CurveChain | None:
    """Churn models, where charges are scheduled and customers are known to leave."""
    accounts = timeline.tables["accounts"]
    if charges is None or not accounts.has("outcome"):
        return None
    if not scheduled(charge_chains(charges, max(origins)), any(charges.kind)):
        return None
    looks = PanelSnapshots.of(
        timeline, question_of("churn", timeline.tables), max(origins), EVERY["churn"]
    )
    born = accounts.instant("customer_at")
    times = fit_times(born[born != NAT], max(origins), settings)
    return CurveChain(looks, times)
