"""Outcomes with sense: flags, probability and label together; unknown stages are said."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.ingest.outcomes import CONTRADICTION, UNKNOWN, Stage, outcome_of
from features.ingest.strict import MappingError
from tests.helpers.exports import block, ingested

HUBSPOT = """
extends = "hubspot"
[export]
as_of = "2025-07-01"
"""
DEALS = (
    "deal_id,deal_pipeline_stage_id,property_amount,property_closedate,property_createdate\n"
    "11,s_won,1000,2025-03-01 10:00:00,2025-01-01 10:00:00\n"
    "12,s_lost,2000,2025-03-05 10:00:00,2025-01-02 10:00:00\n"
    "13,s_open,3000,2025-09-01 10:00:00,2025-02-01 10:00:00\n"
)
STAGES = {
    "stage_id": ("s_open", "s_won", "s_lost"),
    "label": ("Proposal", "Closed won", "Closed lost"),
    "probability": ("0.6", "1.0", "0.0"),
    "is_closed": ("false", "true", "true"),
    "closed_won": ("false", "true", "false"),
}


def stages(*columns: str, **other: tuple[str, ...]) -> str:
    """The stage table with only some of its columns."""
    table = {c: {**STAGES, **other}[c] for c in ("stage_id", *columns)}
    rows = zip(*table.values(), strict=True)
    return "\n".join([",".join(table), *(",".join(r) for r in rows)]) + "\n"


@pytest.mark.parametrize(
    "columns",
    [
        ("label", "probability", "is_closed", "closed_won"),
        ("label", "probability", "is_closed"),
        ("probability", "is_closed"),
        ("label", "is_closed"),
        ("label", "probability"),
        ("is_closed", "closed_won"),
        ("label", "closed_won"),
        ("label",),
        ("probability",),
    ],
)
def test_whatever_of_a_stage_is_there_tells(tmp_path: Path, columns: tuple[str, ...]) -> None:
    tables, _ = ingested(
        tmp_path, HUBSPOT, deal_data=DEALS, deal_pipeline_stage_data=stages(*columns)
    )
    assert tables["deals"].coded("outcome").words() == ["won", "lost", None]
    assert (tables["deals"].instant("closed_at")[:2] > 0).all()


def test_a_stage_that_contradicts_itself_stops_with_its_name(tmp_path: Path) -> None:
    wrong = stages("label", "is_closed", "closed_won", closed_won=("false", "true", "true"))
    with pytest.raises(MappingError, match=r"'Closed lost' \(closed true, won true\) contradicts"):
        ingested(tmp_path, HUBSPOT, deal_data=DEALS, deal_pipeline_stage_data=wrong)


def test_a_flag_called_closed_that_means_won_leaves_no_lost_stage_open(tmp_path: Path) -> None:
    """As a connector once renamed it: closed is true of the won stage alone."""
    renamed = ("false", "true", "false")
    for columns in (("probability", "is_closed"), ("probability", "is_closed", "closed_won")):
        table = stages(*columns, is_closed=renamed)
        tables, _ = ingested(tmp_path, HUBSPOT, deal_data=DEALS, deal_pipeline_stage_data=table)
        assert tables["deals"].coded("outcome").words() == ["won", "lost", None]


def test_a_deal_without_a_stage_is_open(tmp_path: Path) -> None:
    none = DEALS + "14,,1,,2025-02-01 10:00:00\n"
    table = stages("label", "is_closed", "closed_won")
    tables, _ = ingested(tmp_path, HUBSPOT, deal_data=none, deal_pipeline_stage_data=table)
    assert tables["deals"].coded("outcome").words()[-1] is None


def test_deals_in_stages_of_a_deleted_pipeline_are_not_open(tmp_path: Path) -> None:
    old = "".join(f"2{i},old,5,2024-01-10 10:00:00,2023-01-01 10:00:00\n" for i in range(9))
    tables, report = ingested(
        tmp_path,
        HUBSPOT,
        deal_data=DEALS + old,
        deal_pipeline_stage_data=stages("label", "is_closed", "closed_won"),
    )
    assert tables["deals"].n == 3 and block(report, "deals").rejected["unknown outcome"].n == 9
    (said,) = (c for c in report.consequences if c.code == "unknown_outcome:deals")
    assert said.text.startswith("9 of 12 deals have an outcome or a stage that nothing explains")
    assert "(stages old 9)" in said.text


def test_the_deals_own_flags_come_before_those_of_a_deleted_stage(tmp_path: Path) -> None:
    deals = (
        "deal_id,deal_pipeline_stage_id,property_hs_is_closed,property_hs_is_closed_won,"
        "property_closedate,property_createdate\n"
        "1,old,true,true,2024-02-01,2024-01-01\n"
        "2,old,true,false,2024-02-01,2024-01-01\n"
        "3,old,false,false,2024-02-01,2024-01-01\n"
    )
    tables, _ = ingested(
        tmp_path,
        HUBSPOT,
        deal_data=deals,
        deal_pipeline_stage_data=stages("label", "is_closed", "closed_won"),
    )
    assert tables["deals"].coded("outcome").words() == ["won", "lost", None]


@pytest.mark.parametrize(
    ("label", "named"),
    [
        ("Closed Won", "won"),
        ("closedlost", "lost"),
        ("Auftrag gewonnen", "won"),
        ("Perdido", "lost"),
        ("Perdu (prix)", "lost"),
        ("Not won yet", ""),
        ("Wonderful fit", ""),
        ("Lost and won back", ""),
        ("Proposal", ""),
    ],
)
def test_what_a_label_says(label: str, named: str) -> None:
    assert Stage(None, None, None, label).named == named


OUTCOMES = {
    "won": Stage(True, True, 1.0, "Closed Won"),
    "lost": Stage(True, False, 0.0, "Closed Lost"),
    "": Stage(False, False, 0.4, "Proposal"),
}


@given(st.sampled_from(["won", "lost", ""]), st.tuples(*[st.booleans()] * 4))
def test_any_part_of_a_stage_that_agrees_never_says_another_outcome(
    outcome: str, kept: tuple[bool, ...]
) -> None:
    full = OUTCOMES[outcome]
    part = Stage(
        full.closed if kept[0] else None,
        full.won if kept[1] else None,
        full.probability if kept[2] else None,
        full.label if kept[3] else "",
    )
    found = outcome_of(part)
    if outcome == "" or kept[2] or kept[3] or (kept[0] and kept[1]):
        assert found == outcome
    else:  # one flag alone: won says won, closed alone says nothing
        assert found in (outcome, UNKNOWN, "")


@given(st.sampled_from(["won", "lost"]))
def test_flags_against_name_and_probability_contradict(outcome: str) -> None:
    other = OUTCOMES["lost" if outcome == "won" else "won"]
    flags = OUTCOMES[outcome]
    mixed = Stage(flags.closed, flags.won, other.probability, other.label)
    assert outcome_of(mixed) == CONTRADICTION
    opened = Stage(False, False, flags.probability, flags.label)
    assert outcome_of(opened) == CONTRADICTION


SALESFORCE = """
extends = "salesforce"
[export]
as_of = "2025-07-01"
"""


def test_salesforce_flags_may_be_partly_there(tmp_path: Path) -> None:
    rows = (
        "Id,StageName,Amount,CloseDate,CreatedDate,IsClosed\n"
        "1,Closed Won,1,2025-03-01,2025-01-01T00:00:00Z,true\n"
        "2,Closed Lost,1,2025-03-01,2025-01-01T00:00:00Z,true\n"
        "3,Proposal,1,2025-08-01,2025-01-01T00:00:00Z,false\n"
        "4,Abgelehnt,1,2025-03-01,2025-01-01T00:00:00Z,true\n"
    )
    tables, report = ingested(tmp_path, SALESFORCE, Opportunity=rows)
    assert tables["deals"].coded("outcome").words() == ["won", "lost", None]
    assert "unknown_outcome:deals" in [c.code for c in report.consequences]
