"""What the answers look like, and the OpenAPI document made from it and from the contract."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.json_schema import models_json_schema

from serving.contracts import SINGULAR, Envelope, record_model


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class BaseRateOut(_Part):
    """Share of snapshots with the outcome by the horizon."""

    training: float
    newest: float = Field(description="in the newest period whose outcomes are known")
    expected: float = Field(description="what the model expected of that period, on average")
    differs: bool = Field(description="whether newest and training differ beyond chance")


class ModelCard(_Part):
    """Which model answered."""

    name: str
    version: str
    outcome: str
    horizon_days: float | None = Field(description="null for a flat question")
    trained_until: str | None = Field(description="the end of what it learned from")
    base_rate: BaseRateOut | None = Field(description="null: nothing had matured")


class CurvePoint(_Part):
    """The probability of the outcome by a day after as_of."""

    day: float
    probability: float


class ReasonOut(_Part):
    """What one group of related features did to the score."""

    code: str
    feature: str = Field(description="the one that pushed most in the group's direction")
    value: float | str | None = Field(description="in `unit`; null: no such event yet")
    unit: str
    effect: float = Field(description="log-odds")
    points: float = Field(description="probability: 0.06 is 6 points")
    direction: Literal["up", "down"]
    sentence: str
    own: bool = Field(description="whether a seller can influence it")


class ReceiptOut(_Part):
    """How past scores like this one turned out, before any stated prior."""

    n: int = Field(description="past scores in the band")
    happened: int
    share: float
    low: float = Field(description="95 % interval of the share, by entities")
    high: float
    from_: float = Field(alias="from", description="the band's lowest score")
    to: float = Field(description="the band's highest score")
    predicted: float = Field(description="mean score in the band")
    calibrated: bool = Field(description="whether the interval holds the mean score")


class MovedPart(_Part):
    """One part of a score's change; of a fact also what it was and became."""

    part: Literal["facts", "time", "model", "calibration", "prior"]
    code: str = Field(description="the reason's code for a fact, else the part")
    effect: float = Field(description="log-odds")
    points: float = Field(description="probability")
    sentence: str
    feature: str = ""
    before: float | str | None = None
    after: float | str | None = None
    unit: str = ""


class MovedOut(_Part):
    """Why the score moved since compare_to.as_of; the parts sum to effect and to points."""

    probability: float = Field(description="the score then")
    effect: float = Field(description="logit(probability) now, less that then")
    points: float
    sentence: str
    parts: list[MovedPart]


class ScoredRecord(_Part):
    """A record and its score; effects and others sum to logit(probability) - logit(baseline)."""

    index: int
    id: str
    probability: float = Field(ge=0, le=1)
    curve: list[CurvePoint]
    grade: str
    baseline: float
    reasons: list[ReasonOut]
    others: float = Field(description="log-odds of all that is not among the reasons")
    receipt: ReceiptOut | None = Field(description="null: the model has no past")
    moved: MovedOut | None = Field(None, description="where compare_to was asked for")
    warnings: list[str]


class FaultOut(_Part):
    """Why a record was not scored."""

    code: str
    path: str
    message: str


class UnscoredRecord(_Part):
    """A record that was not scored; the others were."""

    index: int
    id: str | None
    error: FaultOut


class Answer(_Part):
    """The answer to a request: one result a record, in order."""

    model: ModelCard
    as_of: str | None = Field(description="null for a flat question")
    request_id: str
    results: list[ScoredRecord | UnscoredRecord]


class ProblemOut(_Part):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    path: str = ""


PROBLEMS = {
    "400": "not JSON",
    "413": "the body is too large",
    "415": "not application/json",
    "422": "not a request",
    "500": "a fault of the service",
    "503": "no model is loaded",
}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the app."""
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    requests = {e: _request(e) for e in SINGULAR if e != "contacts"}
    models: list[type[BaseModel]] = [Answer, ProblemOut, *requests.values()]
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    made["components"] = {"schemas": schemas["$defs"]}
    for entity, request in requests.items():
        call = made["paths"][f"/v1/{entity}/score"]["post"]
        call["operationId"] = f"score_{entity}"
        call["requestBody"] = {"required": True, "content": _json(request.__name__)}
        call["responses"] = {"200": {"description": "scored", "content": _json("Answer")}} | {
            status: {"description": said, "content": _json("ProblemOut", "problem+json")}
            for status, said in PROBLEMS.items()
        }
    return made


def _request(entity: str) -> type[BaseModel]:
    """The whole body, for the document: requests are read record by record."""
    record: Any = list[record_model(entity)]  # type: ignore[misc]
    about = Envelope.model_fields["records"]
    fields: dict[str, Any] = {"records": (record, about)}
    return create_model(f"{SINGULAR[entity].title()}Request", __base__=Envelope, **fields)


def _json(name: str, kind: str = "json") -> dict[str, Any]:
    return {f"application/{kind}": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
