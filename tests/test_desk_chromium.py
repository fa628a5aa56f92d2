"""The pages in a real browser: opened, used by keyboard, narrow and wide, and read by axe."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.web.lists import MENU
from tests.helpers.desked import app_of, filled, served

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(
        f"{CHROMIUM} is not installed; apt-get install chromium to look at the pages",
        allow_module_level=True,
    )
api = pytest.importorskip("playwright.sync_api", reason="playwright is in the dev extra")

AXE = "axe-core@4.14.1"
ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
]
PAGES = [path for path, _ in MENU]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The service with every sheet, on a loopback port."""
    folder = tmp_path_factory.mktemp("desk")
    store = filled(folder)
    with served(app_of(store, folder)) as url:
        yield url
    store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests here."""
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, fetched by npm; skipped where that is not possible, but not in CI."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    got = npm and subprocess.run(
        [npm, "pack", AXE, "--silent"], cwd=folder, capture_output=True, timeout=120, check=False
    )
    archives = list(folder.glob("axe-core-*.tgz"))
    if not got or not archives:
        if os.environ.get("EMBUDO_REQUIRE_AXE"):
            pytest.fail(f"npm could not fetch {AXE}")
        pytest.skip(f"npm is not here or cannot fetch {AXE}")
    with tarfile.open(archives[0]) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode("utf-8")


class Reader:
    """A page, and everything that went wrong on it."""

    def __init__(self, browser: Any, address: str, width: int, **options: Any) -> None:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.page = context.new_page()
        self.address, self.wrong = address, list[str]()
        self.page.on("console", lambda m: self.wrong.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda e: self.wrong.append(str(e)))
        self.page.on("request", self._request)

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:")):
            self.wrong.append(f"asked {request.url}")

    def open(self, path: str) -> Any:
        """Go to a path; it answers 200."""
        answer = self.page.goto(self.address + path)
        assert answer is not None and answer.status == 200, path
        return self.page


def _paths(page: Any) -> list[str]:
    """Every page of the menu, one record and one account."""
    found = list(PAGES)
    for path, start in (("/pipeline", "/records/"), ("/accounts", "/accounts/")):
        page.open(path)
        found.append(page.page.locator(f'tbody a[href^="{start}"]').first.get_attribute("href"))
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, address: str, axe: str, scheme: str) -> None:
    reader = Reader(browser, address, 1280, color_scheme=scheme)
    found = {}
    for path in _paths(reader):
        page = reader.open(path)
        page.evaluate(axe)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        grave = [v for v in result["violations"] if v["impact"] in ("serious", "critical")]
        if grave:
            found[path] = [(v["id"], v["nodes"][0]["html"][:160]) for v in grave]
    assert found == {}
    assert reader.wrong == []


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_is_wider_than_its_window(browser: Any, address: str, width: int) -> None:
    reader = Reader(browser, address, width)
    wide = {}
    for path in _paths(reader):
        page = reader.open(path)
        across = page.evaluate("document.documentElement.scrollWidth")
        if across > width:
            wide[path] = across
    assert wide == {}
    assert reader.wrong == []


def test_a_list_is_used_by_keyboard_alone(browser: Any, address: str) -> None:
    reader = Reader(browser, address, 1280)
    page = reader.open("/pipeline")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    names = page.locator("table").last.locator("tbody th a")  # below the week's moves
    name = names.last.inner_text()
    page.keyboard.type(name)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert names.first.inner_text() == name
    with page.expect_navigation():
        names.first.press("Enter")
    assert page.locator("h1").inner_text() == name


def test_choosing_an_owner_filters_and_sorting_turns_round(browser: Any, address: str) -> None:
    reader = Reader(browser, address, 1280)
    page = reader.open("/pipeline")
    option = page.locator("#owner option").nth(1)
    owner, name = option.get_attribute("value"), option.inner_text().rpartition(" (")[0]
    with page.expect_navigation():
        page.select_option("#owner", owner)
    column = page.locator("thead th", has_text="Owner").last
    place = column.evaluate("th => th.cellIndex")
    cells = page.locator("table").last.locator(f"tbody tr > :nth-child({place + 1})")
    assert set(cells.all_inner_texts()) == {name}
    for order in ("descending", "ascending"):
        with page.expect_navigation():
            page.locator("thead a", has_text="Amount").click()
        sorted_by = page.locator("thead th[aria-sort]").get_attribute("aria-sort")
        assert sorted_by == order


def test_an_arrow_key_stays_and_back_shows_the_filter_applied(browser: Any, address: str) -> None:
    page = Reader(browser, address, 1280).open("/pipeline")
    page.locator("#owner").focus()
    page.keyboard.press("ArrowDown")
    page.wait_for_timeout(200)
    assert page.url.endswith("/pipeline"), "a step through a list asks for nothing (WCAG 3.2.2)"
    assert page.evaluate("document.activeElement.id") == "owner"
    with page.expect_navigation():
        page.get_by_role("button", name="Filter").click()
    assert "owner=" in page.url
    page.go_back()
    assert page.locator("#owner").input_value() == "", "the list below is of all owners"


def test_a_csv_is_downloaded(browser: Any, address: str, tmp_path: Path) -> None:
    reader = Reader(browser, address, 1280, accept_downloads=True)
    page = reader.open("/quality")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    place = tmp_path / "quality.csv"
    download.value.save_as(place)
    assert place.read_text(encoding="utf-8-sig").startswith("kind,table,id,what,why,owner_id")


def test_a_language_is_chosen_and_kept(browser: Any, address: str) -> None:
    reader = Reader(browser, address, 1280)
    page = reader.open("/calls?sort=probability")
    page.get_by_role("link", name="Español").click()
    assert page.url.endswith("/calls?sort=probability")
    assert page.locator("h1").inner_text() == "Lista de llamadas"
    page.get_by_role("link", name="Cuentas").click()
    assert page.locator("h1").inner_text() == "Cuentas"
