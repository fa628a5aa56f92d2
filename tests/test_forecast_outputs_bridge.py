"""The bridge balances to the cent, whatever happened to the deals in between."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frames import from_frames
from features.tables import DAY, NAT, Meta, Tables, micros
from training.forecast.data.deal_status import deal_status
from training.forecast.results.bridge import expected_bridge, pipeline_bridge
from training.forecast.results.bridge_steps import STEPS, Bridge, BridgeSpan, cents

JAN, FEB, MAR = (micros(f"2026-0{m}-01T00:00:00+00:00") for m in (1, 2, 3))
SPAN = BridgeSpan("2026-02", FEB, MAR, JAN)

INSTANTS = st.sampled_from([NAT, JAN - 40 * DAY, JAN + DAY, FEB, FEB + 9 * DAY, MAR - 1, MAR])
AMOUNTS = st.one_of(st.just(float("nan")), st.floats(0, 1e6, allow_nan=False))


def frame(rows: dict[str, dict[str, object]]) -> pd.DataFrame:
    """Standings by hand; what is not said is an open deal of 100 without dates, begun in 2025."""
    usual = {
        "name": None,
        "status": "open",
        "amount": 100.0,
        "rate": 1.0,
        "due": NAT,
        "closed": NAT,
        "created": JAN - 90 * DAY,
        "expected": 0.0,
    }
    index = pd.Index(list(rows), name="deal_id", dtype=object)
    return pd.DataFrame([{**usual, **r} for r in rows.values()], index=index, columns=list(usual))


@st.composite
def standings(draw: st.DrawFn) -> pd.DataFrame:
    rows = {}
    for deal in draw(st.lists(st.sampled_from("abcdefgh"), unique=True)):
        status = draw(st.sampled_from(["open", "won", "lost"]))
        rows[deal] = {
            "status": status,
            "amount": draw(AMOUNTS),
            "rate": draw(st.sampled_from([1.0, 0.9213, 1.1])),
            "due": draw(INSTANTS),
            "closed": NAT if status == "open" else draw(INSTANTS),
            "created": draw(INSTANTS),
            "expected": draw(AMOUNTS),
        }
    return frame(rows)


def steps(bridge: Bridge) -> dict[str, float]:
    """Step -> amount."""
    return {s: c / 100 for s, c in zip(bridge.steps["step"], bridge.steps["cents"], strict=True)}


@given(standings(), standings(), st.floats(0, 1e9), st.floats(0, 1e9))
@settings(max_examples=60, deadline=None)
def test_the_steps_make_up_the_difference_exactly(
    was: pd.DataFrame, now: pd.DataFrame, before: float, after: float
) -> None:
    pipeline = pipeline_bridge(was, now, SPAN)
    for bridge in (pipeline, expected_bridge(was, now, SPAN, (before, after))):
        assert bridge.start + bridge.steps["cents"].sum() == bridge.end
        assert set(bridge.steps["step"]) <= set(STEPS)
        order = [list(STEPS).index(s) for s in bridge.steps["step"]]
        assert order == sorted(order)
        told = bridge.deals.groupby("step")["cents"].sum().to_dict()
        for step, taken in zip(bridge.steps["step"], bridge.steps["cents"], strict=True):
            assert step == "not_created" or told[step] == taken
    for side, total in ((was, pipeline.start), (now, pipeline.end)):
        due = side[(side["status"] == "open") & (side["due"] >= FEB) & (side["due"] < MAR)]
        assert cents((due["amount"] * due["rate"]).to_numpy()).sum() == total


@given(standings(), standings())
@settings(max_examples=25, deadline=None)
def test_the_way_back_is_the_way_there_turned_round(was: pd.DataFrame, now: pd.DataFrame) -> None:
    there, back = pipeline_bridge(was, now, SPAN), pipeline_bridge(now, was, SPAN)
    assert there.end - there.start == -(back.end - back.start)
    assert pipeline_bridge(was, was, SPAN).steps.empty


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (None, {"due": FEB, "created": JAN + DAY}, {"created": 100}),
        (None, {"due": FEB}, {"reopened": 100}),
        ({"due": MAR}, {"due": FEB}, {"pulled_in": 100}),
        ({}, {"due": FEB}, {"pulled_in": 100}),
        ({"due": JAN}, {"due": FEB}, {"slipped_in": 100}),
        ({"due": FEB}, {"due": MAR}, {"pushed_out": -100}),
        ({"due": FEB}, {"due": JAN}, {"pulled_out": -100}),
        ({"due": FEB}, {}, {"pulled_out": -100}),
        ({"due": FEB}, {"due": FEB + DAY, "amount": 130.0}, {"amount_up": 30}),
        ({"due": FEB}, {"due": FEB, "amount": 80.0}, {"amount_down": -20}),
        ({"due": FEB, "amount": np.nan}, {"due": FEB}, {"amount_up": 100}),
        ({"due": FEB}, {"due": FEB, "rate": 1.1}, {"rates": 10}),
        ({"due": MAR}, {"due": FEB, "amount": 130.0}, {"amount_up": 30, "pulled_in": 100}),
        ({"due": FEB}, {"status": "won", "closed": JAN + DAY, "amount": 150.0}, {"won": -100}),
        ({"due": FEB}, {"status": "lost", "closed": JAN + DAY}, {"lost": -100}),
        ({"status": "lost", "closed": JAN - DAY}, {"due": FEB}, {"reopened": 100}),
        ({"due": FEB}, None, {"removed": -100}),
        ({"due": MAR}, {"status": "won", "closed": FEB}, {}),
    ],
)
def test_each_event_is_its_step_in_the_pipeline(
    before: dict[str, object] | None, after: dict[str, object] | None, found: dict[str, float]
) -> None:
    was, now = (frame({} if r is None else {"a": r}) for r in (before, after))
    assert steps(pipeline_bridge(was, now, SPAN)) == found


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (None, {"created": JAN + DAY, "expected": 20.0}, {"created": 20, "not_created": -5}),
        (
            {"due": FEB, "expected": 40.0},
            {"status": "won", "closed": FEB, "expected": 100.0},
            {"won": 60, "not_created": -5},
        ),
        (
            {"expected": 40.0},
            {"status": "won", "closed": JAN},
            {"won_elsewhere": -40, "not_created": -5},
        ),
        ({"expected": 40.0}, {"status": "lost", "closed": JAN}, {"lost": -40, "not_created": -5}),
        (
            {"due": FEB, "expected": 40.0},
            {"due": MAR, "expected": 10.0},
            {"pushed_out": -30, "not_created": -5},
        ),
        (
            {"amount": 50.0, "expected": 40.0},
            {"expected": 60.0},
            {"amount_up": 30, "reassessed": -10, "not_created": -5},
        ),
        ({"expected": 40.0}, {"expected": 60.0}, {"reassessed": 20, "not_created": -5}),
    ],
)
def test_each_event_is_its_step_in_what_is_expected(
    before: dict[str, object] | None, after: dict[str, object], found: dict[str, float]
) -> None:
    """Deals not created yet were expected to bring 25, and now 20."""
    was, now = (frame({} if r is None else {"a": r}) for r in (before, after))
    means = (float(was["expected"].sum()) + 25, float(now["expected"].sum()) + 20)
    assert steps(expected_bridge(was, now, SPAN, means)) == found


def crm(later: bool) -> Tables:
    """Three deals with a history; ``later`` adds what happens after 1 February."""

    def at(texts: list[str | None]) -> pd.Series[pd.Timestamp]:
        return pd.to_datetime(pd.Series(texts, dtype=object), utc=True)

    deals = pd.DataFrame(
        {
            "deal_id": ["a", "b", "c"],
            "created_at": at(["2025-12-01", "2025-12-05", "2025-12-06"]),
            "outcome": ["won", "lost" if later else None, None],
            "closed_at": at(["2026-01-10", "2026-02-10" if later else None, None]),
            "amount": [10.0, 20.0, 35.0 if later else 30.0],
            "closed_amount": [12.0, np.nan, np.nan],
            "currency": ["EUR", "USD", None],
            "expected_close_at": at(["2026-01-05", "2026-02-20", "2026-03-09"]),
        }
    )
    changes = pd.DataFrame(
        {
            "change_id": ["1", "2"],
            "entity": ["deals", "deals"],
            "entity_id": ["c", "b"],
            "field": ["amount", "expected_close_at"],
            "value": ["35.0", "2026-02-20"],
            "old_value": ["30.0", "2026-01-20"],
            "changed_at": at(["2026-02-15", "2026-01-12"]),
        }
    )
    rates = pd.DataFrame(
        {
            "rate_id": ["1", "2"],
            "currency": ["USD", "USD"],
            "rate": [0.9, 0.8],
            "rate_at": at(["2025-01-01", "2026-02-02"]),
        }
    )
    changes = changes if later else changes.iloc[1:]
    meta = Meta("2026-03-01T00:00:00+00:00", "EUR", fixed={"deals": ["amount"]})
    return from_frames({"deals": deals, "changes": changes, "fx_rates": rates}, meta)


def test_a_standing_is_what_the_crm_had_then() -> None:
    found = deal_status(crm(True), FEB).loc[["a", "b", "c"]]
    assert found["status"].tolist() == ["won", "open", "open"]
    assert found["amount"].tolist() == [12.0, 20.0, 30.0]
    assert found["rate"].tolist() == [1.0, 0.9, 1.0]
    assert found["due"].tolist()[1] == micros("2026-02-20T00:00:00+00:00")
    assert found["closed"].tolist()[1:] == [NAT, NAT]
    pd.testing.assert_frame_equal(found, deal_status(crm(False), FEB).loc[["a", "b", "c"]])
    before = deal_status(crm(True), JAN + 11 * DAY)
    assert before.loc["b", "due"] == micros("2026-01-20T00:00:00+00:00")


def test_a_field_without_a_history_has_no_past() -> None:
    tables = crm(True)
    tables["changes"].columns["field"].values[:] = ["other", "another"]  # type: ignore[union-attr]
    tables.meta.fixed.clear()
    assert deal_status(tables, FEB)["amount"].isna().sum() == 2, "only what was booked is known"
    assert (deal_status(tables, FEB)["due"] == NAT).all()
    assert deal_status(tables, MAR)["amount"].notna().all(), "at the end of the data it is today's"
