"""Churn is point in time: a return rewrites nothing, and a contract of no length is none."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frames import from_frames
from features.tables import Meta, Tables, instant_text, micros
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Window
from serving.analytics.kpis.catalog import FIGURES
from serving.analytics.kpis.compute import one
from serving.analytics.kpis.definition import Given
from tests.helpers.exports import block, ingested

MAPPING = """
[export]
as_of = "2025-04-01"
currency = "EUR"
[tables.accounts]
from = "accounts"
columns = { account_id = "id", created_at = "created" }
[tables.subscriptions]
from = "subscriptions"
[tables.subscriptions.columns]
subscription_id = "sid"
account_id = "aid"
mrr = "mrr"
started_at = "start"
ended_at = "end"
"""
ACCOUNTS = "id,created\n" + "".join(f"A{i},2024-01-01\n" for i in range(1, 5))
HEAD = "sid,aid,mrr,start,end\n"


def stamp(day: str) -> pd.Timestamp:
    return pd.Timestamp(day, tz="UTC")


def share(tables: Tables, figure: str, start: str, end: str, as_of: str = "") -> tuple[float, int]:
    asof = AsOfFrames(tables, micros(f"{as_of or end}T00:00:00+00:00"))
    window = Window(stamp(start), stamp(end))
    found = FIGURES[figure].estimate(FIGURES[figure].cases(asof, window, Given()), Given())
    return found.value, found.n


RETURN = HEAD + (
    "S1a,A1,10,2024-02-01,2024-08-01\nS1b,A1,20,2025-02-01,\nS2,A2,100,2024-02-01,\n"
    "S3,A3,50,2024-02-01,2024-09-10\nS4,A4,40,2024-02-01,\n"
)


def test_a_return_is_a_movement_of_its_own(tmp_path: Path) -> None:
    tables, _ = ingested(tmp_path, MAPPING, accounts=ACCOUNTS, subscriptions=RETURN)
    for as_of in ("2024-10-02", "2025-04-01"):
        assert share(tables, "logo_churn", "2024-07-01", "2024-10-01", as_of) == (0.5, 4)
    assert share(tables, "account_penetration", "2024-12-01", "2024-12-31") == (2 / 4, 4)
    assert share(tables, "account_penetration", "2025-03-01", "2025-03-31") == (3 / 4, 4)
    assert share(tables, "win_back_rate", "2025-01-01", "2025-04-01") == (1 / 2, 2)
    assert share(tables, "logo_churn", "2025-01-01", "2025-04-01") == (0.0, 2)


def test_contracts_that_never_ran_made_no_customers(tmp_path: Path) -> None:
    rows = HEAD + (
        "S1,A1,10,2025-02-01T10:00:00Z,2025-02-01T10:00:00Z\nS2,A2,100,2024-02-01T00:00:00Z,\n"
        "S3,A3,50,2025-02-05T10:00:00Z,2025-02-04T10:00:00Z\n"
        "S4,A4,40,2024-02-01T00:00:00Z,2025-02-20T00:00:00Z\n"
    )
    tables, report = ingested(tmp_path, MAPPING, accounts=ACCOUNTS, subscriptions=rows)
    told = block(report, "subscriptions")
    assert told.rejected["ended before it began"].n == 1
    assert told.left_out["a contract of no length: it never ran"].n == 1
    assert "never_ran:subscriptions" in [c.code for c in report.consequences]
    assert share(tables, "logo_churn", "2025-02-01", "2025-03-01") == (0.5, 2)
    assert share(tables, "account_penetration", "2025-02-01", "2025-02-28") == (1 / 4, 4)
    assert share(tables, "customer_lifetime", "2025-03-01", "2025-04-01")[1] == 2


def test_an_upgrade_is_no_leaving(tmp_path: Path) -> None:
    rows = HEAD + (
        "S1a,A1,10,2024-02-01,2025-03-01\nS1b,A1,20,2025-03-01,\nS2,A2,100,2024-02-01,\n"
        "S3,A3,50,2024-02-01,2025-03-10\nS4,A4,40,2024-02-01,\n"
    )
    tables, _ = ingested(tmp_path, MAPPING, accounts=ACCOUNTS, subscriptions=rows)
    assert share(tables, "logo_churn", "2025-02-01", "2025-04-01") == (0.25, 4)
    assert share(tables, "net_revenue_retention", "2025-02-01", "2025-04-01")[0] == 0.8
    assert share(tables, "gross_revenue_retention", "2025-02-01", "2025-04-01")[0] == 0.75


SPELLS = st.lists(
    st.lists(st.tuples(st.integers(3, 200), st.integers(2, 200)), min_size=1, max_size=4),
    min_size=2,
    max_size=6,
)


def company(spells: list[list[tuple[int, int]]], days: int) -> Tables:
    """Each account's contracts: so many days of nothing, then so many days of one."""
    rows: list[tuple[str, str, float, pd.Timestamp, pd.Timestamp]] = []
    day = pd.Timedelta(days=1)
    start = stamp("2023-01-01")
    for a, own in enumerate(spells):
        at = start
        for gap, length in own:
            began, at = at + gap * day, at + (gap + length) * day
            rows.append((f"S{len(rows)}", f"A{a}", 10.0, began, at))
    end = start + days * day
    frame = pd.DataFrame(rows, columns=["subscription_id", "account_id", "mrr", "started_at", "e"])
    frame = frame[frame["started_at"] < end]
    frame["ended_at"] = frame.pop("e").where(lambda e: e < end)
    accounts = pd.DataFrame({"account_id": [f"A{i}" for i in range(len(spells))]})
    accounts["created_at"] = start
    as_of = instant_text(int(end.timestamp()) * 1_000_000)
    return from_frames({"accounts": accounts, "subscriptions": frame}, Meta(as_of=as_of))


@settings(max_examples=8, deadline=None)
@given(SPELLS, st.integers(60, 300), st.integers(1, 200))
def test_what_a_month_lost_is_the_same_whatever_happens_later(
    spells: list[list[tuple[int, int]]], then: int, later: int
) -> None:
    """Known at an instant, and known later: the months that were over say the same."""
    early, late = (
        one(AsOfFrames(t, micros(t.meta.as_of)), FIGURES["logo_churn"], period="month")
        for t in (company(spells, then), company(spells, then + later))
    )
    over = early[early["to"] <= stamp("2023-01-01") + pd.Timedelta(days=then)]
    over = over[over["period"].isin(late["period"]) & (early["n"] > 0)].iloc[:-1]
    both = over.merge(late, on="period", suffixes=("", "_later"))
    assert both["value"].tolist() == pytest.approx(both["value_later"].tolist(), nan_ok=True)
    assert both["n"].tolist() == both["n_later"].tolist()
