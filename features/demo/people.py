"""Owners of unequal skill, their quotas, and the exchange rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.demo.draw import DemoPeriod, Rng, instants, keys, people, texts, words
from features.tables import DAY, NAT, Floats, Instants, Ints

OWNERS = 12
TEAMS = ("North", "South", "Overseas")
SKILL = 0.4
"""Standard deviation of the owners' skill, in log odds of the good outcome."""
LATE_JOINERS = 2
QUARTERS_AHEAD = 2
"""Quarters after the history that have their quotas already."""
USD = 0.92
"""Reporting currency (EUR) per dollar on average; the true effects use this one number."""


@dataclass(frozen=True)
class Owners:
    """The sellers: skill (n,) in log odds, and the day each joined."""

    ids: list[str]
    skill: Floats
    joined: Ints

    def assign(self, rng: Rng, days: Ints) -> Ints:
        """An owner, already there on the day, for each entity; loads are unequal."""
        load = 1.0 + (np.arange(OWNERS) % 4) / 4
        owner = rng.choice(OWNERS, len(days), p=load / load.sum())
        early = self.joined[owner] > days
        owner[early] = rng.integers(0, OWNERS - LATE_JOINERS, int(early.sum()))
        return owner


def draw_owners(rng: Rng, calendar: DemoPeriod) -> Owners:
    """Owners whose skills are evenly spread and shuffled; the last two join mid-way."""
    spread = np.linspace(-1.6, 1.6, OWNERS)
    skill = rng.permutation(spread / spread.std() * SKILL)
    joined = np.full(OWNERS, calendar.start - 30)
    joined[-LATE_JOINERS:] = calendar.start + np.array([200, 450])
    return Owners(keys("O", OWNERS, 2), skill, joined)


def owner_frames(
    rng: Rng, owners: Owners, calendar: DemoPeriod, yearly: float
) -> dict[str, pd.DataFrame]:
    """The tables owners, quotas (by quarter; ``yearly`` EUR for all together) and fx_rates."""
    leads = ["O01", "O02", "O03"]
    team = np.arange(OWNERS) % len(TEAMS)
    managers = np.where(np.arange(OWNERS) < len(TEAMS), -1, team)
    frame = pd.DataFrame(
        {
            "owner_id": texts(owners.ids),
            "name": texts(people(rng, OWNERS)),
            "team": words(team, TEAMS),
            "region": words(team, ("DACH", "Iberia", "Americas")),
            "manager_id": words(managers, leads),
            "started_at": instants(owners.joined * DAY),
            "ended_at": instants(np.full(OWNERS, NAT)),
        }
    )
    return {
        "owners": frame,
        "quotas": _quotas(rng, owners, calendar, yearly),
        "fx_rates": _rates(rng, calendar),
    }


def _month_starts(calendar: DemoPeriod, step: str) -> Instants:
    first, last = (np.datetime64(int(d), "D") for d in (calendar.start, calendar.end))
    starts = pd.date_range(first, last, freq=step, inclusive="left")
    return starts.to_numpy("datetime64[us]").astype(np.int64)


def _quotas(rng: Rng, owners: Owners, calendar: DemoPeriod, yearly: float) -> pd.DataFrame:
    """Quotas of the quarters of the history, and, from a stream of their own, of the next ones."""
    starts = _month_starts(calendar, "QS")
    now = len(starts)
    starts = _and_next(starts, QUARTERS_AHEAD + 1)
    quarter, owner = (a.ravel() for a in np.meshgrid(np.arange(len(starts) - 1), np.arange(OWNERS)))
    there = owners.joined[owner] * DAY <= starts[quarter]
    quarter, owner = quarter[there], owner[there]
    drawn = np.empty(len(owner))
    past = quarter < now
    drawn[past] = rng.lognormal(0, 0.15, int(past.sum()))
    drawn[~past] = rng.spawn(1)[0].lognormal(0, 0.15, int((~past).sum()))
    amount, ends = yearly / 4 / OWNERS * drawn, starts[1:]
    return pd.DataFrame(
        {
            "quota_id": texts(keys("Q", len(owner), 4)),
            "owner_id": words(owner, owners.ids),
            "period_start_at": instants(starts[quarter]),
            "period_end_at": instants(ends[quarter]),
            "amount": np.round(amount, -2),
            "currency": words(np.zeros(len(owner), np.int32), ("EUR",)),
        }
    )


def _and_next(starts: Instants, quarters: int) -> Instants:
    """Quarter starts, and those of so many quarters more."""
    last = np.datetime64(int(starts[-1]), "us").astype("datetime64[M]")
    more = last + 3 * np.arange(1, quarters + 1)
    return np.append(starts, more.astype("datetime64[us]").astype(np.int64))


def _rates(rng: Rng, calendar: DemoPeriod) -> pd.DataFrame:
    months = _month_starts(calendar, "MS")
    starts = np.concatenate([[calendar.start * DAY - 40 * DAY], months])
    wander = np.cumsum(rng.normal(0, 0.006, len(starts)))
    rate = np.round(USD * np.exp(wander - wander.mean()), 5)
    return pd.DataFrame(
        {
            "rate_id": texts(keys("R", len(starts), 3)),
            "currency": words(np.zeros(len(starts), np.int32), ("USD",)),
            "rate_at": instants(starts),
            "rate": rate,
        }
    )
