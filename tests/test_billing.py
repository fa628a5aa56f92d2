"""Charges follow the calendar: any step, any day, any zone; a changed plan is no end."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from features.calendar_time import Step, day_in_month, later, month_of_day, zone
from features.frames import from_frames
from features.tables import DAY, Ints, Meta
from features.timeline import Timeline
from training.forecast.data.billing import NEWEST, Billing, billing
from training.forecast.data.charge_schedule import charge_chains, due_days, next_due, running
from training.forecast.data.charges import Charges

EPOCH = date(1970, 1, 1)
STARTS = st.dates(date(2015, 1, 1), date(2030, 12, 31)).map(lambda d: (d - EPOCH).days)
STEPS = st.sampled_from(
    [
        *(Step(7, "day"), Step(14, "day"), Step(28, "day"), Step(30, "day"), Step(91, "day")),
        *(Step(1, "month"), Step(2, "month"), Step(3, "month"), Step(6, "month")),
        *(Step(12, "month"), Step(24, "month")),
    ]
)


def chain(start: int, step: Step, n: int, anchor: int = 0) -> Ints:
    """``n`` days from ``start`` on."""
    day = np.full(n, start)
    return step.later(day, np.arange(n), np.full(n, anchor or day_in_month(day[:1])[0]))


def read(days: Ints, amounts: list[float] | None = None, today: int = 0) -> Billing:
    shown = np.concatenate([np.full(NEWEST, days[0]), days])[-NEWEST:]
    paid = np.concatenate([np.full(NEWEST, 100.0), amounts or np.full(len(days), 100.0)])[-NEWEST:]
    return billing(shown[None], paid[None], np.array([len(days)]), today or int(days[-1]) + 1)


def following(found: Billing, day: int, turns: int) -> list[int]:
    turn = np.arange(1, turns + 1)
    n = found.months * turn if found.months[0] else np.rint(found.days * turn).astype(np.int64)
    ahead: list[int] = later(np.full(turns, day), n, bool(found.months[0]), found.anchor).tolist()
    return ahead


@given(STARTS, STEPS, st.integers(NEWEST, 12))
def test_every_step_goes_on_as_it_went(start: int, step: Step, n: int) -> None:
    days = chain(start, step, n + 3)
    found = read(days[:n])
    went_on = following(found, int(days[n - 1]), 3)
    if step.unit == "month" and day_in_month(days[:n]).max() != day_in_month(days).max():
        return  # the 31st was never among the charges that were seen: nobody can know
    if step.unit == "month":
        assert found.months[0] == step.n
    assert went_on == days[n:].tolist()
    assert found.spread[0] <= 4


@given(STARTS, st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_weekends_move_charges_and_no_month(start: int, moved: list[int]) -> None:
    """Charges up to two days late: still one in every month, by the month."""
    day = first = start - int(day_in_month(np.array([start]))[0]) + 5
    days = chain(day, Step(1, "month"), 5) + np.array(moved)
    if len(set(np.diff(days).tolist())) == 1:
        return  # by accident exactly a step in days
    found = read(days)
    ahead = np.array(following(found, int(days[-1]), 6))
    assert found.months[0] == 1
    assert np.diff(month_of_day(ahead)).tolist() == [1] * 5 and first <= ahead[0]


@given(STARTS, st.sampled_from([1, 3]), st.floats(0.85, 1.0), st.integers(0, 300))
def test_a_year_paid_at_once_is_silent_by_agreement(
    start: int, months: int, discount: float, silence: int
) -> None:
    days = chain(start, Step(months, "month"), 6)
    amounts = [100.0] * 5 + [100.0 * 12 / months * discount]
    found = read(days, amounts, int(days[-1]) + silence)
    assert found.months[0] == 12
    assert (
        following(found, int(days[-1]), 1)
        == chain(int(days[-1]), Step(12, "month"), 2)[1:].tolist()
    )


@given(STARTS)
def test_a_year_that_becomes_months(start: int) -> None:
    days = chain(start, Step(12, "month"), 4)
    assert read(days, [1200.0, 1200.0, 1200.0, 110.0]).months[0] == 1
    more = np.append(days, chain(int(days[-1]), Step(1, "month"), 3)[1:])
    assert read(more, [1200.0] * 3 + [110.0] * 3).months[0] == 1


@given(STARTS, st.lists(st.sampled_from([20.0, 90.0, 300.0, 1100.0]), min_size=5, max_size=5))
def test_charges_by_usage_are_monthly_whatever_they_amount_to(
    start: int, amounts: list[float]
) -> None:
    days = chain(start, Step(1, "month"), 5)
    jumps = np.abs(np.diff(np.log(amounts))) >= np.log(2)
    if jumps.sum() != 1:
        assert read(days, amounts).months[0] == 1


def test_one_odd_amount_is_no_other_plan() -> None:
    """A set-up fee of 4.2 times the month: not a quarter, not half a year."""
    days = chain(17000, Step(1, "month"), 6)
    assert read(days, [100.0] * 5 + [420.0]).months[0] == 1


def charged(days: Ints, amounts: list[float], name: str = "UTC", hour: int = 0) -> Charges:
    """One customer's invoices at local hours of days in a zone."""
    at = zone(name).day_start(days) + hour * DAY // 24
    frame = pd.DataFrame(
        {
            "invoice_id": [f"I{i}" for i in range(len(days))],
            "account_id": ["A"] * len(days),
            "amount": amounts,
            "issued_at": pd.DatetimeIndex(at.astype("M8[us]")).tz_localize("UTC"),
        }
    )
    meta = Meta(as_of="2035-01-01T00:00:00Z", zone=name)
    found = Charges.of(Timeline(from_frames({"invoices": frame}, meta)))
    assert found is not None
    return found


