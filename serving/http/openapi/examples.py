"""Examples of what is sent: whole requests, and every field of a record by its name."""

from __future__ import annotations

from typing import Any

_AT = "2026-03-01T09:30:00Z"

LEAD = {
    "lead_id": "L-1001",
    "created_at": "2026-02-10T14:02:00Z",
    "source": "referral",
    "country": "Germany",
    "employees": 240,
    "status": "engaged",
}
DEAL = {
    "deal_id": "D-2044",
    "created_at": "2026-01-15T10:00:00Z",
    "stage": "proposal",
    "amount": 18000,
    "currency": "EUR",
    "expected_close_at": "2026-04-30T00:00:00Z",
}
ACCOUNT = {
    "account_id": "A-310",
    "created_at": "2024-05-02T08:00:00Z",
    "customer_at": "2024-06-01T00:00:00Z",
    "industry": "logistics",
}
ACTIVITIES = [
    {"kind": "call", "direction": "outbound", "outcome": "answered", "occurred_at": _AT},
    {"kind": "meeting", "duration": 45, "occurred_at": "2026-03-05T10:00:00Z"},
]
RECORDS: dict[str, dict[str, Any]] = {
    "leads": {"lead": LEAD, "activities": ACTIVITIES},
    "deals": {"deal": DEAL, "activities": ACTIVITIES},
    "accounts": {"account": ACCOUNT, "activities": ACTIVITIES},
}
AS_OF = "2026-03-10T00:00:00Z"


def request(entity: str) -> dict[str, Any]:
    """A whole request of one record."""
    return {"as_of": AS_OF, "records": [RECORDS[entity]]}


FEEDBACK: dict[str, dict[str, Any]] = {
    "outcome": {"entity": "deals", "id": "D-2044", "kind": "outcome", "outcome": "won"},
    "override": {
        "entity": "deals",
        "id": "D-2044",
        "kind": "override",
        "probability": 0.8,
        "by": "maria@example.com",
        "note": "the budget was approved on the phone",
    },
}
PURGE = {"before": "2025-03-01T00:00:00Z", "feedback": False}
EVENTS = [
    {
        "eventId": 100,
        "subscriptionId": 12,
        "portalId": 62515,
        "occurredAt": 1772357400000,
        "subscriptionType": "deal.propertyChange",
        "attemptNumber": 0,
        "objectId": 2044,
        "propertyName": "dealstage",
        "propertyValue": "closedwon",
    }
]

FIELDS: dict[str, Any] = {
    # of every table
    "lead_id": "L-1001",
    "deal_id": "D-2044",
    "account_id": "A-310",
    "contact_id": "C-77",
    "owner_id": "O04",
    "activity_id": "V-9",
    "change_id": "H-5",
    "subscription_id": "S-12",
    "invoice_id": "I-2026-031",
    "entity_id": "D-2044",
    "name": "Acme GmbH",
    "source": "referral",
    "campaign": "spring fair",
    "channel": "e-mail",
    "status": "engaged",
    "country": "Germany",
    "region": "DACH",
    "industry": "logistics",
    "segment": "mid-market",
    "tier": "gold",
    "title": "Head of Operations",
    "department": "operations",
    "seniority": "director",
    "email": "kim@example.com",
    "type": "new business",
    "product": "Planner",
    "pipeline": "standard",
    "stage": "proposal",
    "forecast_category": "commit",
    "employees": 240,
    "annual_revenue": 12000000,
    "amount": 18000,
    "closed_amount": 17500,
    "currency": "EUR",
    "kind": "meeting",
    "direction": "up",
    "duration": 45,
    "field": "stage",
    "old_value": "qualified",
    "plan": "team",
    "billing": "monthly",
    "mrr": 490,
    "seats": 12,
    "term_days": 365,
    "custom": {},
    # of a request
    "lead": LEAD,
    "deal": DEAL,
    "account": ACCOUNT,
    "contact": {"contact_id": "C-77", "seniority": "director"},
    "activities": ACTIVITIES,
    "changes": [
        {"field": "stage", "old_value": "qualified", "value": "proposal", "changed_at": _AT}
    ],
    "subscriptions": [{"plan": "team", "mrr": 490, "started_at": "2025-06-01T00:00:00Z"}],
    "invoices": [{"amount": 490, "issued_at": "2026-02-01T00:00:00Z"}],
    "contacts": [{"contact_id": "C-77", "seniority": "director"}],
    "deals": [{"deal_id": "D-2044", "created_at": "2026-01-15T10:00:00Z", "stage": "proposal"}],
    "records": [RECORDS["deals"]],
    "lang": "en",
    "prior": 0.2,
    "compare_to": {"as_of": "2026-02-10T00:00:00Z"},
}
