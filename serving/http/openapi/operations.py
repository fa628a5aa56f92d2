"""Every operation of the API as data: what it is called, who may, what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from serving.http import shapes, shapes_kept
from serving.http.codes import CODES
from serving.http.routes import forecast
from serving.http.routes.feedback import ENTITIES
from serving.scoring.contract import SINGULAR
from serving.scoring.values import LONGEST_ID

Schema = dict[str, Any]

_BODY = (
    "bad_json",
    "duplicate_key",
    "too_deep",
    "client_gone",
    "body_timeout",
    "body_too_large",
    "unsupported_media_type",
    "unsupported_encoding",
    "missing_field",
    "unknown_field",
    "wrong_type",
    "too_long",
    "too_short",
)
_KEYS = (
    "key_missing",
    "key_malformed",
    "key_unknown",
    "key_revoked",
    "key_expired",
    "scope_missing",
    "store_down",
)
_STORE = (
    "no_store",
    "store_busy",
    "store_read_only",
    "store_full",
    "store_down",
    "store_schema",
    "store_unavailable",
)
_ONCE = ("bad_idempotency_key", "reply_in_progress", "reply_mismatch")
_ID = ("too_long", "bad_text")
_QUERY = ("duplicate_key", "unknown_field", "missing_field", "unknown_word", "bad_number", *_ID)

# what text of ours may not hold: control characters, which no CRM means
CLEAN = "^[^\\u0000-\\u001f\\u007f]+$"
ID_SCHEMA: Schema = {"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": CLEAN}

ANY_ID: Schema = {**ID_SCHEMA, "pattern": "^[^\\u0000]+$"}
"""An id that may be erased: some exports have control characters in theirs."""


@dataclass(frozen=True)
class Operation:
    """One method of one path.

    scope    what the key must be for; None: no bearer key is asked for
    body     the name of the request body's schema; media examples in ``bodies``
    answer   shape of the answer under ``status``
    codes    of the problems it can answer, beside those of keys
    """

    id: str
    method: str
    path: str
    summary: str
    scope: str | None
    answer: type[BaseModel]
    status: int = 200
    body: str = ""
    parameters: Sequence[Schema] = ()
    codes: Sequence[str] = ()
    description: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def problems(self) -> dict[str, list[str]]:
        """Status -> the codes that come with it."""
        found: dict[str, list[str]] = {}
        codes = [*self.codes, *(_KEYS if self.scope else ()), "internal_error"]
        for code in dict.fromkeys(codes):
            found.setdefault(str(CODES[code].status), []).append(code)
        return dict(sorted(found.items()))


def parameter(
    name: str,
    schema: Schema,
    description: str,
    example: Any,
    where: str = "query",
    required: bool = False,
) -> Schema:
    """One parameter of an operation."""
    return {
        "name": name,
        "in": where,
        "required": required or where == "path",
        "description": description,
        "schema": {**schema, "examples": [example]},
    }


_TEXT = {"type": "string"}
ONCE = (
    "With the header Idempotency-Key (1 to 255 visible ASCII characters) the same request again is "
    "answered as the first time, for 24 hours; the same key with another body is refused."
)
"""Said, not declared as a parameter: that a key was used before is no matter of its form."""

_ENTITY = parameter(
    "entity", {**_TEXT, "enum": list(ENTITIES)}, "whose id it is", "deals", required=True
)
_ENTITY_ID = parameter("id", ID_SCHEMA, "the entity's id", "D-2044", required=True)


_QUESTION = parameter(
    "question", _TEXT, "a question of the company's own; default: the entity's usual one", "churn"
)

_FORECAST = [
    parameter(n, _TEXT, *description) for n, description in forecast.PARAMETER_WORDS.items()
]


def _limit(most: int, default: int) -> Schema:
    numbers = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return parameter("limit", numbers, "at most so many, the newest", 10)


def _of_entity(entity: str) -> list[Operation]:
    one = SINGULAR[entity]
    any_id = parameter("entity_id", ANY_ID, f"the {one}'s id", "D-2044", "path")
    path_id = parameter("entity_id", ID_SCHEMA, f"the {one}'s id", "D-2044", "path")
    semantic = ("bad_instant", "instant_without_zone", "not_a_share", "unknown_language")
    state = (
        "in_future",
        "no_dates",
        "not_earlier",
        "prior_not_possible",
        "no_model",
        "unknown_model",
        "overloaded",
        "too_late",
    )
    return [
        Operation(
            f"score_{entity}",
            "post",
            f"/v1/{entity}/score",
            f"Score {entity}",
            "score",
            shapes.Answer,
            body=f"{one.title()}Request",
            parameters=[_QUESTION],
            codes=[*_BODY, *semantic, *state],
            description="1 to 1,000 records; each is answered with its score or its own error. The "
            "header Accept-Language chooses the sentences' language where the body does not.",
        ),
        Operation(
            f"stored_{one}_score",
            "get",
            f"/v1/{entity}/{{entity_id}}/score",
            f"The stored score of one {one}",
            "read",
            shapes_kept.StoredOut,
            parameters=[path_id, _limit(365, 30), _QUESTION],
            codes=[*_QUERY, "no_score", *_STORE],
        ),
        Operation(
            f"erase_{one}",
            "delete",
            f"/v1/{entity}/{{entity_id}}",
            f"Erase all that is kept of one {one}",
            "admin",
            shapes_kept.ErasedOut,
            parameters=[any_id],
            codes=[*_ID, *_ONCE, *_STORE],
            description=ONCE,
        ),
    ]


def operations() -> list[Operation]:
    """Every operation, in the order of the documents."""
    found = [operation for entity in ENTITIES for operation in _of_entity(entity)]
    name = parameter("name", _TEXT, "the model's name", "deal_close", "path")
    return [
        *found,
        Operation(
            "list_models", "get", "/v1/models", "The models that answer", "read",
            shapes_kept.ModelsOut, codes=["unknown_field", "duplicate_key"],
        ),
        Operation(
            "get_model", "get", "/v1/models/{name}", "One model: measures, drift, reloads", "read",
            shapes_kept.OneModelOut, parameters=[name],
            codes=["unknown_field", "duplicate_key", "unknown_model"],
        ),
        Operation(
            "get_forecast", "get", "/v1/forecast", "The newest revenue forecast", "read",
            forecast.ForecastOut, parameters=_FORECAST,
            codes=["unknown_field", "duplicate_key", "no_forecast", "not_in_forecast",
                   "forecast_unreadable"],
        ),
        Operation(
            "add_feedback", "post", "/v1/feedback", "Tell an outcome, or a person's own value",
            "score", shapes_kept.FeedbackKept, 201, "FeedbackRequest", [],
            [*_BODY, *_ONCE, "bad_text", "bad_instant", "instant_without_zone", "not_a_share",
             "unknown_word", "outcome_or_override", "in_future", "not_storable", *_STORE],
            f"Kept beside the model's value, which it never replaces. {ONCE}",
        ),
        Operation(
            "list_feedback", "get", "/v1/feedback", "What was said of an entity", "read",
            shapes_kept.FeedbackList, parameters=[_ENTITY, _ENTITY_ID, _limit(1000, 100)],
            codes=[*_QUERY, "too_short", *_STORE],
        ),
        Operation(
            "list_audit", "get", "/v1/audit", "Who did what about an entity", "admin",
            shapes_kept.AuditOut, parameters=[_ENTITY, _ENTITY_ID, _limit(1000, 100)],
            codes=[*_QUERY, "too_short", *_STORE],
        ),
        Operation(
            "purge", "post", "/v1/audit/purge", "Forget what is older than an instant", "admin",
            shapes_kept.PurgedOut, 200, "PurgeRequest", [],
            [*_BODY, *_ONCE, "bad_instant", "instant_without_zone", "in_future", *_STORE], ONCE,
        ),
        Operation(
            "hubspot_webhook", "post", "/v1/webhooks/hubspot", "Changes in HubSpot", None,
            shapes_kept.WebhookOut, 200, "HubSpotEvents", [],
            [*_BODY, "bad_signature", "stale_signature", "webhook_off", *_STORE],
            "Signed as HubSpot's v3; marks the stored scores of what changed as stale.",
            {"security": [{"hubspot": []}]},
        ),
    ]  # fmt: skip
