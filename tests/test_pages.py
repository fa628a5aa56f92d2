"""Numbers read well, ticks are round, drawings are honest, a page stands alone."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.charts import numbers
from training.charts.dates import date_axis, day_text, month_text
from training.charts.page import Figure, Page, PageTable, Section, render
from training.charts.plot import LegendEntry, Plot, apart
from training.charts.rows import Line, Row, bars, intervals, waterfall
from training.charts.scales import Axis, places_of, reach, ticks
from training.charts.svg import clip

finite = st.floats(-1e6, 1e6)
NAN = math.nan


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (numbers.percent(0.265), "26\u00a0%"),
        (numbers.percent(0.0265), "2.6\u00a0%"),
        (numbers.percent(0.0), "0\u00a0%"),
        (numbers.whole_percent(0.0005), "0.05\u00a0%"),
        (numbers.whole_percent(0.3), "30\u00a0%"),
        (numbers.rough(0.11111), "0.111"),
        (numbers.rough(3921.4), "3,921"),
        (numbers.rough(9.0), "9"),
        (numbers.many(1, "column"), "1 column"),
        (numbers.percent(NAN), "–"),
        (numbers.decimal(-0.004, 2), "0.00"),
        (numbers.decimal(-1234.5, 1), "−1,234.5"),
        (numbers.signed(0.5), "+0.50"),
        (numbers.signed(-0.5), "−0.50"),
        (numbers.signed(0.001), "0.00"),
        (numbers.points(0.063), "+6.3"),
        (numbers.span(0.8, NAN), "–"),
        (numbers.percents(0.241, 0.289), "24 to 29\u00a0%"),
        (numbers.percents(0.241, 0.255), "24.1 to 25.5\u00a0%"),
        (numbers.share_within(0.26, 0.2, 0.3), "26\u00a0% (20 to 30\u00a0%)"),
        (numbers.within(0.82, 0.8, 0.84), "0.82 (0.80 to 0.84)"),
        (numbers.typeset("gain (-0.1 to 0.2) on 2024-01-02"), "gain (−0.1 to 0.2) on 2024-01-02"),
        (numbers.compact(3_400_000), "3.4M"),
        (numbers.compact(20_000), "20k"),
        (numbers.compact(1500), "1,500"),
        (month_text(19_723), "Jan 24"),
        (day_text(19_727), "5 Jan"),
    ],
)
def test_numbers_as_people_read_them(said: str, words: str) -> None:
    assert said == words


@given(finite, finite)
def test_ticks_are_round_rising_and_inside(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    found = ticks(low, high)
    if high - low < 1e-6:
        return
    room = (high - low) * 1e-6
    assert all(low - room <= t <= high + room for t in found)
    steps = {round((y - x) / (high - low), 6) for x, y in pairwise(found)}
    assert len(steps) <= 1 and 1 <= len(found) <= 13


@given(st.floats(0, 30_000), st.floats(1, 20_000))
def test_dates_under_an_axis_are_few_and_inside(low: float, width: float) -> None:
    axis = date_axis("date", low, low + width)
    assert all(axis.low <= t <= axis.high for t in axis.marks())
    assert len(axis.marks()) <= 9


@given(st.lists(st.floats(0, 100), max_size=6))
def test_labels_are_pushed_apart_and_keep_their_order(places: list[float]) -> None:
    moved = apart(places, 10, 0, 100)
    order = sorted(range(len(places)), key=lambda i: places[i])
    gaps = [moved[b] - moved[a] for a, b in pairwise(order)]
    assert all(g >= 10 - 1e-9 for g in gaps)
    assert all(-1e-9 <= m <= 100 + 1e-9 for m in moved)


def test_an_axis_of_one_value_puts_it_in_the_middle() -> None:
    assert Axis("", 3, 3).scale(0, 10)(3) == 5
    assert Axis("", 0, 2).scale(10, 0)(0.5) == 7.5
    assert [places_of(ticks(0, top)) for top in (0.2, 0.5, 3, 50)] == [2, 1, 0, 0]
    axis = reach([NAN, 1, 3], floor=0)
    assert axis.low == 0 and axis.high > 3


def test_words_are_cut_to_a_width() -> None:
    assert clip("short", 100) == "short"
    assert clip("a very long name indeed", 70).endswith("…")


def _drawn(svg: str) -> ElementTree.Element:
    """The drawing as XML: well formed, named, with a box, and without a number that is none."""
    tree = ElementTree.fromstring(svg)  # our own text
    assert tree.get("role") == "img" and tree.get("viewBox")
    ids = tree.get("aria-labelledby", "").split()
    assert [tree[0].get("id"), tree[1].get("id")] == ids and tree[0].text and tree[1].text
    assert not re.search(r"\b(nan|inf)\b", svg)
    return tree


def _count(tree: ElementTree.Element, css: str) -> int:
    return sum(css in str(node.get("class")).split() for node in tree.iter())


def test_a_value_that_is_not_known_is_not_drawn() -> None:
    rows = [Row("a", 0.2, 0.1, 0.3), Row("b", NAN, NAN, NAN), Row("<&>", 0.4)]
    tree = _drawn(intervals(rows, Axis("share", 0, 1), "x", "X", "said", [Line(0.5, "all")]))
    assert _count(tree, "dot") == 2 and _count(tree, "wide") == 1
    assert "<&>" in [t.text for t in tree.iter("text")]
    plot = Plot(Axis("x", 0, 1), Axis("y", 0, 1), [LegendEntry("model", "ours")])
    plot.line([0, 0.3, NAN, 0.6, 1], [0, 1, NAN, 0, 1], "model")
    plot.dots([0.5, NAN], [0.5, 0.5], "seen", [0.4, NAN], [0.6, NAN])
    tree = _drawn(plot.done("plot", "Plot", "said"))
    lines = [n for n in tree.iter("path") if n.get("class") == "line model"]
    assert len(lines) == 2, "the line breaks where a point is unknown"
    assert _count(tree, "stem") == 1


def test_a_value_beyond_the_paper_is_an_arrow() -> None:
    rows = [Row("near", 0.5, 0.4, 0.6), Row("far", 7.0, 6.0, 8.0)]
    tree = _drawn(intervals(rows, Axis("gain", 0, 1), "x", "X", "said"))
    assert _count(tree, "beyond") == 1 and _count(tree, "dot") == 1


def test_a_waterfall_ends_where_its_steps_lead() -> None:
    steps = [Row("up", 0.3, css="up"), Row("down", -0.1, css="down")]
    axis = Axis("p", 0, 1)
    svg = waterfall(("start", 0.2, "20 %"), steps, ("end", 0.4, "40 %"), axis, "w", "W", "said")
    tree = _drawn(svg)
    links = [float(n.get("x1", "")) for n in tree.iter("line") if n.get("class") == "link"]
    ends = [float(n.get("cx", "")) for n in tree.iter("circle")]
    assert links[-1] == pytest.approx(ends[-1], abs=0.1) and links[0] == ends[0]
    _drawn(bars(steps, Axis("size", -1, 1), "b", "B", "said"))


def _page() -> Page:
    table = PageTable(["Name", "Share"], [["<i>a</i>", "1 %\n0 to 2 %"]], caption="Shares")
    svg = bars([Row("a", 1.0)], Axis("x", 0, 1), "bar", "Bar", "one bar")
    section = Section(
        "one", "One", "Why?", ["<script>x</script>"], figures=[Figure("F", svg, "r", table)]
    )
    return Page("kicker", "A & B", "first", [("1", "one", "")], [section], ["end"])


def test_a_page_escapes_what_it_is_given_and_fetches_nothing() -> None:
    html = render(_page())
    assert "<script" not in html and "&lt;script&gt;" in html and "A &amp; B" in html
    assert "&lt;i&gt;a&lt;/i&gt;" in html and "<small>0 to 2 %</small>" in html
    assert "default-src 'none'" in html
    for outside in ("http://", "https://", "url(", "@import", "src="):
        assert outside not in html.replace("default-src", ""), outside
    assert html == render(_page()), "the same page twice is the same file"
