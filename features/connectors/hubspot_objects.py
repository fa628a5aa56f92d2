"""What is read of HubSpot: objects, their properties, histories and associations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.schema import Kind

KINDS: dict[str, Kind] = {
    "string": "text",
    "phone_number": "text",
    "number": "number",
    "bool": "boolean",
    "enumeration": "category",
    "date": "instant",
    "datetime": "instant",
}
"""Types of properties that are read -> what they are here."""

SEARCHED, HISTORIES, ASSOCIATED, LISTED = 200, 50, 1_000, 100
"""Records of one call, by what is asked: search, history, associations, archived."""


@dataclass(frozen=True)
class HubSpotObject:
    """One kind of object: its raw table, the properties that are read, and what belongs to it.

    changed    the property with the instant of the last change
    histories  properties of which every earlier value is read; the company's own beside them
    history    the staged table of them
    links      object -> raw table of the associations to it
    key        how the tables that belong to it call its id
    also       column -> property, or "id": copies under the names by which the mapping joins
    """

    table: str
    changed: str
    properties: tuple[str, ...]
    histories: tuple[str, ...] = ()
    history: str = ""
    links: Mapping[str, str] = field(default_factory=dict)
    key: str = "id"
    also: Mapping[str, str] = field(default_factory=dict)


def _engagement(table: str, *properties: str) -> HubSpotObject:
    links = {f"{to}s": f"engagement_{to}_data" for to in ("deal", "contact")}
    links["companies"] = "engagement_company_data"
    names = ("hs_timestamp", "hubspot_owner_id", *properties)
    key = "engagement_id"
    return HubSpotObject(table, "hs_lastmodifieddate", names, (), "", links, key, {key: "id"})


OWN_PREFIX = "embudo_"
"""How the properties begin that our write-back makes; they are never read."""

OBJECTS = (
    HubSpotObject(
        "companies",
        "hs_lastmodifieddate",
        (
            *("createdate", "name", "industry", "country", "state", "numberofemployees"),
            *("annualrevenue", "hubspot_owner_id", "hs_merged_object_ids"),
        ),
    ),
    HubSpotObject(
        "contacts",
        "lastmodifieddate",
        (
            *("createdate", "email", "jobtitle", "hs_seniority", "country", "hubspot_owner_id"),
            *("associatedcompanyid", "hs_analytics_source", "hs_lead_status", "annualrevenue"),
            *("hs_lifecyclestage_customer_date", "hs_merged_object_ids"),
        ),
        ("hs_lead_status",),
        "contact_property_history",
        key="contact_id",
    ),
    HubSpotObject(
        "deals",
        "hs_lastmodifieddate",
        (
            *("createdate", "dealname", "dealtype", "pipeline", "dealstage", "amount", "closedate"),
            *("deal_currency_code", "hs_deal_stage_probability", "hubspot_owner_id"),
            *("hs_is_closed", "hs_is_closed_won", "hs_merged_object_ids"),
        ),
        ("dealstage", "amount", "closedate", "hs_deal_stage_probability"),
        "deal_versions",
        {"companies": "deal_company_data", "contacts": "deal_contact_data"},
        "deal_id",
        {"deal_id": "id", "deal_pipeline_stage_id": "dealstage", "stage_label": "dealstage"},
    ),
    _engagement("calls", "hs_call_direction", "hs_call_duration"),
    _engagement("emails", "hs_email_direction"),
    _engagement("meetings", "hs_meeting_outcome", "hs_meeting_start_time"),
    _engagement("notes"),
    _engagement("tasks", "hs_task_completion_date"),
)

STAGES, OWNERS, TEAMS = "deal_pipeline_stage_data", "owners", "owner_team_data"
SMALL = {
    STAGES: ("stage_id", "pipeline_id", "label", "is_closed", "probability"),
    OWNERS: ("id", "firstName", "lastName", "email", "createdAt"),
    TEAMS: ("owner_id", "team_id", "team_name"),
}
"""Tables that are read whole each time, and their columns."""
