"""python -m training forecast and backtest: what they print, write, keep and refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.frames import write
from features.tables import Meta
from training.__main__ import main

END = pd.Timestamp("2026-01-15", tz="UTC")
META = Meta("2026-01-15T00:00:00+00:00", "EUR", mapping="small")
CONFIG = "[forecast]\ndraws = 300\nshock = 0.1\nmonths = 2\nthreads = 1\n"


def deals(n: int = 260, seed: int = 3) -> pd.DataFrame:
    """Deals of three owners over 13 months: won or lost within 80 days, the rest open."""
    rng = np.random.default_rng(seed)
    created = END - pd.to_timedelta(np.sort(rng.uniform(1, 400, n))[::-1], unit="D")
    closed = created + pd.to_timedelta(rng.uniform(5, 80, n), unit="D")
    over, won = closed < END, rng.random(n) < 0.4
    amount = np.round(1000 * rng.lognormal(2, 0.5, n))
    return pd.DataFrame(
        {
            "deal_id": [f"D{i}" for i in range(n)],
            "name": [f"Deal <{i}>" for i in range(n)],
            "owner_id": rng.choice(["O1", "O2", "O3"], n),
            "product": rng.choice(["core", "suite"], n),
            "created_at": created,
            "closed_at": closed.where(over),
            "outcome": pd.Series(np.where(won, "won", "lost"), dtype=object).where(over),
            "amount": amount,
            "closed_amount": np.where(over & won, amount, np.nan),
            "currency": rng.choice(["EUR", "USD"], n),
            "expected_close_at": created + pd.to_timedelta(60, unit="D"),
            "forecast_category": rng.choice(["commit", "pipeline"], n),
        }
    )


def frames() -> dict[str, pd.DataFrame]:
    """The small company."""
    quotas = pd.DataFrame(
        {
            "quota_id": ["1", "2"],
            "owner_id": ["O1", "O2"],
            "period_start_at": pd.to_datetime(["2026-01-01"] * 2, utc=True),
            "period_end_at": pd.to_datetime(["2026-04-01"] * 2, utc=True),
            "amount": [90_000.0, 60_000.0],
        }
    )
    owners = pd.DataFrame({"owner_id": ["O1", "O2", "O3"], "name": ["Ana", "Bo", "Ana"]})
    rates = pd.DataFrame(
        {
            "rate_id": ["1"],
            "currency": ["USD"],
            "rate": [0.9],
            "rate_at": pd.to_datetime(["2024-01-01"], utc=True),
        }
    )
    return {"deals": deals(), "quotas": quotas, "owners": owners, "fx_rates": rates}


def invoices(months: int = 12) -> pd.DataFrame:
    """Forty customers who order about once a month."""
    rng = np.random.default_rng(4)
    days = rng.uniform(0, months * 30.4, 40 * months)
    n = len(days)
    return pd.DataFrame(
        {
            "invoice_id": [str(i) for i in range(n)],
            "account_id": [f"A{i}" for i in rng.integers(0, 40, n)],
            "amount": np.round(rng.lognormal(5, 0.4, n)),
            "issued_at": END - pd.to_timedelta(days, unit="D") - pd.to_timedelta(1, unit="h"),
        }
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small company's data, a configuration, and a place to keep forecasts."""
    folder = tmp_path_factory.mktemp("forecast")
    write(folder / "data", frames(), META)
    write(folder / "invoices", {"invoices": invoices()}, replace(META, mapping="shop"))
    (folder / "forecast.toml").write_text(CONFIG, encoding="utf-8")
    return folder


def run(home: Path, *more: str, data: str = "data") -> int:
    """One forecast of the small company."""
    return main(
        [
            *("forecast", "--data", str(home / data), "--config", str(home / "forecast.toml")),
            *("--out", str(home / "out"), "--keep", str(home / "kept"), "--quiet", "--no-backtest"),
            *more,
        ]
    )


@pytest.fixture(scope="module")
def first(home: Path) -> Path:
    """The folder that a forecast as of New Year was written to."""
    assert run(home, "--as-of", "2026-01-01") == 0
    return home / "out"


