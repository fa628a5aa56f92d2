"""The pages over HTTP: lists page, filter and sort; sessions open them; nothing is said in code."""

from __future__ import annotations

import csv
import html
import io
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook
from starlette.testclient import TestClient

from serving.i18n.languages import LANGUAGES, translations
from serving.i18n.lazy_text import lazy, translated
from serving.store.store import Store
from serving.web import session
from serving.web.csv import head, lines
from serving.web.lists import LISTINGS, MENU
from serving.web.messages import required
from serving.web.query import ListColumn, read
from serving.web.spreadsheet import workbook
from serving.web.standalone import write_pages
from tests.helpers import trained
from tests.helpers.desked import NOW, app_of, filled, made

PAGES = [path for path, _ in MENU]

HERE: dict[str, Any] = {"base_url": "http://localhost", "client": ("127.0.0.1", 5000)}
"""How a browser on this machine asks."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store is."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def store(folder: Path) -> Any:
    """A store with every sheet."""
    opened = filled(folder)
    yield opened
    opened.close()


@pytest.fixture
def client(store: Store, folder: Path) -> TestClient:
    """A reader on this machine, before any key exists."""
    return TestClient(
        app_of(store, folder),
        base_url="http://localhost",
        client=("127.0.0.1", 5000),
        follow_redirects=False,
    )


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_in_every_language(client: TestClient, path: str, lang: str) -> None:
    answer = client.get(path, headers={"accept-language": lang})
    assert answer.status_code == 200
    assert f'<html lang="{lang}">' in answer.text
    title = dict(MENU)[path]
    assert f"<title>{html.escape(translations(lang).gettext(title))} · Embudo" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("kind", LISTINGS)
def test_a_list_is_the_sheet_page_by_page(client: TestClient, kind: str) -> None:
    sheet = next(s for s in made() if s.kind == kind)
    if not sheet.items:
        assert html.escape(str(sheet.head["empty"])) in client.get(f"/{kind}").text
        return
    rows = list(csv.DictReader(io.StringIO(client.get(f"/{kind}.csv").text.lstrip("\ufeff"))))
    assert len(rows) == len(sheet.items)
    last = -(-len(sheet.items) // 50)
    shown = sum(_rows(client.get(f"/{kind}?page={p}").text) for p in range(1, last + 1))
    assert shown == len(sheet.items)
    beyond = client.get(f"/{kind}?page={last + 1}")
    assert beyond.status_code == 200
    final = client.get(f"/{kind}?page={last}")
    assert _rows(beyond.text) == _rows(final.text) > 0, "beyond the end stands the last page"
    assert f"page {last + 1} of" not in beyond.text


def _rows(page: str) -> int:
    """Rows of the list itself: its table is the one whose caption is for screen readers."""
    part = page.split('<caption class="hidden">')
    return part[1].split("</table>")[0].count("<tr") - 1 if len(part) > 1 else 0


def test_filters_and_sorting_are_links_and_forms(client: TestClient) -> None:
    rows = list(csv.DictReader(io.StringIO(client.get("/pipeline.csv?sort=amount").text[1:])))
    amounts = [float(r["amount"]) for r in rows if r["amount"]]
    assert amounts == sorted(amounts)
    owner = rows[0]["owner"]
    mine = list(csv.DictReader(io.StringIO(client.get(f"/pipeline.csv?owner={owner}").text[1:])))
    assert {r["owner"] for r in mine} == {owner}
    assert len(mine) == sum(r["owner"] == owner for r in rows)
    page = client.get("/pipeline?sort=amount&dir=down").text
    assert 'aria-sort="descending"' in page
    assert client.get("/pipeline?q=%3Cscript%3E").text.count("<script>") == 0
    assert "No row fits these filters" in client.get("/pipeline?q=zzzz").text


def test_a_record_shows_its_score_its_reasons_and_its_health(client: TestClient) -> None:
    (row, *_) = csv.DictReader(io.StringIO(client.get("/pipeline.csv").text[1:]))
    page = client.get("/pipeline").text
    href = re.search(r'href="(/records/deal_close/[^"]+)"', page)
    assert href
    text = client.get(href[1]).text
    assert html.escape(row["name"]) in text
    assert 'class="reasons"' in text and "<svg" in text
    for path in ("/records/deal_close/none", "/records/nothing/1", "/accounts/none", "/nothing/x"):
        assert client.get(path).status_code == 404, path


def test_an_account_plan_is_a_page_and_markdown(client: TestClient) -> None:
    href = re.search(r'href="(/accounts/[^"]+)"', client.get("/accounts").text)
    assert href
    text = client.get(href[1]).text
    for title in ("Next steps", "Risks", "Strengths", "Products", "Last events"):
        assert f"<h2>{title}</h2>" in text
    plan = client.get(f"{href[1]}/plan.md")
    assert plan.text.startswith("# ")
    assert plan.headers["content-type"].startswith("text/markdown")
    spanish = client.get(href[1], headers={"accept-language": "es"}).text
    assert "Próximos pasos" in spanish and "Next steps" not in spanish


def test_reasons_are_told_in_the_reader_s_language(client: TestClient) -> None:
    href = re.search(r'href="(/records/deal_close/[^"]+)"', client.get("/pipeline").text)
    assert href
    english, italian = (
        re.findall(
            r"<span>([^<]+ \([^<]+\))", client.get(href[1], headers={"accept-language": x}).text
        )
        for x in ("en", "it")
    )
    assert len(english) == len(italian) >= 1
    assert all("the chance" in said for said in english)
    assert all("probabilità" in said for said in italian)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_lists_stand_alone_as_files(store: Store, tmp_path: Path, lang: str) -> None:
    paths = write_pages(store, tmp_path, lang)
    assert [p.stem for p in paths] == list(LISTINGS)
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text and "<form" not in text and "<link" not in text
        assert 'href="/' not in text
        assert "default-src 'none'" in html.unescape(text)
        sheet = store.sheets.newest(path.stem)
        assert sheet is not None
        assert _rows(text) == sheet.total, "no row is left out without a word"


def test_without_sheets_or_store_pages_say_what_to_do(tmp_path: Path) -> None:
    from serving.store.store import open_store  # noqa: PLC0415

    empty = open_store(f"sqlite:///{tmp_path / 'empty.db'}")
    client = TestClient(app_of(empty, tmp_path), **HERE)
    for kind in LISTINGS:
        assert "Run make desk" in client.get(f"/{kind}").text
    assert "Run make forecast" in client.get("/forecast").text
    empty.close()
    bare = TestClient(app_of(None, tmp_path), **HERE)
    assert bare.get("/").status_code == 200
    assert bare.get("/calls").status_code == 503


def test_keys_close_the_pages_and_a_session_opens_them(tmp_path: Path) -> None:
    from serving.store.store import open_store  # noqa: PLC0415

    store = open_store(f"sqlite:///{tmp_path / 'keys.db'}")
    key, token = store.keys.create("desk", ["read"], NOW)
    _, other = store.keys.create("crm", ["score"], NOW)
    client = TestClient(
        app_of(store, tmp_path),
        base_url="http://localhost",
        client=("127.0.0.1", 5000),
        follow_redirects=False,
    )
    refused = client.get("/calls?q=a")
    assert refused.status_code == 303
    assert refused.headers["location"] == "/sign-in?next=%2Fcalls%3Fq%3Da"
    assert client.get("/calls.csv").status_code == 401
    for wrong in ("nonsense", token[:-1] + ("0" if token[-1] != "0" else "1"), other):
        assert client.post("/sign-in", data={"key": wrong}).status_code == 403
    cross = {"sec-fetch-site": "cross-site"}
    assert client.post("/sign-in", data={"key": token}, headers=cross).status_code == 403
    entered = client.post("/sign-in", data={"key": token, "next": "/calls?q=a"})
    assert entered.headers["location"] == "/calls?q=a"
    cookie = entered.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and token not in cookie
    assert client.get("/calls").status_code == 200
    forged = client.cookies["embudo"][:-1] + ("0" if client.cookies["embudo"][-1] != "0" else "1")
    stranger = TestClient(client.app, **HERE, follow_redirects=False)
    stranger.cookies.set("embudo", forged)
    assert stranger.get("/calls").status_code == 303
    store.keys.revoke(key.id, NOW)
    again = TestClient(
        app_of(store, tmp_path),
        base_url="http://localhost",
        client=("127.0.0.1", 5000),
        follow_redirects=False,
    )
    again.cookies.set("embudo", client.cookies["embudo"])
    assert again.get("/calls").status_code == 303
    store.close()


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/calls?q=a", "/calls?q=a"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("calls", "/"),
        ("/a\nb", "/"),
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(target: str, path: str) -> None:
    assert session.own_path(target) == path


@given(st.dictionaries(st.sampled_from(["q", "owner", "word", "sort", "dir", "page"]), st.text()))
@settings(max_examples=100, deadline=None)
def test_any_address_is_read_and_its_links_lead_back_to_it(given_: dict[str, str]) -> None:
    columns = (ListColumn("a", "A", "first", "money"), ListColumn("b", "B"))
    query = read("/x", given_, columns)
    assert query.sort in ("", "first")
    assert 1 <= query.page <= 100_000
    address = query.link()
    from urllib.parse import parse_qsl, urlsplit  # noqa: PLC0415

    assert read("/x", dict(parse_qsl(urlsplit(address).query)), columns) == query


@given(st.lists(st.dictionaries(st.just("a"), st.text() | st.floats() | st.none()), max_size=5))
@settings(max_examples=80, deadline=None)
def test_a_csv_opens_without_running_anything(rows: list[dict[str, Any]]) -> None:
    columns = (ListColumn("a", "A"),)
    text = (head(columns) + lines(columns, rows)).decode("utf-8-sig")
    read_back = list(csv.reader(io.StringIO(text)))
    assert len(read_back) >= 1
    for row, cells in zip(rows, read_back[1:], strict=False):
        if isinstance(row.get("a"), str) and cells:
            assert not cells[0].startswith(("=", "+", "-", "@"))


@given(st.lists(st.dictionaries(st.just("a"), st.text() | st.floats() | st.none()), max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_workbook_holds_what_the_rows_hold(rows: list[dict[str, Any]]) -> None:
    """Texts as they are, never a formula; numbers as numbers; what is missing stays empty."""
    made = workbook((ListColumn("a", "A"),), rows, "calls", "2026-01-01")
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(made)).get_sheet_by_name("calls 2026-01-01")
    held = [line[0] for line in sheet.to_python()[1:]] + [""] * len(rows)
    for row, cell in zip(rows, held, strict=False):
        value = row.get("a")
        if isinstance(value, float) and math.isfinite(value):
            assert cell == pytest.approx(value, rel=1e-12)
        elif isinstance(value, str) and value.isprintable():
            assert str(cell) == value
        elif not isinstance(value, str):
            assert cell == ""


def test_the_workbook_of_a_list_has_the_rows_of_its_csv(client: TestClient) -> None:
    answer = client.get("/pipeline.xlsx?sort=amount&dir=down")
    rows = list(
        csv.DictReader(io.StringIO(client.get("/pipeline.csv?sort=amount&dir=down").text[1:]))
    )
    assert 'filename="pipeline-2026-01-01.xlsx"' in answer.headers["content-disposition"]
    read_back = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0)
    first, *others = read_back.to_python()
    assert first == list(rows[0]) and len(others) == len(rows)
    ids = first.index("deal_id")
    assert [str(line[ids]) for line in others] == [row["deal_id"] for row in rows]


def test_a_sentence_is_put_into_a_language_when_it_is_read() -> None:
    said = lazy("the term ends in {days} days; {leave_share} to leave", days=12, leave_share=0.0375)
    assert str(said) == "the term ends in 12 days; 4 % to leave"
    spanish = translated(said.to_json(), "es", translations("es").gettext)
    assert spanish == "el plazo termina en 12 días; 4 % de irse"


def test_sentences_of_the_lists_are_among_the_words_to_translate() -> None:
    texts = required()
    for said in ("nothing is pressing", "agree the renewal", "the term ends in {days} days"):
        assert said in texts, said


def test_no_event_of_a_plan_is_blank_and_no_offer_is_below_the_usual_share(
    client: TestClient,
) -> None:
    accounts = next(s for s in made() if s.kind == "accounts")
    events = [event for item in accounts.items for event in item.body["history"]]
    assert events
    assert all(event["kind"] for event in events)
    offers = [offer for item in accounts.items for offer in item.body["offers"]]
    assert offers
    assert all(offer["chance"] > offer["usual"] for offer in offers)
    markdown = str(accounts.items[0].body["markdown"]).split("## Last events")[1]
    assert not re.search(r"^- \d{4}-\d\d-\d\d *$", markdown, re.MULTILINE)
    page = client.get(f"/accounts/{accounts.items[0].id}").text
    assert not re.search(r"</time>\s*</li>", page)


def test_every_row_has_a_name_and_every_download_an_id(client: TestClient) -> None:
    for kind, key in (("calls", "id"), ("pipeline", "deal_id"), ("accounts", "account_id")):
        answer = client.get(f"/{kind}.csv")
        rows = list(csv.DictReader(io.StringIO(answer.text[1:])))
        assert rows
        assert all(row[key] and row["name"] for row in rows), kind
        assert "2026-01-01" in answer.headers["content-disposition"]


def test_owners_stand_by_name_and_money_with_its_currency(client: TestClient) -> None:
    pipeline = next(s for s in made() if s.kind == "pipeline")
    owner = next(item.owner for item in pipeline.items if item.owner)
    page = client.get("/pipeline").text
    assert html.escape(pipeline.head["owners"][owner]) in page
    assert f"· {pipeline.head['currency']}" in page


def test_a_record_compares_with_the_share_of_past_outcomes(client: TestClient) -> None:
    bands = trained.once().bundle.track_record.bands
    share = sum(b.happened for b in bands) / sum(b.n for b in bands)
    href = re.search(r'href="(/records/deal_close/[^"]+)"', client.get("/pipeline").text)
    assert href
    assert f">{100 * share:.1f} %<" in client.get(href[1]).text


def test_pages_hold_the_drawings_of_the_reports(client: TestClient) -> None:
    """The funnel's stages lead to their rows; a model's quality is said in one sentence."""
    pipeline = next(s for s in made() if s.kind == "pipeline")
    page = client.get("/pipeline").text
    assert "Open deals by stage" in page and "<svg" in page
    for stage in pipeline.head["funnel"]:
        rows = client.get("/pipeline.csv", params={"word": stage["stage"]}).text
        assert len(list(csv.DictReader(io.StringIO(rows[1:])))) == stage["deals"]
    models = client.get("/models").text
    base = trained.once().bundle.metrics["pr_auc"]["baseline"]
    assert f"of all cases, {100 * base:.0f} %" in models
    assert models.count("<svg") == 1


def test_what_is_written_on_a_page_is_kept_audited_and_shown(
    client: TestClient, store: Store
) -> None:
    """A note on a record, a goal of an account, a call put off, an owner's own forecast."""
    calls = next(s for s in made() if s.kind == "calls")
    one = calls.items[0]
    record = f"/records/{one.word}/{one.about}"

    def write(**form: str) -> Any:
        return client.post("/work", data={"next": record, **form})

    about = {"entity": one.entity, "id": one.about}
    answer = write(**about, kind="note", note="budget approved <b>")
    assert (answer.status_code, answer.headers["location"]) == (303, record)
    assert "budget approved &lt;b&gt;" in client.get(record).text
    (row, *_) = store.audit.of(store.subject(one.entity, one.about))
    assert (row.action, row.detail) == ("feedback", {"kind": "note"})
    assert write(**about, kind="snooze").status_code == 303
    assert '<span class="flag">snoozed</span>' in client.get("/calls").text
    api = client.get("/v1/feedback", params=about).json()["feedback"]
    said = {f["kind"]: f["value"] for f in api}
    assert said == {"note": None, "snooze": {"until": NOW + 7 * 86_400_000_000}}
    account = next(s for s in made() if s.kind == "accounts").items[0].id
    goal = {"entity": "accounts", "id": account, "kind": "goal", "measure": "mrr"}
    assert write(**goal, target="900", due="2026-06-30").status_code == 303
    assert "900" in client.get(f"/accounts/{account}").text.split("Notes and answers")[1]
    owner = {"entity": "owners", "id": "O1", "kind": "call", "period": "2026-Q1"}
    assert write(**owner, amount="12000").status_code == 303


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"entity": "deals", "id": "D1", "kind": "outcome"}, 422),
        ({"entity": "deals", "id": "D1", "kind": "note", "note": " "}, 422),
        ({"entity": "deals", "id": "D1", "kind": "snooze", "until": "soon"}, 422),
        ({"entity": "accounts", "id": "A1", "kind": "goal", "measure": "fun"}, 422),
        ({"entity": "owners", "id": "O1", "kind": "call", "period": "Q", "amount": "nan"}, 422),
        ({"entity": "accounts", "id": "A1", "kind": "owner", "to": "O1"}, 422),
        ({"entity": "planets", "id": "A1", "kind": "done"}, 422),
    ],
)
def test_a_form_that_says_nothing_is_refused(
    client: TestClient, form: dict[str, str], status: int
) -> None:
    assert client.post("/work", data=form).status_code == status


