"""The laws of scoring: one record equals the batch to the bit, and reasons add up to the score."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalog import definitions
from features.schema import TABLES
from features.spine import Features, FeatureSpec, Spine
from features.tables import DAY, Tables
from features.timeline import Timeline
from serving.i18n.languages import number
from serving.i18n.sentences import effect, sentence
from serving.i18n.titles import absence, title
from serving.scoring.predictor import Predictor, exact_text
from serving.scoring.reasons import FAINT, Explainer
from serving.scoring.sample import record_of
from serving.scoring.scorer import Scored, Scorer, score
from tests.helpers.histories import META, START, history, seeds
from tests.helpers.scored import NAMES, bundle_of
from training.task.questions import QUESTIONS
from training.task.snapshots import rows_of

Json = dict[str, Any]
ENTITIES = ("leads", "deals", "accounts")
days = st.integers(1, 70)


def _ids(entity: str, tables: Tables) -> list[str]:
    return list(tables[entity].coded(TABLES[entity].key).values)


def _logit(p: float) -> float:
    return float(np.log(p) - np.log1p(-p))


def _asked(desk: Predictor, tables: Tables, ids: list[str], cutoff: int) -> list[Json]:
    """The results of one request for ``ids``, through JSON as a CRM would send it."""
    records = [record_of(tables, desk.scorer.entity, i) for i in ids]
    raw = orjson.dumps({"as_of": exact_text(cutoff), "records": records})
    answer = desk.answer(orjson.loads(raw), 0, "r")
    results: list[Json] = orjson.loads(orjson.dumps(answer))["results"]
    return results


def _same(result: Json, batch: Scored, row: int) -> None:
    """Every number of a result is the batch's, to the last bit."""
    assert result["probability"] == batch.probability[row]
    assert [at["probability"] for at in result["curve"]] == batch.curve[row].tolist()
    assert result["grade"] == batch.grades[row]
    assert result["baseline"] == batch.baseline
    assert result["reasons"] == [reason.to_json() for reason in batch.reasons[row]]
    assert result["others"] == batch.others[row]


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=8, deadline=None)
@given(seed=seeds, day=days)
def test_a_request_equals_the_batch_bit_for_bit(entity: str, seed: int, day: int) -> None:
    """Features, probability, curve and reasons; alone, or in one request with all the others."""
    tables, cutoff = history(seed), START + day * DAY
    desk, ids = Predictor(Scorer(bundle_of(entity, tables))), _ids(entity, tables)
    batch = desk.scorer.score(Timeline(tables), ids, cutoff)
    for row, result in enumerate(_asked(desk, tables, ids, cutoff)):
        if "error" not in result:
            _same(result, batch, row)
            assert [result] == [
                {**alone, "index": row} for alone in _asked(desk, tables, [ids[row]], cutoff)
            ]


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=8, deadline=None)
@given(seed=seeds, day=days, top=st.integers(0, 60))
def test_reasons_add_up_to_the_score(entity: str, seed: int, day: int, top: int) -> None:
    """Reasons and all else sum to logit(score) - logit(baseline), however many are told."""
    tables = history(seed)
    bundle = bundle_of(entity, tables)
    got = score(bundle, Timeline(tables), _ids(entity, tables), START + day * DAY, top)
    for row, reasons in enumerate(got.reasons):
        assert len(reasons) <= top
        sizes = [abs(reason.effect) for reason in reasons]
        assert sizes == sorted(sizes, reverse=True) and min(sizes, default=1.0) >= FAINT
        moved = sum(reason.effect for reason in reasons) + got.others[row]
        p, start = got.probability[row], got.baseline
        # near 1 the roundings of a probability, a sum over bins, move its log-odds: at 1 - 1e-9
        # each by 1e-7
        rounding = 16 * sum(np.spacing(q) / (q * (1 - q)) for q in (p, start))
        assert moved == pytest.approx(_logit(p) - _logit(start), abs=1e-9 + rounding)
        assert got.curve[row, -1] == got.probability[row]
        assert np.all(np.diff(got.curve[row]) >= 0)


@pytest.mark.parametrize("entity", ENTITIES)
@settings(max_examples=15, deadline=None)
@given(seed=seeds, day=days)
def test_who_is_open_is_as_in_training(entity: str, seed: int, day: int) -> None:
    """The endpoint and the batch ask about exactly the entities that training would."""
    tables, cutoff = history(seed), START + day * DAY
    unknown, unborn, closed = Scorer(bundle_of(entity, tables)).standing(tables[entity], cutoff)
    expected = rows_of(tables, QUESTIONS[NAMES[entity]]).open(cutoff)
    np.testing.assert_array_equal(~(unknown | unborn | closed), expected)


def test_records_of_one_request_do_not_see_one_another() -> None:
    """Two records with one id, one account and different stories are scored each by its own."""
    tables = history(3)
    desk = Predictor(Scorer(bundle_of("leads", tables)))
    at = "2024-01-01T00:00:00Z"
    quiet = {"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z", "account_id": "a"}}
    call = {"kind": "call", "occurred_at": "2023-12-20T00:00:00Z", "account_id": "a"}
    loud = {**quiet, "activities": [{**call, "lead_id": "x"}] * 4, "account": {"industry": "i"}}

    def ask(records: list[Json]) -> list[Json]:
        results = desk.answer({"as_of": at, "records": records}, 0, "r")["results"]
        return [{k: v for k, v in r.items() if k != "index"} for r in results]

    (one,), (two,) = ask([quiet]), ask([loud])
    assert one["probability"] != two["probability"]
    assert ask([quiet, loud, quiet, loud]) == [one, two, one, two]


