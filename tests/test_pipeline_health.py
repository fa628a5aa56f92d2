"""The health of the pipeline: the planted bottleneck is found, flags by hand, calls by value."""

from __future__ import annotations

from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.demo import Demo, generate
from features.frames import from_frames, write
from features.tables import DAY, micros
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.health.actions import call_plan, lead_worth, waiting_points
from serving.analytics.health.attention import DEALS, attention
from serving.analytics.health.bottlenecks import (
    BOTTLENECKS,
    bottlenecks,
    elsewhere,
    excess,
    open_days,
)
from serving.analytics.health.stages import move_table, stage_table
from serving.analytics.kpis.catalog import FIGURES
from serving.analytics.kpis.compute import one
from serving.analytics.kpis.files import read_scores
from serving.scoring.batch import score_all
from tests.helpers import figures_sql, figures_views
from tests.helpers.figures_company import META, asof, at, frame, frames
from tests.helpers.histories import START, history
from tests.helpers.scored import bundle_of

STAGES = ["discovery", "demo", "proposal", "negotiation"]
YEAR = pd.Timedelta(days=365)


@cache
def crm(seed: int) -> tuple[Demo, AsOfFrames]:
    demo = generate(seed, "tiny")
    return demo, AsOfFrames(from_frames(demo.frames, demo.meta), micros(demo.meta.as_of))


# the bottleneck


@pytest.mark.parametrize("seed", [118, 131])
def test_the_planted_bottleneck_is_named_first(seed: int) -> None:
    demo, there = crm(seed)
    found = bottlenecks(there)
    assert list(found.columns) == list(BOTTLENECKS)
    worst = found.iloc[0]
    assert worst["rank"] == 1 and worst["stage"] == demo.planted["bottleneck"]["deals.stage"]
    assert worst["first"] > 0.8, "resamples of the deals agree"
    assert worst["excess_days"] > 4 and worst["bookings_lost"] > 0 and worst["value_lost"] > 0
    assert worst["low"] < worst["usual_days"] < worst["high"]


def test_it_was_there_a_year_earlier_too() -> None:
    _, there = crm(118)
    assert bottlenecks(there.at(there.instant - YEAR), draws=20)["stage"][0] == "proposal"


def test_a_company_without_a_bottleneck_has_none() -> None:
    """Where every stage takes as long, no stage costs a day."""
    found = bottlenecks(_walk([10, 10, 10]))
    assert (found["excess_days"] == 0).all() and (found["bookings_lost"] == 0).all()
    slow = bottlenecks(_walk([10, 40, 10]), draws=10)
    assert slow["stage"].tolist()[0] == "s2" and slow["excess_days"][0] == 30
    assert slow["first"][0] == 1


def _walk(lasts: list[int], n: int = 30) -> AsOfFrames:
    """Deals that walk through stages s1, s2 … in so many days each and are won."""
    born = pd.date_range("2024-02-01", periods=n, freq="4D", tz="UTC")
    deals, changes = [], []
    for i, start in enumerate(born):
        when = start
        for s, days in enumerate(lasts, 1):
            changes.append((f"c{i}-{s}", "deals", f"d{i}", "stage", f"s{s}", None, when))
            when += pd.Timedelta(days=days)
        deals.append((f"d{i}", start, "won", when, 100.0, 100.0, f"s{len(lasts)}"))
    names = "deal_id created_at outcome closed_at amount closed_amount stage"
    history = "change_id entity entity_id field value old_value changed_at"
    made = {"deals": frame(names, *deals), "changes": frame(history, *changes)}
    return AsOfFrames(from_frames(made, META), micros(META.as_of))


def test_the_costs_follow_their_formulas() -> None:
    """E = deals x excess; D in SQL; B E / (D - E) with the year's bookings."""
    _, there = crm(118)
    found = bottlenecks(there, draws=1).set_index("stage").loc[STAGES]
    others = [np.median(np.delete(found["usual_days"], i)) for i in range(4)]
    assert found["elsewhere"].tolist() == pytest.approx(others)
    lost = found["deals"] * np.maximum(found["usual_days"] - others, 0)
    assert found["deal_days"].tolist() == pytest.approx(lost.tolist())
    spent, booked = open_days(there), one(there, FIGURES["bookings"])["value"][0]
    assert found["bookings_lost"].tolist() == pytest.approx(
        (booked * lost / (spent - lost)).tolist()
    )


