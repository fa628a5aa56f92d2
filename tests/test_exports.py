"""The public exports: what ingest says of them agrees with a count by the csv module."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from features.ingest.report import IngestReport
from features.ingest.run import ingest
from features.tables import Tables, read
from tests.helpers.exports import ROOT, block, counts, ingested, public

Row = dict[str, str]


def rows(path: Path) -> list[Row]:
    """The file as the csv module reads it, names trimmed."""
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8-sig")
    return [{k.strip(): v for k, v in r.items()} for r in csv.DictReader(io.StringIO(text))]


def taken(folder: Path, data: Path, mapping: Path | str) -> tuple[Tables, IngestReport]:
    report = ingest(data, mapping, folder / "out")
    assert report.balanced()
    return read(folder / "out"), report


def example(folder: Path, name: str) -> tuple[Tables, IngestReport, Path]:
    data = public(name)
    tables, report = taken(folder, data, ROOT / "examples" / name / "mapping.toml")
    return tables, report, data


def outcomes(tables: Tables, table: str) -> Counter[str]:
    return Counter(w or "" for w in tables[table].coded("outcome").words())


def present(found: list[Row], column: str, test: Callable[[str], bool] = bool) -> int:
    return sum(test(row[column]) for row in found)


def test_maven_deals_are_those_with_a_birth(tmp_path: Path) -> None:
    tables, report, data = example(tmp_path, "maven_crm_opportunities")
    source = rows(data / "sales_pipeline.csv")
    stages = Counter(row["deal_stage"] for row in source)
    told = block(report, "deals")
    assert (told.read, told.kept) == (len(source), present(source, "engage_date"))
    assert counts(told.rejected) == {
        "no created_at, which the mapping requires": stages["Prospecting"]
    }
    assert outcomes(tables, "deals") == {
        "won": stages["Won"],
        "lost": stages["Lost"],
        "": stages["Engaging"],
    }
    booked = sum(float(r["close_value"]) for r in source if r["deal_stage"] == "Won")
    amounts = tables["deals"].number("closed_amount")
    assert amounts[amounts == amounts].sum() == pytest.approx(booked)
    assert tables["deals"].coded("product").values.count("GTX Pro") == 1
    assert not report.tables["deals"].orphans
    assert block(report, "deals").joins["catalogue"]["rows without a match"] == 0
    priced = tables["deals"].number("list_price")
    corrected = np.array([w == "GTX Pro" for w in tables["deals"].coded("product").words()])
    assert corrected.any() and (priced[corrected] == 4821).all(), (
        "GTXPro is the catalogue's GTX Pro"
    )
    assert tables.meta.questions == {"deal_close": {"snapshots": "created"}}
    assert "technology" in tables["accounts"].coded("industry").values


def test_telco_is_flat_and_the_blank_charges_are_missing(tmp_path: Path) -> None:
    tables, report, data = example(tmp_path, "ibm_telco_churn")
    (source,) = (rows(p) for p in data.iterdir())
    assert tables["accounts"].n == len(source) == 7043
    assert outcomes(tables, "accounts")["churned"] == present(source, "Churn", lambda w: w == "Yes")
    charges = tables["accounts"].number("total_charges")
    assert int((charges != charges).sum()) == present(source, "TotalCharges", str.isspace) == 11
    assert tables.meta.as_of == "" and all(f.fixed for f in tables.meta.custom["accounts"])
    assert not block(report, "accounts").repaired


def test_x_education_leaves_out_what_is_known_after_the_fact(tmp_path: Path) -> None:
    tables, report, data = example(tmp_path, "x_education_leads")
    source = rows(data / "Leads.csv")
    assert tables["leads"].n == len(source)
    assert outcomes(tables, "leads")["converted"] == present(
        source, "Converted", lambda w: w == "1"
    )
    city = [w for w in tables["leads"].coded("city").words() if w]
    assert len(city) == present(source, "City", lambda w: w not in ("", "Select"))
    unused = block(report, "leads").unused
    assert {"Tags", "Lead Quality", "Last Activity", "Asymmetrique Profile Score"} <= set(unused)


def test_win_loss_numbers_are_unique_afterwards(tmp_path: Path) -> None:
    tables, report, data = example(tmp_path, "ibm_sales_win_loss")
    source = rows(next(data.iterdir()))
    last = {row["Opportunity Number"]: row for row in source}
    told = block(report, "deals")
    assert (told.read, told.kept) == (len(source), len(last))
    assert sum(counts(told.collapsed).values()) == len(source) - len(last)
    assert outcomes(tables, "deals")["won"] == sum(
        r["Opportunity Result"] == "Won" for r in last.values()
    )
    assert tables["deals"].number("amount").sum() == sum(
        float(r["Opportunity Amount USD"]) for r in last.values()
    )
    assert "None" in tables["deals"].coded("competitor").values
    assert tables.meta.fixed == {"deals": ["amount"]}


def test_olist_leads_convert_when_a_deal_was_won(tmp_path: Path) -> None:
    tables, report, data = example(tmp_path, "olist_funnel")
    leads = rows(data / "olist_marketing_qualified_leads_dataset.csv")
    won = {r["mql_id"] for r in rows(data / "olist_closed_deals_dataset.csv")}
    told = block(report, "leads")
    assert told.joins["win"]["rows matched"] == len(won & {r["mql_id"] for r in leads}) == 842
    # one win is dated before the lead's first contact
    assert counts(told.rejected) == {"closed before created": 1}
    assert outcomes(tables, "leads")["converted"] == len(won) - 1
    assert tables["leads"].n == len(leads) - 1
    assert tables.meta.as_of == "2018-11-15T02:00:00Z"  # midnight in São Paulo


def test_eci_product_lines_collapse_into_their_opportunities(tmp_path: Path) -> None:
    data = public("crm_exports", "salesforce_eci2020_unlabelled")
    mapping = ROOT / "examples" / "salesforce_eci2020_unlabelled" / "mapping.toml"
    tables, report = taken(tmp_path, data, mapping)
    source = rows(next(data.iterdir()))
    ids = {row["Opportunity_ID"] for row in source}
    told = block(report, "deals")
    assert (told.read, told.kept) == (len(source), len(ids)) == (2551, 1567)
    assert tables["accounts"].n == len({row["Account_Name"] for row in source})
    deals = tables["deals"]
    assert not deals.has("outcome")
    last = {row["Opportunity_ID"]: row for row in source}
    assert sum(w is None for w in deals.coded("source").words()) == sum(
        row["Source"] == "None" for row in last.values()
    )
    (lost,) = (c for c in report.consequences if c.code == "no_rate:deals")
    assert "without a rate in fx_rates (EUR, JPY)" in lost.text


def test_salesforce_developer_org_contradicts_itself_and_an_extension_repairs_it(
    tmp_path: Path,
) -> None:
    data = public("crm_exports", "salesforce_dev_org")
    _, report = taken(tmp_path, data, "salesforce")
    source = rows(data / "Opportunity.csv")
    told = block(report, "deals")
    # the sample deals of a new org are closed in 2024 and created in 2026
    closed = sum(r["IsClosed"] == "TRUE" and r["CloseDate"] == "02/03/24" for r in source)
    assert counts(told.rejected)["closed before created"] >= closed > 0
    flags = Counter(r["IsConverted"] for r in rows(data / "Lead.csv"))
    assert report.tables["leads"].outcomes["converted"] == flags["TRUE"]
    assert block(report, "leads").absent[0] == "created_at"
    history = block(report, "opportunity_history")
    assert history.read == 5 * len(rows(data / "OpportunityHistory.csv"))

    mapping = """
