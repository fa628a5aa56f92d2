"""Small flat companies, written as canonical folders, for tests of whole commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from features.frames import write
from features.tables import CustomField, Meta

FIELDS = [
    CustomField("seats", "number", fixed=True, label="Seats"),
    CustomField("plan", "category", fixed=True, label="Plan"),
]


def customers(n: int = 400, skill: float = 1.2, seed: int = 1) -> pd.DataFrame:
    """Customers with seats and a plan; more seats lower the log-odds of leaving by ``skill``."""
    rng = np.random.default_rng(seed)
    seats, plan = rng.normal(size=n), rng.choice(["basic", "pro", "team"], n)
    odds = -0.8 - skill * seats + skill * (plan == "basic")
    left = rng.random(n) < 1 / (1 + np.exp(-odds))
    return pd.DataFrame(
        {
            "account_id": [f"A{i}" for i in range(n)],
            "seats": seats,
            "plan": plan,
            "outcome": ["churned" if gone else None for gone in left],
        }
    )


def canonical(folder: Path, frame: pd.DataFrame) -> Path:
    """The canonical folder of a flat table of accounts."""
    write(folder, {"accounts": frame}, Meta(custom={"accounts": FIELDS}))
    return folder
