"""What is believed about scheduled charges at an origin: who stays, who comes, what they pay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.spine import Spine
from features.tables import DAY, Bools, Floats, Ints
from training.forecast.belief.arrival_rate import ArrivalRate, arrival_rate
from training.forecast.belief.curve_model import CurveModel
from training.forecast.belief.drift import YEAR
from training.forecast.belief.hazards import cumulative, incidence_at
from training.forecast.belief.lifetimes import EventAges, event_ages
from training.forecast.data.charge_schedule import ChargeChains, next_due, running
from training.forecast.data.charges import Charges

RECENT = 365.0
"""Days in which a customer began who serves as a likeness of those to come."""
PRIOR_LEFT, PRIOR_YEARS = 0.5, 5.0
"""Prior of the rate of leaving: half a customer left in five customer-years."""
FLOOR = 0.5
"""Share of the mean rate of leaving that no age is below: an age nobody left at is not safe."""
RISK = (0.1, 10.0)
"""A customer's risk against that of its age lies between these."""
HELD = (0.2, 5.0)
"""A charge that changed by more than this factor was another thing."""


@dataclass(frozen=True)
class RenewalModel:
    """What is believed about the chains of an origin.

    history       every chain; running (n,) which go on; due (n,) days to the next charge
    leaving_ages  ages at which customers leave; curve the churn model, None where there is none
    left          how many were seen to leave; floor the hazard a day that nobody is below
    arrival_rate  of customers; None where the history is too short
    templates     rows of ``history`` of recent newcomers' chains, by customer; starts where each's
                  begin
    growth        recent factors from one charge of a chain to its next
    """

    history: ChargeChains
    running: Bools
    due: Floats
    leaving_ages: EventAges
    left: float
    floor: float
    curve: CurveModel | None
    arrival_rate: ArrivalRate | None
    templates: Ints
    starts: Ints
    growth: Floats


def fit_renewals(
    charges: Charges, found: ChargeChains, curve: CurveModel | None, origin: int, recent_days: float
) -> RenewalModel:
    """Learn from what was known before ``origin`` (microseconds)."""
    going = running(charges, found, origin)
    templates, starts = _like(charges, found, origin)
    arrivals = _come(charges, origin)
    stays = _stays(charges, found, going, origin, recent_days)
    growth = _growth(charges, origin, recent_days)
    due = next_due(charges, found, origin)
    left = float(len(stays.ages))
    years = _years_seen(charges, origin, recent_days)
    floor = (left + PRIOR_LEFT) / (years + PRIOR_YEARS) * FLOOR / YEAR
    return RenewalModel(
        found, going, due, stays, left, floor, curve, arrivals, templates, starts, growth
    )


def _years_seen(charges: Charges, origin: int, recent_days: float) -> float:
    """Customer-years in the recent stretch, of customers known before the origin."""
    since = origin - round(recent_days * DAY)
    end = np.where(charges.gone(origin), charges.left, origin)
    found: Floats = np.maximum(end - np.maximum(charges.began, since), 0) / DAY / YEAR
    return float(found[charges.began < origin].sum())


