"""A company small enough to compute every figure by hand; tests/test_figures.py does."""

from __future__ import annotations

from functools import cache

import pandas as pd

from features.frames import from_frames
from features.tables import Meta, Tables, micros
from serving.analytics.asof.frames import AsOfFrames

AS_OF = "2025-01-01T00:00:00+00:00"
META = Meta(as_of=AS_OF, currency="EUR", mapping="small", fixed={"deals": ["amount"]})
_FEB, _MAR, _JUL, _DEC = "2024-02-15", "2024-03-20", "2024-07-15", ("2024-12-10", "2024-12-20")


def at(text: str | None) -> pd.Timestamp:
    """An instant (UTC), NaT for None."""
    return pd.Timestamp(text, tz="UTC") if text else pd.NaT  # type: ignore[return-value]


def frame(columns: str, *rows: tuple[object, ...]) -> pd.DataFrame:
    """A table; columns ending in _at are instants."""
    names = columns.split()
    found = pd.DataFrame(list(rows), columns=names)
    for name in names:
        if name.endswith("_at"):
            found[name] = pd.to_datetime(found[name], utc=True)
    return found


def frames() -> dict[str, pd.DataFrame]:
    """Six deals, three leads, four accounts, two sellers; dollars at 0.5, from July 2024 at 0.8."""
    return {
        "owners": frame("owner_id team region", ("o1", "N", "north"), ("o2", "S", "south")),
        "accounts": frame(
            "account_id owner_id segment created_at customer_at outcome closed_at",
            ("a1", "o1", "small", "2023-01-01", "2023-01-01", None, None),
            ("a2", "o1", "large", "2023-01-01", "2024-03-01", None, None),
            ("a3", "o2", "large", "2023-01-01", None, None, None),
            ("a4", "o2", "small", "2023-01-01", "2023-06-01", "churned", "2024-10-01"),
        ),
        "leads": frame(
            "lead_id owner_id source created_at outcome closed_at",
            ("l1", "o1", "web", "2024-11-01", "converted", "2024-11-11"),
            ("l2", "o1", "web", "2024-11-05", "disqualified", "2024-11-15"),
            ("l3", "o2", "ads", "2024-12-01", None, None),
        ),
        "deals": frame(
            "deal_id owner_id account_id product created_at outcome closed_at amount currency "
            "closed_amount expected_close_at stage",
            *DEALS,
        ),
        "changes": frame(
            "change_id entity entity_id field value old_value changed_at",
            *[
                (f"c{i}", "deals", deal, field, value, old, when)
                for i, (deal, field, value, old, when) in enumerate(CHANGES)
            ],
        ),
        "activities": frame(
            "activity_id lead_id deal_id owner_id kind direction occurred_at",
            ("x1", "l1", None, "o1", "call", "outbound", "2024-11-01T02:00"),
            ("x2", "l2", None, "o1", "email", None, "2024-11-05T06:00"),
            ("x3", "l3", None, "o2", "email", "inbound", "2024-12-02T00:00"),
            ("x4", None, "d5", "o1", "meeting", None, "2024-12-31T00:00"),
        ),
        "subscriptions": frame(
            "subscription_id account_id product mrr currency started_at ended_at",
            ("s1", "a1", "core", 10.0, "EUR", "2023-01-01", None),
            ("s2", "a1", "suite", 5.0, "EUR", "2024-05-01", None),
            ("s3", "a4", "core", 20.0, "EUR", "2023-06-01", "2024-10-01"),
            ("s4", "a2", "suite", 40.0, "USD", "2024-03-01", None),
        ),
        "quotas": frame(
            "quota_id owner_id period_start_at period_end_at amount",
            ("q1", "o1", "2024-10-01", "2025-01-01", 92.0),
            ("q2", "o2", "2024-07-01", "2025-01-01", 184.0),
        ),
        "fx_rates": frame(
            "rate_id currency rate_at rate",
            ("f1", "USD", "2023-01-01", 0.5),
            ("f2", "USD", "2024-07-01", 0.8),
        ),
    }


DEALS = (
    (
        *("d0", "o2", "a4", "core", "2023-05-01", "lost", "2023-12-27"),
        70.0,
        "EUR",
        None,
        None,
        "s2",
    ),
    (
        *("d1", "o1", "a1", "core", "2024-01-01", "won", "2024-01-31"),
        90.0,
        "EUR",
        100.0,
        _FEB,
        "s2",
    ),
    (
        *("d2", "o1", "a2", "core", "2024-02-01", "lost", "2024-03-02"),
        80.0,
        "EUR",
        None,
        _MAR,
        "s1",
    ),
    (
        *("d3", "o2", "a2", "suite", "2024-06-01", "won", "2024-08-10"),
        200,
        "USD",
        200.0,
        _JUL,
        "s2",
    ),
    (
        *("d4", "o2", "a3", "suite", "2024-10-01", None, None),
        300.0,
        "USD",
        None,
        "2025-02-01",
        "s2",
    ),
    (*("d5", "o1", "a3", "core", "2024-11-30", None, None), 50, "EUR", None, _DEC[1], "s1"),
)
CHANGES = (
    ("d0", "stage", "s1", None, "2023-05-01"),
    ("d0", "stage", "s2", "s1", "2023-06-01"),
    ("d1", "stage", "s1", None, "2024-01-01"),
    ("d1", "stage", "s2", "s1", "2024-01-11"),
    ("d2", "stage", "s1", None, "2024-02-01"),
    ("d3", "stage", "s1", None, "2024-06-01"),
    ("d3", "stage", "s2", "s1", "2024-06-11"),
    ("d4", "stage", "s1", None, "2024-10-01"),
    ("d4", "stage", "s2", "s1", "2024-10-21"),
    ("d5", "stage", "s1", None, "2024-11-30"),
    ("d5", "expected_close_at", f"{_DEC[1]}T00:00:00Z", f"{_DEC[0]}T00:00:00Z", "2024-12-05"),
)


def tables() -> Tables:
    """The company's canonical tables."""
    return from_frames(frames(), META)


@cache
def asof(as_of: str = AS_OF) -> AsOfFrames:
    """The company as it was known at an instant."""
    return AsOfFrames(tables(), micros(as_of))
