"""Bodies that are not what they should be: a clear 4xx or a record's own error, never a 5xx."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.api import body as limits
from serving.api.app import make_app
from serving.api.body import parse
from serving.api.problems import Problem
from serving.settings import Settings
from tests.api import JSON, LEAD, Clock, call, desks, post, refused

SCORE = "/v1/leads/score"


@pytest.fixture(scope="module")
def app() -> FastAPI:
    made = make_app(Clock())
    made.state.desks = desks("leads")
    return made


def _body(**lead: Any) -> dict[str, Any]:
    return {"records": [{"lead": {**LEAD["lead"], **lead}}]}


def _error(app: FastAPI, body: Any) -> tuple[str, str]:
    """Code and path of the one record's error."""
    answer = post(app, SCORE, body)
    assert answer.status_code == 200, answer.text
    (result,) = answer.json()["results"]
    return result["error"]["code"], result["error"]["path"]


# --- what is no JSON ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "bad_json"),
        (b" ", "bad_json"),
        (b"nonsense", "bad_json"),
        (b'{"records": [', "bad_json"),
        (b'{"records": []} trailing', "bad_json"),
        (b"{'records': []}", "bad_json"),
        (b'{"records": [],}', "bad_json"),
        (b'\xef\xbb\xbf{"records": []}', "bad_json"),
        ('{"records": []}'.encode("utf-16"), "bad_json"),
        (b'{"lang": "\xff"}', "bad_json"),
        (b'{"lang": "\xc3("}', "bad_json"),
        (b'{"lang": "\xed\xa0\x80"}', "bad_json"),
        (b'{"lang": "\\ud800"}', "bad_json"),
        (b'{"lang": "\\udc00\\ud800"}', "bad_json"),
        (b'{"lang": "a\x00b"}', "bad_json"),
        (b'{"lang": "a\nb"}', "bad_json"),
        (b'{"prior": NaN}', "bad_json"),
        (b'{"prior": Infinity}', "bad_json"),
        (b'{"prior": -Infinity}', "bad_json"),
        (b'{"prior": 1e999}', "bad_json"),
        (b'{"prior": ' + b"9" * 400 + b"}", "bad_json"),
        (b'{"prior": 01}', "bad_json"),
        (b"[" * 100_000, "too_deep"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "too_deep"),
        (b'{"records": ' + b"[" * 33 + b"]" * 33 + b"}", "too_deep"),
    ],
)
def test_what_is_no_json_is_refused(app: FastAPI, raw: bytes, code: str) -> None:
    assert refused(post(app, SCORE, raw))[:2] == (400, code)


def test_nan_and_byte_order_marks_are_told_by_name(app: FastAPI) -> None:
    assert "NaN" in post(app, SCORE, b'{"prior": NaN}').json()["detail"]
    assert "byte order mark" in post(app, SCORE, b"\xef\xbb\xbf{}").json()["detail"]


@pytest.mark.parametrize("text", ["[" * 100, "{" * 40 + "}" * 40, '\\"[[[', "]" * 50])
def test_brackets_in_texts_are_no_depth(app: FastAPI, text: str) -> None:
    answer = post(app, SCORE, _body(source=text * 3))
    assert "probability" in answer.json()["results"][0]


# --- keys -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b'{"records": [{}], "records": [{}]}', "records"),
        (b'{"records": [{"lead": {"lead_id": "a", "lead_id": "b"}}]}', "lead_id"),
        (b'{"a" : 1, "a":2, "records": []}', "a"),
        (b'{"a":1,"\\u0061":2,"records":[]}', "a"),
        (b'{"x":"\\u0022:","a":1,"a":2}', "a"),
        (b'{"x":"\\u003ab","a":1,"a":2}', "a"),
        (b'{"a":":x","a":1}', "a"),
        (b'{"a":"\\":","a":1}', "a"),
        (b'{"":1,"":2}', ""),
    ],
)
def test_a_key_said_twice_is_refused(app: FastAPI, raw: bytes, name: str) -> None:
    status, code, path = refused(post(app, SCORE, raw))
    assert (status, code, path) == (400, "duplicate_key", name)


NAMES = st.text(alphabet='ab":\\ \n', max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(NAMES, inner), max_size=3),
    max_leaves=12,
)


