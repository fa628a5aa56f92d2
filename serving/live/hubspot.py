"""Scores in HubSpot: properties that are made through its API, set in batches of 100."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.connectors.http import Http, RefusedError
from serving.live.target import FieldTarget, Parts, number

OBJECTS = {"deals": "deals", "leads": "contacts", "accounts": "companies"}
ENDED = {
    "deals": ("hs_is_closed", ("true",)),
    "leads": ("lifecyclestage", ("customer", "evangelist")),
    "accounts": ("", ()),
}
"""Entity -> the property, and its values, by which a record is over and is not written."""

GROUP = {"name": "embudo", "label": "Embudo"}
PROPERTIES = {
    "probability": ("embudo_probability", "Embudo: probability", "number", "number"),
    "grade": ("embudo_grade", "Embudo: grade", "string", "text"),
    "expected": ("embudo_expected", "Embudo: expected date", "date", "date"),
    "reasons": ("embudo_reasons", "Embudo: reasons", "string", "textarea"),
    "scored_at": ("embudo_scored_at", "Embudo: scored at", "datetime", "date"),
    "model": ("embudo_model", "Embudo: model", "string", "text"),
}
"""Part -> name, label, type and field type of the property."""

FIELDS = {part: name for part, (name, *_) in PROPERTIES.items()}


class HubSpotTarget(FieldTarget):
    """Deals, contacts or companies of a HubSpot account."""

    def __init__(self, http: Http, fields: Mapping[str, str], entity: str = "deals") -> None:
        super().__init__(fields)
        self.http, self.entity = http, entity
        self.path, self._made = f"crm/v3/objects/{OBJECTS[entity]}", False

    def look(self, ids: Sequence[str]) -> dict[str, Parts]:
        """One call for 100 records; those that are not there are not in its answer."""
        ended, words = ENDED[self.entity]
        names = [*self.fields.values(), *([ended] if ended else [])]
        asked = {"properties": names, "inputs": [{"id": i} for i in ids]}
        found = self.http.json("POST", f"{self.path}/batch/read", json=asked)["results"]
        return {
            str(one["id"]): {p: _held(p, one["properties"].get(n)) for p, n in self.fields.items()}
            for one in found
            if str(one["properties"].get(ended)).lower() not in words
        }

    def send(self, values: Mapping[str, Parts]) -> dict[str, str]:
        """One call for 100 records; where HubSpot refuses it, halves until the record is found."""
        if not values:
            return {}
        self._make_properties()
        inputs = [
            {"id": i, "properties": {self.fields[p]: _sent(v) for p, v in given.items()}}
            for i, given in values.items()
        ]
        try:
            answer = self.http.json("POST", f"{self.path}/batch/update", json={"inputs": inputs})
        except RefusedError as refused:
            return self._halves(values, refused)
        return {
            str(key): str(one["message"])
            for one in answer.get("errors", [])
            for key in one.get("context", {}).get("ids", [])
        }

    def _halves(self, values: Mapping[str, Parts], refused: RefusedError) -> dict[str, str]:
        ids = list(values)
        if len(ids) == 1:
            return {ids[0]: str(refused)}
        failed: dict[str, str] = {}
        for half in (ids[: len(ids) // 2], ids[len(ids) // 2 :]):
            failed |= self.send({i: values[i] for i in half})
        return failed

    def _make_properties(self) -> None:
        """The properties of ours that are not there yet; a company's own are left as they are."""
        if self._made:
            return
        path = f"crm/v3/properties/{OBJECTS[self.entity]}"
        there = {str(p["name"]) for p in self.http.json("GET", path)["results"]}
        missing = [p for p, name in self.fields.items() if name not in there]
        if missing:
            self._create(f"{path}/groups", GROUP)
        for part in missing:
            _, label, type_, field = PROPERTIES[part]
            about = {"label": label, "type": type_, "fieldType": field}
            self._create(path, {"name": self.fields[part], "groupName": GROUP["name"], **about})
        self._made = True

    def _create(self, path: str, about: Mapping[str, Any]) -> None:
        try:
            self.http.json("POST", path, json=about)
        except RefusedError as refused:
            if refused.status != 409:  # another run has made it
                raise


def _held(part: str, value: Any) -> Any:
    return number(value) if part == "probability" else value or ""


def _sent(value: Any) -> Any:
    return "" if value is None else str(value)
