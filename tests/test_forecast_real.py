"""The forecast on public data, read in place: what is read, what is said, and what was known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest

from benchmarks.forecast_real import SETS, shared_cells
from features.tables import DAY, Tables, micros
from training.forecast.backtest.cells import MODEL
from training.forecast.backtest.rolling import backtest
from training.forecast.belief.fitted_models import FittedModels
from training.forecast.data.open_panel import open_deal_panel
from training.forecast.data.revenue import flows
from training.forecast.data.settings import ForecastSettings
from training.forecast.results.forecast import forecast

SETTINGS = ForecastSettings(draws=500, threads=1, refit_days=182.0, dimensions=("team", "product"))

here = {
    name: pytest.mark.skipif(not found.data.is_dir(), reason=f"{found.data} is not there")
    for name, found in SETS.items()
}


@cache
def tables(name: str) -> Tables:
    return SETS[name].tables()


def day(text: str) -> int:
    return micros(f"{text}T00:00:00+00:00")


@here["maven"]
def test_maven_books_what_its_file_says() -> None:
    """Ten months of won deals; the sum of close_value, month by month."""
    raw = pd.read_csv(SETS["maven"].data / "sales_pipeline.csv")
    won = raw[raw["deal_stage"] == "Won"]
    months = pd.to_datetime(won["close_date"], format="%d-%m-%y").dt.strftime("%Y-%m")
    want = won["close_value"].groupby(months).sum()
    assert len(want) == 10
    flow = flows(tables("maven"), day("2018-01-01"))["bookings"]
    got = [flow.total(day(f"{m}-01"), day(f"{m}-01") + 31 * DAY) for m in ("2017-07", "2017-12")]
    assert got == [want["2017-07"], want["2017-12"]]
    assert flow.amount.sum() == want.sum()


@here["maven"]
def test_maven_by_team_and_product_adds_up_and_no_amount_is_known_beforehand() -> None:
    """Open deals have no amount in this export; the groups sum to the whole draw by draw."""
    origin = day("2017-10-16")
    assert np.isnan(open_deal_panel(tables("maven"), [origin]).amount).all()
    made = forecast(
        tables("maven"), origin, FittedModels.of(tables("maven"), [origin], SETTINGS), SETTINGS
    )
    for dimension in ("team", "product"):
        values, draws = made.group_draws(dimension)
        assert len(values) > 3
        assert (draws.sum(axis=0) == made.draws["bookings", "whole"]).all()
    place = made.place("2017-10")
    closed = flows(tables("maven"), origin)["bookings"].total(day("2017-10-01"), origin)
    assert (made.draws["bookings", "whole"][place] >= closed).all()


@here["retail"]
def test_retail_is_recurring_revenue_of_customers_net_of_cancellations() -> None:
    """Invoices as pandas adds them up, credit notes included; there are no bookings to forecast."""
    path = SETS["retail"].data / "online_retail_I.csv.gz"
    raw = pd.read_csv(path, usecols=["InvoiceNo", "Quantity", "UnitPrice", "CustomerID"])
    raw = raw[raw["CustomerID"].notna()]
    found = flows(tables("retail"), day("2011-12-10"))
    assert list(found) == ["recurring"]
    assert found["recurring"].amount.sum() == pytest.approx(
        (raw["Quantity"] * raw["UnitPrice"]).sum()
    )
    assert len(found["recurring"].amount) == raw["InvoiceNo"].nunique()
    assert (found["recurring"].amount < 0).sum() > 3000
    assert tables("retail")["accounts"].n == raw["CustomerID"].nunique()


@here["retail"]
def test_retail_is_forecast_from_customers_who_come_again_and_new_ones() -> None:
    """One origin: the parts add up, and the range holds more than nothing."""
    origin = day("2011-09-05")
    made = forecast(
        tables("retail"), origin, FittedModels.of(tables("retail"), [origin], SETTINGS), SETTINGS
    )
    assert made.streams == ("recurring",)
    parts = [made.draws["recurring", p] for p in ("invoiced", "renewals", "new customers")]
    assert np.array_equal(sum(parts[1:], parts[0]), made.draws["recurring", "whole"])
    low, high = np.quantile(made.whole("recurring", "2011-10"), [0.1, 0.9])
    assert 0 < low < high
    assert parts[1][made.place("2011-10")].mean() > parts[2][made.place("2011-10")].mean() > 0


@here["olist"]
def test_olist_counts_wins_and_is_backtested_with_few() -> None:
    """Every lead a deal of amount 1; few wins are answered by the base rate."""
    wins = pd.read_csv(SETS["olist"].data / "olist_closed_deals_dataset.csv")
    flow = flows(tables("olist"), day("2018-11-15"))["bookings"]
    assert set(flow.amount) == {1.0} and abs(len(flow.amount) - len(wins)) <= 1
    origins = [day("2017-12-18"), day("2018-03-05")]
    found = backtest(tables("olist"), SETTINGS, origins, until=day("2018-06-01"))
    assert not found.skipped
    ours = found.cells[found.cells["method"] == MODEL]
    few = ours[ours["origin"] == origins[0]]
    assert set(few["period"]) == {"2017-12", "2017-Q4", "2018-01", "2018-Q1"}
    assert (few["q0"] < few["q2"]).all()
    ours = ours[ours["origin"] == origins[1]]
    assert set(ours["period"]) == {"2018-03", "2018-04", "2018-Q1"}  # Q2 ends after 1 June
    assert (ours["q0"] <= ours["q2"]).all() and (ours["closed"] <= ours["q0"]).all()
    assert shared_cells(found, "bookings")["n"].nunique() == 1