def _text(value: Any, draw: Callable[[int], int]) -> str:
    """JSON text of a value whose objects are lists of pairs, with spaces and escapes at random."""
    space = " " * draw(2)
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        inner = [f"{_quoted(k, draw)}{space}:{space}{_text(v, draw)}" for k, v in value]
        return "{" + f",{space}".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(v, draw) for v in value) + "]"
    return _quoted(value, draw) if isinstance(value, str) else json.dumps(value)


def _quoted(text: str, draw: Callable[[int], int]) -> str:
    hidden = {'"': "\\u0022", ":": "\\u003a", "a": "\\u0061"}
    letters = [hidden.get(c, "") if draw(3) == 0 else "" for c in text]
    return '"' + "".join(h or json.dumps(c)[1:-1] for h, c in zip(letters, text, strict=True)) + '"'


def _twice(value: Any) -> bool:
    """The oracle: whether any object of the value says a key twice."""
    if isinstance(value, list) and value and isinstance(value[0], tuple):
        names = [name for name, _ in value]
        return len(set(names)) < len(names) or any(_twice(v) for _, v in value)
    return isinstance(value, list) and any(_twice(v) for v in value)


@settings(max_examples=300, deadline=None)
@given(VALUES, st.randoms(use_true_random=False))
def test_a_key_twice_is_found_wherever_it_is_and_nowhere_else(value: Any, random: Any) -> None:
    raw = _text(value, lambda n: random.randrange(n)).encode()
    try:
        parse(raw)
        found = False
    except Problem as problem:
        assert problem.code == "duplicate_key"
        found = True
    assert found == _twice(value)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 60), st.sampled_from(["[", "{"]), st.text(alphabet='[]{}"\\', max_size=40))
def test_depth_is_counted_as_it_is(depth: int, kind: str, noise: str) -> None:
    inside = json.dumps(noise)
    for _ in range(depth):
        inside = f"[{inside}]" if kind == "[" else f'{{"a":{inside}}}'
    try:
        parse(inside.encode())
        assert depth <= limits.DEEPEST
    except Problem as problem:
        assert (problem.code, depth > limits.DEEPEST) == ("too_deep", True)


def test_an_unknown_key_is_told_the_nearest(app: FastAPI) -> None:
    answer = post(app, SCORE, {"record": [LEAD]})
    assert refused(answer) == (422, "unknown_field", "record")
    assert "did you mean 'records'?" in answer.json()["detail"]
    (result,) = post(app, SCORE, _body(creatd_at="x")).json()["results"]
    assert result["error"]["code"] == "unknown_field"
    assert "did you mean 'created_at'?" in result["error"]["message"]


# --- values ---------------------------------------------------------------------------------------


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
        ({"created_at": "2023-12-01"}, "instant_without_zone", "created_at"),
        ({"created_at": "2025-12-01T00:00:00Z"}, "created_after_as_of", "created_at"),
        ({"created_at": None}, "birth_unknown", "created_at"),
        ({"source": "a\0b"}, "bad_text", "source"),
        ({"lead_id": "\0"}, "bad_text", "lead_id"),
    ],
)
def test_a_bad_value_is_that_records_error(
    app: FastAPI, lead: dict[str, Any], code: str, field: str
) -> None:
    assert _error(app, _body(**lead)) == (code, f"records[0].lead.{field}")


def test_a_nul_spoils_its_own_record_only(app: FastAPI) -> None:
    records = [LEAD, *_body(custom={"a\0": 1})["records"], LEAD]
    first, bad, last = post(app, SCORE, {"records": records}).json()["results"]
    assert bad["error"]["code"] == "bad_text" and bad["index"] == 1
    assert first["probability"] == last["probability"]


def test_an_integer_of_many_digits_is_no_id(app: FastAPI) -> None:
    raw = orjson.dumps(_body()).replace(b'"lead_id":"x"', b'"lead_id":' + b"7" * 40)
    assert _error(app, raw)[0] == "wrong_type"


def test_an_as_of_ahead_is_refused_a_day_is_let_pass(app: FastAPI) -> None:
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
    app: FastAPI, extra: dict[str, Any], status: int, code: str, path: str
) -> None:
    assert refused(post(app, SCORE, {**_body(), **extra})) == (status, code, path)


