"""Scores in Tryton: ``conversion_probability`` of an opportunity, and one note with the reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from features.connectors.contract import ConnectorError
from features.connectors.tryton import OWN_NOTE, Tryton
from serving.live.target import Parts

FIELD = "conversion_probability"
OPEN = ("lead", "opportunity", "converted")
"""States in which Tryton lets the field be written."""


class TrytonTarget:
    """Opportunities of a Tryton; ``batch`` records are read and written at a time."""

    entity = "deals"
    batch = 100

    def __init__(self, tryton: Tryton) -> None:
        self.tryton = tryton
        self._there: dict[str, float | None] = {}

    def round(self, probability: float) -> float:
        """A probability as the field keeps it: four digits."""
        return round(probability, 4)

    def read(self, ids: Sequence[str]) -> dict[str, Parts]:
        """What stands in the field of those that are there and open."""
        where = [["id", "in", [int(i) for i in ids]], ["state", "in", list(OPEN)]]
        found = self.tryton.search_read("sale.opportunity", where, [FIELD])
        self._there = {str(row["id"]): row[FIELD] for row in found}
        return {key: {"probability": value} for key, value in self._there.items()}

    def write(self, values: Mapping[str, Parts]) -> dict[str, str]:
        """Write probability and note of each record; id -> why not, of those that were refused.

        Safe to repeat: what ``read`` found there already is left, and so is a note that stands
        there; an earlier note of ours is replaced.
        """
        wanted = {i: given["probability"] for i, given in values.items()}
        failed = self._set({i: {FIELD: v} for i, v in wanted.items() if self._there.get(i) != v})
        notes = {i: given["note"] for i, given in values.items() if i not in failed}
        self._set_notes(notes)
        return failed

    def _set(self, values: Mapping[str, dict[str, Any]]) -> dict[str, str]:
        """One call for all; where Tryton refuses it, one for each."""
        pairs = [part for i, fields in values.items() for part in ([int(i)], fields)]
        try:
            if pairs:
                self.tryton.call("model.sale.opportunity.write", *pairs)
            return {}
        except ConnectorError as refused:
            if len(values) == 1:
                return {next(iter(values)): str(refused)}
        failed: dict[str, str] = {}
        for i, fields in values.items():
            failed |= self._set({i: fields})
        return failed

    def _set_notes(self, notes: Mapping[str, str]) -> None:
        resources = {f"sale.opportunity,{i}": note for i, note in notes.items()}
        where = [["resource", "in", list(resources)], ["message", "like", f"{OWN_NOTE}%"]]
        found = self.tryton.search_read("ir.note", where, ["resource", "message"])
        there = {r["resource"] for r in found if r["message"] == resources[r["resource"]]}
        stale = [r["id"] for r in found if r["message"] != resources[r["resource"]]]
        if stale:
            self.tryton.call("model.ir.note.delete", stale)
        new = [
            {"resource": r, "message": note}
            for r, note in resources.items()
            if note and r not in there
        ]
        if new:
            self.tryton.call("model.ir.note.create", new)

    def close(self) -> None:
        """End the connection."""
        self.tryton.close()
