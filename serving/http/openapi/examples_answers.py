"""Examples of what is answered, and the example of any field of any shape (``example_of``)."""

from __future__ import annotations

from typing import Any

from serving.http.openapi import examples, examples_forecast
from serving.http.openapi.examples import AS_OF, PURGE

_AT = "2026-03-01T09:30:00Z"

_REASON = {
    "code": "meeting",
    "feature": "days_since_meeting",
    "value": 4.96,
    "unit": "days",
    "effect": 0.057,
    "points": 0.01,
    "direction": "up",
    "sentence": "Days since the last meeting: 4.96 (raises the chance by 1 point)",
    "own": True,
}
_BASE_RATE = {"training": 0.21, "newest": 0.2, "expected": 0.205, "differs": False}
_RECEIPT = {
    "n": 273,
    "happened": 44,
    "share": 0.161,
    "low": 0.116,
    "high": 0.219,
    "from": 0.168,
    "to": 0.192,
    "predicted": 0.18,
    "calibrated": True,
    "restated": False,
}
_MOVED_PART = {
    "part": "facts",
    "code": "meeting",
    "effect": 0.132,
    "points": 0.024,
    "sentence": "Days since the last meeting: 54.2 → 2.61 (raises the chance by 2 points)",
    "feature": "days_since_meeting",
    "before": 54.2,
    "after": 2.61,
    "unit": "days",
}
_CARD = {
    "name": "deal_close",
    "version": "deal_close-20260301-000515-64186def",
    "outcome": "won",
    "horizon_days": 180,
    "trained_until": "2025-08-27T00:00:00Z",
    "base_rate": _BASE_RATE,
}
_LINE = {
    "probability": 0.279,
    "grade": "A",
    "as_of": AS_OF,
    "scored_at": "2026-03-10T02:14:09Z",
    "model": "deal_close",
    "model_version": _CARD["version"],
}
_SAID = {
    "id": "5f1c0d9e2b7a4c3d8e6f0a1b",
    "kind": "override",
    "outcome": None,
    "probability": 0.8,
    "value": None,
    "by": "maria@example.com",
    "note": "the budget was approved on the phone",
    "at": _AT,
    "model_probability": 0.279,
    "model_grade": "A",
    "model_version": _CARD["version"],
}
_CURVE = [{"day": 30, "probability": 0.11}, {"day": 180, "probability": 0.279}]
_SCORED = {
    "index": 0,
    "id": "D-2044",
    "probability": 0.279,
    "curve": _CURVE,
    "grade": "A",
    "baseline": 0.21,
    "reasons": [_REASON],
    "others": 0.1,
    "receipt": _RECEIPT,
    "warnings": [],
}
_MODEL = {
    **_CARD,
    "entity": "deals",
    "baseline": 0.21,
    "grades": [{"grade": "A", "from": 0.25}, {"grade": "B", "from": 0.12}],
    "verdict": "The model beats the base rate.",
    "promotable": True,
    "features": 84,
    "trained_on": {"snapshots": 8120, "entities": 900, "until": "2025-08-27T00:00:00Z"},
}
_COUNTS = {"scores": 12, "stale": 1, "audit": 30, "replies": 1, "events": 4, "feedback": 2}

FIELDS: dict[str, Any] = {
    "reasons": [_REASON],
    "request_id": "a60fde321dd0436298fbf378470d8c39",
    "version": "0.1.0",
    "as_of": AS_OF,
    "model": _CARD,
    "results": [_SCORED],
    "error": {
        "code": "missing_field",
        "path": "records[1].deal.deal_id",
        "message": "this field is required",
    },
    "outcome": "won",
    "horizon_days": 180,
    "trained_until": "2025-08-27T00:00:00Z",
    "base_rate": _BASE_RATE,
    "day": 180,
    "probability": 0.279,
    "unit": "days",
    "points": 0.01,
    "effect": 0.057,
    "feature": "days_since_meeting",
    "value": "proposal",
    "sentence": _REASON["sentence"],
    "own": True,
    "n": 273,
    "happened": 44,
    "share": 0.161,
    "low": 0.116,
    "high": 0.219,
    "from": 0.168,
    "to": 0.192,
    "predicted": 0.18,
    "calibrated": True,
    "restated": False,
    "training": 0.21,
    "newest": 0.2,
    "expected": 0.205,
    "differs": False,
    "part": "facts",
    "before": 54.2,
    "after": 2.61,
    "parts": [_MOVED_PART],
    "index": 0,
    "id": "D-2044",
    "curve": _CURVE,
    "grade": "A",
    "baseline": 0.21,
    "others": 0.1,
    "receipt": _RECEIPT,
    "moved": {
        "probability": 0.224,
        "effect": 0.14,
        "points": 0.025,
        "sentence": "From 22.4 % on 10 February 2026 to 24.9 % on 10 March 2026",
        "parts": [_MOVED_PART],
    },
    "warnings": ["deal.custom.colour is not known to the model and was not used"],
    "code": "missing_field",
    "path": "records[1].deal.deal_id",
    "message": "this field is required",
    "detail": "this field is required",
    "action": "correct the field named in path and send the request again",
    # of what is kept
    "entity": "deals",
    "score": {**_LINE, "outcome": "won", "lang": "en", "curve": _CURVE, "baseline": 0.21}
    | {"reasons": [_REASON], "others": 0.1, "receipt": _RECEIPT},
    "stale": True,
    "stale_since": "2026-03-10T11:20:00Z",
    "in_newest_run": True,
    "newest_run_as_of": AS_OF,
    "history": [_LINE],
    "override": _SAID,
    "feedback": [_SAID],
    "scored_at": "2026-03-10T02:14:09Z",
    "model_version": _CARD["version"],
    "model_probability": 0.279,
    "model_grade": "A",
    "by": "maria@example.com",
    "note": "the budget was approved on the phone",
    "at": _AT,
    "models": [_MODEL],
    "grades": _MODEL["grades"],
    "verdict": _MODEL["verdict"],
    "promotable": True,
    "features": 84,
    "trained_on": _MODEL["trained_on"],
    "fingerprint": "64186def" * 8,
    "snapshots": 8120,
    "entities": 900,
    "metrics": [{"measure": "auc", "value": 0.77, "low": 0.75, "high": 0.79, "n": 2100}],
    "measure": "auc",
    "drift": {"psi": 0.04, "chance": 0.02, "n": 840, "bands": 20, "word": "steady"},
    "drift_note": "the scores are spread as in the past",
    "psi": 0.04,
    "chance": 0.02,
    "bands": 20,
    "word": "steady",
    "reason": "sha256 of booster.txt differs from the manifest's",
    "events": 1,
    "new": 1,
    "erased": _COUNTS,
    "purged": _COUNTS,
    "scores": 12,
    "audit": 30,
    "replies": 1,
    "key_id": "0f3a9c1b2d4e",
}
"""By the name of the property; ``BY_SHAPE`` where one name means two things."""