@pytest.mark.parametrize("record", [None, 3, "x", [], {}, {"lead": []}, {"leed": {}}, [LEAD]])
def test_a_record_that_is_none_is_its_own_error(app: FastAPI, record: Any) -> None:
    results = post(app, SCORE, {"records": [LEAD, record]}).json()["results"]
    assert "probability" in results[0] and results[1]["error"]["path"].startswith("records[1]")


def test_the_order_of_fields_does_not_matter(app: FastAPI) -> None:
    lead = {"lead_id": "x", "created_at": "2023-12-01T00:00:00Z", "source": "web", "employees": 3}
    there = post(app, SCORE, {"records": [{"lead": lead}]}).json()["results"]
    back = post(app, SCORE, {"records": [{"lead": dict(reversed(lead.items()))}]}).json()["results"]
    assert there == back


# --- batches --------------------------------------------------------------------------------------


def test_equal_records_have_equal_answers_under_their_own_index(app: FastAPI) -> None:
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


def test_two_of_one_id_that_differ_are_each_scored_as_if_alone(app: FastAPI) -> None:
    pair = [_body(employees=n)["records"][0] for n in (3, 3000)]
    together = post(app, SCORE, {"records": pair}).json()["results"]
    for one, record in zip(together, pair, strict=True):
        (alone,) = post(app, SCORE, {"records": [record]}).json()["results"]
        assert one["probability"] == alone["probability"]


def test_a_thousand_records_are_answered_in_order(app: FastAPI) -> None:
    batch = [_body(lead_id=f"L{i}")["records"][0] for i in range(1000)]
    results = post(app, SCORE, {"records": batch, "reasons": 0}).json()["results"]
    assert [r["id"] for r in results] == [f"L{i}" for i in range(1000)]


# --- what the body says it is ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=UTF-8", 200),
        ('application/json; charset="utf-8"', 200),
        ("application/json; charset=latin-1", 415),
        ("application/jsonp", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/vnd.bentoml+pickle", 415),
        ("", 415),
    ],
)
def test_only_json_in_utf8_is_read(app: FastAPI, kind: str, status: int) -> None:
    answer = call(app, "POST", SCORE, content=orjson.dumps(_body()), headers={"content-type": kind})
    assert answer.status_code == status
    if status == 415:
        assert refused(answer)[1] == "unsupported_media_type"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
def test_a_compressed_body_is_not_unpacked(app: FastAPI, encoding: str) -> None:
    packed = gzip.compress(orjson.dumps(_body()))
    answer = call(
        app, "POST", SCORE, content=packed, headers={**JSON, "content-encoding": encoding}
    )
    assert refused(answer)[:2] == (415, "unsupported_encoding")


# --- how the body comes ---------------------------------------------------------------------------

Messages = Sequence[dict[str, Any]]


def _driven(
    app: FastAPI, parts: Callable[[], Awaitable[dict[str, Any]]], **headers: str
) -> tuple[int, dict[str, str], dict[str, Any]]:
    """A request whose body comes as ``parts`` says: below HTTP, so that anything can be said."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": SCORE,
        "raw_path": SCORE.encode(),
        "root_path": "",
        "scheme": "http",
        "query_string": b"",
        "http_version": "1.1",
        "headers": [(k.encode(), v.encode()) for k, v in {**JSON, **headers}.items()],
        "client": ("127.0.0.1", 1),
        "server": ("test", 80),
    }
    asyncio.run(app(scope, parts, send))
    head = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], head, orjson.loads(sent[1]["body"])


def _stream(messages: Messages) -> Callable[[], Awaitable[dict[str, Any]]]:
    left: Iterator[dict[str, Any]] = iter(messages)

    async def receive() -> dict[str, Any]:
        found = next(left, None)
        if found is None:
            await asyncio.sleep(3600)  # nothing more ever comes
        return found or {}

    return receive


def _part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_in_pieces_is_one_body(app: FastAPI) -> None:
    raw = orjson.dumps(_body())
    pieces = [_part(raw[i : i + 7]) for i in range(0, len(raw), 7)] + [_part(b"", False)]
    assert _driven(app, _stream(pieces))[0] == 200


@pytest.mark.parametrize("stated", [None, "5", str(10**9)])
def test_more_than_the_cap_is_refused_whatever_it_says_of_its_length(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch, stated: str | None
) -> None:
    monkeypatch.setattr(limits, "LARGEST_BODY", 1000)
    pieces = [_part(b" " * 600), _part(b" " * 600), _part(b"", False)]
    headers = {} if stated is None else {"content-length": stated}
    status, head, body = _driven(app, _stream(pieces), **headers)
    assert (status, body["code"], head["connection"]) == (413, "body_too_large", "close")


def test_a_refused_body_is_not_kept_in_memory(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the cap what comes is dropped, and after a while no longer awaited."""
    monkeypatch.setattr(limits, "LARGEST_BODY", 1000)
    monkeypatch.setattr(limits, "LINGER_BYTES", 50_000)
    pieces = [_part(b" " * 1000) for _ in range(10_000)]
    source = _stream(pieces)
    taken = 0

    async def counting() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return await source()

    assert _driven(app, counting)[0] == 413
    assert taken <= 60


