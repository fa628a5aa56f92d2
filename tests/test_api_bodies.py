"""Bodies over HTTP: how they come, what they say they are, and what parsers hide."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from serving.app import make_app
from serving.http import body as limits
from serving.http.body import parse
from serving.http.errors import Problem
from serving.settings import Settings
from tests.helpers.api import JSON, LEAD, Clock, call, desks, post, refused

SCORE = "/v1/leads/score"


@pytest.fixture(scope="module")
def app() -> Starlette:
    made = make_app(Clock())
    made.state.predictors = desks("leads")
    return made


def _body(**lead: Any) -> dict[str, Any]:
    return {"records": [{"lead": {**LEAD["lead"], **lead}}]}


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
def test_what_is_no_json_is_refused(app: Starlette, raw: bytes, code: str) -> None:
    assert refused(post(app, SCORE, raw))[:2] == (400, code)


def test_nan_and_byte_order_marks_are_told_by_name(app: Starlette) -> None:
    assert "NaN" in post(app, SCORE, b'{"prior": NaN}').json()["detail"]
    assert "byte order mark" in post(app, SCORE, b"\xef\xbb\xbf{}").json()["detail"]


@pytest.mark.parametrize("text", ["[" * 100, "{" * 40 + "}" * 40, '\\"[[[', "]" * 50])
def test_brackets_in_texts_are_no_depth(app: Starlette, text: str) -> None:
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
def test_a_key_said_twice_is_refused(app: Starlette, raw: bytes, name: str) -> None:
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
def test_only_json_in_utf8_is_read(app: Starlette, kind: str, status: int) -> None:
    answer = call(app, "POST", SCORE, content=orjson.dumps(_body()), headers={"content-type": kind})
    assert answer.status_code == status
    if status == 415:
        assert refused(answer)[1] == "unsupported_media_type"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
def test_a_compressed_body_is_not_unpacked(app: Starlette, encoding: str) -> None:
    packed = gzip.compress(orjson.dumps(_body()))
    answer = call(
        app, "POST", SCORE, content=packed, headers={**JSON, "content-encoding": encoding}
    )
    assert refused(answer)[:2] == (415, "unsupported_encoding")


# --- how the body comes ---------------------------------------------------------------------------

Messages = Sequence[dict[str, Any]]


def _driven(
    app: Starlette, parts: Callable[[], Awaitable[dict[str, Any]]], **headers: str
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
        "headers": [
            (k.encode(), v.encode()) for k, v in {"host": "localhost", **JSON, **headers}.items()
        ],
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


def test_a_body_in_pieces_is_one_body(app: Starlette) -> None:
    raw = orjson.dumps(_body())
    pieces = [_part(raw[i : i + 7]) for i in range(0, len(raw), 7)] + [_part(b"", False)]
    assert _driven(app, _stream(pieces))[0] == 200


@pytest.mark.parametrize("stated", [None, "5", str(10**9)])
def test_more_than_the_cap_is_refused_whatever_it_says_of_its_length(
    app: Starlette, monkeypatch: pytest.MonkeyPatch, stated: str | None
) -> None:
    monkeypatch.setattr(limits, "LARGEST_BODY", 1000)
    pieces = [_part(b" " * 600), _part(b" " * 600), _part(b"", False)]
    headers = {} if stated is None else {"content-length": stated}
    status, head, body = _driven(app, _stream(pieces), **headers)
    assert (status, body["code"], head["connection"]) == (413, "body_too_large", "close")


def test_a_refused_body_is_not_kept_in_memory(
    app: Starlette, monkeypatch: pytest.MonkeyPatch
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


def test_a_body_that_never_ends_is_given_up(app: Starlette) -> None:
    app.state.settings = Settings(body_seconds=0.05)
    try:
        status, head, body = _driven(app, _stream([_part(b'{"records"')]))
        lying = _driven(app, _stream([_part(b"{}")]), **{"content-length": "500"})
    finally:
        app.state.settings = Settings()
    assert (status, body["code"], head["connection"]) == (408, "body_timeout", "close")
    assert lying[2]["code"] == "body_timeout"


def test_a_client_that_goes_away_is_no_failure_of_ours(app: Starlette) -> None:
    gone = [_part(b"{"), {"type": "http.disconnect"}]
    assert _driven(app, _stream(gone))[2]["code"] == "client_gone"


def test_a_body_of_brackets_is_refused_before_it_is_parsed(app: Starlette) -> None:
    raw = b'{"records": [' + b"{}," * 500_000 + b"{}]}"
    assert refused(post(app, SCORE, raw))[:2] == (413, "body_too_large")
