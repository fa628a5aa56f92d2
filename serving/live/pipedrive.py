"""Scores in Pipedrive: fields of deals that are made through its API, set deal by deal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from features.connectors.http import RefusedError
from features.connectors.pipedrive import Pipedrive
from serving.live.target import FieldTarget, Parts, number

FIELDS = {
    "probability": "Embudo probability",
    "grade": "Embudo grade",
    "expected": "Embudo expected date",
    "reasons": "Embudo reasons",
    "scored_at": "Embudo scored at",
    "model": "Embudo model",
}
"""Part -> the field's name as people see it."""

TYPES = {"probability": "double", "expected": "date", "reasons": "text"}
"""Part -> the type of a field that is made; others are short texts."""


class PipedriveTarget(FieldTarget):
    """Open deals of a Pipedrive company."""

    def __init__(self, company: Pipedrive, fields: Mapping[str, str]) -> None:
        super().__init__(fields)
        self.company = company

    @cached_property
    def _keys(self) -> dict[str, str]:
        """Part -> the hash of its field, of the fields that are there."""
        named = {str(f["name"]): str(f["key"]) for f in self.company.fields("dealFields")}
        return {p: named[name] for p, name in self.fields.items() if name in named}

    def look(self, ids: Sequence[str]) -> dict[str, Parts]:
        """One call for 100 deals; those that are won, lost or deleted are not in its answer."""
        found, _ = self.company.listed("deals", limit=100, ids=",".join(ids), status="open")
        return {str(one["id"]): self._held(one.get("custom_fields") or {}) for one in found}

    def _held(self, own: Mapping[str, Any]) -> Parts:
        values = {p: own.get(self._keys.get(p, "")) for p in self.fields}
        return {p: number(v) if p == "probability" else v or "" for p, v in values.items()}

    def send(self, values: Mapping[str, Parts]) -> dict[str, str]:
        """One call for each deal: Pipedrive takes no more at once."""
        failed: dict[str, str] = {}
        if values:
            self._make_fields()
        for key, given in values.items():
            own = {self._keys[p]: None if v == "" else v for p, v in given.items()}
            try:
                path = f"api/v2/deals/{key}"
                self.company.http.json("PATCH", path, json={"custom_fields": own})
            except RefusedError as refused:
                failed[key] = str(refused)
        return failed

    def _make_fields(self) -> None:
        for part in [p for p in self.fields if p not in self._keys]:
            about = {"name": self.fields[part], "field_type": TYPES.get(part, "varchar")}
            made = self.company.http.json("POST", "v1/dealFields", json=about)["data"]
            self._keys[part] = str(made["key"])
