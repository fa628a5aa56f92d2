"""What is wrong with the data: planted duplicates are found, rules name their rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.demo import generate
from features.frames import from_frames
from features.tables import Meta, Tables, micros
from serving.analytics.quality.duplicates import duplicates
from serving.analytics.quality.evidence import field, independent, link
from serving.analytics.quality.gaps import gaps
from serving.analytics.quality.impossible import RULES, impossible
from serving.analytics.quality.names import alike, normalise
from serving.analytics.quality.worklist import KINDS, quality
from serving.scoring.scorer import Scorer
from tests.helpers import trained
from tests.helpers.recorded import from_records

AS_OF = "2026-01-01T00:00:00+00:00"


@pytest.mark.parametrize("seed", [101, 205])
@pytest.mark.parametrize("entity", ["leads", "accounts"])
def test_planted_duplicates_are_found_and_ranked_first(seed: int, entity: str) -> None:
    demo = generate(size="tiny", seed=seed)
    planted = {frozenset(pair) for pair in demo.planted[f"duplicate_{entity}"].items()}
    found = duplicates(from_frames(demo.frames, demo.meta), entity)
    pairs = [frozenset(pair) for pair in zip(found["keep"], found["copy"], strict=True)]
    first = pairs[: len(planted)]
    assert len(planted & set(pairs)) >= 0.95 * len(planted)
    assert len(planted & set(first)) >= 0.95 * len(planted)
    assert found["bits"].is_monotonic_decreasing


def test_the_older_row_is_kept_and_the_evidence_adds_up() -> None:
    demo = generate(size="tiny", seed=101)
    found = duplicates(from_frames(demo.frames, demo.meta), "leads")
    copies = demo.planted["duplicate_leads"]
    told = dict(zip(found["copy"], found["keep"], strict=True))
    assert all(told[c] == keep for c, keep in copies.items() if c in told)
    for bits, evidence in zip(found["bits"], found["evidence"], strict=True):
        assert bits == pytest.approx(sum(one["bits"] for one in evidence))


def test_duplicates_as_of_a_date_know_nothing_later() -> None:
    demo = generate(size="tiny", seed=101)
    tables = from_frames(demo.frames, demo.meta)
    cutoff = micros("2024-06-01T00:00:00+00:00")
    frame = demo.frames["leads"]
    earlier = {**demo.frames, "leads": frame[frame["created_at"] < "2024-06-01"]}
    now, then = (
        duplicates(tables, "leads", cutoff),
        duplicates(from_frames(earlier, demo.meta), "leads"),
    )
    pd.testing.assert_frame_equal(now, then)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Núñez & Söhne GmbH", "nunezsohne"),
        ("ACME, Inc.", "acme"),
        ("S.A.", "sa"),  # a name of nothing but a legal form stays a name
        ("Ine sAlba", "inesalba"),
        ("", ""),
    ],
)
def test_names_are_compared_by_what_tells_them_apart(name: str, plain: str) -> None:
    assert normalise(name) == plain


@given(st.lists(st.text(max_size=12), max_size=12))
@settings(max_examples=60, deadline=None)
def test_alike_pairs_are_ordered_and_reflexive(words: list[str]) -> None:
    names = [normalise(w) for w in [*words, *words]]
    a, b, cosine = alike(names)
    assert (a < b).all()
    assert ((cosine > 0.49) & (cosine < 1.001)).all()
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    for row, name in enumerate(names[: len(words)]):
        if name:
            assert (row, row + len(words)) in pairs


def test_a_rare_value_says_more_than_a_common_one() -> None:
    codes = np.array([0] * 96 + [1, 1, 2, 2])
    a, b = np.array([0, 96]), np.array([1, 97])
    bits = field("x", codes, a, b).weights(0.9)
    assert bits[1] == pytest.approx(np.log2(0.9 / 0.02))
    assert bits[0] == pytest.approx(np.log2(0.9 / 0.96))
    assert field("x", np.full(4, -1), a[:1], b[:1]).weights(0.9).tolist() == [0.0]


def test_a_table_without_copies_has_few_or_no_suspects() -> None:
    demo = generate(size="small", seed=101)
    leads = demo.frames["leads"]
    alone = leads[~leads["lead_id"].isin(demo.planted["duplicate_leads"])]
    tables = from_frames({**demo.frames, "leads": alone}, demo.meta)
    assert len(duplicates(tables, "leads")) <= 0.001 * len(alone)


def test_a_field_that_follows_from_another_is_not_counted_twice() -> None:
    country = np.array([0, 1, 2, 3] * 20)
    columns = {"region": country // 2, "country": country, "size": np.arange(80) % 7}
    assert independent(columns) == ["country", "size"]


def test_without_pairs_nothing_is_linked() -> None:
    none = np.zeros(0, np.int64)
    assert len(link([field("x", np.array([0, 1]), none, none)], np.zeros(0), 2).probability) == 0
    frame = duplicates(from_records({"leads": [{"lead_id": "1", "name": "A"}]}, Meta()), "leads")
    assert frame.empty


def _scorer() -> tuple[Tables, Scorer, int]:
    tables = trained.tables()
    return tables, Scorer(trained.once().bundle), micros(tables.meta.as_of)


def test_what_filling_is_worth_is_never_negative_and_counts_every_gap() -> None:
    tables, scorer, cutoff = _scorer()
    found = gaps(scorer, tables, cutoff, capacity=20)
    worth = found.fields["worth"].dropna()
    assert len(worth) >= 1
    assert (worth >= 0).all()
    assert worth.is_monotonic_decreasing
    assert found.fields["gaps"].sum() == len(found.rows)
    assert (found.fields["gaps"] <= found.fields["of"]).all()


def test_whoever_calls_everybody_gains_nothing_from_knowing_more() -> None:
    tables, scorer, cutoff = _scorer()
    found = gaps(scorer, tables, cutoff, capacity=10**6)
    assert np.allclose(found.fields["worth"].dropna(), 0.0)


def test_no_capacity_is_an_error_that_says_so() -> None:
    tables, scorer, cutoff = _scorer()
    with pytest.raises(ValueError, match="how many can be called"):
        gaps(scorer, tables, cutoff, capacity=0)


WRONG: dict[str, dict[str, list[dict[str, Any]]]] = {
    "deals_closed_before_created": {
        "deals": [{"created_at": "2025-05-02", "closed_at": "2025-05-01", "outcome": "lost"}]
    },
    "leads_closed_in_the_future": {
        "leads": [{"created_at": "2025-05-02", "closed_at": "2026-03-01", "outcome": "converted"}]
    },
    "deals_outcome_without_date": {"deals": [{"created_at": "2025-05-02", "outcome": "lost"}]},
    "leads_date_without_outcome": {
        "leads": [{"created_at": "2025-05-02", "closed_at": "2025-06-01"}]
    },
    "won_without_amount": {
        "deals": [
            {
                "created_at": "2025-05-02",
                "closed_at": "2025-06-01",
                "outcome": "won",
                "amount": 0.0,
            }
        ]
    },
    "negative_amount": {"deals": [{"created_at": "2025-05-02", "amount": -5.0}]},
    "leads_owner_left": {
        "leads": [{"created_at": "2025-05-02", "owner_id": "O1"}],
        "owners": [{"owner_id": "O1", "started_at": "2024-01-01", "ended_at": "2025-01-01"}],
    },
    "subscription_ends_before_start": {
        "subscriptions": [
            {"account_id": "A1", "started_at": "2025-05-02", "ended_at": "2025-05-01"}
        ]
    },
    "invoice_paid_before_issue": {
        "invoices": [{"account_id": "A1", "issued_at": "2025-05-02", "paid_at": "2025-05-01"}]
    },
    "activity_before_lead": {
        "leads": [{"created_at": "2025-05-02", "lead_id": "L1"}],
        "activities": [{"lead_id": "L1", "kind": "call", "occurred_at": "2025-05-01"}],
    },
}
KEYS = {
    "leads": "lead_id",
    "deals": "deal_id",
    "subscriptions": "subscription_id",
    "invoices": "invoice_id",
    "activities": "activity_id",
    "owners": "owner_id",
}


def _dated(rows: list[dict[str, Any]], table: str) -> list[dict[str, Any]]:
    dates = {k: v + "T00:00:00+00:00" for row in rows for k, v in row.items() if k.endswith("_at")}
    full = [{**row, **{k: dates[k] for k in row if k in dates}} for row in rows]
    return [{KEYS[table]: f"{table}-{i}", **row} for i, row in enumerate(full)]


@pytest.mark.parametrize("rule", sorted(WRONG))
def test_a_rule_names_its_row_and_no_other_rule_does(rule: str) -> None:
    records = {table: _dated(rows, table) for table, rows in WRONG[rule].items()}
    found = impossible(from_records(records, Meta(as_of=AS_OF)), micros(AS_OF))
    assert found["rule"].tolist() == [rule]


def test_the_demo_is_possible_and_every_rule_has_a_name_of_its_own() -> None:
    tables = trained.tables()
    assert impossible(tables, micros(tables.meta.as_of)).empty
    assert len({r.name for r in RULES}) == len(RULES)


def test_the_work_list_holds_all_kinds_by_owner() -> None:
    tables, scorer, cutoff = _scorer()
    found, wrong, _, rows = quality(tables, [scorer], cutoff, 20)
    assert set(rows["kind"]) <= set(KINDS)
    assert (rows["kind"] == "duplicate").sum() == sum(len(f) for f in found)
    assert (rows["kind"] == "impossible").sum() == len(wrong)
    owners = rows["owner_id"].dropna()
    assert owners.is_monotonic_increasing
