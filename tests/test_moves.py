"""The endpoint tells why a score moved, how scores like it turned out, and obeys a stated prior."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.schema import TABLES
from features.tables import DAY, Tables, micros
from features.timeline import Timeline
from serving.app import make_app
from serving.http.shapes import Answer
from serving.scoring.changes import ChangeExplainer, moved_since
from serving.scoring.faults import ContractError
from serving.scoring.predictor import Predictor, exact_text
from serving.scoring.sample import record_of
from serving.scoring.scorer import Scorer
from tests.helpers.histories import START, history, seeds
from tests.helpers.scored import bundle_of
from training.models.track_record import TrackRecord

Json = dict[str, Any]
ENTITIES = ("leads", "deals", "accounts")
END = START + 70 * DAY


def ids_of(entity: str, tables: Tables) -> list[str]:
    return list(tables[entity].coded(TABLES[entity].key).values)


def logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def ask(desk: Predictor, tables: Tables, cutoff: int, **more: Any) -> list[Json]:
    """The scored results of one request for every entity."""
    records = [record_of(tables, desk.scorer.entity, i) for i in ids_of(desk.scorer.entity, tables)]
    body = {"as_of": exact_text(cutoff), "records": records, **more}
    answer = desk.answer(orjson.loads(orjson.dumps(body)), 0, "r")
    return [r for r in orjson.loads(orjson.dumps(answer))["results"] if "error" not in r]


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=6, deadline=None)
@given(seed=seeds, day=st.integers(5, 50), later=st.integers(1, 20))
def test_the_parts_of_a_move_sum_to_it(entity: str, seed: int, day: int, later: int) -> None:
    """And the score then is the one that was answered then."""
    tables = history(seed)
    desk, since = Predictor(Scorer(bundle_of(entity, tables))), START + day * DAY
    then = {r["id"]: r["probability"] for r in ask(desk, tables, since)}
    for result in ask(desk, tables, since + later * DAY, compare_to={"as_of": exact_text(since)}):
        moved = result["moved"]
        if moved is None:
            assert result["id"] not in then and "no comparison" in result["warnings"][-1]
            continue
        assert moved["probability"] == pytest.approx(then[result["id"]], abs=1e-12)
        total = logit(result["probability"]) - logit(moved["probability"])
        assert moved["effect"] == pytest.approx(total, abs=1e-9)
        assert sum(p["effect"] for p in moved["parts"]) == pytest.approx(total, abs=1e-9)
        assert sum(p["points"] for p in moved["parts"]) == pytest.approx(
            result["probability"] - moved["probability"], abs=1e-9
        )


@pytest.mark.parametrize("entity", ENTITIES)
def test_where_nothing_happened_only_time_passed(entity: str) -> None:
    tables = history(4)
    scorer = Scorer(bundle_of(entity, tables))
    since, cutoff = START + 150 * DAY, START + 180 * DAY  # every fact of the history is earlier
    found = moved_since(scorer, tables, ids_of(entity, tables), since, cutoff)
    assert (found.moved.facts == 0).all() and (found.moved.time != 0).any()
    for row in range(len(found.still)):
        assert [p["part"] for p in ChangeExplainer(scorer).rows(found, row)] == ["time"]


@pytest.mark.parametrize("days", [0, 12])
def test_a_new_version_tells_what_it_and_its_calibration_did(days: int) -> None:
    """At one date nothing but the model can have moved the score."""
    tables, ids = history(4), ids_of("deals", history(4))
    bundle = bundle_of("deals", tables)
    blend = replace(bundle.model.blend, a=0.5, c=bundle.model.blend.c - 0.1)
    newer = replace(bundle, model=replace(bundle.model, blend=blend))
    old, new = Scorer(bundle), Scorer(newer)
    cutoff = START + 40 * DAY
    found = moved_since(old, tables, ids, cutoff - days * DAY, cutoff, successor=new)
    change = found.moved.after - found.moved.before
    np.testing.assert_allclose(found.moved.parts.sum(axis=1), change, atol=1e-9)
    now = new.score(Timeline(tables), ids, cutoff).probability
    np.testing.assert_allclose(1 / (1 + np.exp(-found.moved.after)), now, rtol=1e-12)
    assert (found.moved.calibration != 0).all() and (found.moved.model == 0).all()
    assert ((found.moved.time == 0).all() and (found.moved.facts == 0).all()) == (days == 0)
    told = {part["part"] for part in ChangeExplainer(old).rows(found, 0)}
    assert "calibration" in told and "model" not in told
    with pytest.raises(ValueError, match="a score of deals cannot move to one of leads"):
        leads = Scorer(bundle_of("leads", tables))
        moved_since(old, tables, ids, cutoff, cutoff, successor=leads)


def test_a_data_set_and_a_request_tell_the_same() -> None:
    tables = history(11)
    desk, since = Predictor(Scorer(bundle_of("deals", tables))), START + 25 * DAY
    ids = ids_of("deals", tables)
    whole = moved_since(desk.scorer, tables, ids, since, END)
    told = ChangeExplainer(desk.scorer)
    asked = ask(desk, tables, END, compare_to={"as_of": exact_text(since)})
    compared = [r for r in asked if r["moved"] is not None]
    for result in compared:
        expected = orjson.loads(orjson.dumps(told.record(whole, ids.index(result["id"]))))
        assert result["moved"] == expected


def test_a_new_call_is_told_with_what_it_changed() -> None:
    desk = Predictor(Scorer(bundle_of("leads", history(3))))
    lead = {"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}}
    call = {"kind": "call", "direction": "inbound", "occurred_at": "2023-12-20T00:00:00Z"}
    body = {
        "as_of": "2024-01-01T00:00:00Z",
        "lang": "es",
        "compare_to": {"as_of": "2023-12-15T00:00:00Z"},
        "records": [{**lead, "activities": [call]}],
    }
    (result,) = desk.answer(body, 0, "r")["results"]
    moved = result["moved"]
    codes = {p["code"] for p in moved["parts"] if p["part"] == "facts"}
    assert {"call", "inbound"} & codes and "age" not in codes
    assert moved["sentence"].startswith("Del ") and "15 de diciembre de 2023" in moved["sentence"]
    assert any("llamada" in p["sentence"].lower() for p in moved["parts"])


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"compare_to": {"as_of": "2024-01-01T00:00:00Z"}}, "not_earlier"),
        ({"compare_to": {}}, "missing_field"),
        ({"compare_to": {"as_of": "yesterday"}}, "bad_instant"),
        ({"prior": 0}, "not_a_share"),
        ({"prior": 1.5}, "not_a_share"),
        ({"prior": "10 %"}, "wrong_type"),
        ({"lang": "fr"}, "unknown_language"),
    ],
)
def test_what_cannot_be_asked(more: Json, code: str) -> None:
    desk = Predictor(Scorer(bundle_of("leads", history(3))))
    body = {"as_of": "2024-01-01T00:00:00Z", "records": [{}], **more}
    with pytest.raises(ContractError) as refused:
        desk.answer(body, 0, "r")
    assert refused.value.fault.code == code and refused.value.fault.message


def test_a_flat_question_has_no_earlier_score() -> None:
    bundle = bundle_of("leads", history(3))
    desk = Predictor(Scorer(replace(bundle, question={**bundle.question, "flat": True})))
    with pytest.raises(ContractError) as refused:
        desk.answer({"records": [{}], "compare_to": {"as_of": "2023-01-01T00:00:00Z"}}, 0, "r")
    assert refused.value.fault.code == "no_dates"


@pytest.mark.parametrize("prior", [0.02, 0.9])
def test_a_stated_prior_moves_every_score_and_is_a_reason(prior: float) -> None:
    tables = history(8)
    desk = Predictor(Scorer(bundle_of("leads", tables)))
    plain, told = ask(desk, tables, END - 30 * DAY), ask(desk, tables, END - 30 * DAY, prior=prior)
    rate = desk.scorer.bundle.track_record.base_rate
    assert rate is not None and plain
    shift = logit(prior) - logit(rate.expected)
    for before, after in zip(plain, told, strict=True):
        moved = logit(after["probability"]) - logit(before["probability"])
        assert moved == pytest.approx(shift, abs=1e-9)
        *reasons, stated = after["reasons"]
        assert stated["code"] == "stated_prior" and stated["effect"] == pytest.approx(shift)
        assert [r["effect"] for r in reasons] == [r["effect"] for r in before["reasons"]]
        summed = sum(r["effect"] for r in after["reasons"]) + after["others"]
        expected = logit(after["probability"]) - logit(after["baseline"])
        assert summed == pytest.approx(expected, abs=1e-9)
        curve = [at["probability"] for at in after["curve"]]
        assert curve == sorted(curve) and curve[-1] == after["probability"]
        band, own = after["receipt"], before["receipt"]
        assert (band["n"], band["happened"]) == (own["n"], own["happened"])  # the past's counts
        for part in ("share", "low", "high", "from", "to", "predicted"):
            moved_odds = own[part] * np.exp(shift)
            assert band[part] == pytest.approx(moved_odds / (moved_odds + 1 - own[part]))
        assert band["restated"] and not own["restated"]
        assert band["calibrated"] == own["calibrated"] and after["grade"] == before["grade"]


def test_a_bundle_s_own_prior_holds_unless_a_request_states_another() -> None:
    tables = history(8)
    bundle = bundle_of("leads", tables)
    stated = replace(bundle, question={**bundle.question, "prior": 0.1})
    own, plain = Predictor(Scorer(stated)), Predictor(Scorer(bundle))
    at = END - 30 * DAY
    assert ask(own, tables, at) == ask(plain, tables, at, prior=0.1)
    assert ask(own, tables, at, prior=0.2) == ask(plain, tables, at, prior=0.2)


def test_without_a_known_base_rate_no_prior_can_be_stated() -> None:
    bundle = replace(bundle_of("leads", history(3)), track_record=TrackRecord())
    with pytest.raises(ContractError, match="base rate"):
        Predictor(Scorer(bundle)).answer({"records": [{}], "prior": 0.1}, 0, "r")


def test_every_score_has_its_receipt() -> None:
    tables = history(8)
    desk = Predictor(Scorer(bundle_of("leads", tables)))
    answer = desk.answer(
        {"as_of": exact_text(END - 30 * DAY),
         "records": [record_of(tables, "leads", i) for i in ids_of("leads", tables)]}, 0, "r"
    )  # fmt: skip
    assert set(answer["model"]["base_rate"]) == {"training", "newest", "expected", "differs"}
    scored = [r for r in answer["results"] if "error" not in r]
    bands = desk.scorer.bundle.track_record.bands
    for result in scored:
        receipt = result["receipt"]
        assert receipt in [band.to_answer() for band in bands]
        assert receipt["share"] == receipt["happened"] / receipt["n"]
        at_or_below = [b.low_score for b in bands if b.low_score <= result["probability"]]
        assert receipt["from"] == max(at_or_below, default=bands[0].low_score)
    assert scored


def _shuffled(value: Any) -> Any:
    """The same JSON with the fields of every object the other way round."""
    if isinstance(value, dict):
        return {k: _shuffled(v) for k, v in reversed(value.items())}
    return [_shuffled(v) for v in value] if isinstance(value, list) else value


def test_the_order_of_a_request_s_fields_changes_nothing() -> None:
    tables = history(8)
    desk, at = Predictor(Scorer(bundle_of("leads", tables))), exact_text(END - 30 * DAY)
    body = {
        "as_of": at,
        "compare_to": {"as_of": exact_text(END - 45 * DAY)},
        "records": [record_of(tables, "leads", i) for i in ids_of("leads", tables)],
    }
    assert desk.answer(body, 0, "r") == desk.answer(_shuffled(body), 0, "r")


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_order_of_the_columns_changes_no_reason(entity: str) -> None:
    tables = history(8)
    scorer, ids = Scorer(bundle_of(entity, tables)), ids_of(entity, tables)
    features = scorer.features(Timeline(tables), ids, END - 30 * DAY)
    X = scorer.bundle.model.encoding.matrix(features)
    effects = scorer.bundle.model.explain(X)[2]
    reasons, others = scorer.explainer.explain(features, X, effects, 8)
    order = np.random.default_rng(0).permutation(len(scorer.specs))
    teller = type(scorer.explainer)(
        [scorer.specs[f] for f in order], scorer.explainer.log_odds, scorer.outcome, "EUR"
    )
    again, rest = teller.explain(features, X[:, order], effects[:, order], 8)
    assert again == reasons
    np.testing.assert_array_equal(rest, others)


def test_http_speaks_the_caller_s_language_and_keeps_to_its_document() -> None:
    app = make_app(lambda: micros("2024-01-01T00:00:00+00:00"))
    app.state.predictors = {"leads": Predictor(Scorer(bundle_of("leads", history(3))))}
    body = {
        "records": [{"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}}],
        "compare_to": {"as_of": "2023-12-15T00:00:00Z"},
        "prior": 0.2,
    }

    async def call(lang: str) -> Json:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            headers = {"accept-language": lang}
            answer = await client.post("/v1/leads/score", json=body, headers=headers)
            assert answer.status_code == 200
            Answer.model_validate_json(answer.content)
            found: Json = answer.json()["results"][0]
            return found

    said = [asyncio.run(call(lang)) for lang in ("de, it;q=0.5", "es-MX", "")]
    words = [r["moved"]["parts"][-1]["sentence"].split(" (")[0] for r in said]
    assert words == ["È passato il tempo senza novità", "Ha pasado el tiempo sin novedades",
                     "Time passed with nothing new"]  # fmt: skip
    assert len({r["probability"] for r in said}) == 1
