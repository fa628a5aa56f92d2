"""From a request's body to an answer's body: one function, without HTTP and without a clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from features.schema import TABLES
from features.tables import DAY, NAT, Table, Tables, instant_text, micros
from serving.contracts import SINGULAR, Envelope, read_envelope
from serving.faults import ContractError, Fault, RecordFault
from serving.languages import LANGUAGES
from serving.moves import Told, moved_since
from serving.records import Reader, Record, rounds
from serving.scoring import Scored, Scorer


@dataclass(frozen=True)
class Asked:
    """What a request asks of each of its records; instants in microseconds."""

    cutoff: int
    lang: str
    prior: float | None
    since: int | None


class Desk:
    """A scorer and the reader of its records."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.reader = Reader(scorer.entity, scorer.bundle.meta)

    def answer(
        self, body: Any, now: int, request_id: str, lang: str = LANGUAGES[0]
    ) -> dict[str, Any]:
        """The answer to a parsed JSON body; ContractError where it is no request at all.

        now: microseconds, the ``as_of`` of a request that names none; lang: likewise the language.
        """
        envelope = read_envelope(body)
        asked = self._asked(envelope, now, lang)
        results: list[dict[str, Any]] = [{}] * len(envelope.records)
        readable: list[Record] = []
        for index, raw in enumerate(envelope.records):
            read = self.reader.read(index, raw)
            if isinstance(read, Record):
                readable.append(read)
            else:
                results[index] = read.to_json()
        for turn in rounds(readable):
            for index, result in self._scored(turn, asked):
                results[index] = result
        return {
            "model": describe(self.scorer),
            "as_of": None if self.scorer.flat else exact_text(asked.cutoff),
            "request_id": request_id,
            "results": results,
        }

    def warm_up(self) -> None:
        """Answer about nobody: compiles, sorts the reference's events, reads the languages."""
        row = {TABLES[self.scorer.entity].key: "warm-up", self.scorer.born_column: _LONG_AGO}
        activity = {"kind": "call", "direction": "inbound", "occurred_at": _LONG_AGO}
        record = {SINGULAR[self.scorer.entity]: row, "activities": [activity] * 2}
        born = micros(_LONG_AGO)
        body: dict[str, Any] = {"records": [record]}
        if not self.scorer.flat:
            body["compare_to"] = {"as_of": exact_text(born + DAY)}
        rate = self.scorer.bundle.receipts.base_rate
        if rate is not None and 0 < rate.expected < 1:
            body["prior"] = 0.5
        for lang in LANGUAGES:
            self.answer({**body, "lang": lang}, born + 2 * DAY, "warm-up")

    def _asked(self, envelope: Envelope, now: int, lang: str) -> Asked:
        """What is asked of every record; ContractError where it cannot be asked of this model."""
        cutoff = now if envelope.as_of is None else micros(envelope.as_of)
        since = None if envelope.compare_to is None else micros(envelope.compare_to.as_of)
        if since is not None and self.scorer.flat:
            said = "this model knows no dates: a score cannot be compared with an earlier one"
            raise ContractError(Fault("no_dates", "compare_to", said))
        if since is not None and since >= cutoff:
            said = "compare_to.as_of must lie before as_of"
            raise ContractError(Fault("not_earlier", "compare_to.as_of", said))
        try:
            self.scorer.prior(envelope.prior)
        except ValueError as wrong:
            raise ContractError(Fault("prior_not_possible", "prior", str(wrong))) from None
        return Asked(cutoff, envelope.lang or lang, envelope.prior, since)

    def _scored(self, turn: list[Record], asked: Asked) -> list[tuple[int, dict[str, Any]]]:
        tables = self.reader.tables(turn)
        faults = self._not_open(tables[self.scorer.entity], turn, asked.cutoff)
        results = [(fault.index, fault.to_json()) for fault in faults.values()]
        left = [record for record in turn if record.index not in faults]
        if not left:
            return results
        scored = self.scorer.score(
            self.scorer.timeline(tables),
            [record.id for record in left],
            asked.cutoff,
            self.scorer.history,
            lang=asked.lang,
            prior=asked.prior,
        )
        made = [self._result(record, scored, row) for row, record in enumerate(left)]
        if asked.since is not None:
            self._compare(tables, left, made, asked, asked.since)
        return results + [(record.index, one) for record, one in zip(left, made, strict=True)]

    def _compare(
        self,
        tables: Tables,
        records: list[Record],
        results: list[dict[str, Any]],
        asked: Asked,
        since: int,
    ) -> None:
        """Add to every result why its score moved: null, with a warning, where none was then."""
        scorer = self.scorer
        absent = self._not_open(tables[scorer.entity], records, since)
        there = [record for record in records if record.index not in absent]
        rows = {record.index: row for row, record in enumerate(there)}
        ids = [record.id for record in there]
        change = moved_since(scorer, tables, ids, since, asked.cutoff, scorer.history, asked.prior)
        told = Told(scorer, asked.lang)
        for record, result in zip(records, results, strict=True):
            row = rows.get(record.index)
            result["moved"] = None if row is None else told.record(change, row)
            if row is None:
                said = absent[record.index].fault.message.replace("as_of", "compare_to.as_of")
                result["warnings"] = [*result["warnings"], f"no comparison: {said}"]

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
        curve, receipt = scored.curve[row].tolist(), scored.receipts[row]
        return {
            "index": record.index,
            "id": record.id,
            "probability": float(scored.probability[row]),
            "curve": [{"day": day, "probability": p} for day, p in zip(days, curve, strict=False)],
            "grade": scored.grades[row],
            "baseline": scored.baseline,
            "reasons": [vars(reason) for reason in scored.reasons[row]],
            "others": float(scored.others[row]),
            "receipt": None if receipt is None else receipt.to_answer(),
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
    bundle, rate = scorer.bundle, scorer.bundle.receipts.base_rate
    return {
        "name": bundle.name,
        "version": bundle.version,
        "outcome": scorer.outcome,
        "horizon_days": None if scorer.flat else scorer.edges[-1],
        "trained_until": bundle.trained_on.get("until") or bundle.meta.as_of or None,
        "base_rate": None if rate is None else rate.to_answer(),
    }


def exact_text(at: int) -> str:
    """The ISO 8601 text of an instant in microseconds, with its fraction where it has one."""
    return f"{np.datetime64(at, 'us')}Z" if at % 1_000_000 else instant_text(at)


def cutoff_of(stated: str) -> int:
    """Microseconds of an ISO instant; NAT where none is stated."""
    return micros(stated) if stated else NAT