def test_stage_medians_moves_and_open_days_agree_with_sql(tmp_path: Path) -> None:
    demo, there = crm(118)
    write(tmp_path, demo.frames, demo.meta)
    connection = figures_views.connect(tmp_path, "EUR", True)
    now = figures_sql.instant(there.instant)
    cases = f"SELECT stage AS g, days, gone IS NOT NULL AS ended FROM stays_at({now})"
    passing = f"""SELECT stage, count(*) FROM stays_at({now})
        WHERE entered >= {now} - INTERVAL 365 DAY GROUP BY stage"""
    medians = {g: v for g, v, _ in connection.execute(figures_sql._median(cases)).fetchall()}
    found = bottlenecks(there, draws=1).set_index("stage")
    assert found["usual_days"].to_dict() == pytest.approx(medians)
    assert found["deals"].to_dict() == dict(connection.execute(passing).fetchall())
    moves = connection.execute(
        f"SELECT stage, dest, count(*) FROM stays_at({now}) WHERE gone IS NOT NULL GROUP BY ALL"
    ).fetchall()
    ways = {(r.stage, r.to): r.n for r in move_table(there).itertuples()}
    assert ways == {(s, to): n for s, to, n in moves}
    days = f"""SELECT sum(greatest(0, date_diff('microsecond', greatest(created, {now} -
        INTERVAL 365 DAY), coalesce(closed, {now})) / 864e8)) FROM deals_at({now})"""
    assert open_days(there) == pytest.approx(connection.execute(days).fetchall()[0][0])


def test_the_ways_out_of_a_stage_are_all_of_them() -> None:
    found = move_table(crm(118)[1])
    assert found.groupby("stage")["share"].sum().tolist() == pytest.approx([1.0] * 4)
    assert ((found["low"] < found["share"]) & (found["share"] < found["high"])).all()


def test_an_excess_needs_another_stage() -> None:
    assert np.isnan(elsewhere(np.array([9.0])))[0] and np.isnan(excess(np.array([9.0])))[0]
    assert excess(np.array([9.0, 10.0, 20.0, np.nan])).tolist()[:3] == [0, 0, 10.5]


# stages


def test_stages_stand_in_the_order_in_which_deals_see_them() -> None:
    assert crm(118)[1].stays.order == tuple(STAGES)
    assert stage_table(crm(118)[1])["stage"].tolist() == STAGES


def test_a_stage_that_only_says_how_a_deal_closed_is_none() -> None:
    """Salesforce writes "Closed Won" into the stage; hours before or after the close."""
    made = frames()
    more = frame(
        "change_id entity entity_id field value old_value changed_at",
        ("w1", "deals", "d1", "stage", "Closed Won", "s2", "2024-01-31T05:00"),
        ("w3", "deals", "d3", "stage", "Closed Won", "s2", "2024-08-09T21:00"),
    )
    made["changes"] = pd.concat([made["changes"], more], ignore_index=True)
    there = AsOfFrames(from_frames(made, META), micros(META.as_of))
    assert there.stays.order == ("s1", "s2")
    pd.testing.assert_frame_equal(there.stays.frame, asof().stays.frame)


def test_stays_by_hand() -> None:
    found = asof().stays.frame.set_index(["deal_id", "stage"])
    assert found.loc[("d1", "s2"), "days"] == 20 and found.loc[("d1", "s2"), "to"] == "won"
    assert found.loc[("d2", "s1"), "to"] == "lost" and not found.loc[("d2", "s1"), "advanced"]
    assert found.loc[("d4", "s2"), "days"] == 72 and not found.loc[("d4", "s2"), "ended"]
    table = stage_table(asof()).set_index("stage")
    assert table.loc["s1", "usual_days"] == 20  # 10, 10, 20, 30, 31, 32+
    assert (table["stays"]["s1"], table["open"]["s1"]) == (6, 1)
    assert table.loc["s1", "won_in_the_end"] == 0.5


# open deals


def test_attention_by_hand() -> None:
    found = attention(asof()).set_index("deal_id")
    assert list(attention(asof()).columns) == list(DEALS)
    assert set(found.index) == {"d4", "d5"}
    late = found.loc["d5"]
    assert (late["stage"], late["days_in_stage"], late["usual_days"]) == ("s1", 32, 20)
    assert late["longer_than"] == pytest.approx(5 / 6)
    assert late["overdue"] and late["days_overdue"] == 12 and late["pushes"] == 1
    assert late["quiet_days"] == 1 and late["last_touch_at"] == at("2024-12-31")
    assert late["why"] == "overdue" and found.loc["d4", "why"] == ""
    assert found["nothing_planned"].isna().all()  # these data hold no plans
    assert np.isnan(found["days_overdue"]["d4"]) and found["pushes"]["d4"] == 0


