"""Scores in Salesforce: custom fields that an administrator made, set in collections of 200."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.connectors.contract import ConnectorError
from features.connectors.http import RefusedError
from features.connectors.salesforce import VERSION, Salesforce
from serving.live.target import FieldTarget, Parts, number

OBJECTS = {"deals": "Opportunity", "leads": "Lead", "accounts": "Account"}
OPEN = {"deals": "IsClosed = false", "leads": "IsConverted = false", "accounts": ""}
FIELDS = {
    "probability": "Embudo_Probability__c",
    "grade": "Embudo_Grade__c",
    "expected": "Embudo_Expected__c",
    "reasons": "Embudo_Reasons__c",
    "scored_at": "Embudo_Scored_At__c",
    "model": "Embudo_Model__c",
}
"""Part -> the field; docs/live.md says how they are made."""


class SalesforceTarget(FieldTarget):
    """Opportunities, leads or accounts of an org."""

    batch = 200

    def __init__(self, org: Salesforce, fields: Mapping[str, str], entity: str = "deals") -> None:
        super().__init__(fields)
        self.org, self.entity, self.name = org, entity, OBJECTS[entity]

    def look(self, ids: Sequence[str]) -> dict[str, Parts]:
        """One query for 200 records."""
        named = ", ".join(f"'{i}'" for i in ids if i.isalnum())
        if not named:
            return {}
        where = f"Id IN ({named})" + (f" AND {OPEN[self.entity]}" if OPEN[self.entity] else "")
        asked = ", ".join(["Id", *self.fields.values()])
        try:
            found = self.org.query(f"SELECT {asked} FROM {self.name} WHERE {where}")
        except RefusedError as refused:
            raise ConnectorError(
                f"{refused}; {self.name} needs the fields {', '.join(self.fields.values())}, and "
                "the app's user the right to edit them (docs/live.md), or name yours in "
                "[write.fields]"
            ) from refused
        return {
            str(one["Id"]): {p: _held(p, one.get(n)) for p, n in self.fields.items()}
            for one in found
        }

    def send(self, values: Mapping[str, Parts]) -> dict[str, str]:
        """One call for 200 records; each succeeds or fails by itself."""
        if not values:
            return {}
        records = [
            {
                "attributes": {"type": self.name},
                "id": i,
                **{self.fields[p]: _sent(p, v) for p, v in given.items()},
            }
            for i, given in values.items()
        ]
        path = f"services/data/{VERSION}/composite/sobjects"
        asked = {"allOrNone": False, "records": records}
        answers = self.org.http.json("PATCH", path, json=asked)
        return {
            i: "; ".join(f"{e['statusCode']}: {e['message']}" for e in one["errors"])
            for i, one in zip(values, answers, strict=True)
            if not one["success"]
        }


def _held(part: str, value: Any) -> Any:
    """A percent field holds 45.67 for a probability of 0.4567."""
    if part == "probability":
        held = number(value)
        return None if held is None else round(held / 100, 6)
    return value or ""


def _sent(part: str, value: Any) -> Any:
    if part == "probability" and value is not None:
        return round(value * 100, 4)
    return None if value == "" else value
