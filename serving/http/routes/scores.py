"""POST /v1/<entity>/score: records in, scores out, and an audit row a score before the answer."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from features.schema import QUESTIONS
from features.tables import DAY, micros
from serving.http.body import INLINE_BODY, Body, nul_path, read_json
from serving.http.endpoint import Call, Endpoints, Handler
from serving.http.errors import Problem, no_model
from serving.http.params import read_params
from serving.i18n.languages import negotiate
from serving.scoring.contract import MOST_RECORDS, id_of
from serving.scoring.faults import ContractError, Fault, RecordFault
from serving.scoring.predictor import Predictor, ScoreRequest
from serving.scoring.queue import Overloaded, RequestQueue, TooLate
from serving.store.audit import AuditRow


def score_handler(endpoints: Endpoints, entity: str) -> Handler:
    """Scores records of one entity."""

    async def score(call: Call) -> Response:
        predictor = _predictor(endpoints, entity, call)
        with call.log.step("read"):
            body = await read_json(call.request, endpoints.settings.body_seconds)
        lang = negotiate(call.request.headers.get("accept-language", ""))
        with call.log.step("score"):
            answer = await _answer(endpoints.state.queue, predictor, body, call, lang)
        if body.size <= INLINE_BODY:
            return _respond(endpoints, predictor, answer, call)
        return await run_in_threadpool(_respond, endpoints, predictor, answer, call)

    return score


def _predictor(endpoints: Endpoints, entity: str, call: Call) -> Predictor:
    """The model of the question asked, ``?question=``, else of the entity's usual one."""
    question = read_params(call.request, ("question",)).get("question", "")
    predictors: Mapping[str, Predictor] = endpoints.state.predictors
    found = predictors.get(f"{entity}.{question}") if question else predictors.get(entity)
    if found is None and question:
        usual = predictors.get(entity)
        found = usual if usual is not None and usual.scorer.bundle.name == question else None
    if found is None and question and QUESTIONS.get(question) != entity:
        there = ", ".join(sorted(predictors)) or "none"
        raise Problem(
            "unknown_model",
            f"no model answers {question[:80]!r} about {entity}; loaded: {there}",
            "question",
        )
    if found is None:
        raise no_model(entity)
    return found


def _respond(
    endpoints: Endpoints, predictor: Predictor, answer: dict[str, Any], call: Call
) -> Response:
    call.log.answered(predictor.scorer.entity, answer)
    with call.log.step("audit"):
        _audit(endpoints, predictor.scorer.entity, answer, call)
    with call.log.step("write"):
        return call.respond(answer)


async def _answer(
    line: RequestQueue, predictor: Predictor, body: Body, call: Call, lang: str
) -> dict[str, Any]:
    _require_past(predictor, body.value, call.at)
    value, faults = _without_nuls(predictor, body) if body.nul else (body.value, {})
    value, copies = _without_duplicates(value)
    request = ScoreRequest(value, call.at, call.request_id, lang)
    try:
        answer = await line.answer(predictor, request, body.size)
    except ContractError as wrong:
        fault = wrong.fault
        raise Problem(fault.code, fault.message, fault.path) from None
    except Overloaded as full:
        said = f"{line.length} requests wait here already"
        raise Problem("overloaded", said, retry_after=str(full.seconds)) from None
    except TooLate:
        said = f"it was not done within {line.seconds:g} s"
        raise Problem("too_late", said, retry_after="5") from None
    if copies is not None:
        answer["results"] = [_result_at(answer["results"][of], i) for i, of in enumerate(copies)]
    for index, record_fault in faults.items():
        answer["results"][index] = record_fault.to_json()
    if len(answer["results"]) > 1:
        _warn_of_same_ids(answer["results"])
    return answer


def _require_past(predictor: Predictor, body: Any, now: int) -> None:
    """A Problem where as_of lies ahead: nobody knows yet what is to be known by then.

    A day is let pass: clocks differ, and so do the zones that people forget.
    """
    as_of = body.get("as_of") if isinstance(body, dict) else None
    if not isinstance(as_of, str) or predictor.scorer.flat:
        return
    try:
        at = micros(as_of)
    except ValueError:
        return  # the contract says what is wrong with it
    if at > now + DAY:
        raise Problem("in_future", "as_of lies in the future; leave it out for now", "as_of")


