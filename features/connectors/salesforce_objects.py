"""What is read of Salesforce."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from features.schema import Kind

TEXTS = ("string", "textarea", "email", "phone", "url", "encryptedstring", "anyType")
KINDS: dict[str, Kind] = {
    **dict.fromkeys(TEXTS, "text"),
    **dict.fromkeys(("picklist", "multipicklist", "combobox", "reference"), "category"),
    **dict.fromkeys(("double", "int", "long", "currency", "percent"), "number"),
    **dict.fromkeys(("date", "datetime"), "instant"),
    "boolean": "boolean",
    "id": "key",
}
"""Types of fields that are one value -> what they are here; fields of other types are not read."""

PAGE, NAMED = 2_000, 300
"""Records of one query; ids that one query may name, within the 16,384 bytes of an address."""

OWN_PREFIX = "Embudo_"
"""How the fields begin that our write-back fills; they are never read."""


@dataclass(frozen=True)
class SalesforceObject:
    """One object, the fields that are read where the org has them, and its history objects.

    histories  object -> its column of the record, and the columns that are read
    """

    name: str
    fields: tuple[str, ...]
    histories: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)


ALWAYS = ("Id", "CreatedDate")
_CHANGE = ("Field", "OldValue", "NewValue", "CreatedDate")
_SAVE = ("StageName", "Amount", "CloseDate", "Probability", "ForecastCategory", "CreatedDate")
_PEOPLE = ("MasterRecordId", "OwnerId", "LeadSource")

OBJECTS = (
    SalesforceObject(
        "Account",
        (
            *("Name", "Industry", "BillingCountry", "BillingState", "Type", "Rating", "OwnerId"),
            *("NumberOfEmployees", "AnnualRevenue", "CurrencyIsoCode", "MasterRecordId"),
        ),
    ),
    SalesforceObject(
        "Contact",
        ("AccountId", "Name", "Email", "Title", "Department", "MailingCountry", *_PEOPLE),
    ),
    SalesforceObject(
        "Lead",
        (
            *("Name", "Status", "Country", "State", "Industry", "Title", "NumberOfEmployees"),
            *("AnnualRevenue", "CurrencyIsoCode", "IsConverted", "ConvertedDate"),
            *("ConvertedAccountId", "ConvertedContactId", "LastModifiedDate", *_PEOPLE),
        ),
        {"LeadHistory": ("LeadId", _CHANGE)},
    ),
    SalesforceObject(
        "Opportunity",
        (
            *("AccountId", "ContactId", "OwnerId", "Name", "Type", "LeadSource", "RecordTypeId"),
            *("StageName", "ForecastCategoryName", "Probability", "Amount", "CurrencyIsoCode"),
            *("CloseDate", "IsClosed", "IsWon"),
        ),
        {
            "OpportunityHistory": ("OpportunityId", _SAVE),
            "OpportunityFieldHistory": ("OpportunityId", _CHANGE),
        },
    ),
    SalesforceObject(
        "Task",
        (
            *("WhoId", "WhatId", "AccountId", "OwnerId", "TaskSubtype", "CallType", "IsClosed"),
            *("CallDisposition", "CallDurationInSeconds", "CompletedDateTime", "ActivityDate"),
        ),
    ),
    SalesforceObject(
        "Event",
        (
            *("WhoId", "WhatId", "AccountId", "OwnerId", "Type", "DurationInMinutes"),
            *("StartDateTime", "ActivityDateTime", "ActivityDate"),
        ),
    ),
    SalesforceObject("User", ("Name", "UserRoleId", "Department", "Division", "ManagerId")),
    SalesforceObject("UserRole", ("Name",)),
    SalesforceObject("CurrencyType", ("IsoCode", "ConversionRate")),
)