BY_SHAPE: dict[tuple[str, str], Any] = {
    ("ProblemOut", "type"): "urn:embudo:problem:missing_field",
    ("ProblemOut", "title"): "Field missing",
    ("ProblemOut", "status"): 422,
    ("FaultOut", "code"): "missing_field",
    ("ReasonOut", "code"): "meeting",
    ("MovedPart", "code"): "meeting",
    ("ReloadOut", "code"): "",
    ("ReloadOut", "model"): "deal_close",
    ("ReloadOut", "outcome"): "loaded",
    ("ReloadOut", "reason"): "",
    ("ReloadOut", "at"): 1772357400000000,
    ("ModelCard", "name"): "deal_close",
    ("ModelOut", "name"): "deal_close",
    ("ModelDetail", "name"): "deal_close",
    ("ModelCard", "version"): _CARD["version"],
    ("ModelOut", "version"): _CARD["version"],
    ("ModelDetail", "version"): _CARD["version"],
    ("ReloadOut", "version"): _CARD["version"],
    ("LineOut", "model"): "deal_close",
    ("StoredScoreOut", "model"): "deal_close",
    ("ActOut", "model"): "deal_close",
    ("ActOut", "action"): "score",
    ("OneModelOut", "model"): {**_MODEL, "metrics": [], "drift": None}
    | {"drift_note": "no scores of this version are stored yet", "reload": None},
    ("ModelDetail", "reload"): {"model": "deal_close", "outcome": "loaded", "code": ""}
    | {"reason": "", "version": _CARD["version"], "at": 1772357400000000},
    ("FeedbackOut", "kind"): "override",
    ("FeedbackOut", "value"): None,
    ("FeedbackOut", "id"): _SAID["id"],
    ("FeedbackKept", "feedback"): _SAID,
    ("AuditOut", "audit"): [
        {"at": _AT, "action": "score", "key_id": "0f3a9c1b2d4e", "request_id": "call-7"}
        | {"model": "deal_close", "model_version": _CARD["version"]}
        | {"probability": 0.279, "as_of": AS_OF}
    ],
    ("PurgedOut", "before"): PURGE["before"],
    **{(f"{one}Request", "reasons"): 5 for one in ("Lead", "Deal", "Account")},
    ("LeadRequest", "records"): [examples.RECORDS["leads"]],
    ("DealRequest", "records"): [examples.RECORDS["deals"]],
    ("AccountRequest", "records"): [examples.RECORDS["accounts"]],
    ("MetricOut", "value"): 0.77,
    ("CountsOut", "stale"): 1,
    ("CountsOut", "events"): 4,
    ("CountsOut", "feedback"): 2,
    ("CountsOut", "erased"): 0,
    ("WebhookOut", "stale"): 1,
    ("WebhookOut", "refused"): [],
    ("RefusedEventOut", "path"): "[1].eventId",
    ("RefusedEventOut", "code"): "bad_number",
    ("RefusedEventOut", "message"): "must be a whole number from 0 to 2^53",
    ("ActivitiesRelatedRow", "direction"): "inbound",
    ("ActivitiesRelatedRow", "outcome"): "answered",
    ("LeadsRow", "outcome"): "converted",
    ("DealsRow", "outcome"): "won",
    ("AccountsRow", "outcome"): "churned",
    ("DealsRow", "probability"): 0.4,
    ("DealsRelatedRow", "probability"): 0.4,
    ("Earlier", "as_of"): "2026-02-10T00:00:00Z",
}


def example_of(shape: str, field: str) -> Any:
    """The example of a field of a shape."""
    for known in (BY_SHAPE, examples_forecast.BY_SHAPE):
        if (shape, field) in known:
            return known[shape, field]
    if field in FIELDS:
        return FIELDS[field]
    if field in examples.FIELDS:
        return examples.FIELDS[field]
    if field.endswith("_at") or field in ("until", "data_until"):
        return _AT
    raise KeyError(f"{shape}.{field} has no example; give it one")
