"""When each customer's next charges fall due: chains of charges at regular steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.calendar_time import later
from features.tables import DAY, NAT, Bools, Floats, Ints
from training.forecast.data.billing import MONTH, NEWEST, billing
from training.forecast.data.charges import Charges

SLACK = 0.2
"""A gap may differ from the usual one by so much of it (at least ``DAYS``) and be regular."""
DAYS = 4.0
"""A chain later than a gap may differ has ended."""
REGULAR = 0.6
"""Share of the chains with enough charges that must be regular for a data set to be scheduled."""
YEARLY = 365.25


@dataclass(frozen=True)
class ChargeChains:
    """The chains known at an origin; all (n,).

    chain    numbers in ``Charges``; last and first are rows of their newest and oldest charge
    step     days between charges, NaN where nothing tells; charges how many there were
    months   the step in months, 0 where it is in days; anchor the day of the month aimed at
    regular  whether the gaps seen are regular (False with fewer than two)
    """

    chain: Ints
    first: Ints
    last: Ints
    charges: Ints
    step: Floats
    months: Ints
    anchor: Ints
    regular: Bools


def charge_chains(charges: Charges, origin: int) -> ChargeChains:
    """What the charges known before ``origin`` (microseconds) tell of each chain."""
    rows = np.flatnonzero(charges.seen(origin))
    found, first, count = np.unique(charges.chain[rows], return_index=True, return_counts=True)
    last = first + count - 1
    plan = billing(*_newest(charges, rows, last, count), count, _day_of(charges, origin))
    loose = np.maximum(DAYS, SLACK * plan.days)
    regular = (plan.gaps >= 2) & (plan.spread <= loose)
    step = _borrowed(charges, found, rows[last], plan.days, regular | (count == 2), origin)
    months = np.where(np.isnan(plan.days), _whole_months(step), plan.months)
    return ChargeChains(found, rows[first], rows[last], count, step, months, plan.anchor, regular)


def _newest(charges: Charges, rows: Ints, last: Ints, count: Ints) -> tuple[Ints, Floats]:
    """(n, NEWEST) days and amounts of the newest charges, the oldest repeated in front."""
    place = np.arange(NEWEST)[None, :] - (NEWEST - 1) + last[:, None]
    place = rows[np.maximum(place, (last - count + 1)[:, None])]
    return charges.zone.day(charges.at[place]), charges.stated[place]


def _day_of(charges: Charges, origin: int) -> int:
    return int(charges.zone.day(np.array([origin]))[0])


def _whole_months(days: Floats) -> Ints:
    """The months that a borrowed step stands for, 0 where it is none."""
    months = np.rint(np.nan_to_num(days) / MONTH).astype(np.int64)
    near = np.abs(np.nan_to_num(days) - months * MONTH) <= 0.02 * np.nan_to_num(days)
    return np.where(near, months, 0)


ALIKE = 7
"""Chains of the nearest amounts that a chain with one charge takes its step from."""


def _borrowed(
    charges: Charges, chain: Ints, last: Ints, step: Floats, plan: Bools, origin: int
) -> Floats:
    """Steps, with an unknown one taken from the chains of its kind with the nearest amounts.

    A customer who has been charged once, has not left and is silent for five months is charged by
    the year, not by the month: where leaving is known, shorter steps than the silence are out.
    """
    out = step.copy()
    known = np.flatnonzero(plan & ~np.isnan(step))
    if len(known) == 0:
        return out
    kinds = np.array([charges.kind[c] for c in chain.tolist()], object)
    size = np.log(np.maximum(charges.stated[last], 1e-9))
    silence = (origin - charges.at[last]) / DAY
    stays = (charges.left != NAT).any() & ~charges.gone(origin)[charges.owner_of[chain]]
    least = np.where(stays, silence / (1.0 + SLACK), 0.0)
    for i in np.flatnonzero(np.isnan(step)).tolist():
        ours = known[kinds[known] == kinds[i]]
        near = ours if len(ours) else known
        long = near[step[near] >= least[i]]
        if len(long) == 0:
            out[i] = YEARLY if stays[i] else np.median(step[near])
            continue
        alike = long[np.argsort(np.abs(size[long] - size[i]), kind="stable")[:ALIKE]]
        out[i] = np.median(step[alike])
    return out


def scheduled(found: ChargeChains, contracts: bool) -> bool:
    """Whether charges come at regular steps in this data set; else they are purchases.

    contracts  whether charges name contracts, which settles it where chains are short
    """
    enough = found.charges >= 3
    if enough.sum() < 10:
        return contracts
    return bool(found.regular[enough].mean() >= REGULAR)


def running(charges: Charges, found: ChargeChains, origin: int) -> Bools:
    """(n,) chains that go on as far as is known at ``origin``."""
    account = charges.owner_of[found.chain]
    ended = charges.ended[found.chain]
    over = (ended != NAT) & (ended < origin)
    late = (origin - charges.at[found.last]) / DAY - found.step
    silent = late > np.maximum(SLACK * found.step, DAYS)
    going: Bools = ~over & ~charges.gone(origin)[account] & ~silent & ~np.isnan(found.step)
    return going


def next_due(charges: Charges, found: ChargeChains, origin: int) -> Floats:
    """(n,) days from the origin to the next charge; one that is late is due now."""
    rows = np.arange(len(found.chain))
    due: Floats = np.maximum(due_days(charges, found, rows, np.ones_like(rows), origin), 0.0)
    return due


def due_days(charges: Charges, found: ChargeChains, rows: Ints, turn: Ints, origin: int) -> Floats:
    """Days from the origin to the ``turn``-th charge (from 1) after the newest of chains ``rows``.

    By the calendar of the company's zone and at the newest charge's time of day: a charge of the
    31st falls on the last day of a shorter month, one of 29 February on the 28th. NaN without step.
    """
    wall = charges.zone.wall(charges.at[found.last[rows]])
    monthly, step = found.months[rows] > 0, np.nan_to_num(found.step[rows])
    n = np.where(monthly, found.months[rows] * turn, np.rint(step * turn).astype(np.int64))
    day = later(wall // DAY, n, monthly, found.anchor[rows])
    at = charges.zone.instant(day * DAY + wall % DAY)
    return np.where(np.isnan(found.step[rows]), np.nan, (at - origin) / DAY)
