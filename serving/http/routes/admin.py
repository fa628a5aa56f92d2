"""What only an admin key may: erase an entity, purge by age, read who did what."""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError
from sqlalchemy import Connection
from starlette.responses import Response

from features.tables import instant_text
from serving.http.body import read_json
from serving.http.endpoint import Call, Endpoints, Handler
from serving.http.errors import Problem
from serving.http.idempotency import IdempotentRequest, WorkResult, key_of
from serving.http.params import read_params, whole
from serving.http.paths import entity_id_of
from serving.http.routes.feedback import about
from serving.scoring.contract import Instant, Strict
from serving.scoring.faults import fault_of
from serving.scoring.predictor import exact_text
from serving.store.audit import AuditRow


class Purge(Strict):
    """What to forget by age."""

    before: Instant = Field(description="what is older is deleted; newest runs and keys stay")
    feedback: bool = Field(
        False, description="feedback, too: later models learn from it", examples=[False]
    )


_SCORES = "OPTIONS, POST"


def erase_handler(endpoints: Endpoints, entity: str) -> Handler:
    """Erases all that is kept of one entity; again is the same."""

    async def erase(call: Call) -> Response:
        if call.request.scope["raw_path"].partition(b"?")[0].endswith(b"/score"):
            # the path of POST; an entity with this very id is reached as %73core
            raise Problem("method_not_allowed", "this path answers OPTIONS, POST", allow=_SCORES)
        key, store = key_of(call), endpoints.store
        entity_id = entity_id_of(call.request.scope, control=True)
        call.log.entity = entity

        def work(_: Connection | None) -> WorkResult:
            counts = store.erase(entity, entity_id, call.at, call.key_id, call.request_id)
            return WorkResult(200, {"entity": entity, "erased": counts})

        once = IdempotentRequest(store, call, f"DELETE /v1/{entity}/{{entity_id}}", key)
        # the same key for another id is another request, and the id itself must not be kept
        return await endpoints.write(once.do, store.subject(entity, entity_id), work, False)

    return erase


class AuditRoutes:
    """The handlers of /v1/audit."""

    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints

    async def of(self, call: Call) -> Response:
        """The trail of one entity, the newest first."""
        params = read_params(call.request, ("entity", "id", "limit"))
        entity, entity_id = about(params)
        limit, store = whole(params, "limit", 100, 1000), self.endpoints.store
        subject = store.subject(entity, entity_id)
        rows = await self.endpoints.in_store(store.audit.of, subject, limit)
        return call.respond(
            {"entity": entity, "id": entity_id, "audit": [_audit_row(r) for r in rows]}
        )

    async def purge(self, call: Call) -> Response:
        """Forget what is older than an instant."""
        key, store = key_of(call), self.endpoints.store
        body = await read_json(call.request, self.endpoints.settings.body_seconds)
        wanted = _read_purge(body.value)
        before = wanted.before
        if before > call.at:
            raise Problem("in_future", "everything would be deleted", "before")

        def work(_: Connection | None) -> WorkResult:
            purged = store.purge(before, call.at, call.key_id, call.request_id, wanted.feedback)
            return WorkResult(200, {"before": exact_text(before), "purged": purged})

        once = IdempotentRequest(store, call, "POST /v1/audit/purge", key)
        return await self.endpoints.write(once.do, body.value, work, False)


def _read_purge(value: Any) -> Purge:
    if not isinstance(value, dict):
        raise Problem("wrong_type", 'the body must be an object such as {"before": …}')
    try:
        return Purge.model_validate(value)
    except ValidationError as error:
        fault = fault_of(error, Purge, "")
        raise Problem(fault.code, fault.message, fault.path) from None


def _audit_row(row: AuditRow) -> dict[str, Any]:
    return {
        "at": exact_text(row.at),
        "action": row.action,
        "key_id": row.key_id,
        "request_id": row.request_id,
        "model": row.model,
        "model_version": row.version,
        "probability": row.score,
        "as_of": None if row.cutoff is None else instant_text(row.cutoff),
    }
