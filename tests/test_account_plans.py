"""Account plans: planted whitespace first, fit apart from engagement, values by formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.demo import Demo, generate
from features.frames import from_frames
from features.tables import DAY, NAT, micros
from serving.analytics.accounts.export import markdown, table
from serving.analytics.accounts.filled import plans, share
from serving.analytics.accounts.fit import engagement, fit
from serving.analytics.accounts.goals import MEASURES, Goal, progress, read_goals
from serving.analytics.accounts.value import MONTH, Terms, lifetime_value, survival
from serving.analytics.accounts.whitespace import exclusive, whitespace
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.kpis.customers import mrr_at
from serving.scoring.scorer import Scorer
from serving.store.feedback import GOAL_MEASURES
from tests.helpers import trained


def _book(demo: Demo) -> AsOfFrames:
    return AsOfFrames(from_frames(demo.frames, demo.meta), micros(demo.meta.as_of))


@pytest.fixture(scope="module", params=[101, 301])
def demo(request: pytest.FixtureRequest) -> Demo:
    return generate(size="tiny", seed=request.param)


def test_every_measure_that_a_goal_can_name_is_computed() -> None:
    assert tuple(MEASURES) == GOAL_MEASURES


def test_planted_whitespace_is_found_and_ranked_first(demo: Demo) -> None:
    planted = demo.planted["whitespace"]
    found = whitespace(_book(demo))
    first = found.head(len(planted["accounts"]))
    assert (first["product"] == planted["product"]).mean() >= 0.95
    assert first["account_id"].isin(planted["accounts"]).mean() >= 0.9
    assert (first["evidence"] == "industry logistics").all()


def test_whitespace_proposes_nothing_that_is_owned(demo: Demo) -> None:
    contracts = demo.frames["subscriptions"]
    runs = contracts[contracts["ended_at"].isna()]
    has = set(zip(runs["account_id"], runs["product"], strict=True))
    found = whitespace(_book(demo))
    assert not has & set(zip(found["account_id"], found["product"], strict=True))
    assert found["expected"].is_monotonic_decreasing
    assert ((found["low"] <= found["share"]) & (found["share"] <= found["high"])).all()


def test_fit_tells_better_than_chance_who_truly_stays(demo: Demo) -> None:
    """The accounts' own effects on churn, as drawn, order the letters."""
    found = fit(_book(demo))
    frame = demo.frames["accounts"].set_index("account_id")
    good = frame["health_plan"].astype(float) + 0.3 * frame["integrations"]
    by_letter = found.scores.groupby("letter")["account_id"].apply(lambda ids: good[ids].mean())
    assert found.auc > 0.55
    assert by_letter["A"] > by_letter["C"]


def test_fit_knows_nothing_of_activity(demo: Demo) -> None:
    silent = {**demo.frames, "activities": demo.frames["activities"].head(0)}
    one, other = (
        fit(_book(demo)),
        fit(AsOfFrames(from_frames(silent, demo.meta), micros(demo.meta.as_of))),
    )
    pd.testing.assert_frame_equal(one.scores, other.scores)


def test_where_fit_cannot_be_learned_it_says_why() -> None:
    demo = generate(size="tiny", seed=101)
    early = AsOfFrames(from_frames(demo.frames, demo.meta), micros("2023-09-01T00:00:00+00:00"))
    found = fit(early)
    assert found.scores.empty
    assert "customers began a year ago or more" in found.why


def test_engagement_counts_what_they_did(demo: Demo) -> None:
    asof = _book(demo)
    found = engagement(asof).set_index("account_id")
    rows = demo.frames["activities"]
    rows = rows[rows["account_id"].notna() & (rows["direction"] != "outbound")]
    known = rows["available_at"].isna() | (rows["available_at"] < asof.instant)
    recent = rows[known & (rows["occurred_at"] >= asof.instant - pd.Timedelta(days=30))]
    counted = recent.groupby("account_id").size().reindex(found.index, fill_value=0)
    assert (found["last_30"] == counted).all()
    assert set(found["level"]) <= {1, 2, 3}


