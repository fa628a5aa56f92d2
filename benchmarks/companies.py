"""Generated companies of eight kinds, whose revenue a forecast is asked about.

Each has a log intensity of its own: a level that wanders, a trend, a season and weeks that are
busier than others. Deals arrive, wait a gamma-distributed time and are won or lost; subscribers are
invoiced monthly or yearly and leave; buyers come back at rates of their own and stop one day. The
forecast sees the tables alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from features.frames import from_frames
from features.tables import Floats, Meta, Tables

KINDS = (
    *("steady", "growing", "seasonal", "lumpy", "collapsing", "subscription"),
    *("repeat purchase", "ten months old"),
)
END = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = 365.25


@dataclass(frozen=True)
class World:
    """The daily intensity of a company: ``log_rate`` (days,) around 0, oldest day first."""

    rng: np.random.Generator
    days: int
    log_rate: Floats

    @staticmethod
    def of(
        rng: np.random.Generator,
        years: float,
        growth: float = 0.0,
        season: float = 0.05,
        wander: float = 0.12,
    ) -> World:
        """growth: log a year; season: size of the yearly waves; wander: deviation after a year."""
        days = round(years * YEAR)
        weeks = days // 7 + 1
        walk = np.cumsum(rng.normal(0, wander / np.sqrt(YEAR / 7), weeks))
        noise = rng.normal(0, 0.12, weeks)
        t = np.arange(days)
        phase = rng.uniform(0, 2 * np.pi, 2)
        turn = 2 * np.pi * t / YEAR
        waves = season * (np.cos(turn - phase[0]) + 0.5 * np.cos(2 * turn - phase[1]))
        log_rate = growth * (t - days) / YEAR + waves + (walk + noise)[t // 7]
        return World(rng, days, log_rate)

    def times(self, a_day: float) -> Floats:
        """Days, from the oldest on, at which something happens ``a_day`` times a usual day."""
        counts = self.rng.poisson(a_day * np.exp(self.log_rate))
        day = np.repeat(np.arange(self.days), counts)
        found: Floats = np.sort(day + self.rng.random(len(day)))
        return found

    def stamps(self, days: Floats) -> pd.DatetimeIndex:
        """Days of this world as timestamps (UTC)."""
        start = pd.Timestamp(END) - pd.Timedelta(days=self.days)
        return pd.DatetimeIndex(start + pd.to_timedelta(np.asarray(days), unit="D")).round("s")


def _tables(name: str, frames: Mapping[str, pd.DataFrame]) -> Tables:
    end = f"{END:%Y-%m-%d}T00:00:00+00:00"
    return from_frames(frames, Meta(end, "EUR", fixed={"deals": ["amount"]}, mapping=name))


def deals(name: str, world: World, a_week: float, spread: float, wait: float = 55.0) -> Tables:
    """A company that sells deals: ``a_week`` created; ``spread`` of log amounts."""
    rng, born = world.rng, world.times(a_week / 7)
    n = len(born)
    segment = rng.integers(0, 3, n)
    won = rng.random(n) < np.array([0.2, 0.3, 0.4])[segment]
    closed = born + rng.gamma(2.0, wait / 2, n)
    amount = np.exp(rng.normal(9.0 + 0.3 * segment, spread, n)).round(2)
    known = closed < world.days
    stamps = world.stamps(closed)
    frame = pd.DataFrame(
        {
            "deal_id": [f"{name}-{i}" for i in range(n)],
            "created_at": world.stamps(born),
            "closed_at": stamps.where(known),
            "outcome": pd.Series(np.where(won, "won", "lost")).where(known),
            "amount": amount,
            "product": np.array(["basic", "plus", "max"], object)[segment],
            "owner_id": [f"O{i}" for i in rng.integers(0, 5, n)],
        }
    )
    return _tables(name, {"deals": frame})


def subscription(name: str, world: World, a_week: float) -> Tables:
    """Customers invoiced by the month (one in five by the year) until they leave."""
    rng, born = world.rng, world.times(a_week / 7)
    n = len(born)
    life = rng.exponential(YEAR / rng.uniform(0.15, 0.35), n)
    step = np.where(rng.random(n) < 0.2, YEAR, YEAR / 12)
    mrr = np.exp(rng.normal(5.5, 0.7, n)).round(2)
    ends = np.minimum(born + life, world.days)
    times = np.ceil((ends - born) / step).astype(np.int64)
    rows = np.repeat(np.arange(n), times)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(times) - times, times)
    gone = born + life < world.days
    accounts = pd.DataFrame(
        {
            "account_id": [f"A{i}" for i in range(n)],
            "created_at": world.stamps(born),
            "customer_at": world.stamps(born),
            "closed_at": world.stamps(born + life).where(gone),
            "outcome": pd.Series(["churned"] * n).where(gone),
        }
    )
    invoices = pd.DataFrame(
        {
            "invoice_id": [f"I{i}" for i in range(len(rows))],
            "account_id": [f"A{i}" for i in rows],
            "amount": (mrr * np.where(step > 300, 12.0, 1.0))[rows],
            "issued_at": world.stamps(born[rows] + turn * step[rows]),
        }
    )
    return _tables(name, {"accounts": accounts, "invoices": invoices})


def purchases(name: str, world: World, a_week: float) -> Tables:
    """Customers who buy at rates of their own, more in busy weeks, and stop one day."""
    rng, born = world.rng, world.times(a_week / 7)
    n = len(born)
    life = rng.exponential(YEAR, n)
    rate = rng.gamma(1.2, 1 / 60.0, n)
    busy = np.exp(world.log_rate)
    counts = rng.poisson(rate * np.minimum(life, world.days - born) * 1.6)
    who = np.repeat(np.arange(n), counts)
    at = born[who] + rng.random(len(who)) * np.minimum(life, world.days - born)[who]
    keep = rng.random(len(who)) < busy[at.astype(np.int64)] / 1.6
    who, at = np.concatenate([np.arange(n), who[keep]]), np.concatenate([born, at[keep]])
    frame = pd.DataFrame(
        {
            "invoice_id": [f"I{i}" for i in range(len(who))],
            "account_id": [f"A{i}" for i in who],
            "amount": np.exp(rng.normal(4.5, 0.8, len(who))).round(2),
            "issued_at": world.stamps(at),
        }
    )
    return _tables(name, {"invoices": frame})


def _collapsing(rng: np.random.Generator) -> World:
    """A steady company that loses most of its demand within weeks, in the newer half."""
    world = World.of(rng, 2.5)
    t = np.arange(world.days)
    fall = world.days * rng.uniform(0.6, 0.85)
    depth = rng.uniform(0.7, 1.5)
    return World(rng, world.days, world.log_rate - depth / (1 + np.exp(-(t - fall) / 20)))


MAKERS: Mapping[str, Callable[[str, np.random.Generator], Tables]] = {
    "steady": lambda name, rng: deals(name, World.of(rng, 2.5), rng.uniform(8, 18), 0.6),
    "growing": lambda name, rng: deals(
        name, World.of(rng, 2.5, growth=rng.uniform(0.3, 0.8)), rng.uniform(12, 25), 0.6
    ),
    "seasonal": lambda name, rng: deals(
        name, World.of(rng, 3.2, season=rng.uniform(0.25, 0.5)), rng.uniform(10, 20), 0.6
    ),
    "lumpy": lambda name, rng: deals(name, World.of(rng, 2.5), rng.uniform(2.5, 4), 1.6),
    "collapsing": lambda name, rng: deals(name, _collapsing(rng), rng.uniform(10, 20), 0.6),
    "subscription": lambda name, rng: subscription(
        name, World.of(rng, 2.5, growth=0.2), rng.uniform(1.0, 3.0)
    ),
    "repeat purchase": lambda name, rng: purchases(
        name, World.of(rng, 2.5, season=rng.uniform(0.05, 0.3)), rng.uniform(5, 12)
    ),
    "ten months old": lambda name, rng: deals(
        name, World.of(rng, 0.84, growth=rng.uniform(0, 0.6)), rng.uniform(10, 18), 0.6, 35.0
    ),
}


def company(kind: str, seed: int) -> Tables:
    """The tables of a company of one of ``KINDS``."""
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    return MAKERS[kind](f"{kind} {seed}", rng)
