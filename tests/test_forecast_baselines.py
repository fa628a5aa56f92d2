"""What a forecast must beat: each way by hand, and none of them looks past its origin."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsforecast.models import AutoETS

from features.demo import Demo, generate
from features.frames import from_frames
from features.spine import Spine
from features.tables import DAY, NAT, Coded, Floats, Instants, Tables, code, micros
from features.timeline import Timeline
from features.view import View
from tests.helpers.rewound import rewound
from training.forecast.backtest import baselines
from training.forecast.backtest.baselines import BASELINES, KnownRevenue, smoothed, stage_chances
from training.forecast.backtest.residuals import add_ranges
from training.forecast.data.categories import CALLS, call_of, calls
from training.forecast.data.open_panel import WEEK, OpenDealPanel, mondays, open_deal_panel
from training.forecast.data.periods import Period, month, month_of, month_start, quarter
from training.forecast.data.revenue import RevenueFlow, flows


def day(text: str) -> int:
    """A midnight UTC."""
    return micros(datetime.fromisoformat(text).replace(tzinfo=UTC))


JANUARY = month_of(day("2023-01-01"))


def steady(months: int, each: float = 100.0) -> RevenueFlow:
    """``each`` on the tenth of every month from January 2023, one more each month."""
    at = np.array([month_start(JANUARY + i) + 9 * DAY for i in range(months)], np.int64)
    return RevenueFlow.of(
        "bookings", at, each + np.arange(months, dtype=np.float64), day("2023-01-01")
    )


def said(name: str, flow: RevenueFlow, origin: int, period: Period) -> float:
    return BASELINES[name](KnownRevenue(origin, flow), period)


# the ways that look at totals alone


def test_whole_periods_by_hand() -> None:
    """From 15 March 2024: the newest whole ones, the same a year before, and the mean of six."""
    flow, origin = steady(30), day("2024-03-15")
    march, second = month(JANUARY + 14), quarter(JANUARY + 15)
    assert said("last period", flow, origin, march) == 113
    assert said("last period", flow, origin, month(JANUARY + 15)) == 113
    assert (
        said("last period", flow, origin, second) == 109 + 110 + 111
    )  # the running one is not over
    assert said("same period last year", flow, origin, march) == 102
    assert said("same period last year", flow, origin, second) == 103 + 104 + 105
    assert said("moving average", flow, origin, march) == np.mean([108, 109, 110, 111, 112, 113])
    assert said("moving average", flow, origin, second) == pytest.approx(3 * 110.5)


def test_run_rate_is_what_closed_and_the_average_for_the_days_left() -> None:
    """Of March 2024 16 of 31 days are left after the fifteenth has begun to the 16th."""
    flow, origin = steady(30), day("2024-03-16")
    want = 114 + 110.5 * 16 / 31
    assert said("run rate", flow, origin, month(JANUARY + 14)) == pytest.approx(want)
    assert said("run rate", flow, origin, month(JANUARY + 15)) == pytest.approx(110.5)


def test_what_cannot_be_said_is_missing() -> None:
    """No year before, no whole month yet, no open deals: NaN and not a guess."""
    flow = steady(30)
    first = month(JANUARY)
    assert np.isnan(said("same period last year", flow, day("2023-06-15"), month(JANUARY + 5)))
    assert np.isnan(said("last period", flow, day("2023-01-20"), first))
    assert np.isnan(said("moving average", flow, day("2023-01-20"), first))
    assert np.isnan(said("AutoETS", flow, day("2023-05-20"), month(JANUARY + 4)))
    assert np.isnan(said("stage-weighted", flow, day("2023-05-20"), month(JANUARY + 4)))
    assert np.isnan(said("people's commit", flow, day("2023-05-20"), month(JANUARY + 4)))


def test_auto_ets_is_the_librarys_and_keeps_the_months_that_are_over() -> None:
    """A running quarter is its whole months as they were, and forecasts for the others."""
    flow, origin = steady(30), day("2024-03-15")
    series = 100 + np.arange(14, dtype=np.float64)
    want = AutoETS(season_length=1).fit(series).predict(h=12)["mean"]
    assert said("AutoETS", flow, origin, month(JANUARY + 14)) == pytest.approx(want[0])
    assert said("AutoETS", flow, origin, quarter(JANUARY + 14)) == pytest.approx(
        112 + 113 + want[0]
    )
    assert said("AutoETS", flow, origin, quarter(JANUARY + 15)) == pytest.approx(want[1:4].sum())


def test_auto_ets_of_a_constant_is_the_constant_and_a_season_is_seen() -> None:
    """Two years of a wave, and the next year waves alike."""
    assert smoothed((5.0,) * 9) == (5.0,) * 12
    wave = 100 + 40 * np.cos(2 * np.pi * np.arange(36) / 12)
    assert np.array(smoothed(tuple(wave.tolist()))) == pytest.approx(wave[:12], rel=0.05)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 12))
def test_whole_months_are_those_that_are_over(begun: int, days: int, length: int) -> None:
    """Sums by month add up to the total between their ends, wherever origin and begin lie."""
    flow = steady(24)
    flow = RevenueFlow(flow.stream, flow.at, flow.amount, day("2023-01-01") + begun * DAY)
    origin = month_start(JANUARY + length + 2) + days * DAY
    first = flow.first_month
    assert month_start(first) >= flow.begin and month_start(first - 1) < flow.begin
    months = flow.whole_months(origin)
    end = month_start(first + len(months))
    assert end <= origin < month_start(first + len(months) + 1)
    assert months.sum() == pytest.approx(flow.total(month_start(first), end))


# the ways that look at open deals

STAGES = ("one", "two", None)


def some_looks(seed: int) -> OpenDealPanel:
    """Random looks at ten weekly origins."""
    rng = np.random.default_rng(seed)
    origins = day("2024-01-01") + WEEK * np.arange(10, dtype=np.int64)
    sizes = rng.integers(0, 40, 10)
    n = int(sizes.sum())
    cutoff = np.repeat(origins, sizes)
    after = rng.integers(0, 80, n) * DAY
    fate = rng.integers(0, 3, n)
    words: Coded = code([STAGES[i] for i in rng.integers(0, 3, n)])
    return OpenDealPanel(
        origins=origins,
        begin=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        stage=words,
        call=rng.integers(-1, 5, n),
        amount=np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 50, n)),
        due=np.where(rng.random(n) < 0.2, NAT, cutoff + rng.integers(-20, 90, n) * DAY),
        won=np.where(fate == 1, cutoff + after, NAT),
        closed=np.where(fate > 0, cutoff + after, NAT),
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.integers(1, 30))
def test_stage_chances_are_shares_of_earlier_looks(seed: int, place: int, days: int) -> None:
    """Counted one by one: looks old enough, in the same stage, won in as many days from then."""
    found, fewest = some_looks(seed), baselines.FEWEST_LOOKS
    origin = int(found.origins[place])
    period = Period(origin + 7 * DAY, origin + (7 + days) * DAY, "month", "x")
    old = [i for i in range(len(found.call)) if found.cutoff[i] <= origin - (7 + days) * DAY]

    def share(rows: list[int]) -> float:
        after = [int(found.won[i] - found.cutoff[i]) if found.won[i] != NAT else -1 for i in rows]
        hits = [7 * DAY <= a < (7 + days) * DAY for a in after]
        return float(np.mean(hits)) if hits else float("nan")

    stage = found.stage.words()
    here = range(*found.at(origin).indices(len(stage)))
    same = [[j for j in old if stage[j] == stage[i]] for i in here]
    want = [share(rows) if len(rows) >= fewest else share(old) for rows in same]
    assert stage_chances(found, origin, period) == pytest.approx(want, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_the_weighted_pipeline_counts_what_is_dated_into_the_period(seed: int, place: int) -> None:
    """One by one: win rate of the closed deals seen in the stage, times the amount."""
    found, origin = some_looks(seed), int(some_looks(seed).origins[place])
    stage = found.stage.words()
    closed = [i for i in range(len(stage)) if NAT < found.closed[i] < origin > found.cutoff[i]]

    def rate(word: str | None) -> float:
        rows = [i for i in closed if stage[i] == word]
        rows = rows if len(rows) >= baselines.FEWEST_LOOKS else closed
        return float(np.mean([found.won[i] != NAT for i in rows])) if rows else float("nan")

    flow = steady(30)
    known = KnownRevenue(origin, flow, found)
    for period, running in ((month(month_of(origin)), True), (month(month_of(origin) + 1), False)):
        want = flow.total(period.start, min(period.end, origin))
        here = range(*found.at(origin).indices(len(stage)))
        for i, amount in zip(here, known.amounts.tolist(), strict=True):
            due = found.due[i]
            if due != NAT and due < period.end and (running or due >= period.start):
                want += rate(stage[i]) * amount
        if (found.due[found.at(origin)] != NAT).any():
            got = BASELINES["weighted pipeline"](known, period)
            assert got == pytest.approx(want, nan_ok=True)


def test_people_are_taken_at_their_word() -> None:
    """What closed so far, and the open deals they commit to and date into the period."""
    origin = day("2024-03-18")
    n = 5
    calls_ = [CALLS.index(c) for c in ("commit", "best case", "commit", "pipeline", "commit")]
    due = ["2024-03-25", "2024-03-30", "2024-04-02", "2024-03-28", "2024-03-10"]
    found = OpenDealPanel(
        origins=np.array([origin]),
        begin=np.array([0, n]),
        stage=Coded(np.full(n, -1, np.int32), []),
        call=np.array(calls_),
        amount=np.array([1.0, 10.0, 100.0, 1000.0, 10_000.0]),
        due=np.array([day(d) for d in due]),
        won=np.full(n, NAT),
        closed=np.full(n, NAT),
    )
    known = KnownRevenue(origin, steady(30), found)
    march = month(JANUARY + 14)
    assert BASELINES["people's commit"](known, march) == 114 + 1 + 10_000
    assert BASELINES["people's best case"](known, march) == 114 + 1 + 10 + 10_000
    assert BASELINES["people's commit"](known, month(JANUARY + 15)) == 100


@pytest.mark.parametrize(
    ("word", "call"),
    [
        *(("Commit", "commit"), ("COMMIT", "commit"), ("Forecast", "commit")),
        *(("Best Case", "best case"), ("BEST_CASE", "best case"), ("BestCase", "best case")),
        *(("Pipeline", "pipeline"), ("Omitted", "omitted"), ("Closed", "closed"), ("?", None)),
    ],
)
def test_a_category_is_a_call_however_it_is_written(word: str, call: str | None) -> None:
    """Salesforce and HubSpot write them differently; an unknown word is no call."""
    assert call_of(word) == call
    place = calls(code([word, None])).tolist()
    assert place == [CALLS.index(call) if call else -1, -1]


# the ranges


def cells(errors: list[float], weeks: list[int], closed: float = -np.inf) -> pd.DataFrame:
    """One method's earlier cells, each over before the last one's origin, and the last itself."""
    n = len(errors)
    origin = np.arange(n + 1) * 10
    return pd.DataFrame(
        {
            "method": "m",
            "kind": "month",
            "ahead": 0,
            "origin": origin,
            "end": origin + 5,
            "weeks": [*weeks, 3],
            "point": 100.0,
            "actual": [*(100 + np.array(errors)), np.nan],
            "closed": closed,
        }
    )


def test_a_range_is_the_point_and_the_quantiles_of_its_own_errors() -> None:
    """With few errors all of them count; a way that is always 10 low says so."""
    errors = [8.0, 9.0, 10.0, 11.0, 12.0]
    last = add_ranges(cells(errors, [3] * 5), (0.1, 0.5, 0.9)).iloc[-1]
    assert last[["q0", "q1", "q2"]].tolist() == pytest.approx([108.4, 110.0, 111.6])
    low = add_ranges(cells(errors, [3] * 5, closed=109.0), (0.1, 0.5, 0.9)).iloc[-1]
    assert low["q0"] == 109.0  # what is booked is booked


def test_the_nearest_in_weeks_come_first() -> None:
    """Thirty errors at the same distance leave out the others."""
    weeks = [3] * 30 + [9] * 30
    last = add_ranges(cells([1.0] * 30 + [1000.0] * 30, weeks), (0.1, 0.9)).iloc[-1]
    assert last[["q0", "q1"]].tolist() == [101.0, 101.0]


def test_errors_that_are_not_known_yet_do_not_count() -> None:
    """The first cells have no range: no period was over when they were asked about."""
    ranged = add_ranges(cells([5.0, 6.0, 7.0], [3, 3, 3]), (0.5,))
    assert ranged["q0"].isna().tolist() == [True, True, False, False]
    running = cells([5.0, 6.0, 7.0], [3, 3, 3]).assign(end=10_000)
    assert add_ranges(running, (0.5,))["q0"].isna().all()


# as of the origin


@cache
def crm() -> Demo:
    return generate(7, "tiny")


@cache
def tables() -> Tables:
    return from_frames(crm().frames, crm().meta)


ORIGINS = [day("2024-07-01"), day("2025-03-03"), day("2025-09-15")]


def one_look(origin: int) -> tuple[list[str], list[str | None], Floats, Instants]:
    """The open deals at an origin, one view for it alone."""
    deals = crm().frames["deals"]
    at = pd.Timestamp(origin, unit="us", tz="UTC")
    there = (deals["created_at"] < at) & ~(deals["closed_at"] < at)
    ids = deals["deal_id"][there].tolist()
    view = View(Timeline(tables()), Spine("deals", ids, np.full(len(ids), origin, np.int64)))
    return ids, view.word("stage").words(), view.number("amount"), view.instant("expected_close_at")


def test_many_looks_are_the_single_ones() -> None:
    """Stage, amount and close date of every origin as a view of that origin alone has them."""
    found = open_deal_panel(tables(), ORIGINS)
    for origin in ORIGINS:
        part = found.at(origin)
        ids, stage, amount, due = one_look(origin)
        assert part.stop - part.start == len(ids)
        assert found.stage.words()[part] == stage
        assert (found.due[part] == due).all()
        euros = np.isclose(found.amount[part], amount)
        assert 0.4 < euros.mean() < 1  # the others are in dollars
    with pytest.raises(KeyError, match="no look"):
        found.at(ORIGINS[0] + DAY)


def test_mondays_are_mondays() -> None:
    """Midnights UTC, after the begin and not after the end."""
    found = mondays(day("2025-01-06"), day("2025-02-03"))
    assert [str(np.datetime64(int(o), "us"))[:10] for o in found] == [
        *("2025-01-13", "2025-01-20", "2025-01-27", "2025-02-03")
    ]


@pytest.mark.parametrize("origin", ORIGINS[1:])
def test_no_way_changes_when_later_rows_are_added(origin: int) -> None:
    """An export of the origin's day and the whole one give the same number, to the last bit."""
    early = rewound(crm().frames, crm().meta, origin)
    now, next_one = month(month_of(origin)), quarter(month_of(origin) + 3)
    for stream in ("bookings", "recurring"):
        said = []
        for known in (tables(), early):
            end = micros(known.meta.as_of)
            grid = mondays(day("2023-06-01"), origin).tolist()
            seen = open_deal_panel(known, grid) if stream == "bookings" else None
            asked = KnownRevenue(origin, flows(known, end)[stream], seen)
            said.append([way(asked, p) for way in BASELINES.values() for p in (now, next_one)])
        assert np.array_equal(said[0], said[1], equal_nan=True)
        assert np.isfinite(said[0]).sum() >= (14 if stream == "bookings" else 9)


def test_flows_are_the_tables_added_up() -> None:
    """Bookings by month against pandas, dollars at the rate of the day; invoices too."""
    frames = crm().frames
    rates = frames["fx_rates"].sort_values("rate_at")
    found = flows(tables(), micros(crm().meta.as_of))
    for stream, frame, at, amount in (
        ("bookings", frames["deals"].query("outcome == 'won'"), "closed_at", "closed_amount"),
        ("recurring", frames["invoices"], "issued_at", "amount"),
    ):
        rows = frame.sort_values(at)
        rate = pd.merge_asof(
            rows[[at]], rates, left_on=at, right_on="rate_at", allow_exact_matches=False
        )["rate"].to_numpy()
        euros = rows[amount].to_numpy() * np.where(rows["currency"] == "USD", rate, 1.0)
        want = pd.Series(euros).groupby(rows[at].dt.strftime("%Y-%m").to_numpy()).sum()
        flow = found[stream]
        for name in ("2023-05", "2024-02", "2025-12"):
            number = month_of(day(f"{name}-01"))
            assert flow.months(number, number + 1)[0] == pytest.approx(want[name])
