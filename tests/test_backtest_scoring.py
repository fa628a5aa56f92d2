"""How right a forecast was: the scores' own laws, by hand and by counting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.tables import DAY, micros
from training.forecast.backtest.scoring import (
    LEVELS,
    blocks,
    by_weeks,
    compared,
    pinball,
    ratio_interval,
    scored,
    summary,
)

BEGIN = micros("2025-01-01T00:00:00+00:00")


def cells(n: int = 40, seed: int = 0, method: str = "ours", spread: float = 10.0) -> pd.DataFrame:
    """Cells of ten months, several origins each, around an actual of 100."""
    rng = np.random.default_rng(seed)
    place = np.arange(n) % 10
    actual = 100.0 + 5 * (np.random.default_rng(99).normal(size=10))[place]
    point = actual + rng.normal(0, spread, n)
    return pd.DataFrame(
        {
            "stream": "bookings",
            "method": method,
            "origin": BEGIN + np.arange(n),
            "period": [f"P{p}" for p in place],
            "kind": "month",
            "end": BEGIN + (place + 1) * 30 * DAY,
            "weeks": 1 + np.arange(n) // 10,
            "actual": actual,
            "point": point,
            "mean": point + 1,
            "closed": 0.0,
            "q0": point - spread,
            "q1": point,
            "q2": point + spread,
        }
    )


# pinball


def test_pinball_by_hand() -> None:
    """Ten above the median costs 5; ten below the 90 % quantile costs 1, ten above it 9."""
    loss = pinball(np.array([100.0]), np.array([[90.0, 90.0, 90.0]]), LEVELS)
    assert loss[0] == pytest.approx((1 + 5 + 9) / 3)
    loss = pinball(np.array([80.0]), np.array([[90.0, 90.0, 90.0]]), LEVELS)
    assert loss[0] == pytest.approx((9 + 5 + 1) / 3)
    assert pinball(np.array([7.0]), np.full((1, 3), 7.0), LEVELS)[0] == 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 0.5, 0.9]), st.floats(-3, 3))
def test_no_constant_beats_the_samples_own_quantile(seed: int, level: float, off: float) -> None:
    """The quantile of a sample minimises its pinball loss: that is why the loss is asked for."""
    y = np.random.default_rng(seed).lognormal(size=41)
    best = np.quantile(y, level, method="inverted_cdf")
    at_best = pinball(y, np.full((41, 1), best), (level,)).mean()
    assert at_best <= pinball(y, np.full((41, 1), best + off), (level,)).mean() + 1e-12


# the other measures


def test_measures_are_shares_of_the_mean_actual_of_different_periods() -> None:
    """A period asked about more often does not weigh more in the scale."""
    two = pd.DataFrame(
        {
            "stream": "bookings",
            "method": "m",
            "origin": [1, 2, 3],
            "period": ["A", "A", "B"],
            "kind": "month",
            "end": BEGIN,
            "weeks": 1,
            "actual": [100.0, 100.0, 300.0],
            "point": [110.0, 90.0, 330.0],
            "closed": 0.0,
            "q0": [90.0, 80.0, 310.0],
            "q1": [110.0, 90.0, 330.0],
            "q2": [120.0, 95.0, 350.0],
        }
    )
    found = scored(two)
    assert found["bias"].tolist() == pytest.approx([10 / 200, -10 / 200, 30 / 200])
    assert found["ape"].tolist() == pytest.approx([0.1, 0.1, 0.1])
    assert found["coverage"].tolist() == [1.0, 0.0, 0.0]
    assert found["loss"].iloc[0] == pytest.approx((1 + 5 + 2) / 3)
    assert found["pinball"].to_numpy() == pytest.approx(found["loss"].to_numpy() / 200)
    assert found["mean_bias"].isna().all()


def test_an_actual_of_nothing_has_no_percentage_error() -> None:
    """It is left out of the mean, and the n says so."""
    some = cells()
    some.loc[0, "actual"] = 0.0
    found = scored(some)
    assert np.isnan(found["ape"].iloc[0])
    table = summary(found, ("method",)).set_index("measure")
    assert table.loc["ape", "n"] == 39 and table.loc["pinball", "n"] == 40
    assert np.isfinite(table["value"].to_dict()["ape"])


def test_summary_counts_and_averages() -> None:
    """Value, n and periods against pandas; the interval holds the value."""
    found = scored(cells())
    table = summary(found, ("stream", "method")).set_index("measure")
    for measure in ("pinball", "ape", "bias", "coverage"):
        low, value, high = (table[c].to_dict()[measure] for c in ("low", "value", "high"))
        assert value == pytest.approx(found[measure].mean())
        assert low <= value <= high
    assert table.loc["pinball", "periods"] == 10
    assert table.loc["pinball", "blocks"] == 4  # ten months of 30 days lie in four quarters


def test_blocks_are_quarters_or_data_sets() -> None:
    """Cells of one period are never in two blocks; with several data sets each is a block."""
    one = cells()
    assert (
        pd.DataFrame({"p": one["period"], "b": blocks(one)}).groupby("p")["b"].nunique().max() == 1
    )
    many = pd.concat([one.assign(data=7), one.assign(data=8)], ignore_index=True)
    assert blocks(many).tolist() == [0] * 40 + [1] * 40


def test_the_interval_is_wider_when_errors_go_together() -> None:
    """Every origin of a period errs alike: forty cells are worth no more than their few blocks."""
    alone = scored(cells(400, seed=1))
    together = alone.copy()
    by_block = alone.groupby(blocks(alone))["pinball"].transform("first")
    together["pinball"] = by_block
    wide = ratio_interval(together, "pinball", None)
    narrow = ratio_interval(alone, "pinball", None)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_too_few_blocks_have_no_interval() -> None:
    """Two quarters cannot tell how sure a mean is."""
    every = cells()
    few = scored(every[every["end"] < BEGIN + 120 * DAY])
    low, high = ratio_interval(few, "pinball", None)
    assert np.isnan(low) and np.isnan(high)


def test_methods_are_compared_on_the_cells_both_have() -> None:
    """A method that speaks less often is held against the model there and nowhere else."""
    ours, theirs = cells(), cells(seed=3, method="theirs", spread=30.0)
    some = theirs.iloc[::2]
    found = scored(pd.concat([ours, theirs.assign(method="all"), some], ignore_index=True))
    table = compared(found, "ours").set_index("method")
    assert table.loc["all", "n"] == 40 and table.loc["theirs", "n"] == 20
    mine = found[(found["method"] == "ours") & found["origin"].isin(some["origin"])]["pinball"]
    its = found[found["method"] == "theirs"]["pinball"]
    assert table.loc["theirs", "ratio"] == pytest.approx(mine.mean() / its.mean())
    assert table["ratio"].is_monotonic_decreasing
    low, ratio, high = (table[c].to_dict()["all"] for c in ("low", "ratio", "high"))
    assert low < ratio < high < 1


def test_weeks_are_shown_in_spans() -> None:
    """1, 2, 3-4 …, in order, and no cell is lost."""
    found = by_weeks(scored(cells(400)))
    pinball_rows = found[found["measure"] == "pinball"]
    spans = ["1", "2", "3-4", "5-8", "9-13", "14-26", "27+"]
    assert pinball_rows["to_end"].tolist() == spans
    assert pinball_rows["n"].sum() == 400


def test_a_method_at_its_word_has_its_number_as_the_median() -> None:
    """The range keeps its width; what is booked already stays the least."""
    one = cells(1).assign(actual=100.0, point=80.0, q0=90.0, q1=100.0, q2=130.0, closed=75.0)
    found = scored(one)
    want = pinball(np.array([100.0]), np.array([[75.0, 80.0, 110.0]]), LEVELS)
    assert found["pinball_stated"].to_numpy() == pytest.approx(want / 100)
    assert found["pinball_stated"].iloc[0] > found["pinball"].iloc[0]
    same = scored(cells())
    assert same["pinball_stated"].to_numpy() == pytest.approx(same["pinball"].to_numpy())