extends = "salesforce"
[tables.deals]
require = ["created_at"]
[tables.deals.columns]
created_at = "Opp Creation Date_Simulated"
closed_at = { from = "Opp Close Date_Simulated", when = { IsClosed = "true" } }
"""
    path = tmp_path / "own.toml"
    path.write_text(mapping, encoding="utf-8")
    tables, report = taken(tmp_path, data, path)
    simulated = [r for r in source if r["Opp Creation Date_Simulated"]]
    assert tables["deals"].n == len(simulated) == 31
    assert outcomes(tables, "deals") == Counter(
        {"TRUETRUE": "won", "TRUEFALSE": "lost"}.get(r["IsClosed"] + r["IsWon"], "")
        for r in simulated
    )


def test_salesforce_as_a_connector_loads_it(tmp_path: Path) -> None:
    data = public("crm_exports", "salesforce_dbt")
    _, report = taken(tmp_path, data, "salesforce")
    deals = rows(data / "sf_opportunity_data.csv")
    deleted = present(deals, "is_deleted", lambda w: w == "true")
    assert counts(block(report, "deals").left_out) == {
        "by the mapping's where: is_deleted": deleted
    }
    for name in ("tasks", "events", "owners", "contacts", "leads"):
        told = block(report, name)
        assert told.kept == told.read == len(rows(data / told.file))

    mapping = 'extends = "salesforce"\n[tables.deals]\nwhere = []\n'
    path = tmp_path / "own.toml"
    path.write_text(mapping, encoding="utf-8")
    tables, report = taken(tmp_path, data, path)
    flags = Counter(
        {"truetrue": "won", "truefalse": "lost"}.get(r["is_closed"] + r["is_won"], "")
        for r in deals
        if r["is_closed"] == "false" or r["close_date"][:10] >= r["created_date"][:10]
    )
    assert outcomes(tables, "deals") == flags
    # four deals were closed on the very day they were created, which a date cannot order
    assert sum(counts(block(report, "deals").repaired).values()) == sum(
        r["is_closed"] == "true" and r["close_date"][:10] == r["created_date"][:10] for r in deals
    )


def test_hubspot_as_a_connector_loads_it(tmp_path: Path) -> None:
    data = public("crm_exports", "hubspot_dbt")
    tables, report = taken(tmp_path, data, "hubspot")
    for name in ("accounts", "deals", "owners", "deal_stages", "forms"):
        told = block(report, name)
        assert told.kept == told.read == len(rows(data / told.file))
    # contacts that the merge audit, or their survivor's own list, says are gone
    contacts, audit = rows(data / "contact_data.csv"), rows(data / "contact_merge_audit_data.csv")
    lists = (r["property_hs_merged_object_ids"].split(";") for r in contacts)
    gone = {i for ids in lists for i in ids} | {r["vid_to_merge"] for r in audit}
    for name in ("contacts", "leads"):
        told = block(report, name)
        assert told.kept == sum(r["id"] not in gone for r in contacts) < told.read
    kinds = Counter(tables["activities"].coded("kind").words())
    events, mails = rows(data / "email_event_data.csv"), rows(data / "engagement_email_data.csv")
    assert kinds["email"] == len(events) + len(mails)
    assert kinds["meeting"] == len(rows(data / "engagement_meeting_data.csv"))
    moved = Counter(w for w in tables["activities"].coded("direction").words() if w)
    types = Counter(e["type"] for e in events)
    forms = len(rows(data / "contact_form_submission_data.csv"))
    assert moved == {"inbound": types["OPEN"] + forms, "outbound": types["SENT"]}
    # the fixture's property names are scrambled: none is a field we know, and all are counted
    history = block(report, "deal_history")
    assert (history.read, history.kept) == (100, 0)
    assert sum(history.unknown["field"].values()) == 100
    assert "company_data_snowflake.csv" in report.not_read


def test_hubspot_exported_by_hand(tmp_path: Path) -> None:
    header = "Record ID,Deal Name,Deal Stage,Amount,Close Date,Create Date,Pipeline,Deal owner\n"
    deals = (
        'a1,"Big, new",Closed won,"1,200.50",2024-03-01 10:00,2024-01-01 09:30,Sales,Ann\n'
        "a2,Small,Closed lost,80,2024-02-01 10:00,2024-01-02 09:30,Sales,Ben\n"
        "a3,Open,Contract sent,,2024-06-30 10:00,2024-01-03 09:30,Sales,Ann\n"
    )
    tables, _ = ingested(tmp_path, 'extends = "hubspot"\n', deals=header + deals)
    assert tables["deals"].coded("outcome").words() == ["won", "lost", None]
    assert tables["deals"].number("amount")[:2].tolist() == [1200.5, 80.0]
    assert tables.meta.as_of == "2024-03-02T00:00:00Z"