def test_a_body_that_never_ends_is_given_up(app: FastAPI) -> None:
    app.state.settings = Settings(body_seconds=0.05)
    try:
        status, head, body = _driven(app, _stream([_part(b'{"records"')]))
        lying = _driven(app, _stream([_part(b"{}")]), **{"content-length": "500"})
    finally:
        app.state.settings = Settings()
    assert (status, body["code"], head["connection"]) == (408, "body_timeout", "close")
    assert lying[2]["code"] == "body_timeout"


def test_a_client_that_goes_away_is_no_failure_of_ours(app: FastAPI) -> None:
    gone = [_part(b"{"), {"type": "http.disconnect"}]
    assert _driven(app, _stream(gone))[2]["code"] == "client_gone"


def test_a_body_of_brackets_is_refused_before_it_is_parsed(app: FastAPI) -> None:
    raw = b'{"records": [' + b"{}," * 500_000 + b"{}]}"
    assert refused(post(app, SCORE, raw))[:2] == (413, "body_too_large")


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
def test_any_json_is_answered_or_refused(app: FastAPI, value: Any) -> None:
    for body in (value, {"records": [value, LEAD]}):
        raw = json.dumps(body).encode("utf-8", "surrogatepass")
        answer = post(app, SCORE, raw)
        assert answer.status_code < 500
        if answer.status_code == 200:
            assert "probability" in answer.json()["results"][-1]
        else:
            refused(answer)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(app: FastAPI, raw: bytes) -> None:
    assert refused(post(app, SCORE, raw))[0] in (400, 422)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "GET", "PURGE", "X"])
@pytest.mark.parametrize("path", [SCORE, "/v1/feedback", "/v1/models", "/v1/audit/purge"])
def test_a_method_that_is_none_is_told_which_there_are(
    app: FastAPI, method: str, path: str
) -> None:
    answer = call(app, method, path)
    if method == "GET" and path in ("/v1/feedback", "/v1/models"):
        return
    assert refused(answer)[:2] == (405, "method_not_allowed")
    assert "OPTIONS" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/nope", "/v1", "/v1/", "/v1/leads", "/v1/contacts/x/score"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD"])
def test_a_path_that_is_none_is_a_problem(app: FastAPI, method: str, path: str) -> None:
    answer = call(app, method, path)
    assert answer.status_code == 404
    if method != "HEAD":
        assert refused(answer)[1] == "not_found"


def test_options_say_what_a_path_answers(app: FastAPI) -> None:
    answer = call(app, "OPTIONS", "/v1/feedback")
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert call(app, "OPTIONS", "/v1/leads/x%2Fy/score").headers["allow"] == "GET, HEAD, OPTIONS"


def test_nothing_of_the_record_is_in_an_error(app: FastAPI) -> None:
    """A problem quotes names and our own words, never what a field held."""
    for lead in ({"employees": "s3cret"}, {"created_at": "s3cret"}, {"source": ["s3cret"]}):
        assert "s3cret" not in post(app, SCORE, _body(**lead)).text
    assert "s3cret" not in post(app, SCORE, {**_body(), "lang": "s3cret"}).text
