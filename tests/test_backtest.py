"""Rolling origins: what is asked, what is scored, and that later rows change nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.demo import Demo, generate
from features.frames import from_frames
from features.tables import DAY, Meta, Tables, micros
from tests.helpers.rewound import rewound
from training.forecast.backtest.cells import AHEAD, MODEL, baseline_cells, targets
from training.forecast.backtest.rolling import Backtest, backtest, default_origins
from training.forecast.data.revenue import flows
from training.forecast.data.settings import ForecastSettings

SETTINGS = ForecastSettings(draws=200, threads=1, refit_days=182.0, dimensions=())


def day(text: str) -> int:
    """A midnight UTC."""
    return micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


ORIGINS = [day("2025-03-03"), day("2025-03-24")]


@cache
def crm() -> Demo:
    return generate(7, "tiny")


@cache
def tables() -> Tables:
    return from_frames(crm().frames, crm().meta)


@cache
def found() -> Backtest:
    return backtest(tables(), SETTINGS, ORIGINS)


def test_each_origin_asks_for_the_running_and_the_next_periods() -> None:
    """March and April, the first and the second quarter; each cell once and method."""
    ours = found().cells.query("method == @MODEL and stream == 'bookings'")
    for origin in ORIGINS:
        asked = ours[ours["origin"] == origin]
        assert asked["period"].tolist() == ["2025-03", "2025-04", "2025-Q1", "2025-Q2"]
        assert asked["ahead"].tolist() == [0, 1, 0, 1]
    assert not found().cells.duplicated(["stream", "method", "origin", "period"]).any()
    assert len(targets(ORIGINS[0], SETTINGS)) == 2 * AHEAD


def test_every_method_is_held_against_the_same_actuals() -> None:
    """What came in the period, from the table of won deals; never less than what was closed."""
    cells = found().cells.query("stream == 'bookings'")
    flow = flows(tables(), micros(crm().meta.as_of))["bookings"]
    for start, end, actual in cells[["start", "end", "actual"]].drop_duplicates().to_numpy():
        assert actual == flow.total(int(start), int(end))
    assert (cells["closed"] <= cells["actual"]).all() and (cells["point"] >= cells["closed"]).all()
    assert cells.groupby(["origin", "period"])["actual"].nunique().max() == 1


def test_an_origin_answers_alike_when_later_rows_are_added() -> None:
    """An export of July 2025 and the whole one: every method's quantiles, to the last bit."""
    early = backtest(rewound(crm().frames, crm().meta, day("2025-07-07")), SETTINGS, ORIGINS[:1])
    keys, said = ["stream", "method", "period"], ["point", "q0", "q1", "q2", "mean"]
    cells = found().cells
    now = cells[cells["origin"] == ORIGINS[0]].set_index(keys)[said]
    then = early.cells.set_index(keys)[said]
    assert set(now.index) == set(then.index) and ("recurring", MODEL, "2025-Q2") in now.index
    pd.testing.assert_frame_equal(now, then.loc[now.index], check_exact=True)


def test_what_is_not_over_is_not_asked() -> None:
    """With an end before the second quarter's, that quarter is no target, nor is April."""
    early = baseline_cells(
        tables(),
        flows(tables(), day("2025-04-01")),
        ORIGINS,
        SETTINGS,
        day("2025-04-01"),
    )
    scored = early[early["origin"].isin(ORIGINS) & early["actual"].notna()]
    assert set(scored["period"]) == {"2025-03", "2025-Q1"}


def test_default_origins_are_the_mondays_of_the_newer_half() -> None:
    """From the middle of the history to its end, a week apart."""
    origins = default_origins(day("2023-01-01"), day("2025-01-01"))
    assert day("2024-01-01") < origins[0] <= day("2024-01-08")
    assert day("2024-12-25") < origins[-1] <= day("2025-01-01")
    assert set(np.diff(origins)) == {7 * DAY}
    assert all(datetime.fromtimestamp(o / 1e6, UTC).weekday() == 0 for o in origins)


def test_the_tables_are_written_and_printed(tmp_path: Path) -> None:
    """Four CSV files, and a text that names every method, its n and the currency."""
    found().write(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cells.csv", "scores.csv", "by_weeks.csv", "against.csv"}
    cells = pd.read_csv(tmp_path / "cells.csv")
    assert len(cells) == len(found().cells)
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert {"value", "low", "high", "n", "periods", "blocks"} <= set(scores.columns)
    text = found().text()
    assert "bookings (EUR)" in text and "recurring (EUR)" in text
    for method in (MODEL, "stage-weighted", "AutoETS", "people's commit"):
        assert method in text


def test_what_cannot_be_backtested_is_said() -> None:
    """A flat table, nothing won, too short a history: each says what is wrong."""
    flat = pd.DataFrame({"deal_id": ["D1"], "outcome": ["won"], "amount": [1.0]})
    with pytest.raises(ValueError, match="no dates"):
        backtest(from_frames({"deals": flat}, Meta(as_of="")), SETTINGS)
    frame = pd.DataFrame(
        {
            "deal_id": ["D1", "D2"],
            "created_at": pd.to_datetime(["2025-01-05", "2025-01-06"], utc=True),
            "closed_at": pd.to_datetime(pd.Series(["2025-01-20", None]), utc=True),
            "outcome": ["lost", None],
            "amount": [10.0, 20.0],
        }
    )
    meta = Meta(as_of="2025-02-10T00:00:00Z", currency="EUR")
    with pytest.raises(ValueError, match="nothing to forecast"):
        backtest(from_frames({"deals": frame}, meta), SETTINGS)
    won = from_frames({"deals": frame.assign(outcome=pd.Series(["won", None]))}, meta)
    with pytest.raises(ValueError, match="no origin could be served, from 2025-01-27 on: too lit"):
        backtest(won, SETTINGS)
    with pytest.raises(ValueError, match="too little history: 36 days, and no period"):
        backtest(won, SETTINGS, [day("2025-02-03")])
