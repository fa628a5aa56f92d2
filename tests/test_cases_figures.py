"""Figures over leap days and reopened deals; an owner that is emptied when a lead is given up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features.spine import Spine
from features.tables import Tables, micros
from features.timeline import Timeline
from features.view import View
from serving.analytics.asof.frames import AsOfFrames
from serving.analytics.asof.windows import Window
from serving.analytics.kpis.catalog import FIGURES
from serving.analytics.kpis.definition import Given
from tests.helpers.exports import block, ingested
from training.leaks import audit
from training.task.dataset import question_of

DEALS = """
[export]
as_of = "{as_of}"
currency = "EUR"
[tables.deals]
from = "deals"
[tables.deals.columns]
deal_id = "id"
created_at = "created"
closed_at = "closed"
amount = "amount"
stage = "stage"
outcome = {{ from = "state", values = {{ won = "won", lost = "lost", open = "" }} }}
[fixed]
deals = ["amount"]
"""


def value(tables: Tables, name: str, start: str, end: str, as_of: str = "") -> float:
    """One figure of the days from start up to end."""
    asof = AsOfFrames(tables, micros(f"{as_of or end}T00:00:00+00:00"))
    days = Window(pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC"))
    figure = FIGURES[name]
    return float(figure.estimate(figure.cases(asof, days, Given()), Given()).value)


LEAP = "id,created,closed,amount,stage,state\n" + (
    "D1,2022-12-01,2023-02-28,100,s,won\nD2,2022-12-01,2023-03-01,100,s,won\n"
    "D3,2023-12-01,2024-02-28,100,s,won\nD4,2023-12-01,2024-02-29,300,s,won\n"
    "D5,2023-12-01,2024-03-01,100,s,won\nD6,2022-12-01,2023-02-10,50,s,won\n"
    "D7,2023-12-01,2024-02-10,50,s,won\nD9,2024-02-29,,10,s,open\n"
)


def test_a_leap_day_has_its_bookings_and_a_year_before(tmp_path: Path) -> None:
    """February 2024 has 450, February 2023 had 150: three times as much."""
    tables, report = ingested(tmp_path, DEALS.format(as_of="2024-03-01"), deals=LEAP)
    assert block(report, "deals").rejected["closed_at lies after the end of the export"].n == 1
    assert value(tables, "bookings", "2024-02-01", "2024-03-01") == 450.0
    assert value(tables, "growth_over_year", "2024-02-01", "2024-03-01") == pytest.approx(2.0)
    assert value(tables, "bookings", "2024-02-01", "2024-02-29") == 150.0
    assert np.isfinite(value(tables, "bookings", "2024-02-29", "2024-03-01"))
    value(tables, "growth_over_year", "2024-02-29", "2024-03-01")  # any number, and no error


REOPENED = "id,created,closed,amount,state,stage\n" + (
    "D1,2025-01-01T00:00:00Z,,1000,open,Proposal\n"
    "D2,2025-01-02T00:00:00Z,2025-02-10T00:00:00Z,500,won,Won\n"
    "D3,2025-01-03T00:00:00Z,2025-02-12T00:00:00Z,700,lost,Lost\n"
    "D4,2025-01-04T00:00:00Z,2025-02-20T00:00:00Z,900,open,Proposal\n"
)
MOVES = "deal,at,field,old,new\n" + (
    "D1,2025-02-01T00:00:00Z,stage,Proposal,Won\nD1,2025-03-01T00:00:00Z,stage,Won,Proposal\n"
    "D2,2025-02-10T00:00:00Z,stage,Proposal,Won\nD3,2025-02-12T00:00:00Z,stage,Proposal,Lost\n"
    "D4,2025-02-20T00:00:00Z,stage,Proposal,Won\nD4,2025-03-05T00:00:00Z,stage,Won,Proposal\n"
)
HISTORY = """
[tables.h]
to = "changes"
of = "{of}"
from = "history"
fields = {{ {field} = {{ is = ["{name}"] }} }}
[tables.h.columns]
entity_id = "{key}"
changed_at = "at"
field = "field"
value = "new"
old_value = "old"
"""


def test_a_won_deal_that_was_set_back_is_open_and_said(tmp_path: Path) -> None:
    history = HISTORY.format(of="deals", key="deal", field="stage", name="stage")
    mapping = DEALS.format(as_of="2025-04-01") + history
    tables, report = ingested(tmp_path, mapping, deals=REOPENED, history=MOVES)
    assert tables["deals"].coded("outcome").words() == [None, "won", "lost", None]
    (found,) = report.consequences
    assert found.code == "open_with_close_date:deals" and found.rows == 1
    assert value(tables, "win_rate", "2025-02-01", "2025-03-01", "2025-04-01") == 0.5
    assert value(tables, "bookings", "2025-02-01", "2025-03-01", "2025-04-01") == 500.0
    assert value(tables, "pipeline_value", "2025-03-01", "2025-04-01") == 1900.0


LEADS = """
[export]
as_of = "2025-04-01"
[tables.leads]
from = "leads"
[tables.leads.columns]
lead_id = "id"
created_at = "created"
closed_at = "closed"
source = "source"
owner_id = "owner"
outcome = { from = "state", values = { converted = "converted", disqualified = "disqualified" } }
"""


def test_an_owner_emptied_at_the_end_is_a_leak_and_a_history_gives_it_back(tmp_path: Path) -> None:
    """Every disqualified lead has lost its owner: now it tells the outcome, then it did not."""
    random = np.random.default_rng(5)
    start = pd.Timestamp("2023-01-01", tz="UTC")
    leads, history = ["id,created,closed,state,source,owner"], ["lead,at,field,old,new"]
    for i in range(900):
        created = start + pd.Timedelta(int(random.integers(0, 700)), unit="D")
        closed = created + pd.Timedelta(int(random.integers(5, 60)), unit="D")
        state = random.choice(["converted", "disqualified"])
        source = random.choice(["web", "referral"])
        owner = f"o{random.integers(4)}"
        kept = owner if state == "converted" else ""
        began, ended = (f"{at:%Y-%m-%d} 10:00" for at in (created, closed))
        leads.append(f"L{i},{began},{ended},{state},{source},{kept}")
        if not kept:
            history.append(f"L{i},{ended},owner,{owner},")
    now, _ = ingested(tmp_path, LEADS, leads="\n".join(leads) + "\n")
    found = {f.column: f for f in audit(now, question_of("lead_conversion", now))}
    assert found["leads.owner_id"].colour != "green" and "leads.source" not in {
        c for c, f in found.items() if f.colour == "red"
    }
    more = HISTORY.format(of="leads", key="lead", field="owner_id", name="owner")
    folder = tmp_path / "with"
    folder.mkdir()
    past, report = ingested(
        folder, LEADS + more, leads="\n".join(leads) + "\n", history="\n".join(history) + "\n"
    )
    assert report.tables["changes"].rows == len(history) - 1
    spine = Spine(
        "leads",
        [str(i) for i in past["leads"].coded("lead_id").words()],
        past["leads"].instant("closed_at"),
    )
    replayed = View(Timeline(past), spine).word("owner_id")
    assert all(replayed.words())  # the owner of the day before, whoever was emptied later