def test_a_plan_ahead_is_seen_where_the_data_hold_plans() -> None:
    made = frames()
    plan = frame(
        "activity_id deal_id owner_id kind occurred_at", ("p1", "d4", "o2", "task", "2025-01-09")
    )
    made["activities"] = pd.concat([made["activities"], plan], ignore_index=True)
    there = AsOfFrames(from_frames(made, META), micros(META.as_of))
    found = attention(there).set_index("deal_id")
    assert found["nothing_planned"].to_dict() == {"d4": False, "d5": True}
    assert found.loc["d4", "next_activity_at"] == at("2025-01-09")
    assert found.loc["d5", "why"] == "overdue; nothing planned"
    earlier = attention(there.at(at("2024-12-31T12:00")))  # when it was entered is not said
    assert earlier["nothing_planned"].isna().all()


def test_stalled_is_slow_and_quiet() -> None:
    """Of 32 deals 30 left s1 within 10 days, touched daily; two are there for 100 days and more."""
    deals, changes, touches = [], [], []
    for i in range(32):
        born = at("2024-09-01") - pd.Timedelta(days=i % 3)
        closed = born + pd.Timedelta(days=10) if i < 30 else None
        deals.append((f"d{i:02}", born, "won" if i < 30 else None, closed, "s1"))
        changes.append((f"c{i}", "deals", f"d{i:02}", "stage", "s1", None, born))
        days = 10 if i < 30 else 123 if i == 31 else 5
        touches += [(f"t{i}-{k}", f"d{i:02}", born + pd.Timedelta(days=k)) for k in range(days)]
    made = {
        "deals": frame("deal_id created_at outcome closed_at stage", *deals),
        "changes": frame("change_id entity entity_id field value old_value changed_at", *changes),
        "activities": frame("activity_id deal_id occurred_at", *touches),
    }
    found = attention(AsOfFrames(from_frames(made, META), micros(META.as_of))).set_index("deal_id")
    assert found["slow_after"].tolist() == [10, 10] and found["quiet_after"].tolist() == [1, 1]
    assert found["why"].to_dict() == {"d30": "stalled", "d31": "slow"}
    assert found.index[0] == "d30"


# whom to call


def scores(rows: list[tuple[str, float, float]]) -> pd.DataFrame:
    """id, chance by day 7 and by day 30, as the batch writes them."""
    found = pd.DataFrame(rows, columns=["id", "day_7", "day_30"])
    return found.assign(probability=found["day_30"], cutoff=at("2025-01-01"))


def test_points_are_what_is_left_of_the_chance_if_nothing_comes() -> None:
    """0.5 by the end, 0.2 by day 7: who has not won by then has (0.5 - 0.2) / 0.8 left."""
    found = waiting_points(scores([("a", 0.2, 0.5), ("b", 0.0, 0.5), ("c", 1.0, 1.0)]), 7)
    assert found.tolist() == pytest.approx([0.5 - 0.3 / 0.8, 0, 0])
    halfway = waiting_points(scores([("a", 0.2, 0.5)]), 3.5)
    assert halfway.tolist() == pytest.approx([0.5 - 0.4 / 0.9])
    assert waiting_points(scores([("a", 0.2, 0.5)]), 7, losing=True).tolist() == [0.2]


