"""The pages as a reader sees them, in a real browser: wide and narrow, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.tables import DAY, NAT
from serving.scoring.scorer import Scorer
from serving.web.record.page import record_page
from tests.helpers.forecasted import company, outcome, recurring
from tests.helpers.forecasted import history as history_of_forecasts
from tests.helpers.histories import START, history
from tests.helpers.reported import subject
from tests.helpers.scored import bundle_of
from training.forecast.planning.capacity import CapacitySettings
from training.forecast.publish.outputs import outputs
from training.reports.forecast.forecast_report import forecast_report
from training.reports.model.page import model_page

CHROMIUM = Path("/usr/bin/chromium")
if not CHROMIUM.exists():
    pytest.skip(
        f"{CHROMIUM} is not installed; apt-get install chromium to look at the pages",
        allow_module_level=True,
    )
api = pytest.importorskip("playwright.sync_api", reason="playwright is in the dev extra")

ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
]
LOOKS = [(1280, "light"), (1280, "dark"), (400, "light"), (400, "dark")]

CONTRAST = """
() => {
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = c => {
    const [r, g, b] = c.slice(0, 3).map(v => v / 255)
      .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = rgb(getComputedStyle(document.body).backgroundColor);
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const at = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !at.getClientRects().length) continue;
    const style = getComputedStyle(at);
    const colour = rgb(at.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(colour), light(ground)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push([at.textContent.slice(0, 40), at.getAttribute('class'), ratio]);
  }
  return poor;
}
"""

DRAWN = """
() => {
  const wrong = [];
  for (const svg of document.querySelectorAll('svg')) {
    const box = svg.viewBox.baseVal, named = svg.querySelector('title').textContent;
    const seen = [];
    for (const text of svg.querySelectorAll('text')) {
      const b = text.getBBox();
      if (b.x < -3 || b.x + b.width > box.width + 3 || b.y < -3 || b.y + b.height > box.height + 3)
        wrong.push([named, 'outside', text.textContent]);
      for (const o of seen)
        if (b.x < o.x + o.width - 1 && o.x < b.x + b.width - 1 &&
            b.y < o.y + o.height - 4 && o.y < b.y + b.height - 4)
          wrong.push([named, 'over another', text.textContent]);
      seen.push(b);
    }
  }
  return wrong;
}
"""


def _invoices() -> str:
    tables = company()
    tables.tables.pop("deals")
    found = outputs(tables, recurring(), None, CapacitySettings())
    return forecast_report(found, history_of_forecasts("recurring"), {})


def _record() -> str:
    for seed in range(20):
        tables = history(seed, 20)
        scorer, cutoff = Scorer(bundle_of("deals", tables)), START + 45 * DAY
        unknown, unborn, closed = scorer.standing(tables["deals"], cutoff)
        rows = np.flatnonzero(~unknown & ~unborn & ~closed)
        if len(rows):
            key = str(tables["deals"].coded("deal_id").words()[rows[0]])
            return record_page(scorer, tables, key, cutoff)
    raise AssertionError(f"no open deal in any history before {NAT}")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages as files, by name."""
    folder = tmp_path_factory.mktemp("pages")
    made = {
        "flat": model_page(subject()),
        "dated": model_page(subject(True)),
        "record": _record(),
        "forecast": forecast_report(outcome(), history_of_forecasts(), {"O1": "Ana Ruiz"}),
        "invoices": _invoices(),
    }
    for name, html in made.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all looks."""
    with api.sync_playwright() as play:
        made = play.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield made
        made.close()


@pytest.mark.parametrize("name", ["flat", "dated", "record", "forecast", "invoices"])
@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_a_page_opens_and_can_be_read(
    browser: Any, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    said: list[str] = []
    fetched: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url))
    page.goto(pages[name].as_uri())
    assert said == []
    assert [u for u in fetched if not u.startswith("data:")] == [pages[name].as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("h1").count() == 1 and page.locator("h2").count() >= 5
    assert page.locator("figure svg").count() >= 4
    assert page.locator("script").count() == 0
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate(DRAWN) == []
    page.close()


def test_every_drawing_has_a_name_for_those_who_cannot_see_it(
    browser: Any, pages: dict[str, Path]
) -> None:
    page = browser.new_page()
    page.goto(pages["dated"].as_uri())
    for svg in page.locator("svg").all():
        named = [page.locator(f"#{i}") for i in svg.get_attribute("aria-labelledby").split()]
        assert all(n.count() == 1 and n.text_content() for n in named)
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(h => Number(h.tagName[1]))")
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels)), "no level is skipped"
    page.close()


def test_a_page_prints_without_its_navigation(
    browser: Any, pages: dict[str, Path], tmp_path: Path
) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(pages["dated"].as_uri())
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)", "paper is white even where the screen is dark"
    page.emulate_media(media="print", color_scheme="light")
    page.pdf(path=str(tmp_path / "page.pdf"), format="A4")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    page.close()