def test_what_happens_after_as_of_is_not_seen() -> None:
    desk = Predictor(Scorer(bundle_of("leads", history(3))))
    lead = {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}
    later = {"kind": "call", "occurred_at": "2024-01-01T00:00:00Z"}
    ask = {"as_of": "2024-01-01T00:00:00Z", "records": [{"lead": lead}]}
    told = {**ask, "records": [{"lead": lead, "activities": [later]}]}
    assert desk.answer(ask, 0, "r") == desk.answer(told, 0, "r")


def test_now_is_the_as_of_of_a_request_that_names_none() -> None:
    desk = Predictor(Scorer(bundle_of("leads", history(3))))
    records = [{"lead": {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z"}}]
    stated = desk.answer({"as_of": "2024-01-01T00:00:00Z", "records": records}, 0, "r")
    assert desk.answer({"records": records}, 1_704_067_200_000_000, "r") == stated


def test_a_flat_question_has_no_dates() -> None:
    """No curve, no horizon, no as_of: and neither birth nor end can be asked for."""
    bundle = bundle_of("leads", history(3))
    flat = Predictor(Scorer(replace(bundle, question={**bundle.question, "flat": True})))
    answer = flat.answer({"records": [{"lead": {"lead_id": "x"}}]}, 0, "r")
    assert answer["as_of"] is None and answer["model"]["horizon_days"] is None
    (result,) = answer["results"]
    assert result["curve"] == [] and 0 < result["probability"] < 1


def _spec(name: str, meaning: str, unit: str = "") -> FeatureSpec:
    return FeatureSpec(name, "leads", "number" if unit else "category", meaning, unit, "leads", "g")


def _known(name: str) -> FeatureSpec:
    """A feature of the catalogue, by its name."""
    every = (d for entity in ENTITIES for d in definitions(entity, META).values())
    return next(d.spec for d in every if d.spec.name == name)


def test_what_is_not_known_is_no_reason() -> None:
    """A missing number goes to all else; "no call yet" is a fact."""
    calls = _known("days_since_call")
    size = _spec("employees", "Number of employees", "people")
    teller = Explainer([calls, size], 0.0, "converted", "EUR")
    spine = Spine("leads", ["x"], np.zeros(1, np.int64))
    X = np.full((1, 2), np.nan)
    features = Features(spine, [calls, size], {"days_since_call": X[:, 0], "employees": X[:, 1]})
    (reasons,), others = teller.explain(features, X, np.array([[-1.0, 2.0]]), 5)
    assert [r.sentence for r in reasons] == ["No call yet (lowers the chance by 23 points)"]
    assert others.tolist() == [2.0]


def test_the_feature_named_pushes_the_way_of_its_group() -> None:
    """Of a call that helps much and one that harms more, the harm is named."""
    specs = [_spec("call_7d", "Calls A", "activities"), _spec("call_30d", "Calls B", "activities")]
    X, effects = np.array([[3.0, 5.0]]), np.array([[0.6, -0.9]])
    spine = Spine("leads", ["x"], np.zeros(1, np.int64))
    features = Features(spine, specs, {"call_7d": X[:, 0], "call_30d": X[:, 1]})
    ((reason,),), _ = Explainer(specs, 0.0, "won", "").explain(features, X, effects, 5)
    assert (reason.feature, reason.value, reason.direction) == ("call_30d", 5.0, "down")
    assert reason.effect == pytest.approx(-0.3)


@pytest.mark.parametrize(
    ("spec", "value", "said"),
    [
        (_known("meeting_30d"),
         2.0, "Meetings in the last 30 days: 2 (raises the chance by 6 points)"),
        (_known("amount"),
         12500.0, "Amount: 12,500 EUR (raises the chance by 6 points)"),
        (_known("owner_rate"),
         0.314, "Share of the seller's closed cases that succeeded so far: 31.4 % "
         "(raises the chance by 6 points)"),
        (_known("month"),
         "03", "Calendar month: March (raises the chance by 6 points)"),
        (_spec("custom_vip", "VIP", "yes = 1"),
         1.0, "VIP: yes (raises the chance by 6 points)"),
        (_spec("employees", "Size of the lead's company", "people"),
         40.0, "Size of the lead's company: 40 people (raises the chance by 6 points)"),
    ],
)  # fmt: skip
def test_sentences(spec: FeatureSpec, value: float | str, said: str) -> None:
    assert sentence(spec, value, 0.06, "converted", "EUR") == said


def test_effects_in_words() -> None:
    assert effect(-0.01, "churned") == "lowers the risk by 1 point"
    assert effect(0.004, "won") == "raises the chance by 0.4 points"
    assert effect(0.0001, "won") == "raises the chance slightly"


@given(st.floats(-1e15, 1e15))
def test_a_number_is_shown_within_one_in_two_hundred(value: float) -> None:
    shown = float(number(value).replace(",", ""))
    assert shown == pytest.approx(value, rel=5e-3, abs=0)


def test_every_feature_of_the_catalogue_has_a_title() -> None:
    for entity in ENTITIES:
        for spec in bundle_of(entity, history(3)).features:
            assert title(spec) and not title(spec).endswith((".", ";"))
            assert "{" not in title(spec) + absence(spec)


HEAVY = ("mlflow", "optuna", "shap", "lightgbm", "sklearn", "matplotlib", "pandas")


@pytest.mark.parametrize("module", ["serving.scoring.scorer", "serving.service"])
def test_scoring_imports_nothing_heavy(module: str) -> None:
    """Neither training's libraries nor its rooms: they cost seconds and hundreds of megabytes."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert not loaded & set(HEAVY)
    light = ("training.models", "training.charts", "training.stats")
    assert not {m for m in loaded if m.startswith("training.") and not m.startswith(light)}


def test_scoring_does_not_import_pandas() -> None:
    program = "import sys, serving.scoring.scorer; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
