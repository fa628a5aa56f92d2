"""When each customer's next charges fall due: chains of charges at regular steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.tables import DAY, NAT, Bools, Floats, Ints
from training.forecast.data.charges import Charges

SLACK = 0.2
"""A gap may differ from the usual one by so much of it (at least ``DAYS``) and be regular."""
DAYS = 4.0
"""A chain later than a gap may differ has ended."""
REGULAR = 0.6
"""Share of the chains with enough charges that must be regular for a data set to be scheduled."""
YEARLY = 365.25
LATEST = 4
"""How many of the newest gaps are looked at."""
CALENDAR = ((28.0, 31.0, 365.25 / 12), (89.0, 92.0, 365.25 / 4), (365.0, 366.0, 365.25))
"""Gaps of calendar months, quarters and years, and how long these are on average."""


@dataclass(frozen=True)
class ChargeChains:
    """The chains known at an origin; all (n,).

    chain    numbers in ``Charges``; last and first are rows of their newest and oldest charge
    step     days between charges, NaN where nothing tells; charges how many there were
    regular  whether the gaps seen are regular (False with fewer than two)
    """

    chain: Ints
    first: Ints
    last: Ints
    charges: Ints
    step: Floats
    regular: Bools


def charge_chains(charges: Charges, origin: int) -> ChargeChains:
    """What the charges known before ``origin`` (microseconds) tell of each chain."""
    rows = np.flatnonzero(charges.seen(origin))
    found, first, count = np.unique(charges.chain[rows], return_index=True, return_counts=True)
    last = first + count - 1
    step, regular = np.full(len(found), np.nan), np.zeros(len(found), np.bool_)
    at = charges.at[rows]
    for i in np.flatnonzero(count >= 2).tolist():
        gaps = np.diff(at[max(first[i], last[i] - LATEST) : last[i] + 1]) / DAY
        step[i] = _step(gaps)
        loose = max(DAYS, SLACK * step[i])
        regular[i] = len(gaps) >= 2 and bool(np.all(np.abs(gaps - step[i]) <= loose))
    step = _borrowed(charges, found, rows[last], step, regular | (count == 2), origin)
    return ChargeChains(found, rows[first], rows[last], count, step, regular)


def _step(gaps: Floats) -> float:
    """The usual gap; calendar months are not all alike, others are exact."""
    usual = float(np.median(gaps))
    if np.ptp(gaps) < 0.5 / 24 and len(gaps) > 1:
        return usual
    for low, high, mean in CALENDAR:
        if np.all((gaps >= low - 0.6) & (gaps <= high + 0.6)):
            return usual if np.ptp(gaps) < 0.5 else mean
    return usual


ALIKE = 7
"""Chains of the nearest amounts that a chain with one charge takes its step from."""


def _borrowed(
    charges: Charges, chain: Ints, last: Ints, step: Floats, told: Bools, origin: int
) -> Floats:
    """Steps, with an unknown one taken from the chains of its kind with the nearest amounts.

    A customer who has been charged once, has not left and is silent for five months is charged by
    the year, not by the month: where leaving is known, shorter steps than the silence are out.
    """
    out = step.copy()
    known = np.flatnonzero(told & ~np.isnan(step))
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
    since = (origin - charges.at[found.last]) / DAY
    due: Floats = np.maximum(found.step - since, 0.0)
    return due
