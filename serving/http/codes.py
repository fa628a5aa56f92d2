"""Every code an error can have: its status, its title and what to do. ``docs/integration.md`` lists
them, and a test holds the two together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """What is always the same about an error."""

    status: int
    title: str
    action: str


_FIELD = "correct the field named in path and send the request again"
_LATER = "send the same request again after Retry-After seconds"
_KEY = "send Authorization: Bearer with a key from `python -m serving keys create`"

CODES: dict[str, Code] = {
    # the request as a whole
    "bad_json": Code(400, "Not JSON", "send JSON in UTF-8; detail has the position"),
    "duplicate_key": Code(400, "A key twice", "say every key of an object once"),
    "too_deep": Code(400, "Nested too deep", "send records as the contract has them: 6 levels"),
    "bad_idempotency_key": Code(
        400, "Bad Idempotency-Key", "use 1 to 255 visible ASCII characters, such as a UUID"
    ),
    "bad_request": Code(400, "Bad request", "send well-formed HTTP/1.1 with one Host header"),
    "head_timeout": Code(408, "Request too slow", "send the whole request without pausing"),
    "url_too_long": Code(414, "URL too long", "send a target of at most 8 KiB"),
    "headers_too_large": Code(
        431, "Headers too large", "send at most 100 headers of together at most 32 KiB"
    ),
    "body_timeout": Code(408, "Body too slow", "send the whole body without pausing"),
    "client_gone": Code(400, "Client gone", "keep the connection open until the answer"),
    "body_too_large": Code(413, "Body too large", "send fewer records at a time"),
    "unsupported_media_type": Code(
        415, "Unsupported media type", "send content-type: application/json"
    ),
    "unsupported_encoding": Code(
        415, "Unsupported encoding", "send the body as it is, without content-encoding"
    ),
    "not_found": Code(404, "Not found", "see /openapi.json for the paths there are"),
    "method_not_allowed": Code(405, "Method not allowed", "use a method of the Allow header"),
    # who asks
    "key_missing": Code(401, "No key", _KEY),
    "key_malformed": Code(401, "Not a key", _KEY),
    "key_unknown": Code(401, "Unknown key", _KEY),
    "key_revoked": Code(401, "Revoked key", "ask for a new key"),
    "key_expired": Code(401, "Expired key", "ask for a new key"),
    "scope_missing": Code(403, "Not allowed", "use a key with the scope named in detail"),
    "bad_signature": Code(401, "Bad signature", "sign as HubSpot's v3 says, with the app's secret"),
    "stale_signature": Code(401, "Stale signature", "send within five minutes of the timestamp"),
    # what is asked
    "missing_field": Code(422, "Field missing", _FIELD),
    "unknown_field": Code(422, "Unknown field", _FIELD),
    "wrong_type": Code(422, "Wrong type", _FIELD),
    "too_long": Code(422, "Too long", _FIELD),
    "too_short": Code(422, "Too short", _FIELD),
    "number_too_large": Code(422, "Number too large", _FIELD),
    "bad_instant": Code(422, "Not an instant", _FIELD),
    "instant_without_zone": Code(422, "Instant without zone", _FIELD),
    "not_a_share": Code(422, "Not a share", _FIELD),
    "unknown_language": Code(422, "Unknown language", _FIELD),
    "unknown_word": Code(422, "Unknown word", _FIELD),
    "bad_text": Code(422, "Unusable text", "leave out control characters"),
    "bad_number": Code(422, "Unusable number", _FIELD),
    "outcome_or_override": Code(422, "Outcome or override", _FIELD),
    "in_future": Code(409, "In the future", "check the clock and the time zone of the instant"),
    "no_dates": Code(409, "No dates", "leave compare_to out: this model knows no dates"),
    "not_earlier": Code(409, "Not earlier", "name a date before as_of"),
    "prior_not_possible": Code(409, "No prior possible", "leave prior out, or train on more"),
    # what is there
    "no_model": Code(503, "No model", "train and promote a model; it is taken up within seconds"),
    "unknown_model": Code(404, "Unknown model", "see GET /v1/models for those that are loaded"),
    "no_score": Code(404, "No score stored", "run `make score`, or POST the record to be scored"),
    "no_forecast": Code(404, "No forecast", "run `make forecast`"),
    "not_in_forecast": Code(404, "Not in the forecast", "ask for a word named in detail"),
    "forecast_unreadable": Code(503, "Forecast unreadable", "run `make forecast` again"),
    "webhook_off": Code(404, "Webhooks are off", "set EMBUDO_HUBSPOT_SECRET and restart"),
    "reply_in_progress": Code(409, "In progress", _LATER),
    "reply_mismatch": Code(
        422, "Other request under this key", "use a new Idempotency-Key for a new request"
    ),
    # what the service lacks
    "no_store": Code(503, "No store", "set DATABASE_URL and restart"),
    "store_busy": Code(503, "Store is busy", _LATER),
    "store_read_only": Code(503, "Store is read-only", _LATER),
    "store_full": Code(503, "Store is full", _LATER),
    "store_down": Code(503, "Store is down", _LATER),
    "store_schema": Code(503, "Store of another version", "run `python -m serving store upgrade`"),
    "store_unavailable": Code(503, "Store unavailable", _LATER),
    "not_storable": Code(422, "Not storable", "leave out NUL and numbers beyond 64 bits"),
    "overloaded": Code(429, "Too many requests", _LATER),
    "too_late": Code(503, "Too late", "send fewer records at a time, or the same request later"),
    "internal_error": Code(500, "Internal error", "report the request_id"),
}
"""Codes of whole requests; ``serving.scoring`` gives some of them to single records, too."""