def _without_nuls(predictor: Predictor, body: Body) -> tuple[Any, dict[int, RecordFault]]:
    """The body with records that hold a NUL taken out, and their faults by index.

    The contract's types let NUL pass, as JSON does; no CRM means it and PostgreSQL cannot keep it.
    """
    records = body.value.get("records") if isinstance(body.value, dict) else None
    if not isinstance(records, list):
        return body.value, {}
    said = "a text holds a NUL character; leave it out"
    faults = {}
    for index, raw in enumerate(records):
        if (place := nul_path(raw, f"records[{index}]")) is not None:
            found = id_of(predictor.scorer.entity, raw)
            known = None if found is None or "\0" in found else found
            faults[index] = RecordFault(index, known, Fault("bad_text", place, said))
    left = [None if index in faults else raw for index, raw in enumerate(records)]
    return {**body.value, "records": left}, faults


def _without_duplicates(body: Any) -> tuple[Any, list[int] | None]:
    """The body without records equal to an earlier one; and which one answers for each, if any is.

    Records of one id must not see one another, so each costs a turn of its own: a thousand copies
    of one record a thousand turns. Equal records have equal answers.
    """
    records = body.get("records") if isinstance(body, dict) else None
    if not isinstance(records, list) or not 1 < len(records) <= MOST_RECORDS:
        return body, None
    first: dict[bytes, int] = {}
    distinct: list[Any] = []
    answers = []
    for raw in records:
        answers.append(first.setdefault(_written(raw), len(first)))
        if len(distinct) < len(first):
            distinct.append(raw)
    same = len(distinct) == len(records)
    return (body, None) if same else ({**body, "records": distinct}, answers)


def _written(raw: Any) -> bytes:
    try:
        return orjson.dumps(raw)
    except orjson.JSONEncodeError:  # nested too deep to be written: the contract refuses it alone
        return secrets.token_bytes(16)


def _result_at(result: dict[str, Any], index: int) -> dict[str, Any]:
    """A result as that of the record at ``index``, which is equal to its own."""
    own = result["index"]
    made = {**result, "index": index}
    if "error" in result:
        path = result["error"]["path"].replace(f"records[{own}]", f"records[{index}]", 1)
        made["error"] = {**result["error"], "path": path}
    return made


def _warn_of_same_ids(results: list[dict[str, Any]]) -> None:
    """A warning on each record whose id another record of the request has, too."""
    times = Counter(r["id"] for r in results)
    for result in results:
        if times[result["id"]] > 1 and "warnings" in result:
            said = f"{times[result['id']]} records of this request have this id"
            result["warnings"] = [*result["warnings"], said]


def _audit(endpoints: Endpoints, entity: str, answer: dict[str, Any], call: Call) -> None:
    """Who scored whom with which version: on disk before the answer, and without any field."""
    store, journal = endpoints.state.store, endpoints.state.journal
    if store is None or journal is None:
        return
    rows = list(_rows(endpoints, entity, answer, call))
    if len(answer["results"]) == 1 and rows:
        call.log.subject = rows[0].subject or ""
    journal.append(rows)


def _rows(
    endpoints: Endpoints, entity: str, answer: dict[str, Any], call: Call
) -> Iterator[AuditRow]:
    model, as_of, one = answer["model"], answer["as_of"], endpoints.ids.new()
    cutoff = None if as_of is None else micros(as_of)
    for result in answer["results"]:
        if "error" not in result:
            yield AuditRow(
                at=call.at,
                action="score",
                key_id=call.key_id,
                request_id=call.request_id,
                entity=entity,
                subject=endpoints.state.store.subject(entity, result["id"]),
                model=model["name"],
                version=model["version"],
                score=result["probability"],
                cutoff=cutoff,
                uid=f"{one}-{result['index']}",
            )