def test_it_writes_what_it_says(first: Path, home: Path) -> None:
    state = json.loads((first / "forecast.json").read_text(encoding="utf-8"))
    assert state["origin"] == "2026-01-01T00:00:00Z" and state["data"] == "small"
    names = {p.name for p in first.iterdir()}
    assert {"forecast.html", "forecast.csv", "forecast_targets.csv", "forecast_bridge.csv"} <= names
    assert {"forecast_deals.csv", "forecast_cover.csv", "forecast_capacity.csv"} <= names
    kept = home / "kept" / "2026-01-01"
    assert json.loads((kept / "forecast.json").read_text(encoding="utf-8")) == state
    assert (kept / "report.html").read_bytes() == (first / "forecast.html").read_bytes()
    html = (first / "forecast.html").read_text(encoding="utf-8")
    assert "Ana (O1)" in html and "Ana (O3)" in html, "two sellers of one name are told apart"


def test_groups_add_up_to_the_whole_in_what_is_written(first: Path) -> None:
    table = pd.read_csv(first / "forecast.csv")
    sums = table.groupby(["dimension", "period", "part"])["mean"].sum()
    for dimension in ("owner", "product"):
        np.testing.assert_allclose(sums[dimension], sums["all"], rtol=1e-12)
    aims = pd.read_csv(first / "forecast_targets.csv")
    whole = aims[aims["dimension"] == "all"].set_index("period")["target"]
    owners = aims[aims["dimension"] == "owner"].groupby("period")["target"].sum(min_count=1)
    pd.testing.assert_series_equal(owners, whole[owners.index])


def test_the_next_forecast_is_held_against_the_kept_one(
    first: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert first and run(home) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "as of 2026-01-15, in EUR; 1 USD = 0.9 (rate of 2024-01-01)"
    assert "2026-Q1 since 2026-01-01 (kept):" in said
    assert "created +" in said and "deals expected and not created yet" in said
    state = json.loads((home / "out" / "forecast.json").read_text(encoding="utf-8"))
    for bridge in state["bridges"]:
        steps = sum(round(step["amount"] * 100) for step in bridge["steps"])
        assert round(bridge["start"] * 100) + steps == round(bridge["end"] * 100)
    assert run(home) == 0
    again = capsys.readouterr()
    assert "stays as it was said" in again.err and "kept:" not in again.out
    assert run(home, "--replace", "--since", "2025-12-15") == 0
    again = capsys.readouterr()
    assert "since 2025-12-15 (as it would have been made)" in again.out and "kept:" in again.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--as-of", "2026-02-01"], "lies after the data"),
        (["--as-of", "2024-01-01"], "no deal was known before"),
        (["--as-of", "soon"], "write it as 2026-01-31"),
        (["--period", "2025-12"], "2025-12 was over on 2026-01-01"),
        (["--period", "2025-Q4"], "nothing is left to foresee"),
        (["--period", "January"], "write a month as 2026-01"),
        (["--since", "2026-01-20"], "is not before the forecast's own day"),
        (["--draws", "0"], "draws"),
    ],
)
def test_what_it_cannot_do_it_says(
    home: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, *options) == 2
    assert said in capsys.readouterr().err


def test_a_missing_rate_is_named_with_what_to_do(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(home / "norate", {k: v for k, v in frames().items() if k != "fx_rates"}, META)
    assert run(home, data="norate") == 2
    error = capsys.readouterr().err
    assert "USD" in error and "add a row to fx_rates" in error


def test_without_open_deals_it_says_what_is_left(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed = deals()
    closed = closed[closed["outcome"].notna()]
    write(home / "closed", {**frames(), "deals": closed}, replace(META, mapping="closed"))
    assert run(home, "--period", "2026-02", data="closed") == 0
    said = capsys.readouterr().out
    assert "no deal is open" in said and "not kept: --period" in said
    assert not list((home / "kept").glob("*/closed"))


def test_a_shop_with_invoices_alone_is_backtested_then_foreseen(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", str(home / "invoices"), "--keep", str(home / "shop"), "--quiet"]
    assert main(["backtest", *data, "--out", str(home / "tested")]) == 0
    said = capsys.readouterr().out
    assert "weekly origins" in said and "recurring" in said
    assert (home / "tested" / "cells.csv").is_file()
    assert main(["forecast", *data, "--out", str(home / "shop-out"), "--draws", "300"]) == 0
    said = capsys.readouterr().out
    assert "recurring:" in said and "bookings:" not in said and "no backtest" not in said
    html = (home / "shop-out" / "forecast.html").read_text(encoding="utf-8")
    assert "Backtest, at Mondays until 2025-12-29: recurring revenue" in html
