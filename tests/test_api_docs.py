"""docs/integration.md is true: its requests are accepted, its table holds every code."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from features.tables import DAY, Meta
from serving.app import make_app
from serving.http import VERSION
from serving.http.codes import CODES
from serving.http.openapi.operations import operations
from serving.scoring.isolation import Reader
from tests.helpers.api import HOUR, NOW, Clock, call, desks, nightly, score_row, served

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "integration.md").read_text(encoding="utf-8")
SECRET = "a-client-secret"
PATHS = {"leads", "deals", "accounts"}


def _commands() -> list[list[str]]:
    """The words of every curl command of the page."""
    text = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.S)).replace("\\\n", " ")
    return [shlex.split(c[2:]) for c in re.split(r"^(?=\$ )", text, flags=re.M) if "curl" in c]


def _request(words: list[str], known: dict[str, str]) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, path, body and headers of a curl command, its variables filled in."""
    method, body, headers, url = "", b"", {}, ""
    rest = iter(words[1:])
    for word in rest:
        if word == "-X":
            method = next(rest)
        elif word == "-d":
            body = next(rest).encode()
        elif word == "-H":
            name, _, value = next(rest).partition(": ")
            headers[name] = re.sub(r"\$(\w+)", lambda m: known[m[1]], value)
        elif not word.startswith("-"):
            url = word.removeprefix("$EMBUDO")
    return method or ("POST" if body else "GET"), url, body, headers


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("docs")
    with served(folder, entities=("deals",), hubspot_secret=SECRET) as made:
        nightly(made.state.store, "deals", [score_row("D-2044")], NOW - DAY, NOW - HOUR)
        yield made


def test_every_documented_request_is_accepted(app: Any) -> None:
    keys = app.state.store.keys
    known = {"KEY": keys.create("crm", ("score", "read"), NOW)[1]}
    known |= {"ADMIN": keys.create("admin", ("admin",), NOW)[1], "MILLISECONDS": str(NOW // 1000)}
    seen = []
    for words in _commands():
        if any("$SIGNATURE" in word for word in words):
            raw = next(w for w in words if w.startswith("[{")).encode()
            said = (
                b"POSThttp://localhost/v1/webhooks/hubspot" + raw + known["MILLISECONDS"].encode()
            )
            digest = hmac.new(SECRET.encode(), said, hashlib.sha256).digest()
            known["SIGNATURE"] = base64.b64encode(digest).decode()
        method, path, body, headers = _request(words, known)
        answer = call(app, method, path, content=body, headers=headers)
        assert answer.status_code in (200, 201), f"{words}: {answer.text}"
        for result in answer.json().get("results", []):
            assert "probability" in result, result
        seen.append((method, path.partition("?")[0]))
    assert len(seen) == 11 and len({path for _, path in seen}) >= 8


def test_the_table_holds_every_code_as_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\d{3}) \| (.*?) \| (.*?) \|$", PAGE, re.M)
    said = {code: (int(status), title, action) for code, status, title, action in rows}
    assert said == {name: (c.status, c.title, c.action) for name, c in CODES.items()}


def test_every_path_is_in_the_page() -> None:
    for operation in operations():
        plain = operation.path.replace("{entity_id}", "{id}")
        assert f"`{plain}`" in PAGE, operation.path


def test_what_the_custom_code_action_sends_is_a_record() -> None:
    """The fields of the JavaScript, with values of the kinds it makes."""
    block = re.search(r"records: \[\{deal: \{(.*?)\}\}\]", PAGE, re.S)
    assert block
    names = re.findall(r"^\s+(\w+):", block[1], re.M)
    made = {"deal_id": "1", "created_at": "2023-12-01T00:00:00.000Z", "stage": "x", "amount": 1.5}
    assert names == list(made)
    assert not hasattr(Reader("deals", Meta()).read(0, {"deal": made}), "fault")


def test_the_problem_shown_is_the_problem_answered() -> None:
    shown = orjson.loads(re.findall(r"```json\n(.*?)```", PAGE, re.S)[0])
    app = make_app(Clock())
    app.state.predictors = desks("deals")
    raw = orjson.dumps({"record": []})
    headers = {"content-type": "application/json", "x-request-id": "call-7"}
    answer = call(app, "POST", "/v1/deals/score", content=raw, headers=headers).json()
    answer["detail"] = answer["detail"].partition(" (and")[0]
    assert answer == shown


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_the_page_of_the_service_loads_nothing_from_elsewhere() -> None:
    answer = call(make_app(Clock()), "GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"(?:src|href|action)=[\"']?(?:https?:)?//", answer.text)
