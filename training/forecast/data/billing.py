"""How often a chain is charged: so many days, or so many months on one day of the month.

Read off the newest charges. A plan that changes is seen in the amounts: a customer of 100 a month
who pays 1,100 once has gone over to a year, and is silent until the next one by agreement.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.calendar_time import day_in_month, days_in_month, first_day, month_of_day
from features.tables import Bools, Floats, Ints

NEWEST = 5
"""How many of a chain's charges are looked at."""
MONTH = 365.25 / 12
"""Days of a mean month."""
OFF = 2.0
"""Mean days a charge may be off its day of the month: weekends and holidays."""
SHORTEST = 26.0
"""A gap below so many days is no month."""
OTHER_PLAN = 2.0
"""A charge that is so many times the last one, or its inverse, may be of another plan."""
PLANS = np.array([1, 3, 6, 12, 24, 36])
"""Months that plans run for."""
SURE, LIKELY = (0.8, 1.05), (0.6, 1.2)
"""A month's price on the longer plan by that on the shorter: before and after the old plan's charge
has failed to come."""


@dataclass(frozen=True)
class Billing:
    """Steps from charge to charge, (n,) each.

    days    the step in days (a mean where by months), NaN where nothing tells
    months  the step in months, 0 where it is in days; anchor: the day of the month aimed at
    gaps    how many gaps the step was read from; spread: the largest difference of one from it
    """

    days: Floats
    months: Ints
    anchor: Ints
    gaps: Ints
    spread: Floats


def billing(day: Ints, amount: Floats, count: Ints, today: int) -> Billing:
    """The billing of chains by their ``NEWEST`` charges.

    day, amount (n, NEWEST), the newest last, in front of the first whatever; count (n,) how many
    charges there are; today: the day it is looked at.
    """
    there = np.arange(NEWEST)[None, :] >= NEWEST - np.minimum(count, NEWEST)[:, None]
    gap = there[:, 1:] & there[:, :-1]
    changed = _changes(amount, gap)
    newest = gap & (np.cumsum(changed[:, ::-1], axis=1)[:, ::-1] == 0)
    found = _steps(day, newest)
    switched = ~newest.any(axis=1) & changed[:, -1] & (count >= 3)
    if not switched.any():
        return found
    old = _steps(day, gap & ~changed)
    return _switched(found, old, switched, day, amount, today)


def _changes(amount: Floats, gap: Bools) -> Bools:
    """(n, NEWEST - 1) gaps over which the amount changed as a plan's does; none where it varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.abs(np.log(amount[:, 1:] / amount[:, :-1]))
    changed: Bools = gap & (ratio >= np.log(OTHER_PLAN))
    changed[changed.sum(axis=1) > 1] = False  # usage, not plans
    return changed


def _steps(day: Ints, gap: Bools) -> Billing:
    """Steps from the marked gaps: by months where the days of the month fit better than a gap."""
    length = np.where(gap, np.diff(day, axis=1), np.nan).astype(np.float64)
    n = gap.sum(axis=1)
    usual = _median(np.diff(day, axis=1), gap)
    months = np.where(usual >= SHORTEST, np.maximum(np.rint(usual / MONTH), 1), 0)
    months = months.astype(np.int64)
    off_days = np.nansum(np.abs(length - usual[:, None]), axis=1)
    anchor, off_months = _anchored(day, gap, months)
    even = (off_days == 0) & (n > 1)  # gaps of so many days exactly
    near = (off_months <= off_days) | (~even & (off_months <= OFF * n))
    monthly = (months > 0) & near
    step = np.where(monthly, months * MONTH, usual)
    spread = np.nan_to_num(np.abs(length - step[:, None])).max(axis=1)
    return Billing(step, np.where(monthly, months, 0), anchor, n, spread)


def _anchored(day: Ints, gap: Bools, months: Ints) -> tuple[Ints, Floats]:
    """The day of the month that fits the charges best, and by how many days they are off it."""
    place = day_in_month(day)
    charge = np.zeros(day.shape, bool)
    charge[:, 1:] |= gap
    charge[:, :-1] |= gap
    charge[:, -1] = True  # the newest charge, where no gap is marked
    latest = np.where(charge, place, 0).max(axis=1)
    middle = np.rint(_median(place, charge)).astype(np.int64)
    off = [_off(day, gap, months, anchor) for anchor in (latest, middle)]
    better = off[1] < off[0]
    return np.where(better, middle, latest), np.where(better, off[1], off[0])


def _median(values: Ints, marked: Bools) -> Floats:
    """(n,) the median of each row's marked values, NaN where none is."""
    found = np.full(len(values), np.nan)
    some = marked.any(axis=1)
    found[some] = np.nanmedian(np.where(marked[some], values[some], np.nan), axis=1)
    return found


def _off(day: Ints, gap: Bools, months: Ints, anchor: Ints) -> Floats:
    """Days that the charges after the marked gaps lie off where the months put them, summed."""
    month = month_of_day(day[:, :-1]) + months[:, None]
    aimed = first_day(month) + np.minimum(anchor[:, None], days_in_month(month)) - 1
    found: Floats = np.where(gap, np.abs(day[:, 1:] - aimed), 0).sum(axis=1).astype(np.float64)
    return found


def _switched(
    found: Billing, old: Billing, rows: Bools, day: Ints, amount: Floats, today: int
) -> Billing:
    """The plan of chains whose newest charge alone is of another one, by the price of a month."""
    with np.errstate(divide="ignore", invalid="ignore"):
        before = amount[:, -2] / (old.days / MONTH)
        price = amount[:, -1:] / PLANS[None, :] / before[:, None]
        longer = PLANS[None, :] * MONTH >= old.days[:, None]
        price = np.where(longer, price, 1 / price)
    late = today > day[:, -1] + np.maximum(1.2 * old.days, old.days + 4)
    low, high = (np.where(late, LIKELY[i], SURE[i])[:, None] for i in (0, 1))
    fits = (price >= low) & (price <= high)
    with np.errstate(divide="ignore", invalid="ignore"):
        best = np.argmin(np.where(fits, np.abs(np.log(price)), np.inf), axis=1)
    regular = rows & fits.any(axis=1)
    stays = rows & ~regular  # an odd amount on the old plan
    months = np.where(regular, PLANS[best], np.where(stays, old.months, found.months))
    anchor = np.where(regular, day_in_month(day[:, -1]), np.where(stays, old.anchor, found.anchor))
    days = np.where(regular, PLANS[best] * MONTH, np.where(stays, old.days, found.days))
    gaps = np.where(rows, old.gaps, found.gaps)
    return Billing(days, months, anchor, gaps, np.where(rows, old.spread, found.spread))
