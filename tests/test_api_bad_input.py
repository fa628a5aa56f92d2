"""Bodies that are not what they should be: a clear 4xx or a record's own error, never a 5xx."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from serving.app import make_app
from tests.helpers.api import LEAD, Clock, call, desks, post, refused

SCORE = "/v1/leads/score"


@pytest.fixture(scope="module")
def app() -> Starlette:
    made = make_app(Clock())
    made.state.predictors = desks("leads")
    return made


def _body(**lead: Any) -> dict[str, Any]:
    return {"records": [{"lead": {**LEAD["lead"], **lead}}]}


def _error(app: Starlette, body: Any) -> tuple[str, str]:
    """Code and path of the one record's error."""
    answer = post(app, SCORE, body)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    return result["error"]["code"], result["error"]["path"]


# --- values ---------------------------------------------------------------------------------------


def test_an_unknown_key_is_told_the_nearest(app: Starlette) -> None:
    answer = post(app, SCORE, {"record": [LEAD]})
    assert refused(answer) == (422, "unknown_field", "record")
    assert "did you mean 'records'?" in answer.json()["detail"]
    (result,) = post(app, SCORE, _body(creatd_at="x")).json()["results"]
    assert result["error"]["code"] == "unknown_field"
    assert "did you mean 'created_at'?" in result["error"]["message"]


@pytest.mark.parametrize(
    ("lead", "code", "field"),
    [
        ({"employees": 10**17}, "number_too_large", "employees"),
        ({"employees": 1e300}, "number_too_large", "employees"),
        ({"employees": "240"}, "wrong_type", "employees"),
        ({"lead_id": 1.5}, "wrong_type", "lead_id"),
        ({"lead_id": ""}, "too_short", "lead_id"),
        ({"lead_id": "x" * 201}, "too_long", "lead_id"),
        ({"lead_id": None}, "wrong_type", "lead_id"),
        ({"created_at": "2023-13-01T00:00:00Z"}, "bad_instant", "created_at"),
        ({"created_at": "2023-12-01T09:30"}, "instant_without_zone", "created_at"),
        ({"created_at": "2025-12-01T00:00:00Z"}, "created_after_as_of", "created_at"),
        ({"created_at": None}, "birth_unknown", "created_at"),
        ({"source": "a\0b"}, "bad_text", "source"),
        ({"lead_id": "\0"}, "bad_text", "lead_id"),
    ],
)
def test_a_bad_value_is_that_records_error(
    app: Starlette, lead: dict[str, Any], code: str, field: str
) -> None:
    assert _error(app, _body(**lead)) == (code, f"records[0].lead.{field}")


def test_a_nul_spoils_its_own_record_only(app: Starlette) -> None:
    records = [LEAD, *_body(custom={"a\0": 1})["records"], LEAD]
    first, bad, last = post(app, SCORE, {"records": records}).json()["results"]
    assert bad["error"]["code"] == "bad_text" and bad["index"] == 1
    assert first["probability"] == last["probability"]


def test_an_integer_of_many_digits_is_no_id(app: Starlette) -> None:
    raw = orjson.dumps(_body()).replace(b'"lead_id":"x"', b'"lead_id":' + b"7" * 40)
    assert _error(app, raw)[0] == "wrong_type"


def test_an_as_of_ahead_is_refused_a_day_is_let_pass(app: Starlette) -> None:
    ahead = {**_body(), "as_of": "2024-01-03T00:00:00Z"}
    assert refused(post(app, SCORE, ahead)) == (409, "in_future", "as_of")
    assert post(app, SCORE, {**_body(), "as_of": "2024-01-01T20:00:00Z"}).status_code == 200


@pytest.mark.parametrize(
    ("extra", "status", "code", "path"),
    [
        ({"prior": 0}, 422, "not_a_share", "prior"),
        ({"prior": 1}, 422, "not_a_share", "prior"),
        ({"prior": 1 - 1e-15}, 422, "not_a_share", "prior"),
        ({"prior": True}, 422, "wrong_type", "prior"),
        ({"lang": "de"}, 422, "unknown_language", "lang"),
        ({"as_of": 5}, 422, "wrong_type", "as_of"),
        ({"as_of": "now"}, 422, "bad_instant", "as_of"),
        ({"compare_to": {"as_of": "2024-01-01T00:00:00Z"}}, 409, "not_earlier", "compare_to.as_of"),
        ({"compare_to": {}}, 422, "missing_field", "compare_to.as_of"),
        ({"reasons": -1}, 422, "wrong_type", "reasons"),
        ({"reasons": 1.5}, 422, "wrong_type", "reasons"),
        ({"records": []}, 422, "too_short", "records"),
        ({"records": {}}, 422, "wrong_type", "records"),
        ({"records": None}, 422, "wrong_type", "records"),
        ({"records": [LEAD] * 1001}, 422, "too_long", "records"),
    ],
)
def test_what_is_asked_of_all_records_is_refused_as_a_whole(
    app: Starlette, extra: dict[str, Any], status: int, code: str, path: str
) -> None:
    assert refused(post(app, SCORE, {**_body(), **extra})) == (status, code, path)