@given(
    STARTS,
    st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo"]),
    st.integers(3, 20),
)
def test_the_next_charges_fall_on_the_companys_days(start: int, name: str, hour: int) -> None:
    """Over clock changes too: the day and the hour are those of the clock there."""
    days = chain(start, Step(1, "month"), 18)
    charges = charged(days[:12], [100.0] * 12, name, hour)
    origin = int(zone(name).day_start(days[11:12] + 2)[0])
    found = charge_chains(charges, origin)
    assert running(charges, found, origin).all()
    turn = np.arange(1, 7)
    due = due_days(charges, found, np.zeros(6, np.int64), turn, origin) * DAY + origin
    at = np.rint(due).astype(np.int64)
    if day_in_month(days[:12]).max() == day_in_month(days).max():
        assert zone(name).day(at).tolist() == days[12:].tolist()


def test_a_late_charge_is_due_now_and_the_next_on_its_day() -> None:
    days = chain(17000, Step(1, "month"), 8)
    charges = charged(days[:7], [100.0] * 7)
    origin = int(days[7] + 2) * DAY
    found = charge_chains(charges, origin)
    assert next_due(charges, found, origin).tolist() == [0.0]
    (second,) = due_days(charges, found, np.array([0]), np.array([2]), origin)
    assert second == chain(17000, Step(1, "month"), 9)[8] - days[7] - 2


def test_a_subscription_is_charged_on_its_day_of_the_month() -> None:
    """From 31 January: the last day of every month, twelve a year and no drift."""
    start = pd.Timestamp("2024-01-31", tz="UTC")
    frame = pd.DataFrame(
        {"subscription_id": ["S"], "account_id": ["A"], "mrr": [10.0], "started_at": [start]}
    )
    meta = Meta(as_of="2026-01-31T00:00:00Z")
    charges = Charges.of(Timeline(from_frames({"subscriptions": frame}, meta)))
    assert charges is not None and len(charges) == 24
    days = [EPOCH + timedelta(days=int(d)) for d in (charges.at // DAY)[:4]]
    assert days == [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)]
