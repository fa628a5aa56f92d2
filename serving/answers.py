"""From a request's body to an answer's body: one function, without HTTP and without a clock."""

from __future__ import annotations

from typing import Any

import numpy as np

from features.schema import TABLES
from features.tables import DAY, Table, instant_text, micros
from serving.contracts import SINGULAR, read_envelope
from serving.faults import Fault, RecordFault
from serving.records import Reader, Record, rounds
from serving.scoring import Scored, Scorer


class Desk:
    """A scorer and the reader of its records."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.reader = Reader(scorer.entity, scorer.bundle.meta)

    def answer(self, body: Any, now: int, request_id: str) -> dict[str, Any]:
        """The answer to a parsed JSON body; ContractError where it is no request at all.

        now: microseconds, the ``as_of`` of a request that names none.
        """
        envelope = read_envelope(body)
        cutoff = now if envelope.as_of is None else micros(envelope.as_of)
        results: list[dict[str, Any]] = [{}] * len(envelope.records)
        readable: list[Record] = []
        for index, raw in enumerate(envelope.records):
            read = self.reader.read(index, raw)
            if isinstance(read, Record):
                readable.append(read)
            else:
                results[index] = read.to_json()
        for turn in rounds(readable):
            for index, result in self._scored(turn, cutoff):
                results[index] = result
        return {
            "model": describe(self.scorer),
            "as_of": None if self.scorer.flat else exact_text(cutoff),
            "request_id": request_id,
            "results": results,
        }

    def warm_up(self) -> None:
        """Answer once, about nobody: compiles, and sorts the reference's events."""
        row = {TABLES[self.scorer.entity].key: "warm-up", self.scorer.born_column: _LONG_AGO}
        activity = {"kind": "call", "direction": "inbound", "occurred_at": _LONG_AGO}
        record = {SINGULAR[self.scorer.entity]: row, "activities": [activity] * 2}
        self.answer({"records": [record]}, micros(_LONG_AGO) + DAY, "warm-up")

    def _scored(self, turn: list[Record], cutoff: int) -> list[tuple[int, dict[str, Any]]]:
        tables = self.reader.tables(turn)
        faults = self._not_open(tables[self.scorer.entity], turn, cutoff)
        results = [(fault.index, fault.to_json()) for fault in faults.values()]
        left = [record for record in turn if record.index not in faults]
        if left:
            timeline = self.scorer.timeline(tables)
            ids = [record.id for record in left]
            scored = self.scorer.score(timeline, ids, cutoff, self.scorer.history)
            results += [
                (record.index, self._result(record, scored, row)) for row, record in enumerate(left)
            ]
        return results

    def _not_open(self, table: Table, turn: list[Record], cutoff: int) -> dict[int, RecordFault]:
        """The records that cannot be asked about at the cutoff, by index."""
        unknown, unborn, closed = self.scorer.standing(table, cutoff)
        keys = table.coded(TABLES[self.scorer.entity].key)
        row_of = {keys.values[c]: row for row, c in enumerate(keys.codes.tolist())}
        faults = {}
        for record in turn:
            row = row_of[record.id]
            for code, mask in zip(_NOT_OPEN, (unknown, unborn, closed), strict=True):
                if mask[row]:
                    faults[record.index] = self._fault(record, code)
                    break
        return faults

    def _fault(self, record: Record, code: str) -> RecordFault:
        field, said = _NOT_OPEN[code]
        column = field or self.scorer.born_column
        place = f"records[{record.index}].{SINGULAR[self.scorer.entity]}.{column}"
        return RecordFault(record.index, record.id, Fault(code, place, said.format(column=column)))

    def _result(self, record: Record, scored: Scored, row: int) -> dict[str, Any]:
        days = [] if self.scorer.flat else list(self.scorer.edges)
        curve = scored.curve[row].tolist()
        return {
            "index": record.index,
            "id": record.id,
            "probability": float(scored.probability[row]),
            "curve": [{"day": day, "probability": p} for day, p in zip(days, curve, strict=False)],
            "grade": scored.grades[row],
            "baseline": scored.baseline,
            "reasons": [vars(reason) for reason in scored.reasons[row]],
            "others": float(scored.others[row]),
            "warnings": record.warnings,
        }


_LONG_AGO = "2001-01-01T00:00:00+00:00"

_NOT_OPEN = {
    "birth_unknown": ("", "{column} is needed to know whether it was there as of then"),
    "created_after_as_of": ("", "it was not in the system before as_of"),
    "closed_before_as_of": ("closed_at", "it was closed before as_of: there is nothing to foresee"),
}


def describe(scorer: Scorer) -> dict[str, Any]:
    """Which model answers: what a reader needs to place the number."""
    bundle = scorer.bundle
    return {
        "name": bundle.name,
        "version": bundle.version,
        "outcome": scorer.outcome,
        "horizon_days": None if scorer.flat else scorer.edges[-1],
        "trained_until": bundle.trained_on.get("until") or bundle.meta.as_of or None,
    }


def exact_text(at: int) -> str:
    """The ISO 8601 text of an instant in microseconds, with its fraction where it has one."""
    return f"{np.datetime64(at, 'us')}Z" if at % 1_000_000 else instant_text(at)
