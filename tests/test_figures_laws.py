"""Laws of the figures: time, order, and the whole of the parts, on the demo and on random CRMs."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.demo import generate
from features.frames import from_frames
from features.schema import TABLES
from features.tables import Meta, micros
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.health.attention import attention
from serving.analytics.health.bottlenecks import bottlenecks
from serving.analytics.health.stages import move_table, stage_table
from serving.analytics.kpis.catalog import FIGURES
from serving.analytics.kpis.compute import table, why_not
from serving.analytics.kpis.definition import Given, Kpi, SalesPlan
from tests.helpers.histories import history, seeds

GIVEN = Given(margin=0.6, plan=SalesPlan(5_000.0, 10.0, 0.01))
EVERY = list(FIGURES.values())
FAST = [f for f in EVERY if f.name not in ("slippage", "people_forecast_error")]
COUNTED = [f for f in FAST if not why_not(f, [], GIVEN)]


@cache
def crm() -> tuple[dict[str, pd.DataFrame], Meta]:
    demo = generate(103, "tiny")
    return demo.frames, demo.meta


def asof(frames: dict[str, pd.DataFrame], as_of: pd.Timestamp, end: str = "") -> AsOfFrames:
    """The frames as a data set that ends at ``end`` (the instant itself), as of an instant."""
    _, meta = crm()
    until = end or as_of.isoformat()
    stated = Meta(until, meta.currency, meta.custom, mapping=meta.mapping)
    return AsOfFrames(from_frames(frames, stated), as_of.value // 1000)


@cache
def today() -> AsOfFrames:
    """The whole demo at the end of its data."""
    frames, meta = crm()
    return asof(frames, pd.Timestamp(meta.as_of))


def export_at(when: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The export as it would have been made at an instant: nothing later, fields as they stood."""
    frames, _ = crm()
    found = {}
    for name, rows in frames.items():
        born = rows[TABLES[name].born]
        known = born.where(~(rows.get("available_at", born) > born), rows.get("available_at"))
        found[name] = rows[~(known >= when)].copy()
    for name in ("leads", "deals", "accounts"):
        late = ~(found[name]["closed_at"] < when)
        found[name].loc[late, ["outcome", "closed_at"]] = [None, pd.NaT]
    found["deals"].loc[found["deals"]["closed_at"].isna(), "closed_amount"] = np.nan
    subscriptions = found["subscriptions"]
    subscriptions["ended_at"] = subscriptions["ended_at"].where(subscriptions["ended_at"] < when)
    for name in ("leads", "deals"):
        found[name] = _as_they_stood(found[name], name, when)
    return found


def _as_they_stood(rows: pd.DataFrame, name: str, when: pd.Timestamp) -> pd.DataFrame:
    changes = crm()[0]["changes"]
    rows = rows.set_index(rows.columns[0])
    for field, edits in changes[changes["entity"] == name].groupby("field"):
        last = edits[edits["changed_at"] < when].drop_duplicates("entity_id", keep="last")
        first = edits.drop_duplicates("entity_id").set_index("entity_id")["old_value"]
        first = first.drop(last["entity_id"], errors="ignore")
        stood = pd.concat([last.set_index("entity_id")["value"], first])
        stood = stood[stood.index.isin(rows.index)]
        kind = rows[str(field)].dtype
        values = pd.to_datetime(stood, utc=True) if "datetime" in str(kind) else stood.astype(kind)
        rows.loc[stood.index, str(field)] = values
    return rows.reset_index()