def test_a_call_plan_by_hand() -> None:
    known = {
        "deal_close": scores([("d4", 0.2, 0.5), ("d5", 0.4, 0.5), ("d1", 0.9, 0.9)]),
        "lead_conversion": scores([("l3", 0.1, 0.4)]),
        "churn": scores([("a1", 0.05, 0.1), ("a2", 0.01, 0.1)]),
    }
    plan = call_plan(asof(), known, capacity=2)
    assert lead_worth(asof()) == (0 + 100 + 0 + 160) / 4  # no deal says that it came from a lead
    value = {
        "d4": 240 * 0.125,
        "d5": 50 * (0.5 - 0.1 / 0.6),
        "l3": 65 * (0.4 - 0.3 / 0.9),
        "a1": 12 * 15 * 0.05,
        "a2": 12 * 32 * 0.01,
    }
    ranked = sorted(value, key=lambda k: -value[k])
    assert plan.table["id"].tolist() == ranked and plan.table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert plan.table["expected_value"].tolist() == pytest.approx([value[k] for k in ranked])
    assert plan.table["chosen"].tolist() == [True, True, False, False, False]
    assert plan.chosen.value == pytest.approx(value["d4"] + value["d5"])
    assert plan.everything.value == pytest.approx(sum(value.values()))
    assert plan.chosen.low <= plan.chosen.value <= plan.chosen.high
    assert plan.left_out == 1  # d1 is won
    assert plan.table.set_index("id")["why"]["d5"] == "overdue"
    assert plan.table.set_index("id")["todo"].to_dict() == {
        "d4": "move it to the next stage",
        "d5": "agree a new close date",
        "l3": "answer it",  # it wrote to us; nobody wrote back
        "a1": "ask how it goes",
        "a2": "ask how it goes",
    }
    mine = call_plan(asof(), known, capacity=9, owner="o2")
    assert set(mine.table["owner"]) == {"o2"} and mine.table["chosen"].all()


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=2), st.integers(1, 2)
)
def test_no_other_choice_of_as_many_is_worth_more(
    chances: list[tuple[float, float]], capacity: int
) -> None:
    rows = [(i, min(c), max(c)) for i, c in zip(("d4", "d5"), chances, strict=True)]
    plan = call_plan(asof(), {"deal_close": scores(rows)}, capacity)
    values = plan.table["expected_value"]
    best = max(values.iloc[list(some)].sum() for some in combinations(range(2), capacity))
    assert plan.chosen.value == pytest.approx(best, abs=1e-9)
    assert (values >= -1e-9).all()


def test_what_has_no_amount_is_ranked_last_and_not_chosen() -> None:
    made = frames()
    made["deals"].loc[4, "amount"] = np.nan
    there = AsOfFrames(from_frames(made, META), micros(META.as_of))
    table = call_plan(there, {"deal_close": scores([("d4", 0.3, 0.5), ("d5", 0.1, 0.2)])}, 5).table
    assert table["id"].tolist() == ["d5", "d4"] and table["chosen"].tolist() == [True, False]
    assert np.isnan(table["expected_value"].iloc[1])


def test_what_cannot_be_ranked_says_why() -> None:
    one_score = {"deal_close": scores([("d4", 0.2, 0.5)])}
    with pytest.raises(ValueError, match="capacity must be 1 or more and wait above 0, got 0"):
        call_plan(asof(), one_score, 0)
    with pytest.raises(ValueError, match="no scores to rank by"):
        call_plan(asof(), {"deal_close": one_score["deal_close"].head(0)}, 5)
    with pytest.raises(ValueError, match="have no curve"):
        call_plan(
            asof(), {"deal_close": one_score["deal_close"][["id", "probability", "cutoff"]]}, 5
        )


@pytest.mark.parametrize("entity", ["leads", "deals", "accounts"])
def test_the_files_of_the_batch_are_what_a_plan_reads(entity: str, tmp_path: Path) -> None:
    tables = history(8, size=30)
    cutoff = START + 40 * DAY
    bundle = bundle_of(entity, tables)
    n = score_all(bundle, tables, cutoff, tmp_path / f"{bundle.name}.parquet")
    plan = call_plan(AsOfFrames(tables, cutoff), read_scores(tmp_path), capacity=3)
    assert len(plan.table) + plan.left_out == n > 0
    assert set(plan.table["question"]) == {bundle.name}
    assert plan.table["points"].between(0, 1).all()


def test_the_true_curves_of_the_demo_make_a_plan() -> None:
    """Forty calls of the open deals by their true chances: worth most of the list, none beaten."""
    demo, there = crm(118)
    world = demo.worlds["deal_close"]
    ids = [i for i in attention(there)["deal_id"] if i in set(world.ids)]
    edges = (7.0, 14.0, 30.0, 60.0, 90.0, 180.0)
    curve = demo.true_curve("deal_close", ids, np.full(len(ids), there.as_of), edges)[:, 0]
    table = pd.DataFrame(curve, columns=[f"day_{e:g}" for e in edges])
    table = table.assign(id=ids, probability=curve[:, -1], cutoff=there.instant)
    plan = call_plan(there, {"deal_close": table}, 10)
    assert plan.table["chosen"].sum() == 10 and plan.left_out == 0
    assert plan.chosen.value > 0.4 * plan.everything.value
    assert plan.table["expected_value"].is_monotonic_decreasing
