"""Small made-up companies for the forecast: deals of one simple law, or customers who come back."""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.frames import from_frames
from features.tables import Floats, Meta, Tables, micros

BEGIN = micros("2024-01-01T00:00:00+00:00")
AS_OF = "2025-07-01T00:00:00+00:00"
WIN_RATE, LOSS_RATE, DAILY = 0.012, 0.008, 1.5
"""Hazards a day of winning and of losing, and deals a day."""


def stamps(days: Floats) -> pd.Series[pd.Timestamp]:
    """Days since BEGIN as timestamps (UTC); NaN is missing."""
    at = pd.to_datetime(BEGIN, unit="us", utc=True) + pd.to_timedelta(pd.Series(days), unit="D")
    return at.dt.floor("s").astype("datetime64[us, UTC]")


def deals(seed: int = 1, days: float = 547.0) -> pd.DataFrame:
    """Deals that are won or lost at constant hazards; amounts are 1,000 to 5,000."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(DAILY * days)
    born = np.sort(rng.uniform(0, days, n))
    life = rng.exponential(1 / (WIN_RATE + LOSS_RATE), n)
    won = rng.random(n) < WIN_RATE / (WIN_RATE + LOSS_RATE)
    done = born + life < days
    amount = rng.integers(1_000, 5_000, n).astype(float)
    return pd.DataFrame(
        {
            "deal_id": [f"D{i}" for i in range(n)],
            "created_at": stamps(born),
            "owner_id": pd.array(rng.choice(["O1", "O2", "O3"], n), dtype="str"),
            "product": pd.array(rng.choice(["core", "suite"], n), dtype="str"),
            "amount": amount,
            "outcome": pd.Series(np.where(won, "won", "lost"), dtype="str").where(done),
            "closed_at": stamps(np.where(done, born + life, np.nan)),
            "closed_amount": np.where(done & won, amount, np.nan),
        }
    )


def owners() -> pd.DataFrame:
    """Three sellers in two teams."""
    return pd.DataFrame(
        {"owner_id": ["O1", "O2", "O3"], "team": ["north", "north", "south"]}, dtype="str"
    )


def company(frame: pd.DataFrame, **others: pd.DataFrame) -> Tables:
    """The deals as a data set; amounts do not change."""
    meta = Meta(AS_OF, "EUR", fixed={"deals": ["amount"]})
    return from_frames({"deals": frame, "owners": owners(), **others}, meta)


def purchases(seed: int = 1, customers: int = 300, days: float = 547.0) -> pd.DataFrame:
    """Invoices of customers who buy every 20 to 60 days or so and leave after some time."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, float, float]] = []
    for i in range(customers):
        day, pace = rng.uniform(0, days), rng.uniform(20, 60)
        while day < days:
            rows.append((f"A{i}", day, float(rng.integers(50, 150))))
            day += rng.exponential(pace)
            if rng.random() < 0.1:
                break
    return _invoices(rows)


def contracts(seed: int = 1, customers: int = 200, days: float = 547.0) -> pd.DataFrame:
    """Invoices of 100 every 30 days until the customer leaves, one in a hundred at each."""
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, float, float]] = []
    for i in range(customers):
        day = rng.uniform(0, days)
        while day < days:
            rows.append((f"A{i}", day, 100.0))
            if rng.random() < 0.02:
                break
            day += 30.0
    return _invoices(rows)


def _invoices(rows: list[tuple[str, float, float]]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "invoice_id": [f"I{i}" for i in range(len(rows))],
            "account_id": [r[0] for r in rows],
            "issued_at": stamps(np.array([r[1] for r in rows])),
            "amount": [r[2] for r in rows],
        }
    )