@pytest.mark.parametrize("record", [None, 3, "x", [], {}, {"lead": []}, {"leed": {}}, [LEAD]])
def test_a_record_that_is_none_is_its_own_error(app: Starlette, record: Any) -> None:
    results = post(app, SCORE, {"records": [LEAD, record]}).json()["results"]
    assert "probability" in results[0] and results[1]["error"]["path"].startswith("records[1]")


def test_the_order_of_fields_does_not_matter(app: Starlette) -> None:
    lead = {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z", "source": "web", "employees": 3}
    there = post(app, SCORE, {"records": [{"lead": lead}]}).json()["results"]
    back = post(app, SCORE, {"records": [{"lead": dict(reversed(lead.items()))}]}).json()["results"]
    assert there == back


# --- batches --------------------------------------------------------------------------------------


def test_equal_records_have_equal_answers_under_their_own_index(app: Starlette) -> None:
    other = _body(lead_id="y")["records"][0]
    bad = {"lead": {"lead_id": "z", "creatd_at": 1}}
    batch = [LEAD, bad, LEAD, other, bad]
    results = post(app, SCORE, {"records": batch}).json()["results"]
    assert [r["index"] for r in results] == [0, 1, 2, 3, 4]
    assert [r["id"] for r in results] == ["x", "z", "x", "y", "z"]
    assert results[4]["error"]["path"] == "records[4].lead.creatd_at"
    (alone,) = post(app, SCORE, {"records": [LEAD]}).json()["results"]
    for place in (0, 2):
        twin = {**results[place], "index": 0, "warnings": []}
        assert twin == alone
        assert results[place]["warnings"] == ["2 records of this request have this id"]


def test_two_of_one_id_that_differ_are_each_scored_as_if_alone(app: Starlette) -> None:
    pair = [_body(employees=n)["records"][0] for n in (3, 3000)]
    together = post(app, SCORE, {"records": pair}).json()["results"]
    for one, record in zip(together, pair, strict=True):
        (alone,) = post(app, SCORE, {"records": [record]}).json()["results"]
        assert one["probability"] == alone["probability"]


def test_a_thousand_records_are_answered_in_order(app: Starlette) -> None:
    batch = [_body(lead_id=f"L{i}")["records"][0] for i in range(1000)]
    results = post(app, SCORE, {"records": batch, "reasons": 0}).json()["results"]
    assert [r["id"] for r in results] == [f"L{i}" for i in range(1000)]


# --- anything at all ------------------------------------------------------------------------------

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["lead", "lead_id", "created_at", "activities", "custom", "records"])
        | st.text(max_size=6),
        inner,
        max_size=4,
    ),
    max_leaves=15,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(ANY)
def test_any_json_is_answered_or_refused(app: Starlette, value: Any) -> None:
    for body in (value, {"records": [value, LEAD]}):
        answer = post(app, SCORE, json.dumps(body).encode())
        if answer.status_code != 200:
            assert refused(answer)[0] < 500
        elif body is not value:
            assert "probability" in answer.json()["results"][-1]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(app: Starlette, raw: bytes) -> None:
    assert refused(post(app, SCORE, raw))[0] in (400, 422)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "GET", "PURGE", "X"])
@pytest.mark.parametrize("path", [SCORE, "/v1/feedback", "/v1/models", "/v1/audit/purge"])
def test_a_method_that_is_none_is_told_which_there_are(
    app: Starlette, method: str, path: str
) -> None:
    answer = call(app, method, path)
    if method == "GET" and path in ("/v1/feedback", "/v1/models"):
        return
    assert refused(answer)[:2] == (405, "method_not_allowed")
    assert "OPTIONS" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/", "/v1/leads", "/v1/contacts/x/score"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_a_path_that_is_none_is_a_problem(app: Starlette, method: str, path: str) -> None:
    answer = call(app, method, path)
    assert answer.status_code == 404
    if method != "HEAD":
        assert refused(answer)[1] == "not_found"


def test_options_say_what_a_path_answers(app: Starlette) -> None:
    answer = call(app, "OPTIONS", "/v1/feedback")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert call(app, "OPTIONS", "/v1/leads/x%2Fy/score").headers["allow"] == "GET, HEAD, OPTIONS"


def test_nothing_of_the_record_is_in_an_error(app: Starlette) -> None:
    """A problem quotes names and our own words, never what a field held."""
    for lead in ({"employees": "s3cret"}, {"created_at": "s3cret"}, {"source": ["s3cret"]}):
        assert "s3cret" not in post(app, SCORE, _body(**lead)).text
    assert "s3cret" not in post(app, SCORE, {**_body(), "lang": "s3cret"}).text
