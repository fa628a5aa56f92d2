"""What is read of Pipedrive."""

from __future__ import annotations

from dataclasses import dataclass

from features.schema import Kind

KINDS: dict[str, Kind] = {
    **dict.fromkeys(("varchar", "varchar_auto", "text", "phone", "address"), "text"),
    **dict.fromkeys(("enum", "set", "status", "stage", "user", "people", "org"), "category"),
    **dict.fromkeys(("double", "int", "monetary"), "number"),
    **dict.fromkeys(("date",), "instant"),
}
"""Types of fields that are read -> what they are here."""

PAGE, FLOWING = 500, 50
"""Records of one call; of one page, where each takes a call of its own for its changes."""

OWN_LABEL = "Embudo "
"""How the labels begin of the fields that our write-back makes; they are never read."""


@dataclass(frozen=True)
class PipedriveObject:
    """One kind of object: its raw table and path, its fields, and where its own fields are named.

    deleted  whether the list can be asked for deleted ones
    flow     the staged table of its changes
    """

    table: str
    columns: tuple[str, ...]
    described: str = ""
    deleted: bool = False
    flow: str = ""


_TIMES = ("add_time",)
OBJECTS = (
    PipedriveObject(
        "organizations",
        ("name", "owner_id", "address.country", "address.admin_area_level_1", *_TIMES),
        "organizationFields",
    ),
    PipedriveObject("persons", ("name", "org_id", "owner_id", "emails", *_TIMES), "personFields"),
    PipedriveObject(
        "deals",
        (
            *("title", "owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "status"),
            *("value", "currency", "probability", "expected_close_date", "lost_reason", "origin"),
            *("won_time", "lost_time", "close_time", *_TIMES),
        ),
        "dealFields",
        deleted=True,
        flow="deal_flow",
    ),
    PipedriveObject(
        "activities",
        (
            *("type", "done", "due_date", "due_time", "duration", "marked_as_done_time"),
            *("deal_id", "person_id", "org_id", "owner_id", *_TIMES),
        ),
    ),
)

CHANGE = ("deal_id", "field_key", "old_value", "new_value", "log_time")
SMALL = {
    "pipelines": ("id", "name"),
    "stages": ("id", "name", "pipeline_id", "deal_probability"),
    "users": ("id", "name", "email", "created", "active_flag"),
}
"""Tables that are read whole each time, and their columns."""
