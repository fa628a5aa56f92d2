"""The leak audit raises no false alarm: closed cases only, first stages, and sentences in words."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frames import from_frames
from features.tables import CustomField, Meta, Tables
from training.leaks import Finding, audit
from training.leaks.elapsed import counts_time
from training.leaks.strength import Gain
from training.task.dataset import question_of

END = pd.Timestamp("2025-01-01", tz="UTC")


def _deals(n: int, won: float, still_open: float, seed: int = 0) -> pd.DataFrame:
    """Deals of two years; lives of 5 to 90 days for all that are closed."""
    random = np.random.default_rng(seed)
    created = END - pd.to_timedelta(random.integers(100, 730, n), unit="D")
    share = [won * (1 - still_open), (1 - won) * (1 - still_open), still_open]
    outcome = random.choice(np.array(["won", "lost", None], object), n, p=share)
    closed = created + pd.to_timedelta(random.integers(5, 90, n), unit="D")
    return pd.DataFrame(
        {
            "deal_id": [f"D{i}" for i in range(n)],
            "created_at": created,
            "outcome": outcome,
            "closed_at": closed.where(pd.notna(outcome)),
        }
    )


def _tables(deals: pd.DataFrame, *custom: CustomField, **frames: pd.DataFrame) -> Tables:
    meta = Meta(as_of="2025-01-01T00:00:00Z", custom={"deals": list(custom)})
    return from_frames({"deals": deals, **frames}, meta)


def _audited(tables: Tables) -> dict[str, Finding]:
    """The findings by name; a warning is an error, and no sentence holds a number that is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = audit(tables, question_of("deal_close", tables))
    for finding in found:
        assert "nan" not in f"{finding.sentence} {finding.what_to_do}".lower().split()
        assert "AUC nan" not in finding.sentence
    return {finding.column: finding for finding in found}


def _fair(deals: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    size = random.normal(size=len(deals)) + 0.6 * (deals["outcome"] == "won").to_numpy()
    region = random.choice(np.array(["north", "south", None], object), len(deals))
    return deals.assign(size=size, area=region, empty=np.nan, same=1.0)


FAIR = (
    *(CustomField(name, "number", fixed=True) for name in ("size", "empty", "same")),
    CustomField("area", "category", fixed=True),
)


def test_an_export_of_closed_cases_says_what_it_cannot_show_and_goes_on() -> None:
    found = _audited(_tables(_fair(_deals(1500, 0.4, 0.0)), *FAIR))
    assert {f.colour for f in found.values()} == {"green", "grey"}
    finding = found["deals"]
    assert finding.check == "closed cases only" and "None of 1,500 deals is still open" in (
        finding.sentence
    )
    assert "deals" not in _audited(_tables(_fair(_deals(1500, 0.4, 0.2)), *FAIR))


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 80),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    st.integers(0, 1000),
)
def test_every_export_is_audited_in_words(n: int, won: float, still_open: float, seed: int) -> None:
    """However few, one-sided or empty: no warning and no NaN, and no red in what is fair."""
    deals = _fair(_deals(n, won, still_open, seed), seed)
    moved = deals.head(n // 2)
    stage = _moves(moved, "second", moved["created_at"] + pd.Timedelta(1, unit="D"))
    found = _audited(_tables(deals.assign(stage="second"), *FAIR, changes=stage))
    fair = {f"deals.{field.name}" for field in FAIR}
    assert not [f for f in found.values() if f.colour == "red" and f.column in fair]


def _moves(deals: pd.DataFrame, value: Any, at: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "change_id": [f"C{i}" for i in range(len(deals))],
            "entity": "deals",
            "entity_id": deals["deal_id"].to_numpy(),
            "field": "stage",
            "value": value,
            "old_value": "new",
            "changed_at": at,
        }
    )


@pytest.mark.parametrize(("stage", "colour"), [("new", "green"), ("rejected", "red")])
def test_a_first_stage_announces_nothing(stage: str, colour: str) -> None:
    """Who is lost without a meeting never left the stage all begin in; what is written is a sign.

    ``stage`` is what the lost end in, three days before their end: the first, or one they moved to.
    """
    deals = _deals(1500, 0.5, 0.3)
    lost = deals["outcome"] == "lost"
    deals["stage"] = np.where(lost, stage, "meeting")
    met, given_up = deals[~lost], deals[lost]
    moves = _moves(met, "meeting", met["created_at"] + pd.Timedelta(3, unit="D"))
    if stage != "new":
        before = given_up["closed_at"] - pd.Timedelta(2, unit="D")
        moves = pd.concat([moves, _moves(given_up, stage, before)], ignore_index=True)
    found = _audited(_tables(deals, changes=moves))["deals.stage"]
    assert found.colour == colour, found.sentence


@pytest.mark.parametrize("unit", [1.0, 1 / 7, 1440.0])
def test_a_count_to_the_end_is_red_in_any_unit_and_without_telling_who_won(unit: float) -> None:
    deals = _deals(1500, 0.4, 0.3)
    lives = (deals["closed_at"] - deals["created_at"]).dt.total_seconds() / 86400
    random = np.random.default_rng(2)
    deals["cycle"] = np.where(lives.notna(), np.round(lives * unit, 1), random.uniform(5, 90, 1500))
    deals["term"] = random.choice([12.0, 24.0, 36.0], len(deals))
    deals["closed_on"] = deals["closed_at"].fillna(END)
    fields = [CustomField(n, "number", fixed=True) for n in ("cycle", "term")]
    found = _audited(_tables(deals, *fields, CustomField("closed_on", "instant", fixed=True)))
    for name in ("deals.cycle", "deals.closed_on"):
        assert found[name].colour == "red" and "time from the beginning to the end" in (
            found[name].sentence
        )
    assert found["deals.term"].colour == "green"


def test_a_call_s_duration_is_asked_about_with_dates_too() -> None:
    """Long calls are those that end well: nobody knows the length before the call is over."""
    deals = _deals(3000, 0.4, 0.3)
    random = np.random.default_rng(3)
    long = random.normal(size=len(deals)) + 1.1 * (deals["outcome"] == "won")
    deals = deals.assign(call_duration=np.exp(long) * 100, size=long)
    fields = (CustomField(n, "number", fixed=True) for n in ("call_duration", "size"))
    found = _audited(_tables(deals, *fields))
    assert (found["deals.call_duration"].colour, found["deals.size"].colour) == ("amber", "green")
    assert found["deals.call_duration"].check == "counts time"


@pytest.mark.parametrize(
    ("name", "unit", "counts"),
    [
        ("length", "seconds", True),
        ("callDuration", "", True),
        ("durata_ultima_telefonata", "", True),
        ("duration", "money", False),  # the unit decides where there is one
        ("holidays", "", False),
    ],
)
def test_what_counts_time(name: str, unit: str, counts: bool) -> None:
    gain = Gain(0.2, 0.15, 0.25, 0.8, np.zeros(1))
    assert (counts_time(name, unit, False, gain) is not None) == counts
