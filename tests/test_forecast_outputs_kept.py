"""What is kept stays as it was said, and GET /v1/forecast answers from it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from starlette.applications import Starlette

from features.tables import DAY, instant_text, micros
from serving.http.forecast_reader import BadForecast, ForecastReader, NoForecast
from serving.http.routes.forecast import ForecastOut
from tests.helpers.api import Clock, call, served
from tests.helpers.forecasted import ORIGIN, company, made
from training.forecast.planning.capacity import CapacitySettings
from training.forecast.publish.outputs import EarlierForecast, ForecastOutputs, means_of, outputs
from training.forecast.results.kept import (
    AlreadyKeptError,
    keep,
    last_before,
    name_of,
)
from training.models import kept_forecasts as keeping
from training.models.kept_forecasts import every as kept
from training.models.kept_forecasts import newest

forecast = cache(made)


def found(origin: int = ORIGIN) -> ForecastOutputs:
    """The outputs of the hand-made forecast, beside one in which every mean was 1,000 lower."""
    means = {key: mean - 1000 for key, mean in means_of(forecast()).items()}
    before = EarlierForecast(origin - 7 * DAY, None, means, True)
    whole = replace(forecast(), origin=origin)
    return replace(
        outputs(company(), forecast(), None, CapacitySettings()), forecast=whole, since=before
    )


@cache
def kept_state() -> dict[str, Any]:
    return found().to_json()


def kept_at(root: Path, origin: int = ORIGIN, **changes: Any) -> Path:
    """Keep the forecast as if it had been made at ``origin``."""
    state = {**kept_state(), "origin": instant_text(origin), **changes}
    return keep(root, state, {"a.csv": pd.DataFrame({"x": [1]})}, {"report.html": "<p>"})


def test_a_folder_for_each_origin_and_a_pointer_to_the_newest(tmp_path: Path) -> None:
    assert newest(tmp_path) is None and kept(tmp_path, "by hand") == []
    folder = kept_at(tmp_path)
    assert folder.name == "2026-01-15" == name_of(ORIGIN)
    assert name_of(ORIGIN + DAY // 4) == "2026-01-15T060000Z"
    assert sorted(p.name for p in folder.iterdir()) == ["a.csv", "forecast.json", "report.html"]
    kept_at(tmp_path, ORIGIN - 7 * DAY)
    there = newest(tmp_path)
    assert there is not None and there.origin == ORIGIN, "an older origin is not the newest"
    kept_at(tmp_path, ORIGIN + 7 * DAY)
    there = newest(tmp_path)
    assert there is not None and there.folder.name == "2026-01-22"
    assert [k.origin for k in kept(tmp_path, "by hand")] == [ORIGIN + d * DAY for d in (-7, 0, 7)]
    before = last_before(tmp_path, "by hand", ORIGIN)
    assert before is not None and before.origin == ORIGIN - 7 * DAY
    assert last_before(tmp_path, "another", ORIGIN) is None


def test_what_was_said_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    folder = kept_at(tmp_path)
    said = (folder / "forecast.json").read_bytes()
    with pytest.raises(AlreadyKeptError, match="stays as it was said"):
        kept_at(tmp_path, currency="USD")
    assert (folder / "forecast.json").read_bytes() == said
    with pytest.raises(ValueError, match="of another data set"):
        kept_at(tmp_path, data="another")
    state = {**kept_state(), "currency": "USD"}
    keep(tmp_path, state, {}, {}, replace=True)
    assert json.loads((folder / "forecast.json").read_text())["currency"] == "USD"


def test_a_keeping_that_breaks_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = kept_at(tmp_path)
    said = (folder / "forecast.json").read_bytes()

    def broken(*_: object, **__: object) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(os, "fsync", broken)
    for origin in (ORIGIN, ORIGIN + DAY):
        state = {**kept_state(), "origin": instant_text(origin)}
        with pytest.raises(OSError, match="full"):
            keep(tmp_path, state, {}, {}, replace=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["2026-01-15", "newest"]
    assert (folder / "forecast.json").read_bytes() == said


def test_what_is_no_forecast_is_named(tmp_path: Path) -> None:
    folder = kept_at(tmp_path)
    (folder / "forecast.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"forecast\.json is not a kept forecast"):
        keeping.read(folder)
    with pytest.raises(BadForecast, match="--replace"):
        ForecastReader(tmp_path).newest()
    with pytest.raises(NoForecast, match="python -m training forecast"):
        ForecastReader(tmp_path / "nowhere").newest()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Starlette]:
    """The app over a folder with one kept forecast, on the day it was made."""
    folder = tmp_path_factory.mktemp("served")
    kept_at(folder / "forecasts")
    with served(folder, Clock(ORIGIN), forecasts=folder / "forecasts") as made_app:
        yield made_app


def asked(app: Starlette, query: str = "") -> httpx.Response:
    """GET /v1/forecast."""
    return call(app, "GET", f"/v1/forecast{query}")


def test_the_endpoint_answers_with_the_whole_company(app: Starlette) -> None:
    response = asked(app)
    assert response.status_code == 200
    body = response.json()
    ForecastOut.model_validate(body)
    assert body["as_of"] == "2026-01-15T00:00:00Z" and body["expires"] == "2026-02-01T00:00:00Z"
    assert not body["expired"] and body["dimensions"] == ["all", "owner", "team", "product"]
    assert {row["dimension"] for row in body["table"]} == {"all"}
    assert [p["name"] for p in body["periods"]] == [p.name for p in forecast().periods]
    rows = [r for r in body["table"] if r["period"] == "2026-Q1"]
    parts = {r["part"]: r["mean"] for r in rows}
    assert parts.pop("whole") == pytest.approx(sum(parts.values()), rel=1e-9)
    assert len(body["quantiles"][0]["values"]) == len(body["quantiles"][0]["levels"]) == 99


def test_a_part_of_it_can_be_asked_for(app: Starlette) -> None:
    body = asked(app, "?dimension=team&period=2026-Q1").json()
    assert {(r["dimension"], r["period"]) for r in body["table"]} == {("team", "2026-Q1")}
    assert {r["value"] for r in body["targets"]} == {"North", "South"}
    assert (
        {r["period"] for r in body["drivers"]}
        == {"2026-Q1"}
        == {p["name"] for p in body["periods"]}
    )
    months = asked(app, "?kind=month").json()
    assert {r["kind"] for r in months["table"]} == {"month"}
    assert {r["period"] for r in months["cover"]} == {"2026-01", "2026-02", "2026-03"}
    assert asked(app, "?kind=quarter&period=2026-01").json()["table"] == []


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?dimension=teams", 404, "did you mean team?"),
        ("?period=2025-12", 404, "2026-01"),
        ("?kind=year", 404, "month, quarter"),
        ("?stream=bookigns", 404, "did you mean bookings?"),
        ("?dimensions=team", 422, "dimension"),
        ("?period=2026-01&period=2026-02", 422, "period"),
    ],
)
def test_what_is_not_in_it_is_said(app: Starlette, query: str, status: int, said: str) -> None:
    response = asked(app, query)
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert response.status_code == status or (status == 422 and response.status_code == 400)
    assert said in body["detail"] and body["action"]


def test_without_a_forecast_it_says_what_to_do(tmp_path: Path) -> None:
    with served(tmp_path, Clock(ORIGIN), forecasts=tmp_path / "forecasts") as app:
        response = asked(app)
        assert response.status_code == 404 and response.json()["code"] == "no_forecast"
        assert "python -m training forecast" in response.json()["detail"]
        folder = kept_at(tmp_path / "forecasts")
        assert asked(app).status_code == 200, "it is there as soon as it is kept"
        (folder / "forecast.json").write_text('{"origin": 1}', encoding="utf-8")
        response = asked(app)
        assert response.status_code == 503 and response.json()["code"] == "forecast_unreadable"


def test_a_forecast_expires_with_its_first_period(tmp_path: Path) -> None:
    clock = Clock(micros("2026-02-01T00:00:00+00:00"))
    kept_at(tmp_path / "forecasts")
    with served(tmp_path, clock, forecasts=tmp_path / "forecasts") as app:
        assert asked(app).json()["expired"]
        clock.now -= 1
        assert not asked(app).json()["expired"]
        kept_at(tmp_path / "forecasts", ORIGIN + DAY)
        assert asked(app).json()["as_of"] == "2026-01-16T00:00:00Z"