def _stays(
    charges: Charges, found: ChargeChains, going: Bools, origin: int, recent_days: float
) -> EventAges:
    """Ages at which customers were known to leave, or missed the charge that was due."""
    account = charges.owner_of[found.chain]
    everyone = np.unique(account)
    place = np.searchsorted(everyone, account)
    alive = np.zeros(len(everyone), np.bool_)
    np.logical_or.at(alive, place, going)
    due = charges.at[found.last] + (np.nan_to_num(found.step) * DAY).astype(np.int64)
    missed = np.zeros(len(everyone), np.int64)
    np.maximum.at(missed, place, due - DAY // 2)
    left = charges.left[everyone]
    known = charges.gone(origin)[everyone]
    gone = known | ~alive
    ended = np.where(known, left, missed)
    since = origin - round(recent_days * DAY)
    return event_ages(charges.began[everyone], ended, gone, np.zeros_like(gone), since, origin)


def _come(charges: Charges, origin: int) -> ArrivalRate | None:
    began = charges.began[charges.began < origin]
    try:
        return arrival_rate(began, origin, int(began.min()))
    except ValueError:  # too short a history to know a rate: nobody is expected, and a note says so
        return None


def _like(charges: Charges, found: ChargeChains, origin: int) -> tuple[Ints, Ints]:
    """Chains (rows of ``found``) of the customers who began in the last year, by customer."""
    account = charges.owner_of[found.chain]
    since = origin - round(RECENT * DAY)
    first = charges.at[found.first] - charges.began[account] < DAY
    usable = first & ~np.isnan(found.step)
    recent = np.flatnonzero((charges.began[account] >= since) & usable)
    if len(recent) == 0:  # nobody came within the year: who comes is like any customer there was
        recent = np.flatnonzero(usable)
    rank = charges.rank[account]
    recent = recent[np.argsort(rank[recent], kind="stable")]
    _, starts = np.unique(rank[recent], return_index=True)
    return recent, np.append(starts, len(recent)).astype(np.int64)


def _growth(charges: Charges, origin: int, recent_days: float) -> Floats:
    """Factors from one charge of a chain to its next; one 1 where they never change."""
    since = origin - round(recent_days * DAY)
    rows = charges.made(since, origin, origin)
    later = rows[np.isin(rows - 1, rows)]
    later = later[charges.chain[later] == charges.chain[later - 1]]
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = charges.stated[later] / charges.stated[later - 1]
    factors = factors[np.isfinite(factors) & (factors >= HELD[0]) & (factors <= HELD[1])]
    if len(factors) == 0 or np.all(factors == 1.0):
        return np.ones(1)
    return np.sort(factors)


def hazards_at(
    charges: Charges, believed: RenewalModel, rows: Ints, origin: int, days: Floats
) -> Floats:
    """(n,) cumulative hazard of each chain's customer to have left by its own ``days`` (n,).

    By the churn curve up to its horizon; beyond it by age, as customers recently left, times the
    customer's own risk up to there against that of its age (large customers leave less, and a
    forecast is in money). By age alone where there is no curve.
    """
    account = charges.owner_of[believed.history.chain[rows]]
    ages = (origin - charges.began[account]) / DAY
    by_age = _by_age(believed.leaving_ages, ages, days) + believed.floor * days
    if believed.curve is None:
        return by_age
    horizon = believed.curve.question.horizon
    reach = np.minimum(days, horizon)
    near = _by_curve(charges, believed.curve, account, origin, reach)
    near *= _level(charges, believed, rows, origin)
    past_it = np.flatnonzero(days > horizon)
    ages, ends = ages[past_it], np.full(len(past_it), horizon)
    usual = _by_age(believed.leaving_ages, ages, ends) + believed.floor * ends
    risk = np.clip(near[past_it] / np.maximum(usual, 1e-9), *RISK)
    near[past_it] += risk * (by_age[past_it] - usual)
    return near


LEAN = 1.0
"""How far the curve's level leans to the one by age: 0 not at all, 1 wholly."""


def _level(charges: Charges, believed: RenewalModel, rows: Ints, origin: int) -> float:
    """Factor on the curve's hazards, so that all customers together leave as lately by age.

    The curve tells customers apart, and learned its level over years; the ages tell of late.
    """
    account = np.unique(charges.owner_of[believed.history.chain[rows]])
    if believed.curve is None or len(account) == 0:
        return 1.0
    ends = np.full(len(account), believed.curve.question.horizon)
    curve = _by_curve(charges, believed.curve, account, origin, ends).sum()
    ages = (origin - charges.began[account]) / DAY
    age = (_by_age(believed.leaving_ages, ages, ends) + believed.floor * ends).sum()
    return float((max(age, 1e-9) / max(curve, 1e-9)) ** LEAN)


def _by_age(stays: EventAges, ages: Floats, days: Floats) -> Floats:
    """(n,) growth of the cumulative hazard from each age over each number of days."""
    now, later = (cumulative(np.minimum(stays.incidence(a), 0.999)) for a in (ages, ages + days))
    return later - now


def _by_curve(
    charges: Charges, curve: CurveModel, account: Ints, origin: int, days: Floats
) -> Floats:
    everyone, place = np.unique(account, return_inverse=True)
    ids = [charges.accounts[a] for a in everyone.tolist()]
    spine = Spine("accounts", ids, np.full(len(ids), origin, np.int64))
    incidence = curve.incidence(charges.timeline, spine)
    steps = np.arange(0.0, curve.question.horizon + 1.0)
    known = cumulative(incidence_at(incidence, curve.question.edges, steps))
    return _rowwise(known, steps, place, days)


def _rowwise(known: Floats, steps: Floats, place: Ints, days: Floats) -> Floats:
    """Linear interpolation of row ``place[i]`` of ``known`` at ``days[i]``, steps a day apart."""
    low = np.clip(np.floor(days).astype(np.int64), 0, len(steps) - 2)
    part = days - low
    found: Floats = known[place, low] * (1 - part) + known[place, low + 1] * part
    return found
