"""The store on either database: runs, scores, feedback, audit, replies, events, erasure."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.store.audit import AuditRow
from serving.store.errors import StoreRefusedError
from serving.store.events import WebhookEvent
from serving.store.replies import KEPT, LEASE, InProgress, Mismatch, NewReply, StoredReply
from serving.store.runs import RunGoneError
from serving.store.store import Store, open_store
from tests.helpers.stored import CUTOFF, DAY, night, plan, score

LATER = CUTOFF + 10 * DAY


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(database_url)
    yield opened
    opened.close()


def test_a_score_comes_back_as_it_was_written(store: Store) -> None:
    row = score("L-1", 0.1 + 0.2, label="Ada Überseher", owner_id="o1", stage="new", amount=1e15)
    run = night(store, [row, score("L-2", 5e-324)])
    found = store.scores.latest("leads", "L-1")
    assert found is not None and found.score == row
    assert (found.cutoff, found.version, found.outcome) == (CUTOFF, "v1", "converted")
    assert found.current and found.newest == CUTOFF and found.stale_at is None
    assert found.scored_at == run.finished_at
    tiny = store.scores.latest("leads", "L-2")
    assert tiny is not None and tiny.score.probability == 5e-324
    assert store.scores.latest("deals", "L-1") is None and store.scores.latest("leads", "x") is None


def test_a_run_is_read_when_it_is_finished_and_not_before(store: Store) -> None:
    night(store, [score("a", 0.1), score("b", 0.1)])
    run = store.runs.begin(plan(cutoff=CUTOFF + DAY, total=3), LATER)
    run = store.scores.write(run, 0, [score("a", 0.2), score("b", 0.2)])
    before = store.scores.latest("leads", "a")
    assert before is not None and before.score.probability == 0.1 and before.current
    assert len(store.scores.history("leads", "a")) == 1
    with pytest.raises(RunGoneError, match="not whole"):
        store.runs.finish(run, LATER)
    run = store.scores.write(run, run.done, [score("c", 0.2)])
    store.runs.finish(run, LATER)
    after = store.scores.history("leads", "a")
    assert [s.score.probability for s in after] == [0.2, 0.1]
    assert [s.current for s in after] == [True, False]


def test_who_was_closed_since_keeps_an_old_score_that_says_so(store: Store) -> None:
    night(store, [score("open"), score("closing", 0.7)])
    night(store, [score("open")], cutoff=CUTOFF + DAY)
    found = store.scores.latest("leads", "closing")
    assert found is not None and not found.current
    assert (found.cutoff, found.newest) == (CUTOFF, CUTOFF + DAY)


def test_an_older_cutoff_never_takes_the_place_of_a_newer_one(store: Store) -> None:
    night(store, [score("a", 0.9)], cutoff=CUTOFF + DAY)
    night(store, [score("a", 0.1)], at=LATER)
    found = store.scores.latest("leads", "a")
    assert found is not None and found.score.probability == 0.9
    assert [s.score.probability for s in store.scores.history("leads", "a")] == [0.9, 0.1]


def test_a_rolled_back_version_answers_again_without_being_scored_again(store: Store) -> None:
    night(store, [score("a", 0.1)], version="v1")
    night(store, [score("a", 0.2)], version="v2", at=LATER)
    again = store.runs.begin(plan(total=1, version="v1"), LATER + DAY)
    assert again.finished and again.done == again.total
    store.runs.finish(again, LATER + DAY)
    found = store.scores.latest("leads", "a")
    assert found is not None and found.version == "v1" and found.current


def test_the_same_plan_is_the_same_run_and_a_block_is_written_once(store: Store) -> None:
    run = store.runs.begin(plan(total=3), LATER)
    assert store.runs.begin(plan(total=3), LATER + 1) == run
    assert store.runs.begin(plan(total=3, fingerprint="g"), LATER).id != run.id
    first = store.scores.write(run, 0, [score("a", 0.1), score("b")])
    # another process that began at the same place comes second
    second = store.scores.write(run, 0, [score("a", 0.9), score("b")])
    assert first == second and second.done == 2
    store.scores.write(second, 2, [score("c")])
    store.runs.finish(run, LATER)
    assert [(r.id, r.probability) for r in store.scores.rows(run)] == [
        ("a", 0.1),
        ("b", 0.25),
        ("c", 0.25),
    ]


def test_a_block_is_whole_or_absent(store: Store) -> None:
    run = store.runs.begin(plan(total=3), LATER)
    with pytest.raises(StoreRefusedError):
        store.scores.write(run, 0, [score("a"), score("b", label="\ud800"), score("c")])
    kept = store.runs.get(run.id)
    assert kept is not None and kept.done == 0 and not list(store.scores.rows(run))


def test_a_flat_question_has_no_cutoff_and_its_newest_run_is_the_latest_begun(
    store: Store,
) -> None:
    night(store, [score("a", 0.1)], cutoff=None)
    night(store, [score("a", 0.2)], cutoff=None, at=LATER, fingerprint="other")
    found = store.scores.latest("leads", "a")
    assert found is not None and found.cutoff is None and found.newest is None
    assert found.score.probability == 0.2 and found.current


def test_what_happened_since_makes_a_score_stale_until_it_is_known(store: Store) -> None:
    night(store, [score("a")])
    store.scores.mark_stale("leads", "a", CUTOFF + DAY)
    store.scores.mark_stale("leads", "a", CUTOFF - DAY)
    found = store.scores.latest("leads", "a")
    assert found is not None and found.stale_at == CUTOFF + DAY
    night(store, [score("a")], cutoff=CUTOFF + 2 * DAY)
    found = store.scores.latest("leads", "a")
    assert found is not None and found.stale_at is None


def test_a_distribution_counts_as_the_receipts_place(store: Store) -> None:
    scores = [0.0, 0.05, 0.1, 0.1, 0.3, 0.5, 0.99, 1.0]
    night(store, [score(f"e{i}", p) for i, p in enumerate(scores)])
    found = store.scores.distribution("lead_conversion", "v1", [0.04, 0.1, 0.5])
    assert found is not None and found.counts == (2, 3, 3) and found.n == len(scores)
    assert store.scores.distribution("lead_conversion", "v9", [0.1]) is None
    one = store.scores.distribution("lead_conversion", "v1", [])
    assert one is not None and one.counts == (8,)


def test_purging_keeps_the_newest_run_of_each_question(store: Store) -> None:
    for day in range(4):
        night(store, [score("a"), score("b")], at=CUTOFF + day * DAY, cutoff=CUTOFF + day * DAY)
    night(store, [score("D")], at=CUTOFF, entity="deals", model="deal_close")
    begun = store.runs.begin(plan(fingerprint="never finished"), CUTOFF)
    store.scores.write(begun, 0, [score("a"), score("b")])
    assert store.runs.purge(CUTOFF + 2 * DAY) == 6
    assert [r.cutoff for r in store.runs.all()] == [CUTOFF, CUTOFF + 3 * DAY, CUTOFF + 2 * DAY]
    assert len(store.scores.history("leads", "a")) == 2
    assert store.scores.latest("deals", "D") is not None
    with pytest.raises(RunGoneError):
        store.runs.finish(begun, LATER)
    assert store.runs.purge(LATER) == 2, "the newest of each question stays for ever"


def test_a_reader_sees_one_state_to_its_end(store: Store) -> None:
    night(store, [score("a", 0.1)])
    with store.database.reading() as connection:
        before = store.scores.latest("leads", "a", connection)
        night(store, [score("a", 0.2)], cutoff=CUTOFF + DAY)
        assert store.scores.latest("leads", "a", connection) == before
    after = store.scores.latest("leads", "a")
    assert after is not None and after.current and after.score.probability == 0.2


def test_feedback_is_kept_beside_the_models_own_value(store: Store) -> None:
    early = store.feedback.add("leads", "a", "override", {"probability": 0.9}, "ann", None, 1)
    assert early.probability is None and early.version is None
    night(store, [score("a", 0.4)])
    late = store.feedback.add("leads", "a", "outcome", "converted", "crm", "a note é", LATER)
    assert (late.probability, late.version, late.cutoff, late.grade) == (0.4, "v1", CUTOFF, "B")
    assert store.feedback.of("leads", "a") == [late, early]
    assert store.feedback.of("leads", "b") == [] and store.feedback.since(LATER) == [late]


def test_audit_rows_are_kept_once_and_looked_up_by_subject(store: Store) -> None:
    a, b = store.subject("leads", "a"), store.subject("leads", "b")
    rows = [
        AuditRow(5, "score", "k1", "r1", "leads", s, "m", "v1", 0.3, CUTOFF, {"n": 1})
        for s in (a, b)
    ]
    store.audit.append(rows)
    store.audit.append([*rows, AuditRow(6, "read", subject=a)])
    assert [r.action for r in store.audit.of(a)] == ["read", "score"]
    assert store.audit.of(b) == [rows[1]] and store.audit.count() == 3
    assert store.audit.purge(6) == 2 and store.audit.count() == 1


def test_a_subject_is_the_stores_own(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = open_store(f"sqlite:///{tmp_path_factory.mktemp('other')}/s.db")
    assert store.subject("leads", "a") != other.subject("leads", "a")
    assert store.subject("leads", "a") != store.subject("deals", "a")
    again = open_store(store.engine.url.render_as_string(hide_password=False))
    assert store.subject("leads", "a") == again.subject("leads", "a")
    again.close()
    other.close()


def _begin(store: Store, at: int, fingerprint: str = "f", owner: str = "k1") -> object:
    return store.replies.begin("key", "POST /v1/feedback", owner, fingerprint, at)


def _finish(store: Store, lease: str, at: int) -> bool:
    reply, who = StoredReply(201, b"{}\x00\xff", "application/json"), [store.subject("leads", "a")]
    return store.replies.finish("key", "POST /v1/feedback", "k1", lease, reply, at, who)


def test_a_reply_is_given_again_to_the_same_request_of_the_same_key(store: Store) -> None:
    begun = _begin(store, 0)
    assert isinstance(begun, NewReply)
    assert _begin(store, 1) == InProgress(60)
    assert _begin(store, 1, "other") == Mismatch()
    assert isinstance(_begin(store, 1, owner="k2"), NewReply)
    assert _finish(store, begun.lease, 2)
    assert _begin(store, 3) == StoredReply(201, b"{}\x00\xff", "application/json")
    assert _begin(store, 3, "other") == Mismatch()
    assert isinstance(_begin(store, 2 + KEPT), NewReply)


def test_a_reply_never_finished_is_begun_anew_and_the_first_comes_too_late(store: Store) -> None:
    first = _begin(store, 0)
    assert isinstance(first, NewReply) and _begin(store, LEASE - 1) == InProgress(1)
    second = _begin(store, LEASE)
    assert isinstance(second, NewReply) and second != first
    assert not _finish(store, first.lease, LEASE + 1)
    assert _finish(store, second.lease, LEASE + 2)
    store.replies.abandon("key", "POST /v1/feedback", "k1", second.lease)
    assert isinstance(_begin(store, LEASE + 3), StoredReply), "what is finished is not given back"


def test_an_abandoned_key_is_free(store: Store) -> None:
    begun = _begin(store, 0)
    assert isinstance(begun, NewReply)
    store.replies.abandon("key", "POST /v1/feedback", "k1", begun.lease)
    assert isinstance(_begin(store, 1, "other"), NewReply)


def test_the_work_and_its_reply_are_kept_together_or_not_at_all(store: Store) -> None:
    begun = _begin(store, 0)
    assert isinstance(begun, NewReply)
    with pytest.raises(ZeroDivisionError), store.writing() as transaction:
        store.feedback.add("leads", "a", "outcome", "won", "k1", None, 1, transaction)
        store.replies.finish(
            "key",
            "POST /v1/feedback",
            "k1",
            begun.lease,
            StoredReply(201, b"", ""),
            1,
            (),
            transaction,
        )
        raise ZeroDivisionError
    assert store.feedback.of("leads", "a") == [] and _begin(store, 1) == InProgress(60)


def test_an_event_sent_twice_is_taken_once(store: Store) -> None:
    event = WebhookEvent("hubspot", "17", "contact.propertyChange", 5)
    assert store.events.add(event) and not store.events.add(event)
    assert store.events.add(WebhookEvent("other", "17", "x", 5))
    assert store.events.purge(6) == 2 and store.events.add(event)


def _everything_of(store: Store, entity_id: str) -> None:
    who = store.subject("leads", entity_id)
    night(store, [score(entity_id), score("bystander")], fingerprint=entity_id)
    store.scores.mark_stale("leads", entity_id, LATER)
    store.feedback.add("leads", entity_id, "outcome", "converted", "crm", None, LATER)
    store.audit.append([AuditRow(LATER, "score", entity="leads", subject=who)])
    begun = store.replies.begin(entity_id, "r", "k", "f", LATER)
    assert isinstance(begun, NewReply)
    body = StoredReply(200, entity_id.encode(), "application/json")
    others = [store.subject("leads", "bystander"), who]
    store.replies.finish(entity_id, "r", "k", begun.lease, body, LATER, others)
    store.events.add(
        WebhookEvent("hubspot", entity_id, "changed", LATER, entity="leads", subject=who)
    )


def test_an_erasure_takes_all_of_one_entity_and_says_how_much(store: Store) -> None:
    _everything_of(store, "gone")
    _everything_of(store, "stays")
    counts = store.erase("leads", "gone", LATER + 1, "k9", "r9")
    tables = ("scores", "stale", "feedback", "audit", "replies", "events")
    assert {name: counts[name] for name in tables} == dict.fromkeys(tables, 1)
    assert store.scores.latest("leads", "gone") is None and not store.feedback.of("leads", "gone")
    assert store.audit.of(store.subject("leads", "gone")) == []
    assert isinstance(store.replies.begin("gone", "r", "k", "f", LATER), NewReply)
    assert store.scores.latest("leads", "stays") is not None
    assert store.scores.latest("leads", "bystander") is not None
    assert isinstance(store.replies.begin("stays", "r", "k", "f", LATER), StoredReply)
    erasure = store.audit.all(1)[0]
    assert (erasure.action, erasure.key_id, erasure.entity) == ("erase", "k9", "leads")
    assert erasure.subject is None and erasure.detail == counts
    assert store.erase("leads", "gone", LATER + 2) == dict.fromkeys(counts, 0)


def test_what_was_read_before_an_erasure_does_not_come_back(store: Store) -> None:
    run = store.runs.begin(plan(total=2), LATER)
    who = store.subject("leads", "gone")
    journalled = AuditRow(LATER, "score", entity="leads", subject=who)
    store.erase("leads", "gone", LATER + 1)
    store.scores.write(run, 0, [score("gone"), score("stays")])
    store.runs.finish(run, LATER + 2)
    store.audit.append([journalled, AuditRow(LATER + 5, "score", subject=who)])
    assert [row.id for row in store.scores.rows(run)] == ["stays"]
    assert [row.at for row in store.audit.of(who)] == [LATER + 5], "what came after is another act"
    night(store, [score("gone")], at=LATER + 9, fingerprint="a later export")
    assert store.scores.latest("leads", "gone") is not None


def test_a_purge_by_age_leaves_what_is_young_and_one_row(store: Store) -> None:
    _everything_of(store, "old")
    counts = store.purge(LATER + 1, LATER + 2, "k", "r")
    kept = {"scores": 0, "stale": 1, "audit": 1, "replies": 1, "events": 1, "erased": 0}
    assert counts == kept and len(store.feedback.of("leads", "old")) == 1
    assert [row.action for row in store.audit.all()] == ["purge"]
    assert store.purge(LATER + 1, LATER + 3, feedback=True)["feedback"] == 1


@pytest.mark.parametrize("entity_id", ["a\0b", "\ud800", "x" * 100_000, "'; DROP TABLE scores; --"])
def test_an_id_that_no_crm_has_is_refused_or_simply_not_there(store: Store, entity_id: str) -> None:
    night(store, [score("a")])
    for ask in (store.scores.latest, store.scores.history, store.feedback.of):
        try:
            assert not ask("leads", entity_id)
        except StoreRefusedError as refused:
            assert entity_id not in str(refused)
    assert store.erase("leads", "nobody", 1)["scores"] == 0
    assert store.scores.latest("leads", "a") is not None


def test_a_number_beyond_64_bits_is_refused_and_not_quoted(store: Store) -> None:
    with pytest.raises(StoreRefusedError) as refused:
        store.scores.mark_stale("leads", "secret-id", 2**70)
    assert "secret-id" not in str(refused.value) and refused.value.__cause__ is None


@given(texts=st.lists(st.text(max_size=20), max_size=3), number=st.floats(allow_nan=False))
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_json_comes_back_as_it_was_said(store: Store, texts: list[str], number: float) -> None:
    value = {"texts": [t.encode("utf-8", "replace").decode() for t in texts]}
    if math.isfinite(number):
        value["n"] = [number]  # type: ignore[list-item]
    said = store.feedback.add("leads", "json", "override", value, "me", None, 1)
    assert next(f for f in store.feedback.of("leads", "json") if f.id == said.id).value == value
