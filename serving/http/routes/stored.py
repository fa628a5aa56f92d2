"""GET /v1/<entity>/<id>/score: what the nightly run said of an entity, and what people said."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from features.schema import QUESTIONS
from features.tables import instant_text
from serving.http.endpoint import Call, Endpoints, Handler
from serving.http.errors import Problem
from serving.http.params import read_params, whole
from serving.http.paths import entity_id_of
from serving.scoring.predictor import exact_text
from serving.store.feedback import WORK, Feedback
from serving.store.scores import StoredScore
from serving.store.store import Store

HISTORY, LONGEST_HISTORY = 30, 365
SAID = 50
"""Pieces of feedback shown."""


def stored_handler(endpoints: Endpoints, entity: str) -> Handler:
    """Reads the stored score of one entity."""

    async def stored(call: Call) -> Response:
        params = read_params(call.request, ("limit", "question"))
        limit = whole(params, "limit", HISTORY, LONGEST_HISTORY)
        entity_id = entity_id_of(call.request.scope)
        store = endpoints.store
        call.log.entity, call.log.subject = entity, store.subject(entity, entity_id)
        slot = slot_of(entity, params.get("question", ""))
        history, message = await endpoints.in_store(_read, store, slot, entity_id, limit)
        if not history:
            raise Problem("no_score", f"no score of this id is stored among {entity}", "id")
        return call.respond(body_of(history, message))

    return stored


def slot_of(entity: str, question: str) -> str:
    """Where the scores of a question are kept: the usual one's under the entity's own name."""
    return (
        entity if QUESTIONS.get(question, "") == entity or not question else f"{entity}.{question}"
    )


def _read(
    store: Store, slot: str, entity_id: str, limit: int
) -> tuple[list[StoredScore], list[Feedback]]:
    history = store.scores.history(slot, entity_id, limit)
    entity = slot.partition(".")[0]
    return history, store.feedback.of(entity, entity_id, SAID) if history else []


def body_of(history: list[StoredScore], message: list[Feedback]) -> dict[str, Any]:
    """The newest score whole, the others as a line each, and what people said beside them."""
    newest = history[0]
    override = next((f for f in message if f.kind == "override"), None)
    return {
        "entity": newest.entity.partition(".")[0],
        "id": newest.id,
        "score": _score(newest),
        "stale": newest.stale_at is not None,
        "stale_since": _text(newest.stale_at),
        "in_newest_run": newest.current,
        "newest_run_as_of": _text(newest.newest),
        "history": [_line(score) for score in history],
        "override": None if override is None else feedback_body(override),
        "feedback": [feedback_body(one) for one in message],
    }


def _score(stored: StoredScore) -> dict[str, Any]:
    score = stored.score
    return {
        **_line(stored),
        "outcome": stored.outcome,
        "lang": stored.lang,
        "curve": score.curve,
        "baseline": score.baseline,
        "reasons": score.reasons,
        "others": score.others,
        "receipt": score.receipt,
    }


def _line(stored: StoredScore) -> dict[str, Any]:
    return {
        "probability": stored.score.probability,
        "grade": stored.score.grade,
        "as_of": _text(stored.cutoff),
        "scored_at": instant_text(stored.scored_at),
        "model": stored.model,
        "model_version": stored.version,
    }


def feedback_body(message: Feedback) -> dict[str, Any]:
    """A piece of feedback, and the model's own value that stood when it was said."""
    return {
        "id": message.id,
        "kind": message.kind,
        "outcome": message.value if message.kind == "outcome" else None,
        "probability": message.value if message.kind == "override" else None,
        "value": message.value if message.kind in WORK else None,
        "by": message.by,
        "note": message.note,
        "at": instant_text(message.at),
        "model_probability": message.probability,
        "model_grade": message.grade,
        "model_version": message.version,
    }


def _text(at: int | None) -> str | None:
    return None if at is None else exact_text(at)
