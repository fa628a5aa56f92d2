"""`python -m serving figures` from end to end, its files, and what people give it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.files import write_csv
from features.frames import write
from serving.__main__ import main
from serving.analytics.kpis import kept_calls
from serving.analytics.kpis.compute import COLUMNS
from serving.analytics.kpis.definition import SalesPlan
from serving.analytics.kpis.files import read_costs, read_plan, read_scores, shown
from tests.helpers.figures_company import META, at, frames
from training.models.kept_forecasts import PARTS, UnreadableForecastError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write(tmp_path / "canonical", frames(), META)
    return tmp_path / "canonical"


def run(*arguments: object) -> int:
    return main(["--root", "nowhere", "figures", *map(str, arguments)])


def test_the_command_prints_and_writes_every_figure(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "costs.csv").write_text("month,cost\n2024-03,600\n2024-08,400\n")
    out = tmp_path / "out"
    given = ("--margin", 0.5, "--discount", 0, "--costs", tmp_path / "costs.csv")
    plan = ("--plan", "cost=100,deals=6,lift=0.1")
    assert run("--data", data, "--out", out, "--health", *given, *plan) == 0
    said = capsys.readouterr().out
    assert "figures as of 2025-01-01T00:00:00+00:00, amounts in EUR" in said
    assert "66.7 %" in said and "left out: kept_forecast_error needs forecasts" in said
    found = pd.read_csv(out / "figures.csv").set_index("figure")
    assert found["value"]["acquisition_cost"] == 500 and found["value"]["bookings"] == 260
    assert found["value"]["return_on_plan"] == pytest.approx(1.795)
    assert list(found.reset_index().columns) == list(COLUMNS)
    files = {path.name for path in out.iterdir()}
    assert files == {f"{n}.csv" for n in ("figures", "bottlenecks", "stages", "moves", "deals")}
    deals = pd.read_csv(out / "deals.csv")
    assert deals["entered_at"].str.endswith("Z").all() and len(deals) == 2


def test_by_period_and_an_earlier_instant(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    when = ("--as-of", "2024-09-01T00:00:00Z", "--period", "quarter")
    assert run("--data", data, "--figure", "bookings", "--by", "owner", *when) == 0
    lines = [line.split()[:4] for line in capsys.readouterr().out.splitlines()[3:]]
    assert lines[:2] == [["bookings", "2024-Q1", "o1", "100"], ["bookings", "2024-Q3", "o2", "160"]]


def test_calls_are_ranked_from_a_folder_of_scores(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = pd.DataFrame({"id": ["d4", "d5"], "probability": [0.5, 0.5], "day_7": [0.2, 0.1]})
    scores = scores.assign(day_30=0.5, cutoff=at("2025-01-01"))
    (tmp_path / "scores").mkdir()
    scores.to_parquet(tmp_path / "scores" / "deal_close.parquet")
    options = ("--scores", tmp_path / "scores", "--capacity", 1, "--out", tmp_path / "out")
    assert run("--data", data, "--health", *options) == 0
    said = capsys.readouterr().out
    assert "calls: 1 of 2 chosen; on the next 7 days hang 30 " in said
    assert "An association in past data, not the effect of a call." in said
    assert pd.read_csv(tmp_path / "out" / "calls.csv")["id"].tolist() == ["d4", "d5"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "figures needs --data"),
        (("--data", "{data}", "--figure", "win"), "no figure 'win'"),
        (("--data", "{data}", "--as-of", "2024-01-01"), "needs a time zone"),
        (("--data", "{data}", "--as-of", "2026-01-01T00:00:00Z"), "the data end at"),
        (("--data", "{data}", "--margin", "1.5"), "--margin is a share"),
        (("--data", "{data}", "--plan", "cost=much"), "a plan is written cost="),
        (("--data", "{data}", "--scores", "{data}/none"), "holds no scores"),
        (("--data", "{data}/none"), "holds no dataset.json"),
    ],
)
def test_what_is_wrong_is_said_without_a_trace(
    arguments: tuple[str, ...], said: str, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*(a.format(data=data) for a in arguments)) == 2
    assert said in capsys.readouterr().err


def test_a_cell_is_never_a_formula(tmp_path: Path) -> None:
    made = pd.DataFrame(
        {"name": ["=HYPERLINK(1)", "@a", "ok", None], "value": [-1.0, 2, 3, np.nan]}
    )
    text = write_csv(made, tmp_path / "deep" / "t.csv").read_text()
    assert text == "name,value\n'=HYPERLINK(1),-1.0\n'@a,2.0\nok,3.0\n,\n"


def test_costs_by_month_or_by_dates(tmp_path: Path) -> None:
    path = tmp_path / "costs.csv"
    path.write_text("month,source,cost\n2024-12,web,10\n")
    found = read_costs(path).iloc[0]
    assert (found["start"], found["end"]) == (at("2024-12-01"), at("2025-01-01"))
    path.write_text("start,end,cost\n2024-01-01,2024-01-15,10\n")
    assert read_costs(path)["source"].isna().all()
    for wrong, said in (
        ("month,source\n2024-12,web\n", "has no column cost"),
        ("start,end,cost\n2024-02-01,2024-01-15,10\n", "end after it starts"),
        ("month,cost\n2024-12,-4\n", "0 or more"),
    ):
        path.write_text(wrong)
        with pytest.raises(ValueError, match=said):
            read_costs(path)


def test_a_plan_is_read_from_words() -> None:
    assert read_plan("cost=100, deals=6") == SalesPlan(100.0, 6.0, 0.0)
    for wrong in ("100", "cost=100,leads=3", "deals=6"):
        with pytest.raises(ValueError, match="a plan is written"):
            read_plan(wrong)
    with pytest.raises(ValueError, match="must be above 0"):
        read_plan("cost=0,deals=6")


def test_scores_are_found_by_their_question(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a"]}).to_parquet(tmp_path / "churn.parquet")
    assert list(read_scores(tmp_path)) == ["churn"]


def test_kept_forecasts_of_the_data_set_are_read(tmp_path: Path) -> None:
    """Monthly bookings of the whole of this data set; half a file is an error that names it."""
    row: dict[str, object] = {
        "stream": "bookings",
        "dimension": "all",
        "value": "all",
        "part": "whole",
    }
    row |= {"kind": "month", "period": "2024-08", "start": "2024-08-01T00:00:00Z"}
    row |= {"end": "2024-09-01T00:00:00Z", "p10": 1.0, "p50": 2.0, "p90": 3.0, "mean": 2.0}
    others = [row | {"stream": "total"}, row | {"dimension": "team"}, row | {"kind": "quarter"}]
    state: dict[str, object] = dict.fromkeys(PARTS, ())
    state |= {"origin": "2024-08-01T00:00:00Z", "data": "small", "table": [row, *others]}
    state |= {"expires": "2024-09-01T00:00:00Z"}
    for name, text in {
        "a": json.dumps(state),
        "b": json.dumps(state | {"data": "other"}),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "forecast.json").write_text(text)
    found = kept_calls.read(tmp_path, "small")
    assert found is not None and len(found) == 1
    assert found.iloc[0].tolist() == [
        *("2024-08", at("2024-08-01"), at("2024-09-01"), at("2024-08-01")),
        *(1.0, 2.0, 3.0),
    ]
    assert kept_calls.read(tmp_path / "none", "small") is None
    (tmp_path / "b" / "forecast.json").write_text('{"origin": "2024-')
    with pytest.raises(UnreadableForecastError, match=r"b/forecast\.json is not a kept forecast"):
        kept_calls.read(tmp_path, "small")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.3941, "share", "39.4 %"),
        (1234.5, "money", "1,234"),
        (float("nan"), "days", "–"),
        (float("inf"), "days", "∞"),
        (12.34, "days", "12.3"),
        (0.6567, "ratio", "0.657"),
        (4574.0, "money per day", "4,574"),
    ],
)
def test_numbers_for_people(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text
