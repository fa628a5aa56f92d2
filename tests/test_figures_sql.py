"""Every figure against independent SQL over the canonical tables: the demo CRM and Maven's."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from features.demo import generate
from features.frames import from_frames, write
from features.ingest.run import ingest
from features.tables import Tables, micros, read
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.catalog import FIGURES
from serving.analytics.kpis.compute import one
from serving.analytics.kpis.definition import ABSENT, Given, SalesPlan
from tests.helpers import figures_sql, figures_views

ROOT = Path(__file__).parents[1]
MAVEN = ROOT.parent / "shared" / "data" / "maven_crm_opportunities"
STAGES = ["discovery", "demo", "proposal", "negotiation"]
FROM_FILES = ("scored_pipeline", "kept_forecast_error", "kept_forecast_coverage")
"""Figures of given forecasts and scores; tests/test_figures.py has them."""
IN_SQL = [name for name in FIGURES if name not in FROM_FILES]


def costs(first: str, sources: list[str]) -> pd.DataFrame:
    """A year of monthly costs by source."""
    start = pd.date_range(first, periods=12, freq="MS", tz="UTC").repeat(len(sources))
    frame = pd.DataFrame({"start": start, "source": sources * 12})
    frame = frame.assign(end=frame["start"] + pd.DateOffset(months=1))
    return frame.assign(cost=np.arange(1.0, len(frame) + 1) * 100)


def given(first: str) -> Given:
    """The inputs that the SQL states too."""
    spent = costs(first, ["website", "event"])
    plan = SalesPlan(10_000, 20, 0.02)
    return Given(figures_sql.MARGIN, figures_sql.DISCOUNT, 5.0, spent, plan)


def agree(
    asof: AsOfFrames,
    connection: duckdb.DuckDBPyConnection,
    name: str,
    by: str,
    stated: Given,
    span: tuple[pd.Timestamp, pd.Timestamp],
) -> int:
    """Assert that a figure and its SQL say the same of every group; how many groups had a value."""
    start, end = span
    found = one(asof, FIGURES[name], [by] if by else [], given=stated, since=start)
    assert end == asof.instant
    spent = (stated.costs if stated.costs is not None else pd.DataFrame()).rename(
        columns={"start": "f", "end": "u"}
    )
    connection.register("costs", spent)
    expected = figures_sql.answers(connection, name, by, (start, end), end, STAGES)
    groups = found[by].tolist() if by else [None]
    keys = [None if isinstance(g, float) or g is pd.NA else g for g in groups]
    if not by and not expected:
        expected = {None: (float("nan"), 0)}
    assert set(keys) == set(expected), (name, by)
    for key, value, n in zip(keys, found["value"], found["n"], strict=True):
        assert value == pytest.approx(expected[key][0], rel=1e-9, abs=1e-9, nan_ok=True), (key, n)
        assert n == expected[key][1], (name, key)
    return int(found["value"].notna().sum())


@cache
def demo(folder: Path) -> tuple[Tables, duckdb.DuckDBPyConnection]:
    crm = generate(101, "tiny")
    write(folder, crm.frames, crm.meta)
    return from_frames(crm.frames, crm.meta), figures_views.connect(folder, "EUR", True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@cache
def book_at(folder: Path, as_of: str) -> AsOfFrames:
    tables, _ = demo(folder)
    return AsOfFrames(tables, micros(as_of or tables.meta.as_of))


SLOW = ("slippage", "people_forecast_error")
"""A view of the company for every month: in SQL they take a second each."""


@pytest.mark.parametrize("name", IN_SQL)
def test_the_demo_agrees_with_sql(name: str, folder: Path) -> None:
    """The whole, and every way the figure can be divided, at the end of the data."""
    asof, (_, connection) = book_at(folder, ""), demo(folder)
    span = (asof.instant - pd.Timedelta(days=365), asof.instant)
    by = ("", "product") if name in SLOW else ("", *FIGURES[name].by)
    values = [agree(asof, connection, name, one, given("2025-03-01"), span) for one in by]
    assert values[0] == 1 and sum(values) > 1


@pytest.mark.parametrize("name", IN_SQL)
def test_the_demo_as_it_was_agrees_with_sql(name: str, folder: Path) -> None:
    """At an earlier instant, which the figures replay and the SQL replays in its own way."""
    asof, (_, connection) = book_at(folder, "2025-02-10T12:00:00+00:00"), demo(folder)
    span = (asof.instant - pd.Timedelta(days=365), asof.instant)
    by = ("",) if name in SLOW else ("", FIGURES[name].by[0])
    values = [agree(asof, connection, name, one, given("2024-03-01"), span) for one in by]
    assert values[0] == 1


@pytest.mark.parametrize("name", ["win_rate", "bookings", "logo_churn", "quota_attainment"])
def test_a_quarter_of_the_demo_agrees_with_sql(name: str, folder: Path) -> None:
    asof, (_, connection) = book_at(folder, ""), demo(folder)
    table = one(asof, FIGURES[name], period="quarter")
    table = table[table["period"] > "2023-Q2"]
    assert len(table) == 10
    for row in table.to_dict("records"):
        span = (row["from"], row["to"])
        expected = figures_sql.answers(connection, name, "", span, asof.instant, STAGES)
        assert row["value"] == pytest.approx(expected[None][0], rel=1e-9)
        assert row["n"] == expected[None][1]


ON_MAVEN = {
    *("win_rate", "win_by_180d", "sales_cycle", "days_to_win", "deal_size", "typical_deal_size"),
    *("bookings", "deals_created", "growth", "growth_over_year", "deals_open"),
    *("pipeline_velocity", "acquisition_cost", "account_penetration", "product_penetration"),
    "return_on_plan",
}
"""What a CRM without leads, stages, open amounts, activities, quotas and contracts can answer."""


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("maven")


@cache
def maven(folder: Path) -> tuple[AsOfFrames, duckdb.DuckDBPyConnection]:
    ingest(MAVEN, ROOT / "examples" / "maven_crm_opportunities" / "mapping.toml", folder)
    tables = read(folder)
    return AsOfFrames(tables, micros(tables.meta.as_of)), figures_views.connect(
        folder, "USD", False
    )


@pytest.mark.skipif(not MAVEN.is_dir(), reason="the Maven export is not beside the repository")
@pytest.mark.parametrize("name", IN_SQL)
def test_maven_agrees_with_sql(name: str, export: Path) -> None:
    """All figures that the data can answer, whole and by every dimension; the others say why."""
    asof, connection = maven(export)
    stated = given("2017-03-01")
    if name not in ON_MAVEN:
        found = one(asof, FIGURES[name], given=stated)
        assert found["value"].isna().all() and found["warning"].str.startswith(ABSENT).all()
        return
    span = (asof.instant - pd.Timedelta(days=365), asof.instant)
    values = [agree(asof, connection, name, by, stated, span) for by in ("", *FIGURES[name].by)]
    assert values[0] == (name not in ("growth", "growth_over_year"))  # it begins in that year


@pytest.mark.skipif(not MAVEN.is_dir(), reason="the Maven export is not beside the repository")
def test_maven_agrees_with_its_own_file(export: Path) -> None:
    """Straight from the CSV, past the mapping and the canonical tables."""
    asof, _ = maven(export)
    raw = pd.read_csv(MAVEN / "sales_pipeline.csv")
    won, lost = raw[raw["deal_stage"] == "Won"], raw[raw["deal_stage"] == "Lost"]
    found = {
        name: one(asof, FIGURES[name], since=pd.Timestamp("2016-01-01", tz="UTC"))["value"][0]
        for name in ("win_rate", "deal_size", "bookings", "deals_open")
    }
    assert found["win_rate"] == len(won) / (len(won) + len(lost))
    assert found["deal_size"] == pytest.approx(won["close_value"].mean())
    assert found["bookings"] == won["close_value"].sum()
    assert found["deals_open"] == (raw["deal_stage"] == "Engaging").sum()
    sellers = one(asof, FIGURES["win_rate"], ["owner"], since=pd.Timestamp("2016-01-01", tz="UTC"))
    closed = pd.concat([won, lost])
    by_hand = (closed["deal_stage"] == "Won").groupby(closed["sales_agent"]).mean()
    assert sellers.set_index("owner")["value"].to_dict() == pytest.approx(by_hand.to_dict())


def test_no_figure_is_left_to_itself() -> None:
    """Every figure is in SQL or computed by hand in tests/test_figures.py."""
    start, end = "TIMESTAMPTZ '2025-01-01'", "TIMESTAMPTZ '2025-07-01'"
    assert all(figures_sql.sql(name, "", start, end, end, STAGES) for name in IN_SQL)
    assert set(FIGURES) == {*IN_SQL, *FROM_FILES}
