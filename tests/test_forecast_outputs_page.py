"""The forecast's page: what people read, on a forecast made by hand; and the words in a terminal.

The golden text is what a reader sees; ``EMBUDO_GOLDEN=write`` writes it anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.forecasted import ORIGIN, OWNERS, company, history, made, outcome, recurring
from tests.helpers.reading import text_of
from training.charts.page import Figure, Page
from training.forecast.backtest.forecast_record import ForecastRecord
from training.forecast.planning.capacity import CapacitySettings
from training.forecast.publish.outputs import ForecastOutputs, outputs
from training.forecast.publish.text import to_text
from training.reports.forecast.forecast_report import forecast_report, page_of
from training.reports.forecast.forecast_subject import ForecastSubject, chance, period_name

GOLDEN = Path(__file__).parent / "golden" / "forecast.txt"
NAMES = {"O1": "Ana Ruiz", "O2": "Bo <b>Li</b>"}
NOTHING = ForecastRecord(*(pd.DataFrame(),) * 5)


def page(found: ForecastOutputs, record: ForecastRecord | None = None) -> Page:
    """The page of some outputs."""
    return page_of(ForecastSubject(found, history() if record is None else record, NAMES))


def figures(of: Page) -> list[Figure]:
    """Every drawing of a page."""
    return [figure for section in of.sections for figure in section.figures]


def empty() -> ForecastRecord:
    """A record of nothing yet."""
    full = history()
    frames = (full.actuals, full.predicted, full.kept, full.backtest, full.weeks)
    actuals, said, kept, backtest, weeks = (f.iloc[:0] for f in frames)
    return ForecastRecord(actuals, said, kept, backtest, weeks)


def test_the_page_reads_as_it_did() -> None:
    text = text_of(forecast_report(outcome(), history(), NAMES))
    if os.environ.get("EMBUDO_GOLDEN") == "write":
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_every_section_is_there_and_every_drawing_has_its_numbers() -> None:
    of = page(outcome())
    anchors = [s.anchor for s in of.sections]
    assert anchors == [
        *("ahead", "parts", "targets", "groups", "changed", "deals", "record", "people", "basis")
    ]
    html = forecast_report(outcome(), history(), NAMES)
    names = re.findall(r'<svg[^>]*aria-labelledby="([^"]*)"', html)
    assert len(set(names)) == len(names) == len(figures(of))
    for figure in figures(of):
        assert figure.table is not None and figure.table.rows
        assert {len(row) for row in figure.table.rows} == {len(figure.table.head)}
    assert "<b>Li" not in html and "<D1>" not in html, "words of the data are no markup"
    assert "nan" not in text_of(html).split()


def test_the_waterfall_begins_and_ends_where_it_says() -> None:
    of = page(outcome())
    section = next(s for s in of.sections if s.anchor == "changed")
    assert [f.title for f in section.figures] == [
        "Open deals dated into the period",
        "What is expected of the bookings",
    ]
    for figure in section.figures:
        assert figure.table is not None
        numbers = [float(row[1].replace(",", "").replace("−", "-")) for row in figure.table.rows]
        assert numbers[0] + sum(numbers[1:-1]) == pytest.approx(numbers[-1], abs=1)
    steps = {row[0] for row in section.figures[0].table.rows} if section.figures[0].table else set()
    assert {"created", "pulled in from a later period", "amount up", "won"} <= steps


def test_a_company_with_invoices_alone_is_told_of_them_alone() -> None:
    tables = company()
    tables.tables.pop("deals")
    found = outputs(tables, recurring(), None, CapacitySettings())
    of = page(found, history("recurring"))
    anchors = [s.anchor for s in of.sections]
    assert anchors == ["ahead", "parts", "changed", "record", "basis"]
    assert of.title.startswith("Q1 2026: recurring revenue of")
    assert "no earlier forecast" in " ".join(of.sections[2].paragraphs)
    assert "deals" not in to_text(found) and "invoiced" in to_text(found)


def test_a_first_forecast_has_no_record_and_says_so() -> None:
    of = page(replace(outcome(), since=None, bridges=()), empty())
    record = next(s for s in of.sections if s.anchor == "record")
    assert "make backtest" in record.paragraphs[0] and not record.figures
    assert figures(of)[0].reading.startswith("Dots: actual values")


def test_no_open_deal_and_no_quota_are_said() -> None:
    like = made()
    deals = like.deals[like.deals["status"] != "open"].reset_index(drop=True)
    nothing = np.empty((0, len(like.periods)))
    bare = replace(like, deals=deals, chances=nothing, expected=nothing, influence=nothing)
    tables = company()
    tables.tables.pop("quotas")
    found = outputs_without_deals(bare)
    assert "no deal is open" in to_text(found)
    of = page(found)
    said = " ".join(p for s in of.sections for p in s.paragraphs)
    assert "No deal is open." in said and "No quota speaks of Q1 2026" in said
    assert "no call" in said and "the target" not in of.title


def outputs_without_deals(bare: object) -> ForecastOutputs:
    """Outputs of a forecast whose company has no quotas."""
    tables = company()
    tables.tables.pop("quotas")
    return outputs(tables, bare, None, CapacitySettings())  # type: ignore[arg-type]


def test_the_terminal_says_the_same() -> None:
    text = to_text(outcome())
    lines = text.splitlines()
    assert lines[0] == "as of 2026-01-15, in EUR; 1 USD = 0.92 (rate of 2026-01-01)"
    row = next(line for line in lines if line.startswith("  2026-Q1")).split()
    goal = outcome().outlook.query("dimension == 'all' and period == '2026-Q1'").iloc[0]
    assert row[1] == "20,000" and row[3] == f"{goal['p50']:,.0f}"
    assert row[6] == f"{goal['target']:,.0f}" and row[7] == f"{100 * goal['chance']:.0f}%"
    assert "2026-Q1 since 2026-01-08 (kept):" in lines
    assert any(line.startswith("note: Amounts are missing on 1 of 6") for line in lines)


def test_chances_are_never_certain_and_periods_have_names() -> None:
    assert [chance(c) for c in (0.0, 0.001, 0.5, 0.999)] == [
        *("0\u00a0%", "< 1\u00a0%", "50\u00a0%", "> 99\u00a0%")
    ]
    names = [period_name(p) for p in made().periods]
    assert names == ["Jan 2026", "Feb 2026", "Mar 2026", "Q1 2026", "Q2 2026"]
    assert set(OWNERS) >= set(NAMES) and made().origin == ORIGIN
