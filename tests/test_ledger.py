"""Who was right: kept forecasts stand as they were said, and are held against what came."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.demo import generate
from features.frames import from_frames
from features.tables import DAY, Tables, instant_text, micros
from training.forecast.backtest.cells import MODEL
from training.forecast.backtest.ledger import COLUMNS, NAIVE, ForecastLedger, ledger
from training.forecast.data.periods import Period, periods
from training.forecast.data.revenue import RevenueFlow, flows
from training.forecast.data.settings import ForecastSettings
from training.forecast.results.result import GRID
from training.models.kept_forecasts import KeptForecast

SETTINGS = ForecastSettings()


@cache
def tables() -> Tables:
    demo = generate(7, "tiny")
    return from_frames(demo.frames, demo.meta)


def end() -> int:
    return micros(tables().meta.as_of)


@cache
def booked() -> RevenueFlow:
    return flows(tables(), end())["bookings"]


def came(period: Period) -> float:
    return booked().total(period.start, period.end)


def state(origin: int, off: float = 1.0, width: float = 0.2) -> dict[str, Any]:
    """What is kept of a forecast whose median is ``off`` times what will come."""
    asked = periods(origin, 4, 2)
    levels = np.array(GRID)
    told = {p.name: (came(p) * (off + width * (levels - 0.5))).tolist() for p in asked}
    row = {"stream": "bookings", "dimension": "all", "part": "whole"}
    return {
        "origin": instant_text(origin),
        "levels": list(GRID),
        "quantiles": {"bookings": told},
        "table": [{**row, "period": p.name, "mean": came(p) * off} for p in asked],
        "periods": [
            {
                "name": p.name,
                "kind": p.kind,
                "start": instant_text(p.start),
                "end": instant_text(p.end),
            }
            for p in asked
        ],
    }


def kept(origin: int, **how: float) -> KeptForecast:
    return KeptForecast(Path("nowhere"), origin, json.loads(json.dumps(state(origin, **how))))


ORIGINS = [
    micros(f"2025-{month:02d}-{day:02d}T00:00:00+00:00") for month in (4, 6, 8) for day in (7, 20)
]


@cache
def scored_ledger(off: float = 1.0) -> ForecastLedger:
    return ledger(tables(), [kept(o, off=off) for o in ORIGINS], SETTINGS)


def test_nothing_is_scored_before_a_period_is_over() -> None:
    """A forecast of the data's end has nothing to answer for; its ledger is empty, not an error."""
    for forecasts in ([], [kept(end())]):
        found = ledger(tables(), forecasts, SETTINGS)
        assert found.cells.empty and list(found.board().columns) == list(COLUMNS)


def test_whoever_is_always_right_is_nearest_and_adds_all_there_is() -> None:
    """The model's median is what came: no error, all covered, nobody nearer; the naive adds 0."""
    board = scored_ledger().board().set_index("method")
    ours = board.loc[MODEL]
    assert ours["ape"] == pytest.approx(0, abs=1e-12) and ours["coverage"] == 1
    assert ours["nearest"] == 1 and board.drop(MODEL)["nearest"].max() < 0.2
    assert 0.7 < ours["added"] < 1
    assert board.loc[NAIVE, "added"] == 0
    assert {"stage-weighted", "people's commit", "AutoETS", "moving average"} <= set(board.index)


def test_whoever_is_far_off_takes_value_away() -> None:
    """Three times what came is worse than the last period."""
    board = scored_ledger(3.0).board()
    ours = board.set_index("method").loc[MODEL]
    assert ours["added"] < 0 and ours["bias"] == pytest.approx(2, rel=0.05)
    assert ours["coverage"] == 0 and ours["nearest"] < 0.1


def test_every_period_that_ran_is_scored_once_and_no_other() -> None:
    """By origin: over by the data's end, not over at the origin; the same for every method."""
    found = scored_ledger().cells
    ours = found[found["method"] == MODEL]
    want = {
        (o, p.name) for o in ORIGINS for p in periods(o, 4, 2) if p.over(end()) and not p.over(o)
    }
    assert set(zip(ours["origin"], ours["period"], strict=True)) == want
    assert not ours.duplicated(["origin", "period"]).any()
    for _, part in found.groupby("method"):
        assert set(zip(part["origin"], part["period"], strict=True)) <= want
    assert (ours["weeks"] == -(-(ours["end"] - ours["origin"]) // (7 * DAY))).all()


def test_the_others_answers_are_those_of_a_backtest_of_the_same_origin() -> None:
    """People's commit in the ledger is closed so far and committed, as of the forecast's origin."""
    origin = ORIGINS[2]
    found = scored_ledger().cells
    told = found[(found["method"] == "people's commit") & (found["origin"] == origin)]
    alone = ledger(tables(), [kept(origin)], SETTINGS).cells
    same = alone[alone["method"] == "people's commit"]
    both = told.merge(same, on="period", suffixes=("", "_alone"))
    assert len(both) == len(same) > 2
    assert (both["point"] == both["point_alone"]).all()


def test_weeks_to_the_end_are_shown_for_each_method() -> None:
    """Every cell is in one span."""
    found = scored_ledger()
    weeks = found.by_weeks()
    ours = weeks[(weeks["method"] == MODEL) & (weeks["measure"] == "pinball")]
    assert ours["n"].sum() == (found.cells["method"] == MODEL).sum()
    assert isinstance(weeks, pd.DataFrame) and len(weeks["to_end"].unique()) > 3
