"""A company's own questions: reached, paid, bought again; from the mapping to the endpoint."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.frames import from_frames
from features.ingest.mapping import parse
from features.ingest.merge import normal
from features.ingest.strict import MappingError
from features.questions.asked import Moments
from features.questions.event import Event
from features.tables import DAY, NAT, CustomField, Meta, Tables, micros
from serving.scoring.batch import score_all
from serving.scoring.predictor import Predictor, exact_text
from serving.scoring.sample import record_of
from serving.scoring.scorer import Scorer
from training.config import Config
from training.fit.pipeline import Trained, train
from training.leaks import audit
from training.models import bundle as bundles
from training.task.dataset import askable, question_of, teach
from training.task.questions import label, own_question
from training.task.snapshots import snapshots

START = micros("2022-01-01T00:00:00+00:00")
END = START + 1000 * DAY
CONFIG = Config(trials=1, folds=2, tune_folds=1, threads=1)
AT = datetime(2025, 1, 1, tzinfo=UTC)
DEMO = {
    "entity": "deals",
    "event": {"field": "stage", "becomes": ["demo"]},
    "horizon": 30,
    "says": "reached the demo",
    "asks": "Will this deal reach the demo?",
}
AGAIN = {"entity": "accounts", "event": "invoices", "horizon": 273, "again": True, "says": "bought"}


def _at(days: Any) -> Any:
    return pd.to_datetime(START + np.asarray(np.asarray(days) * DAY, np.int64), unit="us", utc=True)


def _meta(**questions: dict[str, Any]) -> Meta:
    custom = {"accounts": [CustomField("size", "number", fixed=True)]}
    custom["deals"] = [CustomField("fit", "number", fixed=True)]
    return Meta(as_of="2024-09-27T00:00:00Z", custom=custom, questions=questions)


def deals(n: int = 900, seed: int = 0, **more: dict[str, Any]) -> Tables:
    """Deals that reach the demo the sooner the better they fit; some are lost before."""
    random = np.random.default_rng(seed)
    born, fit = random.uniform(0, 995, n), random.normal(size=n)
    demo = born + random.exponential(25 * np.exp(-1.2 * fit))
    lost = born + random.exponential(60, n)
    closed = np.where(lost < 1000, lost, np.nan)
    ids = [f"D{i}" for i in range(n)]
    frame = pd.DataFrame({"deal_id": ids, "created_at": _at(born), "fit": fit})
    frame["closed_at"] = _at(np.nan_to_num(closed)).where(~np.isnan(closed))
    frame["outcome"] = [None if np.isnan(c) else "lost" for c in closed]
    seen = np.flatnonzero((demo < lost) & (demo < 1000))
    moves = pd.DataFrame(
        {
            "change_id": [f"C{i}" for i in seen],
            "entity": "deals",
            "entity_id": [ids[i] for i in seen],
            "field": "stage",
            "value": "Demo",
            "old_value": "new",
            "changed_at": _at(demo[seen]),
        }
    )
    return from_frames({"deals": frame, "changes": moves}, _meta(reach_demo=DEMO, **more))


def customers(n: int = 400, seed: int = 0, **settings_: Any) -> Tables:
    """Buyers of the BG/NBD world: each at an own pace until, after some purchase, never again."""
    random = np.random.default_rng(seed)
    first, pace = random.uniform(0, 700, n), random.gamma(1.5, 1 / 120, n)
    stops = random.beta(1.0, 4.0, n)
    rows = []
    for i in range(n):
        at = first[i]
        while at < 1000:
            rows.append((f"A{i}", at))
            if random.random() < stops[i]:
                break
            at += random.exponential(1 / pace[i])
    bought = pd.DataFrame(rows, columns=["account_id", "days"])
    invoices = pd.DataFrame(
        {
            "invoice_id": [f"I{i}" for i in range(len(bought))],
            "account_id": bought["account_id"],
            "issued_at": _at(bought["days"].to_numpy()),
            "amount": 10.0,
        }
    )
    ids = [f"A{i}" for i in range(n)]
    frame = pd.DataFrame(
        {"account_id": ids, "created_at": _at(first - 1), "size": random.normal(size=n)}
    )
    asked = {**AGAIN, **settings_}
    return from_frames({"accounts": frame, "invoices": invoices}, _meta(buys_again=asked))


@pytest.fixture(scope="module")
def reached() -> Trained:
    """The trained question of the demo."""
    return train(deals(), "reach_demo", CONFIG, AT)


@pytest.fixture(scope="module")
def bought() -> Trained:
    """The trained question of the next purchase."""
    return train(customers(), "buys_again", CONFIG, AT)


# ---- what is asked, of whom, until when


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.booleans())
def test_labels_are_what_a_plain_reading_of_the_events_gives(seed: int, again: bool) -> None:
    """Snapshot by snapshot: the next event lies in [cutoff, cutoff + horizon)."""
    tables = customers(12, seed) if again else deals(12, seed)
    question = question_of("buys_again" if again else "reach_demo", tables)
    asked = question.asked
    assert asked is not None
    seen = asked.seen_by(tables)
    twice, once = (t[asked.entity] for t in (asked.seen_by(seen), seen))
    for column in ("closed_at", "customer_at"):  # seen twice is seen once
        assert twice.instant(column).tolist() == once.instant(column).tolist()
    assert twice.coded("outcome").words() == once.coded("outcome").words()
    end = micros(tables.meta.as_of)
    spine = snapshots(seen, question, end)
    labels = label(seen, question, spine, end)
    for i, (one, cutoff) in enumerate(zip(spine.ids, spine.cutoffs.tolist(), strict=True)):
        events = _events(tables, one, again)
        later = [e for e in events if e >= cutoff]
        assert (min(events, default=END) < cutoff) == again
        within = bool(later) and later[0] < cutoff + question.horizon * DAY and later[0] < end
        assert (labels.event[i] == 1) == within


def _events(tables: Tables, one: str, again: bool) -> list[int]:
    if again:
        table, key, at = tables["invoices"], "account_id", "issued_at"
    else:
        table, key, at = tables["changes"], "entity_id", "changed_at"
    pairs = zip(table.instant(at).tolist(), table.coded(key).words(), strict=True)
    return sorted(instant for instant, whose in pairs if whose == one)


def test_a_closing_competes_or_censors_as_the_mapping_says() -> None:
    tables = deals(300)
    for censoring, outcomes in (("end", 2), ("closing", 1)):
        question = own_question("reach_demo", {**DEMO, "censoring": censoring})
        assert question.asked is not None
        seen = question.asked.seen_by(tables)
        end = micros(tables.meta.as_of)
        labels = label(seen, question, snapshots(seen, question, end), end)
        assert labels.outcomes == outcomes
        if censoring == "end":
            both = labels
        else:
            assert (labels.observed <= both.observed).all() and labels.observed.sum() < (
                both.observed.sum()
            )


def test_every_moment_is_found_at_or_after_a_cutoff() -> None:
    rows, at = np.array([0, 0, 2], np.int64), np.array([10, 20, 5], np.int64)
    moments = Moments(rows, at, 3, False)
    asked, cutoffs = np.array([0, 0, 0, 1, 2, 2]), np.array([10, 11, 21, 0, 5, 6])
    assert moments.next(asked, cutoffs).tolist() == [10, 20, NAT, NAT, 5, NAT]
    assert moments.first.tolist() == [10, NAT, 5]


# ---- from training to an answer


def test_a_question_of_one_s_own_is_trained_judged_and_reported(reached: Trained) -> None:
    tables = deals()
    assert askable(tables) == ["deal_close", "reach_demo"]
    assert reached.bundle.promotable, reached.judgement.verdict.sentence
    assert "Will this deal reach the demo?" in reached.run.report
    assert "reached the demo" in reached.run.report
    found = {f.column: f for f in audit(tables, question_of("reach_demo", tables))}
    assert found["deals.fit"].colour in ("green", "amber")


def test_batch_and_endpoint_answer_it_to_the_bit(
    reached: Trained, bought: Trained, tmp_path: Path
) -> None:
    for trained, tables, slot in (
        (reached, deals(), "deals.reach_demo"),
        (bought, customers(), "accounts.buys_again"),
    ):
        folder = tmp_path / slot
        bundles.write(trained.bundle, folder)
        scorer = Scorer(bundles.read(folder))
        assert scorer.slot == slot
        cutoff = micros(tables.meta.as_of)
        n = score_all(scorer.bundle, tables, cutoff, tmp_path / f"{slot}.parquet")
        batch = pq.read_table(tmp_path / f"{slot}.parquet").to_pylist()
        assert n == len(batch) > 8
        predictor = Predictor(scorer)
        predictor.warm_up()
        body = {"as_of": exact_text(cutoff), "records": [_record(tables, batch[0]["id"])]}
        (result,) = predictor.answer(body, cutoff, "r")["results"]
        assert result["probability"] == batch[0]["probability"]
        assert scorer.outcome in ("reached the demo", "bought")


def _record(tables: Tables, one: str) -> dict[str, Any]:
    return record_of(tables, "deals" if one.startswith("D") else "accounts", one)


# ---- customers without contracts


def test_bg_nbd_stands_beside_ours_and_is_not_far_from_its_own_world(bought: Trained) -> None:
    board = bought.judgement.board
    assert "BG/NBD" in set(board["model"])
    auc = board[board["measure"] == "auc"].set_index("model")["value"]
    assert auc["BG/NBD"] > 0.65 and auc["embudo"] > auc["BG/NBD"] - 0.05
    names = {s.name for s in bought.bundle.features}
    assert {"invoices_so_far", "days_since_invoice", "tenure", "invoice_overdue_ratio"} <= names


# ---- what a mapping may say


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"entity": "deals", "event": "invoices", "horizon": 9}, "only tables with deal_id"),
        ({"entity": "people", "event": "invoices", "horizon": 9}, "entity must be one of"),
        ({"entity": "accounts", "event": "invoices"}, "state horizon"),
        ({"entity": "accounts", "event": "invoices", "horizon": -1}, "number of days"),
        ({"entity": "accounts", "event": "invoices.amount", "horizon": 9}, "is no instant"),
        ({"entity": "accounts", "event": {"field": "tier"}, "horizon": 9}, "becomes is a word"),
        ({**DEMO, "censoring": "never"}, 'censoring is "end" or "closing"'),
        ({**DEMO, "again": True}, "again is for customers"),
        ({**DEMO, "what": 1}, "unknown settings what"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(settings_: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        own_question("mine", settings_)


def test_the_mapping_is_read_strictly() -> None:
    columns = {"deal_id": "Id", "created_at": "At"}
    raw = {"tables": {"deals": {"columns": columns}}, "questions": {"reach_demo": DEMO}}
    assert parse(normal(raw, "m"), "m").questions["reach_demo"]["horizon"] == 30
    for wrong in ({"mine": {"edges": [7]}}, {"mine": {**DEMO, "entity": "x"}}, {"Mine": DEMO}):
        with pytest.raises(MappingError):
            parse(normal({**raw, "questions": wrong}, "m"), "m")


@pytest.mark.parametrize(
    "event", [DEMO["event"], {"table": "subscriptions", "where": {"plan": ["paid"]}}]
)
def test_an_event_is_written_and_read_again(event: Any) -> None:
    entity = "deals" if "field" in event else "accounts"
    read = Event.of(event, entity, "q")
    assert Event.of(read.to_json(), entity, "q") == read


# ---- an order without dates


def test_a_flat_table_is_divided_by_its_order_and_not_by_chance() -> None:
    random = np.random.default_rng(0)
    n = 600
    frame = pd.DataFrame({"lead_id": [f"L{i}" for i in range(n)], "size": random.normal(size=n)})
    frame["number"] = random.permutation(n).astype(float)
    frame["outcome"] = ["converted" if hit else None for hit in random.random(n) < 0.4]
    custom = [CustomField(c, "number", fixed=True) for c in ("size", "number")]
    meta = Meta(
        custom={"leads": custom},
        left_out={"leads": ["number"]},
        questions={"lead_conversion": {"order_by": "number"}},
    )
    tables = from_frames({"leads": frame}, meta)
    teaching = teach(tables, question_of("lead_conversion", tables), CONFIG)
    order = tables["leads"].number("number")
    for fold in [*teaching.split.folds, teaching.split.newest]:
        assert order[fold.train_rows].max() < order[fold.valid_rows].min()
    assert any("in the order of number" in note for note in teaching.notes)
    assert len(teaching.split.newest.valid_rows) == pytest.approx(0.2 * n, abs=1)
    wrong = replace(meta, questions={"lead_conversion": {"order_by": "nothing"}})
    tables = Tables(tables.tables, wrong)
    with pytest.raises(ValueError, match="order_by names 'nothing'"):
        teach(tables, question_of("lead_conversion", tables), CONFIG)