def same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Two tables of figures say the same but for rounding."""
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-9, check_dtype=False)


@pytest.mark.parametrize(
    ("text", "figures", "by"),
    [
        ("2024-06-30T12:00:00Z", EVERY, []),
        ("2025-09-01T00:00:00Z", FAST, ["owner", "product"]),
    ],
)
def test_figures_as_of_then_are_those_of_an_export_made_then(
    text: str, figures: list[Kpi], by: list[str]
) -> None:
    """What came later, and what was edited later, is nowhere in a figure."""
    when = pd.Timestamp(text)
    frames, meta = crm()
    now, then = asof(frames, when, meta.as_of), asof(export_at(when), when)
    same(table(now, figures, by, given=GIVEN), table(then, figures, by, given=GIVEN))
    for tell in (partial(bottlenecks, draws=20), stage_table, move_table, attention):
        pd.testing.assert_frame_equal(tell(now), tell(then), check_dtype=False)


@settings(max_examples=1, deadline=None)
@given(seeds)
def test_the_order_of_rows_means_nothing(seed: int) -> None:
    frames, meta = crm()
    shuffled = {n: f.sample(frac=1, random_state=seed % 2**31) for n, f in frames.items()}
    there, mixed = today(), asof(shuffled, pd.Timestamp(meta.as_of))
    same(table(mixed, FAST, ["team"], given=GIVEN), table(there, FAST, ["team"], given=GIVEN))
    same(bottlenecks(mixed, draws=5), bottlenecks(there, draws=5))


@settings(max_examples=2, deadline=None)
@given(seeds)
def test_later_rows_change_nothing(seed: int) -> None:
    """New deals, wins, activities, contracts and rates after the instant: the figures stand."""
    rng = np.random.default_rng(seed)
    frames, _ = crm()
    when = pd.Timestamp("2025-06-01T00:00:00Z")
    more = dict(frames)
    for name in ("deals", "leads", "activities", "subscriptions", "fx_rates", "quotas", "accounts"):
        key, born = TABLES[name].key, TABLES[name].born
        later = frames[name].sample(20, random_state=seed % 2**31).copy()
        later[key] = [f"later {i}" for i in range(len(later))]
        after = pd.to_timedelta(rng.integers(0, 10**6, len(later)), unit="s")
        later[born] = (when + after).astype("datetime64[us, UTC]")
        for other in ("closed_at", "customer_at", "ended_at", "due_at"):
            if other in later:
                later[other] = later[other].where(later[other].isna(), later[born])
        more[name] = pd.concat([frames[name], later], ignore_index=True)
    end = "2026-01-01T00:00:00Z"
    there, fuller = asof(frames, when, end), asof(more, when, end)
    same(table(fuller, FAST, ["owner"], given=GIVEN), table(there, FAST, ["owner"], given=GIVEN))
    few, since = [f for f in EVERY if f not in FAST], pd.Timestamp("2025-02-01T00:00:00Z")
    same(table(fuller, few, since=since), table(there, few, since=since))


@pytest.mark.parametrize("by", ["owner", "team", "region", "segment", "product", "source"])
def test_the_parts_add_up_to_the_whole(by: str) -> None:
    there = today()
    figures = [f for f in COUNTED if by in f.by]
    whole = table(there, figures, given=GIVEN).set_index("figure")
    parts = table(there, figures, [by], given=GIVEN)
    for figure in figures:
        mine = parts[parts["figure"] == figure.name]
        total = whole.loc[figure.name]
        assert mine["n"].sum() == total["n"], figure.name
        if figure.adds:
            assert mine["value"].sum() == pytest.approx(total["value"]), figure.name
        if figure.interval == "Wilson":
            k = (mine["value"] * mine["n"]).sum()
            assert k == pytest.approx(total["value"] * total["n"]), figure.name


def test_the_months_of_a_year_add_up_to_the_year() -> None:
    there = today()
    figures = [FIGURES[n] for n in ("bookings", "deals_created", "activities", "slippage")]
    months, years = (table(there, figures, period=p) for p in ("month", "year"))
    months["year"] = months["period"].str[:4]
    for row in years.itertuples():
        mine = months[(months["figure"] == row.figure) & (months["year"] == row.period)]
        assert mine["n"].sum() == row.n
        if row.figure != "slippage":
            assert mine["value"].sum() == pytest.approx(row.value)


@settings(max_examples=8, deadline=None)
@given(seeds, st.sampled_from(["2023-12-01T00:00:00+00:00", "2024-01-01T00:00:00+00:00"]))
def test_any_crm_has_figures(seed: int, as_of: str) -> None:
    """Late rows, ties, missing keys, dates out of order: an answer or a reason, never an error."""
    there = AsOfFrames(history(seed), micros(as_of))
    for figures, by in ((EVERY, []), (FAST, ["owner", "source"])):
        found = table(there, figures, by, given=GIVEN)
        shares = found[(found["unit"] == "share") & ~found["figure"].str.startswith("growth")]
        assert shares["value"].dropna().between(-1e-9, 1 + 1e-9).all()
        low, value, high = found["low"], found["value"], found["high"]
        assert (low.isna() | value.isna() | (low <= value + 1e-9)).all(), found
        assert (high.isna() | value.isna() | (value <= high + 1e-9)).all(), found
        assert (found["n"] >= 0).all()
        assert (value.notna() | (found["warning"] != "")).all(), found[value.isna()]
    assert bottlenecks(there, draws=3)["first"].between(0, 1).all()
    assert len(attention(there)) == there.deals["open"].sum()
    stage_table(there), move_table(there)
