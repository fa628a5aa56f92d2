"""POST /v1/feedback: what became of an entity, or a person's own value, beside the model's.

Nothing here changes a score. It is what a later training, and whoever reads the score, can see.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError
from sqlalchemy import Connection
from starlette.responses import Response

from features.schema import OUTCOMES
from features.tables import DAY
from serving.http.body import Body, nul_path, read_json
from serving.http.endpoint import Call, Endpoints
from serving.http.errors import Problem
from serving.http.idempotency import IdempotentRequest, WorkResult, key_of
from serving.http.params import read_params, whole
from serving.http.paths import checked_id
from serving.http.routes.stored import feedback_body
from serving.scoring.contract import Instant, Key, Strict
from serving.scoring.faults import fault_of
from serving.store.audit import AuditRow
from serving.store.store import Store

ENTITIES = ("leads", "deals", "accounts")
OPEN = "open"
"""The outcome of an entity that has none (any more): a deal that was reopened."""

KINDS = ("outcome", "override")


def _word(given: str, words: tuple[str, ...]) -> str:
    if given not in words:
        raise PydanticCustomError("unknown_word", f"must be one of {', '.join(words)}")
    return given


_Entity = Annotated[
    str,
    AfterValidator(partial(_word, words=ENTITIES)),
    WithJsonSchema({"type": "string", "enum": list(ENTITIES)}),
]
_Kind = Annotated[
    Literal["outcome", "override"],
    PlainValidator(partial(_word, words=KINDS)),
    WithJsonSchema({"type": "string", "enum": list(KINDS)}),
]


def _share(given: float) -> float:
    if not 0 <= given <= 1:
        raise PydanticCustomError("not_a_share", "must lie between 0 and 1: 0.8 is 80 %")
    return given


_Short = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Note = Annotated[str, StringConstraints(max_length=2000)]
_Share = Annotated[
    float,
    AfterValidator(_share),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]


class FeedbackIn(Strict):
    """One statement about one entity: an outcome, or a person's own probability."""

    entity: _Entity = Field(description="whose id it is", examples=["deals"])
    id: Key = Field(description="the entity's id", examples=["D-2044"])
    kind: _Kind = Field(
        description="outcome: what happened; override: what a person expects instead",
        examples=["override"],
    )
    outcome: _Short | None = Field(
        None,
        description="of an outcome: converted or disqualified, won or lost, churned; or open",
        examples=["won"],
    )
    probability: _Share | None = Field(
        None, description="of an override: the person's own, from 0 to 1", examples=[0.8]
    )
    by: _Short | None = Field(
        None, description="who says so; default: the key's name", examples=["maria@example.com"]
    )
    note: _Note | None = Field(
        None, description="why, for people", examples=["the budget was approved on the phone"]
    )
    at: Instant | None = Field(None, description="when it was said; default: now")


def read_feedback(body: Body, now: int) -> FeedbackIn:
    """A checked statement; a Problem for anything else."""
    if body.nul and (place := nul_path(body.value)) is not None:
        raise Problem("bad_text", "a text holds a NUL character; leave it out", place)
    if not isinstance(body.value, dict):
        raise Problem("wrong_type", 'the body must be an object such as {"entity": "deals", …}')
    try:
        said = FeedbackIn.model_validate(body.value)
    except ValidationError as error:
        fault = fault_of(error, FeedbackIn, "")
        raise Problem(fault.code, fault.message, fault.path) from None
    checked_id(said.id, "id")
    _require_value(said)
    if said.at is not None and said.at > now + DAY:
        raise Problem("in_future", "the statement is dated in the future", "at")
    return said


def _require_value(said: FeedbackIn) -> None:
    wanted, other = ("outcome", "probability")[:: 1 if said.kind == "outcome" else -1]
    if getattr(said, wanted) is None:
        raise Problem("missing_field", f"kind {said.kind!r} needs {wanted}", wanted)
    if getattr(said, other) is not None:
        raise Problem("outcome_or_override", f"kind {said.kind!r} has no {other}", other)
    words = (*OUTCOMES[said.entity], OPEN)
    if said.outcome is not None and said.outcome not in words:
        known = f"an outcome of {said.entity} is one of {', '.join(words)}"
        raise Problem("unknown_word", f"{known}; got {said.outcome[:40]!r}", "outcome")


class FeedbackRoutes:
    """The handlers of /v1/feedback."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    async def add(self, call: Call) -> Response:
        """Keep a statement; answered when it is on disk."""
        key, store = key_of(call), self.endpoints.store
        body = await read_json(call.request, self.endpoints.settings.body_seconds)
        said = read_feedback(body, call.at)
        call.log.entity, call.log.subject = said.entity, store.subject(said.entity, said.id)

        def work(within: Connection | None) -> WorkResult:
            return _keep(store, call, said, within)

        once = IdempotentRequest(store, call, "POST /v1/feedback", key)
        return await self.endpoints.write(once.do, body.value, work, True)

    async def of(self, call: Call) -> Response:
        """What was said of an entity, the newest first."""
        params = read_params(call.request, ("entity", "id", "limit"))
        entity, entity_id = about(params)
        limit, store = whole(params, "limit", 100, 1000), self.endpoints.store
        found = await self.endpoints.in_store(store.feedback.of, entity, entity_id, limit)
        body = {
            "entity": entity,
            "id": entity_id,
            "feedback": [feedback_body(one) for one in found],
        }
        return call.respond(body)


def about(params: dict[str, str]) -> tuple[str, str]:
    """The entity and id of a query; a Problem where they are not there."""
    for name in ("entity", "id"):
        if name not in params:
            raise Problem("missing_field", "this parameter is required", name)
    if params["entity"] not in ENTITIES:
        said = f"one of {', '.join(ENTITIES)}, got {params['entity'][:40]!r}"
        raise Problem("unknown_word", said, "entity")
    return params["entity"], checked_id(params["id"], "id")


def _keep(store: Store, call: Call, said: FeedbackIn, within: Connection | None) -> WorkResult:
    value: Any = said.outcome if said.kind == "outcome" else said.probability
    by = said.by or (call.key.name if call.key else "unknown")
    at = call.at if said.at is None else said.at
    kept = store.feedback.add(said.entity, said.id, said.kind, value, by, said.note, at, within)
    subject = store.subject(said.entity, said.id)
    row = AuditRow(
        at=call.at,
        action="feedback",
        key_id=call.key_id,
        request_id=call.request_id,
        entity=said.entity,
        subject=subject,
        model=kept.model,
        version=kept.version,
        score=kept.probability,
        cutoff=kept.cutoff,
        detail={"kind": said.kind},
    )
    store.audit.append([row], within)
    body = {"entity": said.entity, "id": said.id, "feedback": feedback_body(kept)}
    return WorkResult(201, body, [subject])
