"""From a request's body to an answer's body: one function, without HTTP and without a clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from features.schema import TABLES
from features.tables import DAY, NAT, Table, Tables, instant_text, micros
from serving.i18n.languages import LANGUAGES
from serving.scoring.changes import ChangeExplainer, moved_since
from serving.scoring.contract import SINGULAR, Envelope, read_envelope
from serving.scoring.faults import ContractError, Fault, RecordFault
from serving.scoring.isolation import Reader, Record, independent_rounds
from serving.scoring.scorer import TOP, Scored, Scorer


@dataclass(frozen=True)
class ScoreRequest:
    """A parsed JSON body, and what is asked where it does not say.

    now: microseconds, the ``as_of`` of a request that names none; lang: likewise the language.
    """

    body: Any
    now: int
    request_id: str
    lang: str = LANGUAGES[0]


@dataclass(frozen=True)
class ScoreOptions:
    """What a request asks of each of its records; instants in microseconds."""

    cutoff: int
    lang: str
    prior: float | None
    since: int | None
    top: int

    @property
    def together(self) -> tuple[object, ...]:
        """Records are scored in one go where this is equal: the rest may differ row by row."""
        return (self,) if self.since is not None else (self.prior, self.top == 0)


@dataclass(frozen=True)
class _Readable:
    """A readable record, what is asked of it, and the results it stands among."""

    record: Record
    asked: ScoreOptions
    results: list[dict[str, Any]]


class Predictor:
    """A scorer and the reader of its records."""

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        rates = scorer.history.tables["fx_rates"].coded("currency").values
        self.reader = Reader(scorer.entity, scorer.bundle.meta, rates)
        self.card = describe(scorer)

    def answer(
        self, body: Any, now: int, request_id: str, lang: str = LANGUAGES[0]
    ) -> dict[str, Any]:
        """The answer to a parsed JSON body; ContractError where it is no request at all.

        now: microseconds, the ``as_of`` of a request that names none; lang: likewise the language.
        """
        (made,) = self.answer_all([ScoreRequest(body, now, request_id, lang)])
        if isinstance(made, ContractError):
            raise made
        return made

    def answer_all(self, requests: Sequence[ScoreRequest]) -> list[dict[str, Any] | ContractError]:
        """The answer to each request, as if it were alone: to the last bit, and at less cost.

        Most of what a score costs is paid once for all records that are computed together.
        """
        taken: list[_Readable] = []
        answers: list[dict[str, Any] | ContractError] = []
        for request in requests:
            try:
                envelope = read_envelope(request.body)
                asked = self._asked(envelope, request.now, request.lang)
            except ContractError as wrong:
                answers.append(wrong)
                continue
            results: list[dict[str, Any]] = [{}] * len(envelope.records)
            for index, raw in enumerate(envelope.records):
                read = self.reader.read(index, raw, len(taken))
                if isinstance(read, Record):
                    taken.append(_Readable(read, asked, results))
                else:
                    results[index] = read.to_json()
            as_of = None if self.scorer.flat else exact_text(asked.cutoff)
            id_of_it = request.request_id
            made = {"model": self.card, "as_of": as_of, "request_id": id_of_it, "results": results}
            answers.append(made)
        for group in self._groups(taken):
            self._score(group)
        return answers

    def warm_up(self) -> None:
        """Answer about nobody: compiles, sorts the reference's events, reads the languages."""
        row = {TABLES[self.scorer.entity].key: "warm-up", self.scorer.born_column: _LONG_AGO}
        activity = {"kind": "call", "direction": "inbound", "occurred_at": _LONG_AGO}
        record = {SINGULAR[self.scorer.entity]: row, "activities": [activity] * 2}
        born = micros(_LONG_AGO)
        body: dict[str, Any] = {"records": [record]}
        if not self.scorer.flat:
            body["compare_to"] = {"as_of": exact_text(born + DAY)}
        rate = self.scorer.bundle.track_record.base_rate
        if rate is not None and 0 < rate.expected < 1:
            body["prior"] = 0.5
        for lang in LANGUAGES:
            self.answer({**body, "lang": lang}, born + 2 * DAY, "warm-up")

    def _asked(self, envelope: Envelope, now: int, lang: str) -> ScoreOptions:
        """What is asked of every record; ContractError where it cannot be asked of this model."""
        cutoff = now if envelope.as_of is None else envelope.as_of
        since = None if envelope.compare_to is None else envelope.compare_to.as_of
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
        top = TOP if envelope.reasons is None else envelope.reasons
        return ScoreOptions(cutoff, envelope.lang or lang, envelope.prior, since, top)

    def _groups(self, taken: list[_Readable]) -> Iterator[list[_Readable]]:
        """Records that can be scored in one go: asked alike, and blind to one another's facts."""
        alike: dict[tuple[object, ...], list[_Readable]] = {}
        for one in taken:
            alike.setdefault(one.asked.together, []).append(one)
        for some in alike.values():
            if len(some) == 1:
                yield some
                continue
            records = self.reader.apart([one.record for one in some])
            some = [
                one if one.record is r else replace(one, record=r)
                for one, r in zip(some, records, strict=True)
            ]
            for turn in independent_rounds(records):
                yield [some[place] for place in turn]

    def _score(self, group: list[_Readable]) -> None:
        """Put the results of records that can share tables and a scoring into their places."""
        tables = self.scorer.seen_by(self.reader.tables([one.record for one in group]))
        cutoffs = [one.asked.cutoff for one in group]
        faults = self._not_open(tables[self.scorer.entity], [t.record for t in group], cutoffs)
        left = []
        for place, one in enumerate(group):
            if place in faults:
                one.results[one.record.index] = faults[place].to_json()
            else:
                left.append(one)
        if not left:
            return
        scored = self.scorer.score(
            self.scorer.timeline(tables),
            [one.record.own for one in left],
            np.array([one.asked.cutoff for one in left], np.int64),
            self.scorer.history,
            top=[one.asked.top for one in left],
            lang=[one.asked.lang for one in left],
            prior=left[0].asked.prior,
        )
        for row, one in enumerate(left):
            one.results[one.record.index] = self._result(one.record, scored, row)
        since = left[0].asked.since
        if since is not None:
            made = [one.results[one.record.index] for one in left]
            self._compare(tables, [one.record for one in left], made, left[0].asked, since)

    def _compare(
        self,
        tables: Tables,
        records: list[Record],
        results: list[dict[str, Any]],
        asked: ScoreOptions,
        since: int,
    ) -> None:
        """Add to every result why its score moved: null, with a warning, where none was then."""
        scorer = self.scorer
        absent = self._not_open(tables[scorer.entity], records, [since] * len(records))
        there = [place for place in range(len(records)) if place not in absent]
        rows = {place: row for row, place in enumerate(there)}
        ids = [records[place].own for place in there]
        change = moved_since(scorer, tables, ids, since, asked.cutoff, scorer.history, asked.prior)
        explainer = ChangeExplainer(scorer, asked.lang)
        for place, result in enumerate(results):
            row = rows.get(place)
            result["moved"] = None if row is None else explainer.record(change, row)
            if row is None:
                said = absent[place].fault.message.replace("as_of", "compare_to.as_of")
                result["warnings"] = [*result["warnings"], f"no comparison: {said}"]

    def _not_open(
        self, table: Table, records: list[Record], cutoffs: list[int]
    ) -> dict[int, RecordFault]:
        """The records that cannot be asked about at their cutoffs, by their place in the list."""
        if self.scorer.flat:
            return {}
        keys = table.coded(TABLES[self.scorer.entity].key)
        row_of = {keys.values[c]: row for row, c in enumerate(keys.codes.tolist())}
        rows = [row_of[record.own] for record in records]
        at = np.empty(table.n, np.int64)
        at[rows] = cutoffs
        standing = [mask.tolist() for mask in self.scorer.standing(table, at)]
        faults = {}
        for place, (record, row) in enumerate(zip(records, rows, strict=True)):
            for code, mask in zip(_NOT_OPEN, standing, strict=True):
                if mask[row]:
                    faults[place] = self._fault(record, code)
                    break
        return faults

    def _fault(self, record: Record, code: str) -> RecordFault:
        field, said = _NOT_OPEN[code]
        column = field or self.scorer.born_column
        place = f"records[{record.index}].{SINGULAR[self.scorer.entity]}.{column}"
        return RecordFault(record.index, record.id, Fault(code, place, said.format(column=column)))

    def _result(self, record: Record, scored: Scored, row: int) -> dict[str, Any]:
        days = [] if self.scorer.flat else list(self.scorer.edges)
        curve, receipt = scored.curve[row].tolist(), scored.track_record[row]
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
    bundle, rate = scorer.bundle, scorer.bundle.track_record.base_rate
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