def test_a_form_of_another_site_changes_nothing(client: TestClient) -> None:
    form = {"entity": "deals", "id": "D1", "kind": "done"}
    headers = {"sec-fetch-site": "cross-site"}
    assert client.post("/work", data=form, headers=headers).status_code == 403


def test_every_move_and_every_expected_number_leads_to_its_rows(client: TestClient) -> None:
    head = next(s for s in made() if s.kind == "pipeline").head
    for move in head["movement"]:
        rows = client.get("/moves.csv", params={"word": move["kind"]}).text
        assert len(list(csv.DictReader(io.StringIO(rows[1:])))) == move["deals"]
    open_, _, any_date, quarter = (row["value"] for row in head["expectations"])
    assert (open_, any_date) == (head["value"], head["expected"])
    assert 0 < quarter <= any_date <= open_
    page = client.get("/pipeline").text
    assert page.count("<svg") == 2, "the funnel and the value by week"


def test_today_names_ten_things_of_every_kind_with_their_reason(client: TestClient) -> None:
    calls = next(s for s in made() if s.kind == "calls")
    page = client.get("/").text
    first = page.split('<ol class="first">')[1].split("</ol>")[0]
    assert first.count("<li>") == min(10, len(calls.items)) == len(calls.head["first"])
    assert "association" in first