@given(st.floats(0.0005, 0.02), st.floats(1, 500), st.floats(0.1, 1.0), st.floats(0.0, 0.3))
@settings(max_examples=50, deadline=None)
def test_a_constant_hazard_has_a_closed_lifetime(
    hazard: float, mrr: float, margin: float, discount: float
) -> None:
    edges = (14.0, 30.0, 60.0, 90.0)
    churned = 1 - np.exp(-hazard * np.array([edges]))
    terms = Terms(margin, 5.0, discount)
    value, months = lifetime_value(np.array([mrr]), edges, churned, terms)
    q = np.exp(-hazard * MONTH)
    first = np.exp(-hazard * MONTH / 2)
    assert months[0] == pytest.approx(first * (1 - q**60) / (1 - q), rel=1e-9)
    step = q / (1 + discount) ** (1 / 12)
    assert value[0] == pytest.approx(
        margin * mrr * first / (1 + discount) ** (1 / 24) * (1 - step**60) / (1 - step), rel=1e-9
    )


@given(st.lists(st.floats(0, 0.3), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_survival_falls_and_meets_the_curve_at_its_edges(steps: list[float]) -> None:
    edges = (14.0, 30.0, 60.0, 90.0)
    churned = np.minimum.accumulate(np.cumsum([steps], axis=1)[:, ::-1], axis=1)[:, ::-1] * 0.8
    days = np.array([0.0, *edges, 200.0, 900.0])
    curve = survival(edges, churned, days)[0]
    assert curve[0] == 1.0
    assert np.allclose(curve[1:5], 1 - churned[0])
    assert (np.diff(curve) <= 1e-12).all()


@pytest.mark.parametrize(
    ("terms", "said"),
    [({"margin": 0.0}, "margin"), ({"years": 0.0}, "years"), ({"discount": -0.1}, "discount")],
)
def test_terms_that_make_no_sense_say_so(terms: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Terms(**terms)


def _goal(account: str, target: float, start: str, due: str, measure: str = "mrr") -> Goal:
    return Goal(account, measure, target, micros(f"{start}T00:00:00Z"), micros(f"{due}T00:00:00Z"))


def test_progress_of_goals_by_hand(demo: Demo) -> None:
    asof = _book(demo)
    paid = mrr_at(asof, asof.instant)
    one = str(paid.index[0])
    now = float(paid[one])
    earlier = asof.at(pd.Timestamp("2025-10-01", tz="UTC"))
    before = float(mrr_at(earlier, earlier.instant).get(one, 0.0))
    made = progress(
        asof,
        [
            _goal(one, now / 2, "2025-10-01", "2026-03-01"),
            _goal(one, now * 100, "2025-10-01", "2026-02-01"),
            _goal(one, now * 100, "2025-01-01", "2025-12-01"),
            _goal(one, now * 100, "2026-02-01", "2026-03-01"),
            _goal("nobody", 1.0, "2025-10-01", "2026-03-01"),
        ],
    )
    assert [p.state for p in made][1:] == ["behind", "missed", "not begun", "unknown"]
    assert made[0].now == pytest.approx(now)
    assert made[1].at_start == pytest.approx(before)
    assert made[1].done == pytest.approx((now - before) / (now * 100 - before))


def test_goals_are_read_and_what_is_wrong_is_named(tmp_path: Path) -> None:
    path = tmp_path / "goals.csv"
    head = "account_id,measure,target,start,due\n"
    path.write_text(head + "A1,mrr,500,2026-01-01,2026-06-30\n")
    assert read_goals(path) == [_goal("A1", 500.0, "2026-01-01", "2026-06-30")]
    for line, said in (
        ("A1,love,5,2026-01-01,2026-06-30", "no measure 'love'"),
        ("A1,mrr,much,2026-01-01,2026-06-30", "target is a number"),
        ("A1,mrr,5,2026-06-30,2026-01-01", "must lie after start"),
        ("A1,mrr,5,soon,2026-01-01", "dates like"),
    ):
        path.write_text(head + line + "\n")
        with pytest.raises(ValueError, match=f"line 2.*{said}"):
            read_goals(path)
    path.write_text("account_id,measure\n")
    with pytest.raises(ValueError, match="lacks target, start, due"):
        read_goals(path)


def test_plans_tell_overdue_invoices_and_renewals_as_the_tables_do() -> None:
    asof = AsOfFrames(trained.tables(), micros(trained.tables().meta.as_of))
    made = share(asof, None, Scorer(trained.once().bundle), Terms())
    everyone = plans(made, list(made.engagement), [])
    frames = generate(size="tiny").frames
    invoices = frames["invoices"]
    late = invoices[(invoices["due_at"] < asof.instant) & invoices["paid_at"].isna()]
    n = late.groupby("account_id").size()
    assert {p.account_id: p.overdue[0] for p in everyone if p.overdue[0]} == {
        a: k for a, k in n.items() if a in made.engagement
    }
    contracts = frames["subscriptions"]
    for p in everyone[:40]:
        mine = contracts[
            (contracts["account_id"] == p.account_id) & contracts["ended_at"].isna()
        ].iloc[0]
        days = (asof.instant - mine["started_at"]).total_seconds() / 86400
        periods = int(np.ceil(days / mine["term_days"]))
        due = mine["started_at"] + pd.Timedelta(days=periods * mine["term_days"])
        assert p.renews_at == due.value // 1000
        assert asof.as_of <= p.renews_at <= asof.as_of + mine["term_days"] * DAY
    listed = table(everyone)
    assert len(listed) == len(everyone)
    assert listed["next_step"].notna().all()
    scored = [d for p in everyone for d in p.deals.to_dict("records")]
    assert scored
    assert all(0 <= d["probability"] <= 1 for d in scored)


def test_a_plan_reads_well_and_cannot_be_broken_by_a_name() -> None:
    asof = AsOfFrames(trained.tables(), micros(trained.tables().meta.as_of))
    made = share(asof, None, None, Terms(margin=0.7))
    one = next(iter(made.engagement))
    goal = Goal(one, "products", 9.0, asof.as_of - 90 * DAY, asof.as_of + 10 * DAY)
    (plan,) = plans(made, [one], [goal])
    text = markdown(plan)
    for title in ("# ", "## Summary", "## Next steps", "## Products", "## Goals"):
        assert title in text
    assert "catch up on products" in text
    hostile = markdown(type(plan)(**{**vars(plan), "name": "# [x](http://e)\n<b>|"}))
    first = hostile.splitlines()[0]
    assert first == "# \\# \\[x\\](http://e) \\<b\\>\\|"
    assert plan.renews_at == NAT or plan.renews_at >= asof.as_of


def test_an_unknown_customer_is_named() -> None:
    asof = AsOfFrames(trained.tables(), micros(trained.tables().meta.as_of))
    with pytest.raises(ValueError, match="'A9' is no customer as of 2026-01-01"):
        plans(share(asof, None, None, Terms()), ["A9"])


def test_editions_of_one_product_exclude_each_other_and_independent_products_do_not() -> None:
    rng = np.random.default_rng(4)
    basic = rng.random(400) < 0.5
    extra = rng.random(400) < 0.4
    apart = exclusive(np.column_stack([basic, ~basic, extra]))
    assert apart.tolist() == [
        [False, True, False],
        [True, False, False],
        [False, False, False],
    ]
    few = exclusive(np.column_stack([basic[:20], ~basic[:20]]))
    assert not few.any(), "twenty customers say nothing about what is never bought together"
